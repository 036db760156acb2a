/* HTML to a writer, by Gumbo, whose header stays in html.c. */
#ifndef LAMINA_PARSE_HTML_H
#define LAMINA_PARSE_HTML_H

#include "tree.h"
#include "writer.h"

/* tree is reset by the caller afterwards. LAM_E_LIMIT: a tree larger than its limit; LAM_E_MEMORY. What the writer met is in it. */
int lam_html_write(struct lam_tree *tree, struct lam_writer *writer, struct lam_sv bytes, struct lam_error *err);

#endif
