/* The server's life: start, the callbacks of libmicrohttpd, stop. */
#include "http_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STACK ((size_t)4 << 20) /* address space, not memory: jansson recurses to 2048 levels */
#define TOKEN_MIN 16

void lam_http_config_init(struct lam_http_config *config)
{
    *config = (struct lam_http_config){
        .listen = "127.0.0.1:8080",
        .max_connections = 128,
        .max_queries = 8,
        .query_timeout_ms = LAM_QUERY_TIMEOUT_MS,
        .read_timeout_ms = 15000,
        .write_timeout_ms = 60000,
        .max_body = (size_t)1 << 20,
        .max_header = (size_t)32 << 10,
        .max_answer = (size_t)16 << 20,
        .clock = &lam_clock_system,
    };
}

static void count_requests(struct lam_http *http, int change)
{
    pthread_mutex_lock(&http->lock);
    http->requests += (unsigned)change;
    if (change < 0)
        pthread_cond_broadcast(&http->slots_changed);
    pthread_mutex_unlock(&http->lock);
}

static struct timespec after_ms(unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return until;
}

bool lam_http_enter_query(struct lam_http *http)
{
    struct timespec until = after_ms(http->config.query_timeout_ms);
    bool entered;

    pthread_mutex_lock(&http->lock);
    while (http->queries >= http->config.max_queries && !atomic_load(&http->cancel))
        if (pthread_cond_timedwait(&http->slots_changed, &http->lock, &until) == ETIMEDOUT)
            break;
    entered = http->queries < http->config.max_queries && !atomic_load(&http->cancel);
    http->queries += entered;
    pthread_mutex_unlock(&http->lock);
    return entered;
}

void lam_http_leave_query(struct lam_http *http)
{
    pthread_mutex_lock(&http->lock);
    http->queries--;
    pthread_cond_broadcast(&http->slots_changed);
    pthread_mutex_unlock(&http->lock);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    struct lam_http *http = cls;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

        *socket_context = info ? lam_watch_add(&http->watch, info->connect_fd, http->config.read_timeout_ms) : NULL;
    } else {
        lam_watch_remove(&http->watch, *socket_context);
        *socket_context = NULL;
    }
}

/* The first line of a request is here. The target is taken as it came: decoding is ours, so that a NUL or a slash in a key stays one. */
static void *on_request(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct lam_http *http = cls;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct request *request = calloc(1, sizeof *request);

    if (!request || !(request->target = strdup(target))) {
        free(request);
        return NULL;
    }
    request->http = http;
    request->connection = connection;
    request->entry = info ? info->socket_context : NULL;
    request->endpoint = ENDPOINT_NONE;
    request->start_us = lam_mono_us(http->config.clock);
    lam_buf_init(&request->body, http->config.max_body);
    lam_watch_set(&http->watch, request->entry, http->config.read_timeout_ms);
    count_requests(http, 1);
    return request;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls, enum MHD_RequestTerminationCode code)
{
    struct lam_http *http = cls;
    struct request *request = *con_cls;

    (void)connection, (void)code;
    if (!request)
        return;
    *con_cls = NULL;
    if (request->slot)
        lam_http_leave_query(http);
    lam_watch_set(&http->watch, request->entry, http->config.read_timeout_ms);
    lam_buf_release(&request->body);
    free(request->target);
    free(request);
    count_requests(http, -1);
}

static void take_body(struct request *request, const char *bytes, size_t len)
{
    int rc = request->body_too_long ? LAM_E_LIMIT : lam_buf_add(&request->body, bytes, len, NULL);

    request->body_too_long |= rc == LAM_E_LIMIT;
    request->body_lost |= rc == LAM_E_MEMORY;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                 const char *upload, size_t *upload_len, void **con_cls)
{
    struct request *request = *con_cls;
    enum MHD_Result result;

    (void)cls, (void)connection, (void)url, (void)version;
    if (!request)
        return MHD_NO; /* no memory for it: the connection ends */
    if (!request->began) {
        request->began = true;
        return lam_http_screen(request, method, &result) ? result : MHD_YES;
    }
    if (*upload_len) {
        take_body(request, upload, *upload_len);
        *upload_len = 0;
        return MHD_YES;
    }
    lam_watch_set(&request->http->watch, request->entry, 0); /* the request is here; how long its answer takes is the query's deadline */
    return lam_http_dispatch(request);
}

/* Escapes stay: see on_request. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls, (void)connection;
    return strlen(text);
}

/* What libmicrohttpd has to say is about clients' errors. */
static void on_log(void *cls, const char *fmt, va_list ap)
{
    struct lam_http *http = cls;
    char text[256];

    if (!http->config.log || http->config.log->level < LAM_LOG_DEBUG)
        return;
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    lam_log_debug(http->config.log, "serve", "%s", text);
}

/* Signals are for the main thread; faults stay with whoever causes them. */
static void block_signals(sigset_t *before)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static int start_daemon(struct lam_http *http, struct lam_error *err)
{
    const struct lam_http_config *config = &http->config;

    http->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                                        MHD_USE_ITC | MHD_USE_ERROR_LOG,
                                    0, NULL, NULL, on_access, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http,
                                    MHD_OPTION_LISTEN_SOCKET, http->listen.fd, MHD_OPTION_CONNECTION_LIMIT,
                                    config->max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                    config->max_header + ANSWER_HEADERS, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
                                    MHD_OPTION_THREAD_STACK_SIZE, STACK, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
                                    http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_URI_LOG_CALLBACK,
                                    on_request, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
    return http->daemon ? 0 : LAM_FAIL(err, LAM_E_IO, "the HTTP server on %s did not start", http->listen.url);
}

static int check_config(const struct lam_http *http, struct lam_error *err)
{
    if (!http->listen.loopback && !*http->token)
        return LAM_FAIL(err, LAM_E_INVALID,
                        "listening on %s, which other machines reach, needs a token: name an environment variable that "
                        "holds one",
                        http->config.listen);
    if (*http->token && strlen(http->token) < TOKEN_MIN)
        return LAM_FAIL(err, LAM_E_INVALID, "the token is shorter than %d bytes", TOKEN_MIN);
    return 0;
}

static void init_locks(struct lam_http *http)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&http->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&http->slots_changed, &attr);
    pthread_condattr_destroy(&attr);
}

static void free_http(struct lam_http *http)
{
    pthread_cond_destroy(&http->slots_changed);
    pthread_mutex_destroy(&http->lock);
    if (http->listen.fd >= 0)
        close(http->listen.fd);
    free(http->token);
    free(http->hosts);
    free(http);
}

int lam_http_start(const struct lam_http_config *config, struct lam_http **out, struct lam_error *err)
{
    struct lam_http *http = calloc(1, sizeof *http);
    sigset_t signals;
    int rc;

    if (!http)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an HTTP server");
    http->config = *config;
    http->start_us = lam_mono_us(config->clock);
    http->token = strdup(config->token ? config->token : "");
    http->hosts = strdup(config->hosts ? config->hosts : "");
    http->listen.fd = -1;
    init_locks(http);
    rc = http->token && http->hosts ? lam_listen_open(config->listen, &http->listen, err)
                                    : LAM_FAIL(err, LAM_E_MEMORY, "no memory for an HTTP server");
    if (rc || (rc = check_config(http, err))) {
        free_http(http);
        return rc;
    }
    block_signals(&signals);
    if (!(rc = lam_watch_start(&http->watch, config->clock, err)) && (rc = start_daemon(http, err)))
        lam_watch_stop(&http->watch);
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    if (rc) {
        free_http(http);
        return rc;
    }
    *out = http;
    return 0;
}

unsigned lam_http_port(const struct lam_http *http) { return http->listen.port; }

const char *lam_http_url(const struct lam_http *http) { return http->listen.url; }

static uint64_t sum_answered(const struct lam_http *http, size_t first)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ENDPOINTS; i++)
        for (size_t j = first; j < 6; j++)
            sum += atomic_load_explicit(&http->answered[i][j], memory_order_relaxed);
    return sum;
}

uint64_t lam_http_answered(const struct lam_http *http) { return sum_answered(http, 0); }

uint64_t lam_http_failed(const struct lam_http *http) { return sum_answered(http, 5); }

/* Waits until no request is under way. */
static void drain(struct lam_http *http, unsigned grace_ms)
{
    struct timespec until = after_ms(grace_ms);

    pthread_mutex_lock(&http->lock);
    while (http->requests && pthread_cond_timedwait(&http->slots_changed, &http->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&http->lock);
}

void lam_http_quiesce(struct lam_http *http)
{
    MHD_socket fd;

    if (atomic_exchange(&http->stopping, true))
        return;
    fd = MHD_quiesce_daemon(http->daemon);
    if (fd != MHD_INVALID_SOCKET) {
        shutdown(fd, SHUT_RDWR); /* the daemon may be polling it still, which would keep it listening */
        close(fd);
    }
    http->listen.fd = -1;
}

unsigned lam_http_busy(struct lam_http *http)
{
    unsigned busy;

    pthread_mutex_lock(&http->lock);
    busy = http->requests;
    pthread_mutex_unlock(&http->lock);
    return busy;
}

void lam_http_stop(struct lam_http *http, unsigned grace_ms)
{
    if (!http)
        return;
    lam_http_quiesce(http);
    drain(http, grace_ms);
    pthread_mutex_lock(&http->lock);
    atomic_store(&http->cancel, true);
    pthread_cond_broadcast(&http->slots_changed);
    pthread_mutex_unlock(&http->lock);
    lam_watch_end_all(&http->watch);
    MHD_stop_daemon(http->daemon);
    lam_watch_stop(&http->watch);
    free_http(http);
}
