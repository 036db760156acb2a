/*
 * HTTP over libcurl's multi interface, driven by one epoll. What keeps its share of the CPU small:
 *
 *   shards      libcurl looks for a free connection by walking over all to that host, and its timers and tables grow alike. So the
 *               handles are spread over several multi handles, SHARD_CALLS each, with connections of their own; DNS and TLS sessions
 *               are shared. What is in flight is the same.
 *   handles     an easy handle is set up once, for one endpoint and kind; a request sets its body and nothing else.
 *   epoll       libcurl lets go of a socket after each request and takes it up with the next one. The registration stays in between: a
 *               request costs no epoll_ctl.
 *   timeouts    ours are swept ten times a second over what is in flight, so that libcurl has no timer to keep for each request.
 */
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport.h"

#ifndef LAM_LLM_SHARD_CALLS
#define LAM_LLM_SHARD_CALLS 16
#endif
#define SHARDS_MAX 1024
#define EVENTS 256
#define SWEEP_US INT64_C(100000)
#define WAKE_TAG UINT64_MAX

struct shard {
    CURLM *multi;
    struct lam_llm_transport *http;
    int64_t due_us; /* when libcurl wants to be called; INT64_MAX: not */
    unsigned calls; /* handles that live here */
    bool touched;
};

/* One easy handle: of one endpoint, kind and shard for life; in flight with an attempt or in the list of free ones. */
struct call {
    CURL *easy;
    struct shard *shard;
    struct lam_llm_attempt *attempt;
    const char *url;           /* that is set */
    struct call *next, *prev;  /* in flight, or free: next only */
    struct call *all;          /* every one there is */
    int64_t limit_us, byte_us; /* to be whole by then; when a byte came last, 0: none yet */
    bool too_large;
    char detail[CURL_ERROR_SIZE];
};

/* What epoll knows of a file descriptor. */
struct socket {
    struct shard *shard;
    uint32_t registered, wanted; /* EPOLL events */
    bool ours;                   /* opened by us: closed by us, so the registration may outlast a request */
};

struct lam_llm_transport {
    struct lam_llm_transport_init init;
    const struct lam_clock *clock;
    size_t max_answer, endpoint_count;
    unsigned attempt_timeout_ms, connect_timeout_ms, stall_timeout_ms;
    char user_agent[128], ca_file[1024];
    bool loopback[LAM_LLM_ENDPOINTS], tls[LAM_LLM_ENDPOINTS];
    struct curl_slist *headers[LAM_LLM_ENDPOINTS];
    CURLSH *share;
    struct shard *shards[SHARDS_MAX];
    unsigned shard_count;
    struct call *free[LAM_LLM_ENDPOINTS][LAM_LLM_KINDS], *flying, *all;
    struct socket *sockets; /* by file descriptor */
    size_t socket_cap;
    int epoll;
    int64_t now_us, sweep_us;
    unsigned done_count;    /* of this run */
};

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

static void register_events(struct lam_llm_transport *http, struct socket *sock, int fd, uint32_t events)
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
    register_events(shard->http, sock, fd, sock->wanted);
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

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct shard *shard = arg;

    (void)multi;
    shard->due_us = timeout_ms < 0 ? INT64_MAX : shard->http->now_us + timeout_ms * 1000;
    return 0;
}

/* ---- what arrives ---- */

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
    struct call *call = arg;

    (void)one;
    call->byte_us = call->shard->http->now_us;
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) /* again behind a 100 */
        lam_llm_headers_init(&call->attempt->headers);
    else
        lam_llm_headers_add(&call->attempt->headers, lam_sv(line, len), lam_wall_us(call->shard->http->clock));
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

static struct shard *shard_new(struct lam_llm_transport *http)
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
    curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS, (long)LAM_LLM_SHARD_CALLS);
    curl_multi_setopt(shard->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    return shard;
}

/* The last one with room, or a new one; when there are too many, the last one takes all. */
static struct shard *shard_for_call(struct lam_llm_transport *http)
{
    struct shard *shard = http->shard_count ? http->shards[http->shard_count - 1] : NULL;

    if (shard && (shard->calls < LAM_LLM_SHARD_CALLS || http->shard_count == SHARDS_MAX))
        return shard;
    if (!(shard = shard_new(http)))
        return NULL;
    return http->shards[http->shard_count++] = shard;
}

static void call_setup(struct lam_llm_transport *http, struct call *call, size_t endpoint)
{
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, http->share);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers[endpoint]);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, http->user_agent);
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
        curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* else as the environment says */
    if (*http->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
}

static struct call *call_new(struct lam_llm_transport *http, size_t endpoint)
{
    struct call *call = calloc(1, sizeof *call);

    if (!call || !(call->easy = curl_easy_init()) || !(call->shard = shard_for_call(http))) {
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

static int start(struct lam_llm_transport *http, struct lam_llm_attempt *attempt, struct lam_error *err)
{
    struct call **free_list = &http->free[attempt->endpoint][attempt->kind], *call = *free_list;
    CURLMcode rc;

    if (!call && !(call = call_new(http, attempt->endpoint)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for one more request in flight");
    if (call == *free_list)
        *free_list = call->next;
    if (call->url != attempt->url) {
        curl_easy_setopt(call->easy, CURLOPT_URL, attempt->url);
        call->url = attempt->url;
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

static void cancel(struct lam_llm_transport *http, struct lam_llm_attempt *attempt) { land(http, attempt->impl); }

static void finish(struct lam_llm_transport *http, struct call *call, enum lam_llm_transport_code code)
{
    struct lam_llm_attempt *attempt = call->attempt;
    long status = 0, connects = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
    attempt->code = code;
    attempt->status = (int)status;
    attempt->connected_anew = connects > 0;
    attempt->ended_us = lam_mono_us(http->clock);
    if (code != LAM_LLM_T_OK && !*attempt->detail)
        snprintf(attempt->detail, sizeof attempt->detail, "%.150s", call->detail);
    land(http, call);
    http->done_count++;
    http->init.sink.done(http->init.sink.arg, attempt);
}

static void take_finished(struct lam_llm_transport *http, struct shard *shard)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(shard->multi, &left))) {
        struct call *call;
        CURLcode code = message->data.result;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish(http, call, code_of(code, call));
    }
}

/* ---- the loop ---- */

static void sweep(struct lam_llm_transport *http)
{
    int64_t stall_us = (int64_t)http->stall_timeout_ms * 1000;

    http->sweep_us = http->now_us + SWEEP_US;
    for (struct call *call = http->flying, *next; call; call = next) {
        bool late = call->limit_us <= http->now_us, stalled = call->byte_us && call->byte_us + stall_us <= http->now_us;

        next = call->next; /* done starts others only at the head */
        if (!late && !stalled)
            continue;
        snprintf(call->attempt->detail, sizeof call->attempt->detail, late ? "timed out after %" PRId64 " ms" : "nothing for %" PRId64 " ms within the answer",
                 (http->now_us - (late ? call->attempt->started_us : call->byte_us)) / 1000);
        finish(http, call, LAM_LLM_T_TIMEOUT);
        if (next && !next->attempt)
            break; /* done cancelled it: the rest at the next sweep */
    }
}

static void act(struct lam_llm_transport *http, struct shard *shard, curl_socket_t fd, int events)
{
    int running;

    (void)http;
    curl_multi_socket_action(shard->multi, fd, events, &running);
    shard->touched = true;
}

static void on_event(struct lam_llm_transport *http, const struct epoll_event *event)
{
    struct socket *sock;
    int fd = (int)event->data.u64, events;

    if (event->data.u64 == WAKE_TAG) {
        lam_wake_wait(http->init.wake, 0);
        return;
    }
    sock = &http->sockets[fd];
    if (!sock->registered)
        return; /* closed by an event before */
    if (!sock->wanted) { /* the server closed an idle connection: libcurl will notice when it looks for one */
        register_events(http, sock, fd, 0);
        return;
    }
    events = (event->events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) | (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
             (event->events & EPOLLERR ? CURL_CSELECT_ERR : 0);
    act(http, sock->shard, fd, events);
}

/* Calls that are due: libcurl's own timers, and handles that were added. Returns when the next one is. */
static int64_t turn_timers(struct lam_llm_transport *http)
{
    int64_t next_us = INT64_MAX;

    for (unsigned i = 0; i < http->shard_count; i++) {
        struct shard *shard = http->shards[i];

        for (int round = 0; shard->due_us <= http->now_us && round < 8; round++) {
            shard->due_us = INT64_MAX;
            act(http, shard, CURL_SOCKET_TIMEOUT, 0);
        }
        next_us = shard->due_us < next_us ? shard->due_us : next_us;
    }
    return next_us;
}

static void take_all_finished(struct lam_llm_transport *http)
{
    for (unsigned i = 0; i < http->shard_count; i++) {
        if (!http->shards[i]->touched)
            continue;
        http->shards[i]->touched = false;
        take_finished(http, http->shards[i]);
    }
}

static int run(struct lam_llm_transport *http, int64_t until_us, struct lam_error *err)
{
    struct epoll_event events[EVENTS];
    int64_t next_us;
    int count, wait_ms;

    http->done_count = 0;
    http->now_us = lam_mono_us(http->clock);
    next_us = turn_timers(http);
    take_all_finished(http);
    if (http->done_count)
        return 0;
    next_us = next_us < until_us ? next_us : until_us;
    if (http->flying && http->sweep_us < next_us)
        next_us = http->sweep_us;
    wait_ms = next_us == INT64_MAX ? -1 : next_us <= http->now_us ? 0 : next_us - http->now_us > 60000000 ? 60000 : (int)((next_us - http->now_us + 999) / 1000);
    count = epoll_wait(http->epoll, events, EVENTS, wait_ms);
    if (count < 0 && errno != EINTR)
        return LAM_FAIL(err, LAM_E_IO, "epoll_wait: %s", strerror(errno));
    http->now_us = lam_mono_us(http->clock);
    for (int i = 0; i < count; i++)
        on_event(http, &events[i]);
    take_all_finished(http);
    if (http->now_us >= http->sweep_us)
        sweep(http);
    return 0;
}

/* ---- beginning and end ---- */

static bool is_loopback(const char *url)
{
    static const char *const hosts[] = {"127.", "localhost:", "localhost/", "[::1]", NULL};
    const char *host = strstr(url, "://");

    for (size_t i = 0; host && hosts[i]; i++)
        if (!strncasecmp(host + 3, hosts[i], strlen(hosts[i])))
            return true;
    return host && !strcasecmp(host + 3, "localhost");
}

static void http_close(struct lam_llm_transport *http)
{
    while (http->all) {
        struct call *call = http->all;

        http->all = call->all;
        if (call->attempt)
            curl_multi_remove_handle(call->shard->multi, call->easy);
        curl_easy_cleanup(call->easy);
        free(call);
    }
    for (unsigned i = 0; i < http->shard_count; i++) {
        curl_multi_cleanup(http->shards[i]->multi);
        free(http->shards[i]);
    }
    if (http->share)
        curl_share_cleanup(http->share);
    for (size_t i = 0; i < LAM_LLM_ENDPOINTS; i++)
        curl_slist_free_all(http->headers[i]);
    if (http->epoll >= 0)
        close(http->epoll);
    free(http->sockets);
    free(http);
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool make_headers(struct lam_llm_transport *http, size_t endpoint)
{
    struct curl_slist **list = &http->headers[endpoint];
    const char *authorization = http->init.authorization[endpoint];

    return add_header(list, "Content-Type: application/json") && add_header(list, "Accept: application/json") && add_header(list, "Expect:") &&
           (!authorization || add_header(list, authorization));
}

static void copy_options(struct lam_llm_transport *http, const struct lam_llm_options *options)
{
    http->clock = options->clock;
    http->max_answer = options->max_answer;
    http->endpoint_count = options->endpoint_count;
    http->attempt_timeout_ms = options->attempt_timeout_ms;
    http->connect_timeout_ms = options->connect_timeout_ms;
    http->stall_timeout_ms = options->stall_timeout_ms;
    snprintf(http->user_agent, sizeof http->user_agent, "%s", options->user_agent);
    snprintf(http->ca_file, sizeof http->ca_file, "%s", options->ca_file ? options->ca_file : "");
    for (size_t i = 0; i < options->endpoint_count; i++) {
        http->loopback[i] = is_loopback(options->endpoints[i].url);
        http->tls[i] = !strncasecmp(options->endpoints[i].url, "https:", 6);
    }
}

static int http_open(const struct lam_llm_transport_init *init, struct lam_llm_transport **out, struct lam_error *err)
{
    struct lam_llm_transport *http = calloc(1, sizeof *http);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_TAG};
    bool made = true;

    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT)) {
        free(http);
        return LAM_FAIL(err, LAM_E_MEMORY, "libcurl does not start");
    }
    http->init = *init;
    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    http->share = curl_share_init();
    copy_options(http, init->options);
    for (size_t i = 0; i < http->endpoint_count; i++)
        made = made && make_headers(http, i);
    if (!made || !http->share || http->epoll < 0 || epoll_ctl(http->epoll, EPOLL_CTL_ADD, init->wake->fd, &event)) {
        http_close(http);
        return LAM_FAIL(err, LAM_E_IO, "no descriptor or no memory for the HTTP client");
    }
    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    http->now_us = lam_mono_us(http->clock);
    *out = http;
    return 0;
}

const struct lam_llm_transport_ops lam_llm_transport_curl = {
    .name = "http", .open = http_open, .start = start, .cancel = cancel, .run = run, .close = http_close};
