/*
 * Embeddings from a static table: a vector for each token, their mean made unit length. No network, no GPU, some 20 µs a text. The table and
 * its tokenizer are files that the user installs (a safetensors matrix, a tokenizer's JSON); nothing of the kind comes with the program.
 *
 *     text ──tokenizer──> ids ──rows of the mapped matrix, first dim columns──> mean ──> unit length
 *
 * A vector is a function of text, files and dim alone: the same bits on every rank, thread and processor.
 */
#ifndef LAMINA_AI_STATIC_H
#define LAMINA_AI_STATIC_H

#include <lamina/analyzer.h>

#include "base/fs.h"

#define LAM_STATIC_SPACE_TEXT 40             /* bytes of a space's name with the NUL */
#define LAM_STATIC_TEXT_MAX ((size_t)1 << 20) /* of a longer text the rest is not looked at */

struct lam_static;        /* the files; immutable, shared by any number of threads */
struct lam_static_reader; /* of one thread */

/*
 * path is a safetensors file, or a folder in which (or in whose folders weights, tokenizer, tokenizers) there is one; tokenizer its JSON, NULL: the one that
 * is found in the same way, by the names *tokenizer*.json. dim: the first so many columns; 0: all. LAM_E_NOT_FOUND, LAM_E_INVALID where files are missing,
 * ambiguous, do not fit together, or are of a kind that is not known; LAM_E_CORRUPT; LAM_E_IO; LAM_E_MEMORY. fs NULL: lam_fs_system.
 */
int lam_static_open(const struct lam_fs *fs, const char *path, const char *tokenizer, uint32_t dim, struct lam_static **table, struct lam_error *err);
void lam_static_close(struct lam_static *table); /* NULL-safe; readers are closed before */

uint32_t lam_static_dim(const struct lam_static *table);

/* The name of its vector space, such as "static-256-1f9a04c27b3d/1": from the bytes of both files. Any change of the method changes the 1. */
const char *lam_static_space(const struct lam_static *table);

/* NULL: out of memory. Holds about 1 MiB. */
struct lam_static_reader *lam_static_reader_new(const struct lam_static *table);
void lam_static_reader_free(struct lam_static_reader *reader); /* NULL-safe */

/* Fills dim values; *found false, and all 0, where the text has no token. title and text are one text with a blank between; either may be empty. */
int lam_static_embed(struct lam_static_reader *reader, struct lam_sv title, struct lam_sv text, float *vector, bool *found, struct lam_error *err);

/*
 * An analyzer in front of inner, which was opened by ops with tasks that do not want embed, and answers them all; the embedding of each row with a text is the
 * table's. Takes inner over, also where it fails. Its callbacks are lam_analyzer_static's (which has no open of its own).
 */
extern const struct lam_analyzer_ops lam_analyzer_static;
int lam_static_analyzer_new(const struct lam_static *table, const struct lam_analyzer_ops *ops, struct lam_analyzer *inner, struct lam_analyzer **analyzer,
                            struct lam_error *err);

/* The ids of text's tokens; *count of them, of which the first max are in ids. For tests against the reference. */
int lam_static_tokens(struct lam_static_reader *reader, struct lam_sv text, uint32_t *ids, size_t max, size_t *count, struct lam_error *err);

#endif
