/*
 * Keys that come back: servers quote the header that they were sent, in errors and now and then in answers. Wherever bytes come in, before anything looks at
 * them, logs, records or keeps them, each key that is known gives way to LAM_LLM_MASK; also one with characters escaped, as JSON (\/ and \u002f) and addresses
 * (%2F) have them.
 */
#ifndef LAMINA_AI_OPENAI_MASK_H
#define LAMINA_AI_OPENAI_MASK_H

#include <stddef.h>

#define LAM_LLM_MASK "[key]"
#define LAM_LLM_MASK_MIN 8   /* bytes of a key that is looked for: a shorter one is a word that texts have anyway */
#define LAM_LLM_MASK_SURE 16 /* of one that is no word, though it may have letters alone */
#define LAM_LLM_BEARER "Authorization: Bearer "

/* Masks what the header lines (LAM_LLM_BEARER and a key, or NULL) have behind the word. In place; returns the length that is left. Any thread. */
size_t lam_llm_mask(char *text, size_t len, const char *const *authorization, size_t count);

/*
 * The same of an answer (status 2xx), whose words are a model's and are to stay: only keys that no text has by chance, of LAM_LLM_MASK_SURE bytes or with both
 * letters and digits. A key such as "category" stands in every answer, and tells nothing there.
 */
size_t lam_llm_mask_answer(char *text, size_t len, const char *const *authorization, size_t count);

/* Of what came with this status: an answer, or an error that may quote its header. */
size_t lam_llm_mask_body(int status, char *text, size_t len, const char *const *authorization, size_t count);

/* The same of a string. */
void lam_llm_mask_string(char *text, const char *const *authorization, size_t count);

#endif
