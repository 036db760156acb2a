#include "title.h"

#include <math.h>

#include "base/utf8.h"
#include "fmath.h"

#define CANDIDATES 5       /* sentences from the beginning */
#define HEADING_WORDS 14   /* of a first line that is taken as it stands */
#define GREETING_WORDS 6   /* of a sentence that may be no more than a greeting */
#define WORDS_LEAST 3
#define WORDS_FREE 6.0     /* a sentence is not punished for so many */
#define LATER 0.3          /* how much less the next sentence counts */
#define CUT (LAM_TITLE_BYTES - 16) /* bytes that a sentence may have whole */
#define PART_WORDS 3       /* words that tell something before a comma, for it to be a title */
#define PART_BYTES 36

static bool tells(const struct lam_term *term, enum lam_language language)
{
    if (term->flags & (LAM_TOKEN_DIGIT | LAM_TOKEN_EMOJI) || (term->fold_len < 3 && !(term->flags & (LAM_TOKEN_SIGN | LAM_TOKEN_CAPS))))
        return false;
    return !(term->lex && ((term->lex->langs >> language & 1) || term->lex->flags & LAM_LEX_FILLER));
}

/* Dear Sir or Madam, hello all: a letter begins so, and it tells nothing of it. */
static bool greets(const struct lam_tokens *tokens, const struct lam_sentence *sentence)
{
    static const char *const words[] = {"dear", "hello", "hi", "hey", "hallo", "liebe", "lieber", "sehr", "guten", "bonjour", "cher",
                                        "ch\xc3\xa8re", "madame", "hola", "estimado", "estimada", "buenos", "prezado", "gentile",
                                        "buongiorno", "geachte", "beste"};
    struct lam_sv first = lam_term_sv(tokens, &tokens->terms[tokens->tokens[sentence->first].term]);

    if (sentence->last - sentence->first > GREETING_WORDS)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (lam_sv_eq(first, lam_sv_of(words[i])))
            return true;
    return false;
}

/* What the sentence tells of the text, for its length. */
static double worth(const struct lam_tokens *tokens, const struct lam_sentence *sentence, enum lam_language language)
{
    uint32_t words = sentence->last - sentence->first;
    double sum = 0;

    if (words < WORDS_LEAST)
        return 0;
    for (uint32_t i = sentence->first; i < sentence->last && i < sentence->first + 64; i++) {
        const struct lam_term *term = &tokens->terms[tokens->tokens[i].term];

        if (tells(term, language) && !(term->first >= sentence->first && term->first < i)) /* each word once */
            sum += (1 + lam_log_count(term->count)) * lam_corpus_idf(tokens->corpus, term->word);
    }
    return sum / sqrt(WORDS_FREE + words);
}

static const struct lam_sentence *choose(const struct lam_tokens *tokens, const struct lam_sentences *sentences, enum lam_language language)
{
    const struct lam_sentence *first = &sentences->items[0], *best = NULL;
    double most = 0;

    if (first->heading && sentences->count > 1 && first->last - first->first <= HEADING_WORDS && first->end - first->start <= CUT &&
        !greets(tokens, first))
        for (uint32_t i = first->first; i < first->last; i++)
            if (tells(&tokens->terms[tokens->tokens[i].term], language))
                return first;
    for (size_t i = 0; i < sentences->count && i < CANDIDATES; i++) {
        double value = greets(tokens, &sentences->items[i]) ? 0 : worth(tokens, &sentences->items[i], language) / (1 + LATER * (double)i);

        if (value > most) {
            most = value;
            best = &sentences->items[i];
        }
    }
    return best;
}

/* Where the sentence ends as a title: the byte behind its last word that fits. *cut: more followed. */
static size_t end_of(const struct lam_tokens *tokens, const struct lam_sentence *sentence, enum lam_language language, bool *cut)
{
    size_t end = tokens->tokens[sentence->last - 1].end, part = 0, word = 0, telling = 0;

    *cut = end - sentence->start > CUT;
    if (!*cut)
        return end;
    for (uint32_t i = sentence->first; i < sentence->last && tokens->tokens[i].end - sentence->start <= CUT; i++) {
        if (tells(&tokens->terms[tokens->tokens[i].term], language)) {
            word = tokens->tokens[i].end;
            telling++;
        }
        if (i + 1 < sentence->last && tokens->tokens[i + 1].gap & (LAM_GAP_PUNCT | LAM_GAP_STOP) && telling >= PART_WORDS &&
            word - sentence->start >= PART_BYTES)
            part = word;
    }
    if (part)
        *cut = false;
    if (part || word)
        return part ? part : word;
    return sentence->start + lam_utf8_cut(lam_sv(tokens->text.ptr + sentence->start, end - sentence->start), CUT).len;
}

int lam_title_make(const struct lam_tokens *tokens, const struct lam_sentences *sentences, enum lam_language language, struct lam_buf *out,
                   struct lam_error *err)
{
    const struct lam_sentence *sentence = sentences->count ? choose(tokens, sentences, language) : NULL;
    size_t end, len = 0;
    char line[LAM_TITLE_BYTES];
    bool cut;

    if (!sentence)
        return 0;
    end = end_of(tokens, sentence, language, &cut);
    for (size_t i = tokens->tokens[sentence->first].start; i < end && len + 8 < sizeof line;) {
        size_t n = lam_utf8_len(tokens->text.ptr + i, end - i);
        unsigned char c = (unsigned char)tokens->text.ptr[i];

        if (n != 1 || c > ' ') {
            memcpy(line + len, n ? tokens->text.ptr + i : "\xef\xbf\xbd", n ? n : 3);
            len += n ? n : 3;
        } else if (len && line[len - 1] != ' ') {
            line[len++] = ' ';
        }
        i += n ? n : 1;
    }
    if (cut) {
        memcpy(line + len, "\xe2\x80\xa6", 3);
        len += 3;
    }
    return lam_buf_add(out, line, len, err);
}
