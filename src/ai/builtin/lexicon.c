#include "lexicon.h"

#include <stdlib.h>

#include "base/hash.h"
#include "wordlists.h"

#define SLOTS 16384 /* a power of two, four times the words of all lists */

static struct lam_lex *put(struct lam_lexicon *lexicon, struct lam_sv word)
{
    uint64_t hash = lam_hash64(word.ptr, word.len);
    size_t i = hash & lexicon->mask;

    while (lexicon->slots[i].hash && lexicon->slots[i].hash != hash)
        i = (i + 1) & lexicon->mask;
    if (!lexicon->slots[i].hash) {
        if (lexicon->count + 1 >= SLOTS / 2)
            return NULL;
        lexicon->slots[i].hash = hash;
        lexicon->filter[hash >> 54] |= (uint64_t)1 << (hash >> 48 & 63);
        lexicon->count++;
    }
    return &lexicon->slots[i];
}

typedef void apply_fn(struct lam_lex *lex, int value);

static void as_stop(struct lam_lex *lex, int value)
{
    lex->lang_count += (lex->langs >> value & 1) == 0;
    lex->langs |= (uint64_t)1 << value;
    lex->flags |= LAM_LEX_STOP;
}

static void as_sentiment(struct lam_lex *lex, int value)
{
    if (!lex->valence) /* a word of two lists keeps the first, which is the English one */
        lex->valence = (int8_t)value;
}

static void as_boost(struct lam_lex *lex, int value) { lex->boost = (int8_t)value; }

static void as_flag(struct lam_lex *lex, int value) { lex->flags |= (uint16_t)value; }

static void as_month(struct lam_lex *lex, int value)
{
    lex->flags |= LAM_LEX_MONTH;
    lex->value = (uint8_t)(value % 100);
    lex->month_weak = value > 100;
}

static void as_currency(struct lam_lex *lex, int value)
{
    lex->flags |= LAM_LEX_CURRENCY;
    lex->value = (uint8_t)value;
}

static void as_scale(struct lam_lex *lex, int value)
{
    lex->flags |= LAM_LEX_SCALE;
    lex->value = (uint8_t)value;
}

static int read_lists(struct lam_lexicon *lexicon, const struct lam_words *list, apply_fn *apply, struct lam_error *err)
{
    for (; list->words; list++) {
        const char *word = list->words;

        while (*word) {
            size_t len = strcspn(word, " ");
            struct lam_lex *lex = put(lexicon, lam_sv(word, len));

            if (!lex)
                return LAM_FAIL(err, LAM_E_LIMIT, "the word lists outgrew the lexicon's %d slots", SLOTS);
            apply(lex, list->value);
            word += len;
            word += *word == ' ';
        }
    }
    return 0;
}

int lam_lexicon_init(struct lam_lexicon *lexicon, struct lam_error *err)
{
    int rc;

    *lexicon = (struct lam_lexicon){.mask = SLOTS - 1};
    if (!(lexicon->slots = calloc(SLOTS, sizeof *lexicon->slots)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the lexicon");
    if ((rc = read_lists(lexicon, lam_words_stop_latin, as_stop, err)) || (rc = read_lists(lexicon, lam_words_stop_other, as_stop, err)) ||
        (rc = read_lists(lexicon, lam_words_sentiment, as_sentiment, err)) || (rc = read_lists(lexicon, lam_words_boost, as_boost, err)) ||
        (rc = read_lists(lexicon, lam_words_flags, as_flag, err)) || (rc = read_lists(lexicon, lam_words_months, as_month, err)) ||
        (rc = read_lists(lexicon, lam_words_currencies, as_currency, err)) || (rc = read_lists(lexicon, lam_words_scales, as_scale, err)))
        lam_lexicon_release(lexicon);
    return rc;
}

void lam_lexicon_release(struct lam_lexicon *lexicon)
{
    free(lexicon->slots);
    *lexicon = (struct lam_lexicon){0};
}
