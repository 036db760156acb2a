/*
 * A row as a JSON object on one line: what HTTP, `lamina query` and `lamina export` print.
 *
 *     {"key":"INC-7","source":"docs","layer":"batch","view":2,
 *      "position":{"source":0,"life":1,"partition":"5f0c…","offset":0},"event_time":"2026-…Z","arrival":"2026-…Z","media_type":"text/plain",
 *      "title":null,"text":"…","structure":{…},"metadata":{…},"pending":false,
 *      "enrichment":{"category":"outage","confidence":0.93,"sentiment":-0.4,"language":"en","summary":"…","keywords":[…],"entities":[…]},
 *      "provenance":{"layer":"batch","depth":"deep","analyzer":"builtin","model":1,"prompt":0,"tokens":0,"escalated":false,"processed_at":"…"}}
 *
 * partition is a number for a stream and the digest of a path, in hex, for a corpus. What is not known is null. view is null for a
 * row that is newer than the view. An embedding is written only when asked for: "embedding":[…] in the enrichment.
 */
#ifndef LAMINA_SERVE_JSON_ROW_H
#define LAMINA_SERVE_JSON_ROW_H

#include <lamina/reader.h>

#include "base/buf.h"

enum lam_json_row_flag { LAM_JSON_ROW_EMBEDDING = 1, LAM_JSON_ROW_NO_TEXT = 2 };

/* Adds the object, without a newline. out keeps what was written so far when it is full (LAM_E_LIMIT): the caller cuts it back. */
int lam_json_row_add(struct lam_buf *out, const struct lam_hit *hit, unsigned flags, struct lam_error *err);

/* The shortest decimal that reads back as the same number; null where it is not finite. */
int lam_json_add_float(struct lam_buf *out, float value, struct lam_error *err);
int lam_json_add_double(struct lam_buf *out, double value, struct lam_error *err);

/* ISO 8601 in quotes, or null for LAM_TIME_NONE. */
int lam_json_add_time(struct lam_buf *out, int64_t time_us, struct lam_error *err);

/* JSON that somebody else wrote, on one line; empty is what the caller says it is ("null", "[]"). */
int lam_json_add_raw(struct lam_buf *out, struct lam_sv json, const char *empty, struct lam_error *err);

/* The name of a layer, a depth, as it stands in JSON. */
const char *lam_layer_name(uint8_t layer);
const char *lam_depth_name(uint8_t depth);

#endif
