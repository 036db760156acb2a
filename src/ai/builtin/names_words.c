#include "names.h"

#include <stdlib.h>

#include "base/hash.h"
#include "wordlists.h"

#define SLOTS 8192 /* a power of two, more than twice the words of the list */

/* Adds the word or phrase at word, its parts joined by "_". False: the list outgrew the table. */
static bool put(struct lam_name_words *words, const char *word, size_t len, uint32_t flags)
{
    uint64_t hash = 0;
    size_t i;

    for (size_t at = 0; at < len;) {
        const char *stop = memchr(word + at, '_', len - at);
        size_t part = stop ? (size_t)(stop - (word + at)) : len - at;

        hash = lam_phrase_hash(hash, lam_hash64(word + at, part));
        at += part + 1;
    }
    for (i = hash & words->mask; words->slots[i].hash && words->slots[i].hash != hash;)
        i = (i + 1) & words->mask;
    if (!words->slots[i].hash && ++words->count > SLOTS / 2)
        return false;
    words->slots[i].hash = hash;
    words->filter[hash >> 54] |= (uint64_t)1 << (hash >> 48 & 63);
    words->slots[i].flags |= flags;
    return true;
}

int lam_name_words_init(struct lam_name_words *words, struct lam_error *err)
{
    *words = (struct lam_name_words){.mask = SLOTS - 1};
    if (!(words->slots = calloc(SLOTS, sizeof *words->slots)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the words of names");
    for (const struct lam_words *list = lam_words_names; list->words; list++) {
        const char *word = list->words;

        while (*word) {
            size_t len = strcspn(word, " ");

            if (!put(words, word, len, (uint32_t)list->value)) {
                lam_name_words_release(words);
                return LAM_FAIL(err, LAM_E_LIMIT, "the words of names outgrew their %d slots", SLOTS);
            }
            word += len;
            word += *word == ' ';
        }
    }
    return 0;
}

void lam_name_words_release(struct lam_name_words *words)
{
    free(words->slots);
    *words = (struct lam_name_words){0};
}
