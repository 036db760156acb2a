/* From a request to its answer. */
#include "http_impl.h"

#include <stdio.h>
#include <stdlib.h>

#define JSON "application/json"
#define PROBLEM "application/problem+json"
#define SMALL_ANSWER ((size_t)1 << 20) /* a longer one keeps its query's slot until it is sent, which bounds the memory of all answers */

enum MHD_Result lam_http_answer(struct request *request, unsigned status, const char *type, struct lam_buf *bytes,
                                const char *header, const char *value)
{
    struct MHD_Response *response;
    enum MHD_Result result;
    char *less = bytes->cap > SMALL_ANSWER ? realloc(bytes->ptr, bytes->len ? bytes->len : 1) : NULL;

    if (less)
        bytes->ptr = less;
    response = MHD_create_response_from_buffer(bytes->len, bytes->ptr, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        lam_buf_release(bytes);
        return MHD_NO;
    }
    if (request->slot && bytes->len <= SMALL_ANSWER) {
        request->slot = false;
        lam_http_leave_query(request->http);
    }
    *bytes = (struct lam_buf){0};
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (header)
        MHD_add_response_header(response, header, value);
    if (atomic_load(&request->http->stopping))
        MHD_add_response_header(response, "Connection", "close");
    /* counted before it is sent: who has read an answer finds it counted */
    atomic_fetch_add_explicit(&request->http->answered[request->endpoint][status / 100 % 6], 1, memory_order_relaxed);
    lam_watch_set(&request->http->watch, request->entry, request->http->config.write_timeout_ms);
    result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static const char *title_of(unsigned status)
{
    switch (status) {
    case 413:
        return "Content Too Large";
    case 422:
        return "Unprocessable Content";
    default:
        return MHD_get_reason_phrase_for(status);
    }
}

enum MHD_Result lam_http_problem_with(struct request *request, unsigned status, int code, const char *detail,
                                      const char *header, const char *value)
{
    struct lam_sv path = lam_sv(request->target, strcspn(request->target, "?"));
    struct lam_buf out;

    if (path.len > 200)
        path.len = 200;
    if (status >= 500 && status != 503)
        lam_log_warn(request->http->config.log, "serve", "%u on %.*s: %s", status, LAM_SV_ARG(path), detail);
    lam_buf_init(&out, (size_t)64 << 10);
    if (lam_buf_addf(&out, NULL, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"code\":\"%s\",\"detail\":",
                     title_of(status), status, lam_error_name(code)) ||
        lam_buf_add_json(&out, lam_sv_of(detail), NULL) || lam_buf_addf(&out, NULL, ",\"instance\":") ||
        lam_buf_add_json(&out, path, NULL) || lam_buf_addf(&out, NULL, "}\n")) {
        lam_buf_release(&out);
        return MHD_NO;
    }
    return lam_http_answer(request, status, PROBLEM, &out, header, value);
}

enum MHD_Result lam_http_problem(struct request *request, unsigned status, int code, const char *detail)
{
    return lam_http_problem_with(request, status, code, detail, status == 503 ? "Retry-After" : NULL, "1");
}

/* The status of an error; before: it was found before the query ran. */
static unsigned status_of(int code, bool before)
{
    switch (code) {
    case LAM_E_INVALID:
        return 400;
    case LAM_E_LIMIT:
        return before ? 400 : 422;
    case LAM_E_NOT_FOUND:
        return 404;
    case LAM_E_TIMEOUT:
        return 504;
    case LAM_PENDING:
    case LAM_E_CANCELLED:
    case LAM_E_CONFLICT:
    case LAM_E_MEMORY:
        return 503;
    default:
        return 500;
    }
}

/* The page after this one: the same parameters with another cursor. */
static int next_link(const struct lam_uri *uri, const char *cursor, struct lam_buf *out)
{
    int rc = lam_buf_addf(out, NULL, "</v1/records?");

    for (size_t i = 0; i < uri->param_count && !rc; i++) {
        const struct lam_uri_param *param = &uri->params[i];

        if (lam_sv_eq(param->name, LAM_SV("cursor")))
            continue;
        if ((rc = lam_uri_encode(param->name, out, NULL)) || (rc = lam_buf_add(out, "=", 1, NULL)) ||
            (rc = lam_uri_encode(param->value, out, NULL)))
            return rc;
        rc = lam_buf_add(out, "&", 1, NULL);
    }
    return rc ? rc : lam_buf_addf(out, NULL, "cursor=%s>; rel=\"next\"%c", cursor, '\0');
}

static int parse_query(struct request *request, const struct lam_uri *uri, struct lam_query *query, struct lam_error *err)
{
    struct lam_buf key;
    int rc = 0;

    if (query->kind == LAM_QUERY_KEY) {
        struct lam_sv encoded = lam_sv(uri->path.ptr + sizeof LAM_HTTP_ROW_PREFIX - 1, uri->path.len - (sizeof LAM_HTTP_ROW_PREFIX - 1));

        lam_buf_init(&key, encoded.len + 1);
        if (!(rc = lam_uri_decode(encoded, false, &key, err)))
            rc = lam_query_set_key(query, lam_buf_sv(&key), err);
        lam_buf_release(&key);
        if (rc)
            return LAM_PASS(err, rc, "the key");
    }
    if (query->kind == LAM_QUERY_AGGREGATE && (rc = lam_query_set_aggregate(query, lam_buf_sv(&request->body), err)))
        return rc;
    for (size_t i = 0; i < uri->param_count && !rc; i++)
        rc = lam_query_param(query, uri->params[i].name, uri->params[i].value, err);
    return rc;
}

static enum MHD_Result answer_query(struct request *request, const struct lam_uri *uri, const struct lam_query *query)
{
    struct lam_http *http = request->http;
    const struct lam_query_limits limits = {http->config.query_timeout_ms, &http->cancel, http->config.clock};
    struct lam_query_info info;
    struct lam_buf out, link;
    struct lam_error err;
    enum MHD_Result result;
    int rc;

    if (!lam_http_enter_query(http))
        return lam_http_problem(request, 503, LAM_E_LIMIT, "too many queries at once");
    request->slot = true;
    lam_buf_init(&out, http->config.max_answer);
    lam_buf_init(&link, http->config.max_header);
    rc = lam_query_run(query, &http->config.reader, &limits, &out, &info, &err);
    if (!rc)
        rc = lam_buf_add(&out, "\n", 1, &err);
    lam_histogram_observe(&http->durations[request->endpoint], (uint64_t)(lam_mono_us(http->config.clock) - request->start_us));
    if (rc) {
        if (rc != LAM_E_NOT_FOUND)
            atomic_fetch_add_explicit(&http->query_errors[-rc & 15], 1, memory_order_relaxed);
        lam_buf_release(&out);
        return lam_http_problem(request, status_of(rc, false), rc, err.text);
    }
    /* a Link that does not fit into a header is left out: next_cursor stands in the body */
    if (query->kind == LAM_QUERY_LIST && info.next_cursor[0] && !next_link(uri, info.next_cursor, &link) && link.len < ANSWER_LINK_MAX)
        result = lam_http_answer(request, 200, JSON, &out, "Link", link.ptr);
    else
        result = lam_http_answer(request, 200, JSON, &out, NULL, NULL);
    lam_buf_release(&link);
    return result;
}

static enum MHD_Result dispatch_query(struct request *request, enum lam_query_kind kind)
{
    struct lam_query query;
    struct lam_error err;
    struct lam_uri uri;
    enum MHD_Result result;
    int rc = lam_uri_parse(lam_sv_of(request->target), &uri, &err);

    if (rc) {
        lam_uri_release(&uri);
        return lam_http_problem(request, status_of(rc, true), rc, err.text);
    }
    rc = lam_query_init(&query, kind, &err);
    if (!rc)
        rc = parse_query(request, &uri, &query, &err);
    result = rc ? lam_http_problem(request, status_of(rc, true), rc, err.text) : answer_query(request, &uri, &query);
    lam_query_release(&query);
    lam_uri_release(&uri);
    return result;
}

static enum MHD_Result answer_text(struct request *request, unsigned status, const char *type, const char *text)
{
    struct lam_buf out;

    lam_buf_init(&out, (size_t)1 << 20);
    if (lam_buf_add_sv(&out, lam_sv_of(text), NULL))
        return MHD_NO;
    return lam_http_answer(request, status, type, &out, NULL, NULL);
}

static enum MHD_Result answer_ready(struct request *request)
{
    struct lam_http *http = request->http;
    struct lam_error err = {0};
    int rc = http->config.reader.ops->ready(http->config.reader.arg, &err);

    if (!rc && !atomic_load(&http->stopping))
        return answer_text(request, 200, "text/plain; charset=utf-8", "ok\n");
    return lam_http_problem(request, 503, rc ? rc : LAM_E_CANCELLED, rc ? (*err.text ? err.text : "loading") : "the server stops");
}

static enum MHD_Result answer_metrics(struct request *request)
{
    struct lam_error err;
    struct lam_buf out;
    int rc;

    lam_buf_init(&out, (size_t)4 << 20);
    rc = lam_http_write_metrics(request->http, &out, &err);
    if (!rc)
        return lam_http_answer(request, 200, LAM_METRICS_CONTENT_TYPE, &out, NULL, NULL);
    lam_buf_release(&out);
    return lam_http_problem(request, 500, rc, err.text);
}

enum MHD_Result lam_http_dispatch(struct request *request)
{
    if (request->body_too_long)
        return lam_http_problem(request, 413, LAM_E_LIMIT, "the body is longer than this server takes");
    if (request->body_lost)
        return lam_http_problem(request, 503, LAM_E_MEMORY, "no memory for the body");
    switch (request->endpoint) {
    case ENDPOINT_RECORD:
        return dispatch_query(request, LAM_QUERY_KEY);
    case ENDPOINT_RECORDS:
        return dispatch_query(request, LAM_QUERY_LIST);
    case ENDPOINT_AGGREGATE:
        return dispatch_query(request, LAM_QUERY_AGGREGATE);
    case ENDPOINT_STATUS:
        return dispatch_query(request, LAM_QUERY_STATUS);
    case ENDPOINT_LIVEZ:
        return answer_text(request, 200, "text/plain; charset=utf-8", "ok\n");
    case ENDPOINT_READYZ:
        return answer_ready(request);
    case ENDPOINT_METRICS:
        return answer_metrics(request);
    default:
        return answer_text(request, 200, JSON, lam_openapi_json);
    }
}
