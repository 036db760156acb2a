/* What is masked in one string, and what is masked everywhere in one row. */
#ifndef LAMINA_AI_REDACT_SPANS_H
#define LAMINA_AI_REDACT_SPANS_H

#include "ai/builtin/entities.h"
#include "base/arena.h"
#include "redact.h"

#define LAM_REDACT_TAG 60 /* bytes of a pseudonym with the NUL */

/* A place in a string, and what stands there instead. */
struct lam_redact_span {
    size_t start, end;
    bool guessed; /* found anew by patterns: what the row's own entities say of the same bytes goes before */
    char tag[LAM_REDACT_TAG];
};

/* Bytes that are masked wherever they stand in the row. */
struct lam_redact_mask {
    struct lam_sv bytes; /* in the arena */
    bool part;           /* a word of a masked value: masked among keywords, which are made of such words */
    char tag[LAM_REDACT_TAG];
};

/* How a string is read: as it stands, in any case, or in any case and by words. */
enum lam_redact_reading { LAM_REDACT_EXACT, LAM_REDACT_ANY_CASE, LAM_REDACT_WORDS };

struct lam_redactor {
    const struct lam_tasks *tasks;
    const struct lam_sv *kinds;
    size_t kind_count;
    uint8_t key[LAM_REDACT_KEY];
    struct lam_lexicon lexicon;
    struct lam_tokens tokens;
    struct lam_name_words words;
    bool names; /* people, organisations or places are masked */
    struct lam_patterns *patterns;
    struct lam_json *json;
    enum lam_redact_reading reading; /* of the JSON that is being masked */
    struct lam_redact_span *spans; /* of the string that is being read */
    size_t span_count, span_cap;
    struct lam_redact_mask *masks; /* of the row */
    size_t mask_count, mask_cap;
    struct lam_arena arena;        /* of the row */
    struct lam_buf buf, text;
};

bool lam_redact_wanted(const struct lam_redactor *redactor, struct lam_sv kind);

/* The pseudonym of a value. */
void lam_redact_tag(const struct lam_redactor *redactor, struct lam_sv kind, struct lam_sv value, char tag[LAM_REDACT_TAG]);

int lam_redact_add_span(struct lam_redactor *redactor, size_t start, size_t end, bool guessed, const char *tag,
                        struct lam_error *err);

/* Bytes that are masked wherever they stand, and their words: of a person everywhere too, of all else among keywords. */
int lam_redact_add_mask(struct lam_redactor *redactor, struct lam_sv bytes, bool person, const char *tag, struct lam_error *err);

/* Puts the pseudonym into tag that these bytes have in the row already; else leaves it. */
void lam_redact_known(const struct lam_redactor *redactor, struct lam_sv bytes, char tag[LAM_REDACT_TAG]);

/* Adds the spans that the patterns find in text, and those where the row's masks stand; then sorts and joins all spans. */
int lam_redact_find_spans(struct lam_redactor *redactor, struct lam_sv text, enum lam_redact_reading reading, struct lam_error *err);

/* Adds text to out with the spans replaced. */
int lam_redact_replace(const struct lam_redactor *redactor, struct lam_sv text, struct lam_buf *out, struct lam_error *err);

#endif
