/*
 * JSON records, read fast: one handle parses one document after the other and is asked for fields by JSON pointer.
 *
 *     lam_json_parse(json, text, err) ── whole document validated: UTF-8, structure, numbers; at most max_len bytes, max_depth deep
 *         lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/user/id")) ── a value, named by a number; LAM_JSON_NONE where there is none
 *             lam_json_type · lam_json_raw · lam_json_string · lam_json_bool · lam_json_number
 *             lam_json_iter, lam_json_next ── the fields of an object, the elements of an array
 *
 * A scalar keeps the text it was written with: the raw text of 1.0 is "1.0", of 12345678901234567890123 those 23 digits.
 * Of a key that occurs twice in an object the first counts, everywhere. A lone surrogate escape (\ud800) makes a document invalid.
 * The caller's bytes are copied into the handle, which needs room behind them; views that a handle gives out live until its
 * next parse. One thread at a time for one handle. simdjson stands behind it; nothing of it shows, no exception leaves.
 */
#ifndef LAMINA_MODEL_JSON_H
#define LAMINA_MODEL_JSON_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "number.h"

enum lam_json_type { LAM_JSON_ABSENT, LAM_JSON_NULL, LAM_JSON_BOOL, LAM_JSON_NUMBER, LAM_JSON_STRING, LAM_JSON_ARRAY, LAM_JSON_OBJECT };

/* Values are numbers within the parsed document. */
#define LAM_JSON_NONE 0u
#define LAM_JSON_ROOT 1u

#define LAM_JSON_MAX_LEN ((size_t)1 << 30) /* of any document, whatever max_len says */

struct lam_json;

/* Memory grows with the largest document seen, to about 14 times its length (max_len bounds it). NULL: out of memory. */
struct lam_json *lam_json_new(size_t max_len, unsigned max_depth);
void lam_json_free(struct lam_json *json);

/*
 * Parses text. LAM_E_INVALID: it is no JSON, and the reason names the byte; LAM_E_LIMIT: too long or too deep. After a
 * failure there is no document: LAM_JSON_ROOT is absent.
 */
int lam_json_parse(struct lam_json *json, struct lam_sv text, struct lam_error *err);

/* LAM_JSON_ABSENT for LAM_JSON_NONE: so the answers of lam_json_find need no check in between. */
enum lam_json_type lam_json_type(const struct lam_json *json, uint32_t at);

/* The value's bytes as they came, quotes and braces included; empty where it is absent. */
struct lam_sv lam_json_raw(const struct lam_json *json, uint32_t at);

/* A string's text, escapes undone (it may hold NUL bytes); empty for all else. */
struct lam_sv lam_json_string(const struct lam_json *json, uint32_t at);

/* true only for the literal true. */
bool lam_json_bool(const struct lam_json *json, uint32_t at);

/* False where the value is not a number; *number is then left alone. */
bool lam_json_number(const struct lam_json *json, uint32_t at, struct lam_number *number);

/*
 * The value that a JSON pointer (RFC 6901) names, from the value `at` on: "" is the value itself, "/a~1b/0" the first element
 * of the field "a/b". LAM_JSON_NONE where there is none, or the pointer is none.
 */
uint32_t lam_json_find(const struct lam_json *json, uint32_t at, struct lam_sv pointer);

/* One field by its name, without pointer syntax. */
uint32_t lam_json_field(const struct lam_json *json, uint32_t at, struct lam_sv name);

/* A walk over an object's fields or an array's elements, in the order of the document. */
struct lam_json_iter {
    const struct lam_json *json;
    uint32_t next, end;
    bool object;
    struct lam_sv name; /* of the field, escapes undone; empty in an array */
    uint32_t value;
};

/* Begins a walk; over anything but a container it ends at once. */
struct lam_json_iter lam_json_iter(const struct lam_json *json, uint32_t at);

/* Moves to the next member, name and value; false at the end. */
bool lam_json_next(struct lam_json_iter *iter);

/*
 * Reads text as RFC 8259 without building anything: the offset of the first byte where it stops being JSON, text.len + 1 where it
 * is whole, and *what says what was expected there. Slow and plain: for messages, and to check the fast one against.
 */
size_t lam_json_locate(struct lam_sv text, unsigned max_depth, const char **what);

#endif
