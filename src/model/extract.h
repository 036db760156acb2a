/*
 * From what arrived to a record: key, event time, order, text and metadata, as the dataset's settings ask for.
 *
 *     input {parsed JSON or a document's text, message key, path, times}  ──►  struct lam_record  (enrichment is the analyzer's)
 *
 * Key         the first of the list that is there: a string's text, or a scalar's JSON as written; null and "" count as absent.
 *             None of them: an append record's key is its position (lam_position_key), an upsert record is rejected.
 * Event time  a string (lam_time_parse) or a number since 1970. Absent or null: none. Unreadable, or later than arrival and
 *             max_skew: rejected. A message without a value has no fields, so its event time is the message's own.
 * Order       bytes of model/order.h. An absent value sorts lowest and sets LAM_ROW_NO_ORDER.
 * Text        the fields that are there, joined by an empty line: strings, other scalars as written, an array's scalars one a line.
 *             No fields asked for, or no JSON: the document's own text. None: LAM_ROW_NO_TEXT.
 * Metadata    the JSON object as it came.
 * Op          delete where the value is null, or the field `deleted` is true. An append dataset rejects deletes.
 *
 * All of it is a function of settings and input alone, so that batch, speed and a recomputation find the same.
 */
#ifndef LAMINA_MODEL_EXTRACT_H
#define LAMINA_MODEL_EXTRACT_H

#include "json.h"
#include "order.h"

#include "base/clock.h"

#define LAM_KEY_MAX 32768 /* bytes of a key; a longer one is rejected */

/* What the job says about one source: the dataset's settings with the source's own in their place. Borrowed, immutable. */
struct lam_extract {
    bool append;                /* kind of the dataset */
    const struct lam_sv *key;   /* JSON pointers, "$key" (the message key), "$path" */
    size_t key_count;
    const struct lam_sv *text;  /* JSON pointers; none: the document's own text */
    size_t text_count;
    struct lam_sv event_time;   /* a JSON pointer or "$mtime"; empty: none */
    enum lam_order_by order_by;
    struct lam_sv order_field;  /* a JSON pointer, with LAM_ORDER_FIELD */
    struct lam_sv deleted;      /* a JSON pointer: true there makes a delete; empty: none */
    int64_t max_skew_us;        /* beyond arrival; negative: no limit */
};

struct lam_extract_input {
    struct lam_position pos;
    struct lam_sv path;          /* of a corpus, below the source's root, members included; ptr NULL for a stream */
    int64_t arrival_us;
    int64_t mtime_us;            /* of the file; LAM_TIME_NONE */
    int64_t message_us;          /* of the Kafka message; LAM_TIME_NONE */
    const struct lam_json *json; /* the record, parsed; NULL where it is no JSON */
    bool has_key, null_value;    /* a message with a key; one without a value */
    struct lam_sv message_key;
    struct lam_sv media_type, title, text, structure; /* of a parsed document; text of a JSON record where no fields are asked for */
};

/* One thread's scratch. */
struct lam_extractor {
    struct lam_buf key, order, text;
};

/* max_text bounds a record's text; a longer one is rejected (LAM_E_LIMIT). */
void lam_extractor_init(struct lam_extractor *extractor, size_t max_text);
void lam_extractor_release(struct lam_extractor *extractor);

/*
 * Fills rec. Its strings point into the input or into the extractor, and live until either changes: lam_block_add_row copies them.
 * LAM_E_INVALID, LAM_E_LIMIT: the record is to be rejected, and err's text is the reason for whoever reads the quarantine.
 */
int lam_extract_record(struct lam_extractor *extractor, const struct lam_extract *settings, const struct lam_extract_input *input,
                       struct lam_record *rec, struct lam_error *err);

/* Adds a position as the key of a record without one: "@source.life.partition.offset", the partition in hex for a corpus. */
int lam_position_key(struct lam_buf *buf, const struct lam_position *pos, bool stream, struct lam_error *err);

#endif
