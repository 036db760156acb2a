#include "http_tool.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "ai/openai/mask.h"

#define URL_MAX 16384
#define HEADER_MAX 8192

struct lam_http_tool {
    struct lam_http_tool_options options;
    char *authorization; /* header line; NULL */
};

/* What libcurl writes to. */
struct reply {
    struct lam_buf *out;
    bool full;
    const atomic_bool *stop;
};

int lam_http_tool_new(struct lam_http_tool **out, const struct lam_http_tool_options *options, struct lam_error *err)
{
    const char *key = options->key_env ? getenv(options->key_env) : NULL;
    struct lam_http_tool *tool;

    *out = NULL;
    if (options->key_env && (!key || !*key))
        return LAM_FAIL(err, LAM_E_INVALID, "the environment variable %s, which a tool's key_env names, is not set", options->key_env);
    if (key && (strpbrk(key, "\r\n") || strlen(key) > HEADER_MAX - 100))
        return LAM_FAIL(err, LAM_E_INVALID, "the environment variable %s does not hold a token: it is too long or has a line end", options->key_env);
    if (!(tool = calloc(1, sizeof *tool)) || (key && asprintf(&tool->authorization, "Authorization: Bearer %s", key) < 0)) {
        free(tool);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a tool");
    }
    tool->options = *options;
    *out = tool;
    return 0;
}

void lam_http_tool_free(struct lam_http_tool *tool)
{
    if (!tool)
        return;
    free(tool->authorization);
    free(tool);
}

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
    struct reply *reply = arg;
    size_t len = size * count, room = reply->out->max - reply->out->len;
    struct lam_error err;

    if (lam_buf_add(reply->out, bytes, len < room ? len : room, &err))
        return 0;
    reply->full = len > room;
    return reply->full ? 0 : len;
}

static int look(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct reply *reply = arg;

    (void)down_total, (void)down, (void)up_total, (void)up;
    return reply->stop && atomic_load(reply->stop);
}

/* url?name=value&…: texts as they are, all else as its JSON. */
static int write_url(const struct lam_http_tool *tool, CURL *easy, const struct lam_json *json, uint32_t arguments, struct lam_buf *url, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(json, arguments);
    int rc = lam_buf_addf(url, err, "%s", tool->options.url);
    char separator = '?';

    while (!rc && !tool->options.post && lam_json_next(&iter)) {
        struct lam_sv value = lam_json_type(json, iter.value) == LAM_JSON_STRING ? lam_json_string(json, iter.value) : lam_json_raw(json, iter.value);
        char *name = curl_easy_escape(easy, iter.name.ptr, (int)iter.name.len), *text = value.len ? curl_easy_escape(easy, value.ptr, (int)value.len) : NULL;

        rc = name && (text || !value.len) ? lam_buf_addf(url, err, "%c%s=%s", separator, name, text ? text : "") : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a URL");
        separator = '&';
        curl_free(name);
        curl_free(text);
    }
    return rc ? rc : lam_buf_add(url, "", 1, err);
}

static int perform(CURL *easy, const struct reply *reply, struct lam_error *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    CURLcode code;
    long status = 0;

    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
    code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return LAM_FAIL(err, LAM_E_CANCELLED, "the run ends");
    if (code && !reply->full)
        return LAM_FAIL(err, LAM_E_IO, "the tool's server: %s", *detail ? detail : curl_easy_strerror(code));
    if (status < 200 || status > 299)
        return LAM_FAIL(err, LAM_E_IO, "the tool's server answered with status %ld", status);
    return reply->full ? LAM_FAIL(err, LAM_E_LIMIT, "the result is longer than %zu bytes", reply->out->max) : 0;
}

int lam_http_tool_call(void *arg, const struct lam_json *json, uint32_t arguments, unsigned left_ms, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_http_tool *tool = arg;
    struct reply reply = {.out = out, .stop = tool->options.stop};
    struct lam_sv body = lam_json_raw(json, arguments);
    struct curl_slist *headers = curl_slist_append(NULL, tool->options.post ? "Content-Type: application/json" : "Accept: application/json");
    struct curl_slist *more = headers && tool->authorization ? curl_slist_append(headers, tool->authorization) : headers;
    CURL *easy = curl_easy_init();
    struct lam_buf url;
    int rc;

    lam_buf_init(&url, URL_MAX);
    if (!easy || !more)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a call");
    else if (!(rc = write_url(tool, easy, json, arguments, &url, err))) {
        curl_easy_setopt(easy, CURLOPT_URL, url.ptr);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, more);
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(left_ms < tool->options.timeout_ms ? left_ms : tool->options.timeout_ms));
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, look);
        curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &reply);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reply);
        if (tool->options.post) {
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.ptr);
        }
        rc = perform(easy, &reply, err);
        out->len = lam_llm_mask(out->ptr, out->len, (const char *const *)&tool->authorization, 1);
    }
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    lam_buf_release(&url);
    return rc;
}
