/*
 * Recordings: requests with their answers and latencies, one JSON object a line; written by one transport (record.c), answered from by another
 * (replay.c). Both stand where libcurl stands otherwise: lam_llm_options.transport, with the options below as transport_arg.
 *
 *     {"time":1763848131102000,"kind":"chat","endpoint":0,"url":"http://…","seconds":0.8019,"status":200,
 *      "headers":{"retry_after_ms":2000},"request":"{\"model\":…}","answer":"{\"choices\":…}"}
 *
 *     request   the body, as text, or as the JSON value that it is. One is the same as another where both say the same: blanks, escapes and the
 *               order of fields are nothing
 *     answer    the body that came back: text, or JSON. answer_base64: where it is no UTF-8
 *     seconds   from sending to the whole answer. 0 where it is not there
 *     status    200 where it is not there; 0 with failure: "connect", "cut", "timeout" …
 *     headers   those that steer flow control (headers.h), by the names of the struct's members
 *
 * A line made by hand may say which requests it answers by "model" and "contains" in place of "request": those to that model in whose messages
 * this text stands. Other fields are passed by. No key or other secret is in a request's body, so none is in a recording; the texts of the records are.
 *
 * Of several answers to one request the first is given first; the last one again and again. A request that is not in the recording is answered
 * with status 400 and says so.
 */
#ifndef LAMINA_AI_OPENAI_RECORDING_H
#define LAMINA_AI_OPENAI_RECORDING_H

#include "base/fs.h"
#include "base/hash.h"
#include "model/json.h"
#include "transport.h"

#define LAM_RECORDING_SUFFIX ".jsonl"
#define LAM_RECORDING_LINE_MAX ((size_t)512 << 20) /* bytes of a line */

extern const struct lam_llm_transport_ops lam_llm_transport_record, lam_llm_transport_replay;

/*
 * Writes FOLDER/<name>-<n>.jsonl, n counted on from what is there; beyond `files` of them the oldest of the same name go. name is one for
 * each process (its rank). A recording that cannot be written ends with a word in the log; the requests go on.
 */
struct lam_llm_record_options {
    const char *folder, *name;
    uint64_t file_bytes; /* 0: 64 MiB */
    unsigned files;      /* 0: 16 */
    const struct lam_llm_transport_ops *inner; /* who carries the requests; NULL: lam_llm_transport_curl */
    void *inner_arg;
    const struct lam_fs *fs; /* NULL: lam_fs_system */
};

/* Answers from a file, or from all *.jsonl of a folder in the order of their names. */
struct lam_llm_replay_options {
    const char *path;
    double speed;            /* 2 halves the recorded latencies; 0: answers come at once */
    const struct lam_fs *fs; /* NULL: lam_fs_system */
};

/* What a request's body says, as one number. LAM_E_INVALID: it is no JSON. json is used up. */
int lam_llm_request_digest(struct lam_json *json, struct lam_sv body, struct lam_digest *digest, struct lam_error *err);

/* One line. Views live until the next parse of json. */
struct lam_recorded {
    struct lam_sv request;         /* the body's JSON; empty: the line has model and contains */
    struct lam_sv model, contains;
    double seconds;
    enum lam_llm_transport_code code;
    int status;
    struct lam_llm_headers headers;
    struct lam_sv answer;
    bool base64;                   /* answer is to be undone */
};

/* LAM_E_INVALID: it is none, with the reason. */
int lam_recorded_parse(struct lam_json *json, struct lam_sv line, struct lam_recorded *recorded, struct lam_error *err);

/* "resolve", "connect", …, and back: LAM_LLM_T_OTHER for what is none. */
const char *lam_llm_transport_code_name(enum lam_llm_transport_code code);
enum lam_llm_transport_code lam_llm_transport_code_of(struct lam_sv name);

/* The numbers of struct lam_llm_headers by name; count of them. */
struct lam_llm_header_field {
    const char *name;
    size_t offset; /* of an int64_t */
};
#define LAM_LLM_HEADER_FIELDS 7
extern const struct lam_llm_header_field lam_llm_header_fields[LAM_LLM_HEADER_FIELDS];

/* Adds bytes as base64 text, in quotes; and undoes it: LAM_E_INVALID where text is no base64. */
int lam_base64_add(struct lam_buf *buf, struct lam_sv bytes, struct lam_error *err);
int lam_base64_undo(struct lam_sv text, struct lam_buf *out, struct lam_error *err);

#endif
