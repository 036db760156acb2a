/*
 * JSON Schemas of answers: what is asked of a server, and what its answer is checked against here, whatever the server promised.
 *
 *     one document  {"category":…,"confidence":…,"sentiment":…,"language":…,"keywords":[…],"entities":[…],"summary":…,"custom":{…}}, as far as asked
 *     several       {"answers":[{"id":"d1",…},…]}
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

/*
 * Adds the schema of an answer to these of the tasks (enum lam_task, or-ed); packed: of so many documents in one answer, 0: of one alone. Its bounds
 * are such that an answer that holds them has hardly more than answer_tokens tokens: a server that enforces the schema never cuts one off.
 */
int lam_llm_schema_write(const struct lam_tasks *tasks, uint32_t wanted, uint32_t answer_tokens, size_t packed, struct lam_buf *out, struct lam_error *err);

/*
 * Does the value hold the schema? LAM_E_INVALID with the first thing that does not, and where, in words that a model can be told: "/category: …".
 * Understands type, enum, properties, required, additionalProperties, items, minimum, maximum, min- and maxLength, min- and maxItems; passes by all else.
 * additionalProperties counts everywhere if strict, else below /custom alone.
 */
int lam_llm_schema_check(const struct lam_json *schema, uint32_t at, const struct lam_json *json, uint32_t value, bool strict,
                         struct lam_error *err);

#endif
