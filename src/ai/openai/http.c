/*
 * HTTP over libcurl's multi interface, driven by one epoll. What keeps its share of the CPU small:
 *
 *   shards      libcurl looks for a free connection by walking over all to that host, each of them long out of the CPU's caches. So the
 *               handles are spread over several multi handles, SHARD_CALLS each, with connections of their own; DNS and TLS sessions are
 *               shared. Smaller ones would cost more memory and descriptors than they save time.
 *   handles     an easy handle is set up once, for one endpoint and kind; a request sets its body and nothing else. Its URL is taken apart
 *               once for all: libcurl would parse and format it for each request. What it formats it does byte by byte, at 150
 *               instructions each: no header twice, and none without need.
 *   epoll       libcurl lets go of a socket after each request and takes it up with the next one. The registration stays in between: a
 *               request costs no epoll_ctl.
 *   timeouts    ours are swept over what is in flight whenever the loop turns and a while has passed, so that libcurl has no timer to
 *               keep for each request. The client turns it five times a second at least as long as anything is open.
 */
#include "http_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 256
#define SWEEP_US INT64_C(90000)
#define WAKE_TAG UINT64_MAX

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
        lam_llm_http_finish(http, call, LAM_LLM_T_TIMEOUT);
        if (next && !next->attempt)
            break; /* done cancelled it: the rest at the next sweep */
    }
}

static void act(struct shard *shard, curl_socket_t fd, int events)
{
    struct lam_llm_transport *http = shard->http;
    int running;

    curl_multi_socket_action(shard->multi, fd, events, &running);
    if (shard->touched)
        return;
    shard->touched = true;
    shard->next_touched = http->touched;
    http->touched = shard;
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
        lam_llm_http_watch(http, sock, fd, 0);
        return;
    }
    events = (event->events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) | (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
             (event->events & EPOLLERR ? CURL_CSELECT_ERR : 0);
    act(sock->shard, fd, events);
}

/* Timers that are not at once: of connections, seldom. */
static void look_for_due(struct lam_llm_transport *http)
{
    http->due_us = INT64_MAX;
    for (unsigned i = 0; i < http->shard_count; i++) {
        struct shard *shard = http->shards[i];

        if (shard->due_us <= http->now_us)
            lam_llm_http_is_due(http, shard);
        else if (shard->due_us < http->due_us)
            http->due_us = shard->due_us;
    }
}

/* Calls that are due: libcurl's own timers, and handles that were added. Returns when the next one is. */
static int64_t turn_timers(struct lam_llm_transport *http)
{
    struct shard *shard;

    if (http->due_us <= http->now_us)
        look_for_due(http);
    for (int round = 0; round < 8 && http->due; round++) {
        struct shard *due = http->due;

        http->due = NULL;
        while ((shard = due)) {
            due = shard->next_due;
            shard->is_due = false;
            if (shard->due_us > http->now_us)
                continue;
            shard->due_us = INT64_MAX;
            act(shard, CURL_SOCKET_TIMEOUT, 0);
        }
    }
    return http->due ? http->now_us : http->due_us;
}

static void take_all_finished(struct lam_llm_transport *http)
{
    struct shard *shard;

    while ((shard = http->touched)) {
        http->touched = shard->next_touched;
        shard->touched = false;
        lam_llm_http_take_finished(http, shard);
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
    for (struct place *place = http->places, *next; place; place = next) {
        next = place->next;
        curl_url_cleanup(place->parsed);
        free(place);
    }
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
           add_header(list, http->user_agent) && (!authorization || add_header(list, authorization));
}

static void copy_options(struct lam_llm_transport *http, const struct lam_llm_options *options)
{
    const char *ca_file = options->ca_file;

    http->clock = options->clock;
    http->max_answer = options->max_answer;
    http->endpoint_count = options->endpoint_count;
    http->attempt_timeout_ms = options->attempt_timeout_ms;
    http->connect_timeout_ms = options->connect_timeout_ms;
    http->stall_timeout_ms = options->stall_timeout_ms;
    snprintf(http->user_agent, sizeof http->user_agent, "User-Agent: %s", options->user_agent); /* as one of the headers it is formatted once a request, not twice */
    if (!ca_file || !*ca_file)
        ca_file = getenv("CURL_CA_BUNDLE");
    if (!ca_file || !*ca_file)
        ca_file = getenv("SSL_CERT_FILE");
    snprintf(http->ca_file, sizeof http->ca_file, "%s", ca_file ? ca_file : "");
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
    http->due_us = INT64_MAX;
    *out = http;
    return 0;
}

const struct lam_llm_transport_ops lam_llm_transport_curl = {
    .name = "http", .open = http_open, .start = lam_llm_http_start, .cancel = lam_llm_http_cancel, .run = run, .close = http_close};
