/*
 * The job's own identifiers: names and regular expressions (model/regex.h), found before all else. Where two overlap the one that
 * begins first wins, of two that begin together the one whose name sorts first.
 */
#ifndef LAMINA_AI_PATTERNS_H
#define LAMINA_AI_PATTERNS_H

#include <lamina/analyzer.h>

#define LAM_PATTERNS_MAX 32         /* of a job */
#define LAM_PATTERN_FINDS 64        /* of one pattern in one text: bounds the work on a text */
#define LAM_PATTERN_NAME 40          /* bytes of a name: a-z, 0-9, _ */
#define LAM_PATTERN_VALUE 1024      /* bytes; what is longer is no identifier */

struct lam_patterns;

/* Compiles what tasks has, which outlives the patterns. LAM_E_INVALID names the pattern that is none. */
int lam_patterns_new(const struct lam_tasks *tasks, struct lam_patterns **patterns, struct lam_error *err);
void lam_patterns_free(struct lam_patterns *patterns);

struct lam_pattern_find {
    const char *name; /* of the pattern */
    size_t start, end;
};

/*
 * All that the patterns find in text, in its order, none overlapping: their number; *finds lives until the next call or the free.
 * patterns may be NULL.
 */
size_t lam_patterns_find(struct lam_patterns *patterns, struct lam_sv text, const struct lam_pattern_find **finds);

#endif
