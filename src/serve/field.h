/*
 * Fields: what filters compare, groups are told apart by and aggregates add up.
 *
 * A field is a property of a row by name (key, category, event_time, …), or a JSON pointer into its metadata ("/revision").
 * Values are those of model/rules.h; a time is the number of its microseconds since 1970. What a row does not know is absent.
 */
#ifndef LAMINA_SERVE_FIELD_H
#define LAMINA_SERVE_FIELD_H

#include <lamina/reader.h>

#include "model/rules.h"

enum lam_field_kind {
    LAM_FIELD_TEXT,
    LAM_FIELD_NUMBER,
    LAM_FIELD_FLOAT, /* a number of single precision: what it is compared with is rounded to that first, so that 0.9 equals 0.9 */
    LAM_FIELD_TIME,
    LAM_FIELD_BOOL,
    LAM_FIELD_ANY /* a pointer: whatever is there */
};

/*
 * Checks a name; tells its kind, and adds to *wants (enum lam_want) what reading it takes. LAM_E_INVALID names the nearest known field,
 * or what is wrong with the pointer.
 */
int lam_field_check(struct lam_sv name, enum lam_field_kind *kind, uint32_t *wants, struct lam_error *err);

/*
 * Reads fields of one row after the other; metadata is parsed when it is first asked for. One thread at a time. Values live until
 * the next row.
 */
struct lam_field_reader;

/* NULL: out of memory. */
struct lam_field_reader *lam_field_reader_new(void);
void lam_field_reader_free(struct lam_field_reader *reader);

void lam_field_reader_row(struct lam_field_reader *reader, const struct lam_hit *hit);

/* False: absent. Names are those that lam_field_check accepts. Fits struct lam_rule_source, with the reader as arg. */
bool lam_field_get(void *reader, struct lam_sv name, struct lam_rule_value *value);

/* LAM_E_CORRUPT where the row's metadata could not be parsed, and so the answers of lam_field_get were wrong. */
int lam_field_reader_check(const struct lam_field_reader *reader, struct lam_error *err);

#endif
