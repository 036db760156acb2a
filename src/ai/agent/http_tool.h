/*
 * A tool of the job's own: one HTTP call to one URL, with the model's arguments as the query (GET) or as a JSON body (POST).
 *
 * The model chooses arguments, never where they go: host, path and method are the job's, redirects are not followed, proxies are not asked, and what comes
 * back is cut at the agent's limit.
 */
#ifndef LAMINA_AI_HTTP_TOOL_H
#define LAMINA_AI_HTTP_TOOL_H

#include <stdatomic.h>

#include "base/buf.h"
#include "model/json.h"

struct lam_http_tool_options {
    const char *url; /* without a query; outlives the tool, as all here does */
    bool post;
    const char *key_env;     /* environment variable with a bearer token; NULL: none is sent */
    unsigned timeout_ms;
    const atomic_bool *stop; /* set: calls under way end with LAM_E_CANCELLED */
};

struct lam_http_tool;

/* LAM_E_INVALID: the key's variable is not set, or holds a line end. */
int lam_http_tool_new(struct lam_http_tool **tool, const struct lam_http_tool_options *options, struct lam_error *err);
void lam_http_tool_free(struct lam_http_tool *tool); /* NULL-safe */

/* Fits struct lam_agent_tool, with the tool as arg. LAM_E_IO: no answer, or a status that is not 2xx. Any thread, many at once. */
int lam_http_tool_call(void *tool, const struct lam_json *json, uint32_t arguments, unsigned left_ms, struct lam_buf *out, struct lam_error *err);

#endif
