/*
 * Values and fields: what filters compare and aggregates add up.
 *
 * A field is a property of a row by name, or a JSON pointer into its metadata ("/revision"). A value is what a row has there,
 * or what a condition was written with. Values borrow: from the row, or from whoever parsed the condition.
 */
#ifndef LAMINA_SERVE_VALUE_H
#define LAMINA_SERVE_VALUE_H

#include <lamina/reader.h>

#include "base/buf.h"

enum lam_value_kind {
    LAM_VALUE_ABSENT, /* the row has no such field */
    LAM_VALUE_NULL,   /* it has, and it is null */
    LAM_VALUE_BOOL,
    LAM_VALUE_INT,    /* a JSON integer of 64 bits, with its sign */
    LAM_VALUE_REAL,   /* any other JSON number: the nearest double, finite */
    LAM_VALUE_TIME,   /* microseconds since 1970 */
    LAM_VALUE_STRING,
    LAM_VALUE_JSON    /* array or object, as it stands */
};

struct lam_value {
    enum lam_value_kind kind;
    union {
        bool truth;
        int64_t integer; /* INT, TIME */
        double real;
        struct lam_sv text; /* STRING, JSON */
    };
};

enum lam_field_id {
    LAM_FIELD_KEY, LAM_FIELD_CATEGORY, LAM_FIELD_CONFIDENCE, LAM_FIELD_SENTIMENT, LAM_FIELD_LANGUAGE, LAM_FIELD_EVENT_TIME,
    LAM_FIELD_ARRIVAL, LAM_FIELD_PROCESSED_AT, LAM_FIELD_SOURCE, LAM_FIELD_TEXT, LAM_FIELD_TITLE, LAM_FIELD_SUMMARY,
    LAM_FIELD_MEDIA_TYPE, LAM_FIELD_LAYER, LAM_FIELD_DEPTH, LAM_FIELD_ANALYZER, LAM_FIELD_MODEL, LAM_FIELD_TOKENS, LAM_FIELD_PENDING,
    LAM_FIELD_VIEW,
    LAM_FIELD_POINTER
};

struct lam_field {
    enum lam_field_id id;
    struct lam_sv name; /* as written; for a pointer the pointer itself. Borrowed */
};

/* LAM_E_INVALID names the nearest known field. */
int lam_field_parse(struct lam_sv name, struct lam_field *field, struct lam_error *err);

/* Is this field a time: are texts that it is compared with times? */
bool lam_field_is_time(const struct lam_field *field);

/* Room for what one thread needs while it reads values: strings with escapes are undone here. One row at a time. */
struct lam_value_reader;

struct lam_value_reader *lam_value_reader_new(void);
void lam_value_reader_free(struct lam_value_reader *reader);

/* Values read before this call are no longer valid. */
void lam_value_reader_row(struct lam_value_reader *reader, const struct lam_hit *hit);
int lam_value_read(struct lam_value_reader *reader, const struct lam_field *field, struct lam_value *value, struct lam_error *err);

/*
 * Order of two values of comparable kinds: *order is <0, 0, >0, exact also between an integer and a double. false: they are not
 * comparable, and then they are not equal either. Numbers compare with numbers, everything else with its own kind; JSON by its bytes.
 */
bool lam_value_cmp(const struct lam_value *a, const struct lam_value *b, int *order);

/* As JSON: times as ISO 8601, absent as null. */
int lam_value_add_json(struct lam_buf *out, const struct lam_value *value, struct lam_error *err);

#endif
