/*
 * What kind of document some bytes are: by a table of magic bytes first (they do not lie), then by name, then by a look at
 * the text. Kinds that no parser reads yet are told apart too, so that the reason in quarantine says what the file is.
 */
#ifndef LAMINA_PARSE_DETECT_H
#define LAMINA_PARSE_DETECT_H

#include <lamina/error.h>
#include <lamina/sv.h>

#define LAM_MEDIA_TEXT "text/plain"
#define LAM_MEDIA_MARKDOWN "text/markdown"
#define LAM_MEDIA_HTML "text/html"
#define LAM_MEDIA_JSON "application/json"

/*
 * The media type of a document, static storage. name is its path or file name without the suffix of a pack (may be empty).
 * Looks at the first 4 KiB. LAM_E_INVALID: a kind that is not read; the text says "is a PDF, not yet read", and *media_type is
 * that kind's.
 */
int lam_detect(struct lam_sv name, struct lam_sv bytes, const char **media_type, struct lam_error *err);

/* By name alone; NULL where it says nothing. */
const char *lam_media_of_name(struct lam_sv name);

#endif
