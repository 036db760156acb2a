/*
 * Tokenizers as the `tokenizers` library describes them in its JSON files, the two kinds that static tables come with:
 *
 *     BPE         as of Llama 2: blanks become ▁, one in front; characters without a piece become bytes; no pre-tokenizer
 *     WordPiece   as of BERT: cleaned, accents and case folded; split at blanks and punctuation; longest pieces first
 *
 * The ids are those of the reference, without the special tokens that it puts around a text. A file that asks for anything else is LAM_E_INVALID naming it.
 *
 * A tokenizer is immutable and shared by any number of threads; each has a reader of its own.
 */
#ifndef LAMINA_AI_STATIC_TOKENIZER_H
#define LAMINA_AI_STATIC_TOKENIZER_H

#include <lamina/error.h>
#include <lamina/sv.h>

#define STATIC_TOKENIZER_MAX ((size_t)64 << 20) /* bytes of the JSON */
#define STATIC_NO_TOKEN UINT32_MAX

struct static_tokenizer;
struct static_reader;

int static_tokenizer_new(struct lam_sv json, struct static_tokenizer **tokenizer, struct lam_error *err);
void static_tokenizer_free(struct static_tokenizer *tokenizer); /* NULL-safe */

/* All ids are below this. */
uint32_t static_tokenizer_ids(const struct static_tokenizer *tokenizer);

/* Holds about 1 MiB: the ids of words that were met before, and scratch. NULL: out of memory. */
struct static_reader *static_reader_new(const struct static_tokenizer *tokenizer);
void static_reader_free(struct static_reader *reader); /* NULL-safe */

/*
 * The tokens of text, in order, to visit. Bytes that are no UTF-8 become U+FFFD. Work is linear in the text, but for a logarithm of its longest
 * word. LAM_E_MEMORY.
 */
typedef void (*static_token_fn)(void *arg, uint32_t id);
int static_tokenize(struct static_reader *reader, struct lam_sv text, static_token_fn visit, void *arg, struct lam_error *err);

#endif
