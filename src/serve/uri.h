/* The target of a request: path and parameters, percent-decoded strictly. */
#ifndef LAMINA_SERVE_URI_H
#define LAMINA_SERVE_URI_H

#include "base/buf.h"

#define LAM_URI_MAX_PARAMS 64

struct lam_uri_param {
    struct lam_sv name, value; /* decoded */
};

/* Views point into the target and into decoded. */
struct lam_uri {
    struct lam_sv path; /* as it came, still encoded */
    struct lam_uri_param params[LAM_URI_MAX_PARAMS];
    size_t param_count;
    struct lam_buf decoded;
};

/*
 * Parses "/path?name=value&…"; a plus sign in a parameter is a blank. LAM_E_INVALID: a percent sign without two hex digits;
 * LAM_E_LIMIT: too many parameters. target is borrowed. Release it also after a failure.
 */
int lam_uri_parse(struct lam_sv target, struct lam_uri *uri, struct lam_error *err);
void lam_uri_release(struct lam_uri *uri);

/* Adds text with its %XX undone; nothing is added on failure. */
int lam_uri_decode(struct lam_sv text, bool plus_is_blank, struct lam_buf *out, struct lam_error *err);

/* Adds text so that it can stand as a parameter's name or value. */
int lam_uri_encode(struct lam_sv text, struct lam_buf *out, struct lam_error *err);

#endif
