/*
 * The built-in analyzer: all tasks with no model, no network and no file; statistics, patterns and word lists.
 *
 * lam_analyzer_builtin (lamina/analyzer.h) is its table of callbacks. It answers in submit, keeps tickets for poll in the order they
 * came, and never leaves a row pending. Its answers are a function of the row's title and text, of the tasks, and of the model if
 * one was given: the same on every rank, thread, locale and platform.
 *
 * It sets category to keywords and the embedding, and of provenance analyzer ("builtin"), model, prompt and tokens; layer, depth
 * and processed_us are the caller's. Offsets of entities are bytes of the record's text, without the title.
 *
 * Bounds: of a text longer than LAM_BUILTIN_TEXT_MAX the rest is not looked at (of a title: LAM_BUILTIN_TITLE_MAX). Work is linear in
 * what is looked at, and a handle holds at most about 40 times the longest text it has seen: 40 MiB at the very worst, about 1 MiB
 * with texts of a few kilobytes.
 */
#ifndef LAMINA_AI_BUILTIN_H
#define LAMINA_AI_BUILTIN_H

#include <lamina/analyzer.h>

#include "model.h"

#define LAM_BUILTIN_TEXT_MAX ((size_t)1 << 20)
#define LAM_BUILTIN_TITLE_MAX ((size_t)4 << 10)
#define LAM_BUILTIN_SPACE_TEXT 40 /* bytes of a space's name with the NUL */
#define LAM_BUILTIN_LABELS_MAX 65535
#define LAM_BUILTIN_DIM_MAX 4096

/*
 * The name of the vector space of embeddings with dim dimensions, without a model: such as "hash-256/2". Any change of the method
 * changes the 2. With a model whose corpus weighs the words, its number is part of the name: "hash-256/2+m7".
 */
void lam_builtin_space(uint32_t dim, char text[LAM_BUILTIN_SPACE_TEXT]);
void lam_builtin_space_of(uint32_t dim, const struct lam_builtin_model *model, uint32_t number, char text[LAM_BUILTIN_SPACE_TEXT]);

/*
 * The most bytes that one row's answers take from its block's arena. Blocks made for at least rows * this many bytes beyond their
 * strings never fill up in submit; a block that does makes submit return LAM_E_LIMIT with the rows before answered and the
 * row itself, and those after it, LAM_ROW_PENDING.
 */
size_t lam_builtin_answer_max(const struct lam_tasks *tasks);

/*
 * As open of lam_analyzer_builtin, but classifies with model, which was trained for the same labels in the same order (else
 * LAM_E_INVALID). model is borrowed and outlives the handle; several handles and threads share one. number goes into provenance.
 */
int lam_builtin_open_with_model(const struct lam_tasks *tasks, const struct lam_builtin_model *model, uint32_t number,
                                struct lam_analyzer **analyzer, struct lam_error *err);

#endif
