/*
 * JSON Schemas of answers: what is asked of a server, and what its answer is checked against here, whatever the server promised.
 *
 *     one document  {"category":…,"confidence":…,"sentiment":…,"language":…,"keywords":[…],"entities":[…],"summary":…,"custom":{…}}, as far as asked
 *     several       {"d1":{…},"d2":{…},…}: a field for each, so that a server that holds the schema can neither miss nor mix documents
 *
 * Numbers that servers let slip (they enforce no minimum) are written as enumerations: confidence in tenths 0…10, sentiment in fifths -5…5.
 */
#ifndef LAMINA_AI_OPENAI_SCHEMA_H
#define LAMINA_AI_OPENAI_SCHEMA_H

#include <lamina/analyzer.h>

#include "base/buf.h"
#include "model/json.h"

#define LAM_LLM_ENTITIES_MAX 24   /* of a document's answer */
#define LAM_LLM_ENTITY_TEXT 80    /* characters */
#define LAM_LLM_KEYWORD_TEXT 60
#define LAM_LLM_SENTENCE_TEXT 300 /* characters that a summary has for each sentence */
#define LAM_LLM_SUMMARY_TEXT 1900 /* that it has at most: some releases of llama.cpp refuse a schema with strings of 2,000 and more */

/*
 * Adds the schema of an answer to these of the tasks (enum lam_task, or-ed). Its bounds are such that an answer that holds them has hardly more than
 * answer_tokens tokens: a server that enforces the schema never cuts one off.
 */
int lam_llm_schema_write(const struct lam_tasks *tasks, uint32_t wanted, uint32_t answer_tokens, struct lam_buf *out, struct lam_error *err);

/*
 * Adds the schema of an answer about so many documents, from that about one. What all packs have in common stands first, for servers that cache prompts with
 * it.
 */
int lam_llm_schema_pack(struct lam_sv one, size_t documents, struct lam_buf *out, struct lam_error *err);

/* Characters that a summary of so many sentences may have. */
uint32_t lam_llm_summary_text(uint32_t sentences);

/*
 * Does the value hold the schema? LAM_E_INVALID with the first thing that does not, and where, in words that a model can be told: "/category: …".
 * Understands type, enum, properties, required, additionalProperties, items, $ref within the schema, minimum, maximum, min- and maxLength, min- and maxItems;
 * passes by all else. additionalProperties counts everywhere if strict, else below /custom alone.
 */
int lam_llm_schema_check(const struct lam_json *schema, uint32_t at, const struct lam_json *json, uint32_t value, bool strict,
                         struct lam_error *err);

/* Arguments of a tool, against its whole schema, strictly. An object whose schema lists its properties takes no other, unless additionalProperties lets it. */
int lam_llm_schema_check_arguments(const struct lam_json *schema, const struct lam_json *json, uint32_t value, struct lam_error *err);

#endif
