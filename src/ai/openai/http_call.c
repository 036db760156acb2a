#include "http_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mask.h"

#define LINE_MAX_KEPT 8192 /* of a header: room for the longest key, and for what stands before it */

/* ---- sockets ---- */

static struct socket *socket_of(struct lam_llm_transport *http, int fd)
{
    if ((size_t)fd >= http->socket_cap) {
        size_t cap = http->socket_cap ? http->socket_cap : 256;
        struct socket *sockets;

        while (cap <= (size_t)fd)
            cap *= 2;
        if (!(sockets = realloc(http->sockets, cap * sizeof *sockets)))
            return NULL;
        memset(sockets + http->socket_cap, 0, (cap - http->socket_cap) * sizeof *sockets);
        http->sockets = sockets;
        http->socket_cap = cap;
    }
    return &http->sockets[fd];
}

void lam_llm_http_watch(struct lam_llm_transport *http, struct socket *sock, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)fd};
    int op = !events ? EPOLL_CTL_DEL : sock->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (events == sock->registered)
        return;
    if (epoll_ctl(http->epoll, op, fd, &event) && op == EPOLL_CTL_MOD && errno == ENOENT)
        epoll_ctl(http->epoll, EPOLL_CTL_ADD, fd, &event);
    sock->registered = events;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct shard *shard = arg;
    struct socket *sock = socket_of(shard->http, fd);

    (void)easy;
    (void)socket_arg;
    if (!sock)
        return -1;
    sock->shard = shard;
    sock->wanted = what == CURL_POLL_REMOVE ? 0 : (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (what == CURL_POLL_REMOVE && sock->ours && sock->registered == EPOLLIN)
        return 0; /* the next request on this connection wants the same */
    lam_llm_http_watch(shard->http, sock, fd, sock->wanted);
    return 0;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct lam_llm_transport *http = arg;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    struct socket *sock = fd >= 0 ? socket_of(http, fd) : NULL;

    (void)purpose;
    if (fd >= 0 && !sock) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    if (fd >= 0)
        *sock = (struct socket){.ours = true};
    return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct lam_llm_transport *http = arg;

    if ((size_t)fd < http->socket_cap)
        http->sockets[fd] = (struct socket){0}; /* epoll forgets it by itself */
    return close(fd);
}

void lam_llm_http_is_due(struct lam_llm_transport *http, struct shard *shard)
{
    if (shard->is_due)
        return;
    shard->is_due = true;
    shard->next_due = http->due;
    http->due = shard;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct shard *shard = arg;
    struct lam_llm_transport *http = shard->http;

    (void)multi;
    shard->due_us = timeout_ms < 0 ? INT64_MAX : http->now_us + timeout_ms * 1000;
    if (timeout_ms == 0)
        lam_llm_http_is_due(http, shard);
    else if (shard->due_us < http->due_us)
        http->due_us = shard->due_us;
    return 0;
}

/* ---- what arrives ---- */

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
    struct call *call = arg;
    struct lam_llm_transport *http = call->shard->http;
    char copy[LINE_MAX_KEPT];
    size_t kept = len;

    (void)one;
    call->byte_us = http->now_us;
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) { /* again behind a 100 */
        lam_llm_headers_init(&call->attempt->headers);
        return len;
    }
    if (len && (line[0] | 0x20) == 'l') { /* location: the only one whose text is kept, and its beginning alone */
        kept = len < sizeof copy ? len : sizeof copy;
        memcpy(copy, line, kept);
        line = copy;
        kept = lam_llm_mask(copy, kept, http->init.authorization, http->endpoint_count);
    }
    lam_llm_headers_add(&call->attempt->headers, lam_sv(line, kept), lam_wall_us(http->clock));
    return len;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *arg)
{
    struct call *call = arg;

    (void)one;
    call->byte_us = call->shard->http->now_us;
    if (lam_buf_add(&call->attempt->answer, bytes, len, NULL)) {
        call->too_large = true;
        return 0;
    }
    return len;
}

static enum lam_llm_transport_code code_of(CURLcode code, const struct call *call)
{
    switch (code) {
    case CURLE_OK:
        return LAM_LLM_T_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return LAM_LLM_T_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return LAM_LLM_T_CONNECT;
    case CURLE_OPERATION_TIMEDOUT: /* only connecting is timed by libcurl */
        return LAM_LLM_T_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return LAM_LLM_T_TLS;
    case CURLE_FILESIZE_EXCEEDED:
        return LAM_LLM_T_TOO_LARGE;
    case CURLE_WRITE_ERROR:
        return call->too_large ? LAM_LLM_T_TOO_LARGE : LAM_LLM_T_OTHER;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return LAM_LLM_T_CUT;
    default:
        return LAM_LLM_T_OTHER;
    }
}

/* ---- calls ---- */

static struct shard *shard_new(struct lam_llm_transport *http, bool tls)
{
    struct shard *shard = calloc(1, sizeof *shard);

    if (!shard || !(shard->multi = curl_multi_init())) {
        free(shard);
        return NULL;
    }
    shard->http = http;
    shard->due_us = INT64_MAX;
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS, tls ? (long)SHARD_CALLS_TLS : (long)SHARD_CALLS);
    curl_multi_setopt(shard->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    return shard;
}

/* The last one of its sort with room, or a new one; when there are too many, the last one takes all. */
static struct shard *shard_for_call(struct lam_llm_transport *http, bool tls)
{
    struct shard *shard = http->filling[tls];

    if (shard && (shard->calls < (tls ? SHARD_CALLS_TLS : SHARD_CALLS) || http->shard_count == SHARDS_MAX))
        return shard;
    if (http->shard_count == SHARDS_MAX)
        return http->shards[SHARDS_MAX - 1];
    if (!(shard = shard_new(http, tls)))
        return NULL;
    return http->filling[tls] = http->shards[http->shard_count++] = shard;
}

static void call_setup(struct lam_llm_transport *http, struct call *call, size_t endpoint)
{
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, http->share);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers[endpoint]);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, http->tls[endpoint] ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, http->tls[endpoint] ? 1L : 0L); /* the handshake tells; without TLS it would wait for an answer */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)http->max_answer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->detail);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, http);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (http->loopback[endpoint])
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"); /* else as the environment says */
    if (*http->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
}

static struct call *call_new(struct lam_llm_transport *http, size_t endpoint)
{
    struct call *call = calloc(1, sizeof *call);

    if (!call || !(call->easy = curl_easy_init()) || !(call->shard = shard_for_call(http, http->tls[endpoint]))) {
        if (call && call->easy)
            curl_easy_cleanup(call->easy);
        free(call);
        return NULL;
    }
    call->shard->calls++;
    call_setup(http, call, endpoint);
    call->all = http->all;
    http->all = call;
    return call;
}

static void fly(struct lam_llm_transport *http, struct call *call)
{
    call->prev = NULL;
    call->next = http->flying;
    if (http->flying)
        http->flying->prev = call;
    http->flying = call;
}

/* Out of the multi handle and among the free ones. */
static struct lam_llm_attempt *land(struct lam_llm_transport *http, struct call *call)
{
    struct lam_llm_attempt *attempt = call->attempt;
    struct call **free_list = &http->free[attempt->endpoint][attempt->kind];

    curl_multi_remove_handle(call->shard->multi, call->easy); /* of one that is not done it closes the connection */
    *(call->prev ? &call->prev->next : &http->flying) = call->next;
    if (call->next)
        call->next->prev = call->prev;
    call->attempt = NULL;
    call->next = *free_list;
    *free_list = call;
    attempt->impl = NULL;
    return attempt;
}

static const struct place *place_of(struct lam_llm_transport *http, const char *url)
{
    struct place *place = http->places;

    while (place && place->url != url)
        place = place->next;
    if (place || !(place = calloc(1, sizeof *place)))
        return place;
    if (!(place->parsed = curl_url()) || curl_url_set(place->parsed, CURLUPART_URL, url, 0)) {
        curl_url_cleanup(place->parsed);
        free(place);
        return NULL;
    }
    place->url = url;
    place->next = http->places;
    return http->places = place;
}

/* Handles of one endpoint and kind go to one place, until a redirect is remembered. */
static bool set_place(struct lam_llm_transport *http, struct call *call, const char *url)
{
    if (call->place && call->place->url == url)
        return true;
    if (!(call->place = place_of(http, url)))
        return false;
    curl_easy_setopt(call->easy, CURLOPT_URL, url); /* what libcurl's messages name, and no reason to put the parts together */
    curl_easy_setopt(call->easy, CURLOPT_CURLU, call->place->parsed);
    return true;
}

int lam_llm_http_start(struct lam_llm_transport *http, struct lam_llm_attempt *attempt, struct lam_error *err)
{
    struct call **free_list = &http->free[attempt->endpoint][attempt->kind], *call = *free_list;
    CURLMcode rc;

    if (!call && !(call = call_new(http, attempt->endpoint)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for one more request in flight");
    if (call == *free_list)
        *free_list = call->next;
    if (!set_place(http, call, attempt->url)) {
        call->next = *free_list;
        *free_list = call;
        return LAM_FAIL(err, LAM_E_INVALID, "%s is no URL", attempt->url);
    }
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)attempt->body.len);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, attempt->body.ptr);
    call->attempt = attempt;
    call->too_large = false;
    call->byte_us = 0;
    call->detail[0] = '\0';
    http->now_us = lam_mono_us(http->clock);
    call->limit_us = http->now_us + (int64_t)attempt->timeout_ms * 1000;
    lam_llm_headers_init(&attempt->headers);
    attempt->impl = call;
    attempt->status = 0;
    attempt->detail[0] = '\0';
    attempt->started_us = http->now_us;
    fly(http, call);
    if ((rc = curl_multi_add_handle(call->shard->multi, call->easy))) {
        land(http, call);
        return LAM_FAIL(err, LAM_E_IO, "libcurl: %s", curl_multi_strerror(rc));
    }
    return 0;
}

void lam_llm_http_cancel(struct lam_llm_transport *http, struct lam_llm_attempt *attempt) { land(http, attempt->impl); }

void lam_llm_http_finish(struct lam_llm_transport *http, struct call *call, enum lam_llm_transport_code code)
{
    struct lam_llm_attempt *attempt = call->attempt;
    long status = 0, connects = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
    attempt->code = code;
    attempt->status = (int)status;
    attempt->connected_anew = connects > 0;
    attempt->ended_us = lam_mono_us(http->clock);
    attempt->answer.len = lam_llm_mask_body(attempt->status, attempt->answer.ptr, attempt->answer.len, http->init.authorization, http->endpoint_count);
    lam_llm_mask_string(call->detail, http->init.authorization, http->endpoint_count);
    if (code != LAM_LLM_T_OK && !*attempt->detail)
        snprintf(attempt->detail, sizeof attempt->detail, "%.150s", call->detail);
    land(http, call);
    http->done_count++;
    http->init.sink.done(http->init.sink.arg, attempt);
}

void lam_llm_http_take_finished(struct lam_llm_transport *http, struct shard *shard)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(shard->multi, &left))) {
        struct call *call;
        CURLcode code = message->data.result;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        lam_llm_http_finish(http, call, code_of(code, call));
    }
}
