/*
 * Answers: from the bytes that a server sent to an enrichment, trusting none of them.
 *
 *     body ──lam_llm_reader_chat──> reply: content, model, usage, why it ended
 *     content ──lam_llm_reader_content──> a JSON object, out of fences, thoughts and chatter where need be
 *             ──lam_llm_reader_fit──────> the last one that holds the schema, if need be mended ──lam_llm_answer_apply──> category, entities with offsets, summary, …
 *
 * An answer that was cut (finish_reason length) or withheld (content_filter, a refusal) is none, whatever it looks like.
 */
#ifndef LAMINA_AI_OPENAI_ANSWER_H
#define LAMINA_AI_OPENAI_ANSWER_H

#include <lamina/analyzer.h>

#include "model/json.h"

enum lam_llm_finish { LAM_LLM_STOP, LAM_LLM_LENGTH, LAM_LLM_FILTERED };

/* One chat completion; views live until the reader's next chat. */
struct lam_llm_reply {
    enum lam_llm_finish finish;
    struct lam_sv content;
    struct lam_sv model;       /* as the server names it; empty: it did not */
    uint32_t tokens_in, tokens_out, cached; /* 0: not said */
    uint32_t logprobs;         /* of the first choice, in the body's JSON; LAM_JSON_NONE */
};

/*
 * Deepest nesting of a body, and of an answer as it is kept. What a reader finds in a content is less deep and shorter than a value of the cache may be: with
 * what is kept beside it, it can be read again.
 */
#define LAM_LLM_DEPTH 64u

struct lam_llm_reader; /* of one thread */

/* max_body: bytes of a server's answer. NULL: out of memory. */
struct lam_llm_reader *lam_llm_reader_new(size_t max_body);
void lam_llm_reader_free(struct lam_llm_reader *reader); /* NULL-safe */

/* Reads a chat completion. LAM_E_INVALID: it is none, with the reason. Usage is filled where it could be read, also then. */
int lam_llm_reader_chat(struct lam_llm_reader *reader, struct lam_sv body, struct lam_llm_reply *reply, struct lam_error *err);

/*
 * Finds the JSON object in a content: lam_llm_reader_answer has it until the next. LAM_E_INVALID: there is none, or it is too deep or too long. LAM_E_MEMORY.
 */
int lam_llm_reader_content(struct lam_llm_reader *reader, struct lam_sv content, struct lam_error *err);

/*
 * The same by a schema: the last object in the content that holds it, as it is or mended (mend.h): models show an example before their answer.
 * LAM_E_INVALID: none does, with what is wrong with the last.
 */
int lam_llm_reader_fit(struct lam_llm_reader *reader, struct lam_sv content, const struct lam_json *schema, struct lam_error *err);
const struct lam_json *lam_llm_reader_answer(const struct lam_llm_reader *reader);

/*
 * How sure the model was of the string that follows "field": in its content, by the probabilities of its tokens; NAN where the server gave none, or
 * they do not cover it. Of the reply that was read last, from where the answer begins that was found in it.
 */
double lam_llm_reader_certainty(const struct lam_llm_reader *reader, const struct lam_llm_reply *reply, const char *field);

/* So many times the tokens that a request and its answer can have at all are not believed, whoever counts them. */
#define LAM_LLM_USAGE_FACTOR 8u

/* What a JSON pointer names, where it is a number that counts something, as servers and caches write it: 0 … UINT32_MAX; else 0. */
uint32_t lam_llm_count(const struct lam_json *json, const char *pointer);

/* An error's text from a body: {"error":{"message":…}}, {"error":"…"}, {"detail":…}, or the start of what it is; one line, cut. */
void lam_llm_reader_error(struct lam_llm_reader *reader, struct lam_sv body, char *out, size_t cap);

/*
 * Puts a checked answer to these tasks into a row, its strings into block. certainty: of the category, NAN: as the model says. Entities that do not
 * stand in the text are left out. LAM_E_LIMIT, LAM_E_MEMORY: the block is full; the row may then have parts of it.
 */
int lam_llm_answer_apply(const struct lam_tasks *tasks, uint32_t wanted, const struct lam_json *answer, uint32_t at, double certainty, struct lam_block *block,
                         struct lam_row *row, struct lam_error *err);

/* Confidence of a checked answer's category, as lam_llm_answer_apply takes it; 0 where there is none. */
double lam_llm_answer_confidence(const struct lam_json *answer, uint32_t at, double certainty);

#endif
