/* What can be told from a request's headers alone: where it goes, and whether it may. */
#include "http_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JSON "application/json"

static const struct route {
    const char *path, *allow;
    enum endpoint endpoint;
} routes[] = {
    {"/v1/records", "GET, HEAD", ENDPOINT_RECORDS}, {"/v1/aggregate", "POST", ENDPOINT_AGGREGATE},
    {"/v1/status", "GET, HEAD", ENDPOINT_STATUS},   {"/livez", "GET, HEAD", ENDPOINT_LIVEZ},
    {"/readyz", "GET, HEAD", ENDPOINT_READYZ},      {"/healthz", "GET, HEAD", ENDPOINT_READYZ},
    {"/metrics", "GET, HEAD", ENDPOINT_METRICS},    {"/openapi.json", "GET, HEAD", ENDPOINT_OPENAPI},
};

const char *lam_http_endpoint_name(enum endpoint endpoint)
{
    static const char *const names[ENDPOINTS] = {"record", "records", "aggregate", "status", "livez",
                                                 "readyz", "metrics", "openapi",   "none"};

    return names[endpoint];
}

enum endpoint lam_http_route(struct lam_sv path, const char **allow)
{
    *allow = "GET, HEAD";
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (lam_sv_eq(path, lam_sv_of(routes[i].path))) {
            *allow = routes[i].allow;
            return routes[i].endpoint;
        }
    if (path.len > sizeof LAM_HTTP_ROW_PREFIX - 1 && !memcmp(path.ptr, LAM_HTTP_ROW_PREFIX, sizeof LAM_HTTP_ROW_PREFIX - 1))
        return ENDPOINT_RECORD;
    return ENDPOINT_NONE;
}

/* Every byte of both is looked at, wherever they first differ, so that time tells nothing. */
static bool same_secret(const char *given, const char *wanted)
{
    size_t given_len = strlen(given), wanted_len = strlen(wanted);
    volatile unsigned char differ = given_len != wanted_len;

    for (size_t i = 0; i < wanted_len; i++)
        differ |= (unsigned char)(wanted[i] ^ (given_len ? given[i % given_len] : 0));
    return !differ;
}

static bool is_authorized(const struct request *request)
{
    const char *given = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Authorization");

    if (!*request->http->token)
        return true;
    if (!given || strncasecmp(given, "Bearer ", 7))
        return false;
    return same_secret(given + 7 + strspn(given + 7, " "), request->http->token);
}

/* host with its port taken off; brackets stay. */
static struct lam_sv host_name(const char *host)
{
    const char *colon = *host == '[' ? strchr(host, ']') : strchr(host, ':');

    if (colon && *host == '[')
        colon++;
    return lam_sv(host, colon ? (size_t)(colon - host) : strlen(host));
}

static bool same_name(struct lam_sv a, struct lam_sv b) { return a.len == b.len && !strncasecmp(a.ptr, b.ptr, a.len); }

/* A browser names in Host what its page was loaded from: a foreign name that was pointed at us is seen here. */
static bool is_known_host(const struct request *request)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    const struct lam_http *http = request->http;
    const char *host = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Host"), *rest = http->hosts;
    struct lam_sv name = host_name(host ? host : "");

    if (!host || !http->listen.loopback)
        return true;
    for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
        if (same_name(name, lam_sv_of(loopback[i])))
            return true;
    while (*rest) {
        size_t len = strcspn(rest, ",");

        if (same_name(name, lam_sv(rest, len)))
            return true;
        rest += len + (rest[len] == ',');
    }
    return same_name(name, lam_sv_of(http->listen.host));
}

static bool is_json(const struct request *request)
{
    const char *type = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Type");
    size_t len = type ? strcspn(type, "; ") : 0;

    return len == sizeof JSON - 1 && !strncasecmp(type, JSON, len);
}

static bool is_encoded(const struct request *request)
{
    const char *encoding = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Encoding");

    return encoding && strcasecmp(encoding, "identity") != 0;
}

static bool is_declared_too_long(const struct request *request)
{
    const char *text = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");

    return text && strtoull(text, NULL, 10) > request->http->config.max_body;
}

static bool allows(const char *allow, const char *method)
{
    size_t len = strlen(method);

    for (; *allow; allow += strspn(allow, ", ")) {
        size_t word = strcspn(allow, ",");

        if (word == len && !memcmp(allow, method, len))
            return true;
        allow += word;
    }
    return false;
}

int lam_http_screen(struct request *request, const char *method, enum MHD_Result *result)
{
    struct lam_sv path = lam_sv(request->target, strcspn(request->target, "?"));
    bool open, is_post = !strcmp(method, "POST");
    const char *allow;

    request->endpoint = lam_http_route(path, &allow);
    open = request->endpoint == ENDPOINT_LIVEZ || request->endpoint == ENDPOINT_READYZ;
    if (!is_known_host(request))
        *result = lam_http_problem(request, 403, LAM_E_INVALID, "the Host header names neither this server nor localhost");
    else if (!open && !is_authorized(request))
        *result = lam_http_problem_with(request, 401, LAM_E_INVALID,
                                        "a bearer token is needed: Authorization: Bearer …", "WWW-Authenticate",
                                        "Bearer realm=\"lamina\"");
    else if (request->endpoint == ENDPOINT_NONE)
        *result = lam_http_problem(request, 404, LAM_E_NOT_FOUND, "no such endpoint; GET /openapi.json lists them");
    else if (!allows(allow, method))
        *result = lam_http_problem_with(request, 405, LAM_E_INVALID, "not a method of this endpoint", "Allow", allow);
    else if (is_declared_too_long(request))
        *result = lam_http_problem(request, 413, LAM_E_LIMIT, "the body is longer than this server takes");
    else if (is_post && !is_json(request))
        *result = lam_http_problem(request, 415, LAM_E_INVALID, "expected Content-Type: application/json");
    else if (is_post && is_encoded(request))
        *result = lam_http_problem(request, 415, LAM_E_INVALID, "expected a body without Content-Encoding");
    else
        return 0;
    return 1;
}
