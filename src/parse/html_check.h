/*
 * A look at HTML before Gumbo builds a tree of it. Gumbo's time is quadratic in nested elements and in the attributes of one
 * element, and it has no limit for either: this pass counts them as a tag soup's reader would, errs on the side of refusing, and is
 * linear itself.
 */
#ifndef LAMINA_PARSE_HTML_CHECK_H
#define LAMINA_PARSE_HTML_CHECK_H

#include <lamina/error.h>
#include <lamina/sv.h>

/* LAM_E_LIMIT: nested deeper than max_depth (at most 4,096), or too many attributes. */
int lam_html_check(struct lam_sv bytes, size_t max_depth, struct lam_error *err);

#endif
