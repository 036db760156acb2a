/*
 * Regular expressions of the user's own, matched in time that is linear in the text whatever the expression: RE2 stands behind them
 * (no backtracking, no back references). UTF-8, one line at a time for ".", leftmost-first as in Perl. No exception leaves.
 */
#ifndef LAMINA_MODEL_REGEX_H
#define LAMINA_MODEL_REGEX_H

#include <lamina/error.h>
#include <lamina/sv.h>

#define LAM_REGEX_TEXT_MAX 512              /* bytes of an expression */
#define LAM_REGEX_MEMORY ((int64_t)1 << 20) /* that its program and its cache of states may take; beyond, it is refused or slower */

struct lam_regex;

/*
 * LAM_E_INVALID: text is too long, is no expression, needs too much memory, or matches the empty string, and err says which.
 * A compiled expression may be used by several threads.
 */
int lam_regex_new(struct lam_sv text, struct lam_regex **regex, struct lam_error *err);
void lam_regex_free(struct lam_regex *regex);

/* The first match in text at or behind byte from; text before from is seen by "\b" and "^". */
bool lam_regex_find(const struct lam_regex *regex, struct lam_sv text, size_t from, size_t *start, size_t *end);

#endif
