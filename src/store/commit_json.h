/*
 * Fields of a hostile JSON object, by name. The first thing that is wrong is kept in rc and err, and everything after it answers 0 or NULL, so that a
 * reader asks for all fields in a row and looks at rc once. Strings and arrays are borrowed from the object.
 */
#ifndef LAMINA_STORE_COMMIT_JSON_H
#define LAMINA_STORE_COMMIT_JSON_H

#include <jansson.h>
#include <lamina/error.h>

#include "entry.h"

struct lam_fields {
    json_t *object;
    const char *what; /* of what kind of object: for errors */
    struct lam_error *err;
    int rc;
};

/* Parses foreign bytes; NULL: *rc is LAM_E_CORRUPT or LAM_E_MEMORY. json_decref it. */
json_t *lam_commit_json_parse(struct lam_sv text, const char *what, int *rc, struct lam_error *err);

/* LAM_E_CORRUPT where value is no object. */
void lam_fields_init(struct lam_fields *fields, json_t *value, const char *what, struct lam_error *err);

/* An integer of 0…max. */
uint64_t lam_fields_u64(struct lam_fields *fields, const char *name, uint64_t max);
uint64_t lam_fields_u64_or(struct lam_fields *fields, const char *name, uint64_t max, uint64_t absent);
int64_t lam_fields_i64(struct lam_fields *fields, const char *name);

/* A string of at most max bytes; _or_null where it may be absent. */
const char *lam_fields_text(struct lam_fields *fields, const char *name, size_t max);
const char *lam_fields_text_or_null(struct lam_fields *fields, const char *name, size_t max);

/* An array of at most max values; NULL where it is absent. */
json_t *lam_fields_array(struct lam_fields *fields, const char *name, size_t max);

/* count integers (0…INT64_MAX) of an inner array, such as [offset, len, crc32c]. */
void lam_fields_row(struct lam_fields *fields, const char *name, json_t *row, uint64_t *values, size_t count);

/* Keeps an error of the caller's own. */
void lam_fields_fail(struct lam_fields *fields, const char *name, const char *expected);

/* An entry that is already parsed; lam_segment_entry_read is this for bytes. */
int lam_segment_entry_from_json(json_t *value, struct lam_segment_entry *entry, struct lam_error *err);

#endif
