/* Markdown to a writer, by cmark-gfm, whose headers stay in markdown.c. */
#ifndef LAMINA_PARSE_MARKDOWN_H
#define LAMINA_PARSE_MARKDOWN_H

#include "tree.h"
#include "writer.h"

/*
 * Of the extensions only tables: the others keep their special characters in globals while they parse, and are not safe in
 * several threads. Front matter (between two lines "---" at the start) is no text; its "title:" is the title.
 * tree is reset by the caller afterwards. LAM_E_LIMIT: too large a tree, or too many marks in one paragraph; LAM_E_MEMORY.
 */
int lam_markdown_write(struct lam_tree *tree, struct lam_writer *writer, struct lam_sv bytes, struct lam_error *err);

#endif
