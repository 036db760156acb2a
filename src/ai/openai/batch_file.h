/*
 * Files of the OpenAI batch API: requests that a server answers overnight and cheaply, and its answers; one JSON object a line.
 *
 *     requests   {"custom_id":"<key>","method":"POST","url":"/v1/chat/completions","body":{…}}
 *     answers    {"id":…,"custom_id":"<key>","response":{"status_code":200,"request_id":…,"body":{…}},"error":null}
 *                older vLLM: "response" is the body itself
 *
 * Vectors have the url /v1/embeddings; each line asks for one, so that custom_id is the key of one answer. A batch is of one endpoint: its file has one
 * url, and no custom_id twice. A file of answers may have both kinds; what a body holds tells them apart.
 *
 * custom_id is the key of the response cache, 32 hex digits: an answer finds its question again, in whatever order the lines come back, and
 * an answer that was read in is used like one that was just received. And the cache's own lines, of `lamina cache export`:
 *
 *     {"key":"<key>","time":µs,"tokens_in":n,"tokens_out":n,"value":{…}}        value_base64 where the value is no JSON
 */
#ifndef LAMINA_AI_OPENAI_BATCH_FILE_H
#define LAMINA_AI_OPENAI_BATCH_FILE_H

#include "ai/cache.h"
#include "answer.h"

#define LAM_BATCH_LINE_MAX ((size_t)256 << 20)
#define LAM_BATCH_CHAT_URL "/v1/chat/completions"
#define LAM_BATCH_EMBEDDINGS_URL "/v1/embeddings"

/* Adds one line of requests. body is one JSON object; its line breaks become blanks. */
int lam_batch_request_add(struct lam_buf *out, struct lam_digest key, const char *url, struct lam_sv body, struct lam_error *err);

/*
 * Writes such lines as a file: temporary until finished, so that a file that is there is whole. All have one url, and a key that comes again is passed by:
 * a batch in which it stood twice would be refused.
 */
struct lam_batch_writer;
int lam_batch_writer_open(struct lam_batch_writer **writer, const struct lam_fs *fs, const char *path, const char *url, struct lam_error *err);
int lam_batch_writer_add(struct lam_batch_writer *writer, struct lam_digest key, struct lam_sv body, struct lam_error *err);
uint64_t lam_batch_writer_count(const struct lam_batch_writer *writer);  /* lines */
const char *lam_batch_writer_path(const struct lam_batch_writer *writer);
int lam_batch_writer_finish(struct lam_batch_writer *writer, struct lam_error *err); /* still to be freed */
void lam_batch_writer_free(struct lam_batch_writer *writer);                         /* NULL-safe; not finished: no file */

/* One line that came back, of either kind. Views live until the next parse of json. */
struct lam_batch_line {
    bool own;              /* of `cache export`: value and meta; else status, body, problem */
    struct lam_digest key;
    struct lam_cache_meta meta;
    struct lam_sv value;
    bool base64;
    int status;            /* 200 where none is told */
    struct lam_sv body;    /* JSON; empty: there is none */
    bool vectors;          /* it is of an embeddings endpoint */
    struct lam_sv problem; /* what the line says went wrong, JSON; empty: nothing */
};

/* LAM_E_INVALID: it is none of ours (another custom_id, no JSON), with the reason. */
int lam_batch_line_parse(struct lam_json *json, struct lam_sv line, struct lam_batch_line *parsed, struct lam_error *err);

/*
 * What the cache keeps of a chat completion: {"answer":…,"trace":{"model":…,"tokens_in":n,"tokens_out":n,"batch":true}}, added to value. The schema is
 * checked by whoever uses it. LAM_E_INVALID: no answer, cut, withheld, or no JSON object in it; with the reason.
 */
int lam_batch_value(struct lam_llm_reader *reader, struct lam_sv body, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err);

/*
 * The same of an embeddings endpoint's body: {"answer":{"embedding":"<base64>"},"trace":…}. dim: what the vector must have, 0: anything. LAM_E_INVALID: it is
 * not one vector of this dimension and with a length; with the reason. json is used up.
 */
int lam_batch_vector(struct lam_json *json, struct lam_sv body, uint32_t dim, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err);

/*
 * The other way: lines of a cache's entry. The second returns LAM_E_INVALID where the value is none that lam_batch_value or lam_batch_vector could have made. json
 * is used up.
 */
int lam_batch_export_own(struct lam_json *json, const struct lam_cache_entry *entry, struct lam_buf *out, struct lam_error *err);
int lam_batch_export_answer(struct lam_json *json, const struct lam_cache_entry *entry, struct lam_buf *out, struct lam_error *err);

struct lam_batch_counts {
    uint64_t lines, taken, failed, unusable; /* failed: the server gave no answer; unusable: not a line of ours, or no answer in it */
    char first[400];                         /* the first that was not taken: line number and why */
};

struct lam_batch_source {
    const struct lam_fs *fs;   /* NULL: lam_fs_system */
    const char *path;
    uint32_t dim;              /* of the job's vectors; 0: any */
    const struct lam_log *log; /* each line that was not taken, the first 20 of them; NULL: nowhere */
};

/* Reads a file of answers into the cache and waits until they are flushed. Lines that are no good are counted, told and passed by. */
int lam_batch_import(struct lam_cache *cache, const struct lam_batch_source *source, struct lam_batch_counts *counts, struct lam_error *err);

#endif
