#include "llm_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX ((size_t)64 << 20)
#define EVENTS 256

enum conn_state { READING, WAITING /* in line for a slot */, DELAYED, WRITING, STALLED };

struct conn {
    int fd;
    enum conn_state state;
    char *in;
    size_t in_len, in_cap, request_len; /* request_len: of the request that is being answered */
    struct llm_reply reply;
    char *head;                         /* of the answer */
    size_t head_len, body_len, total, sent, limit;
    char *generated;                    /* a body that was made up; reply.body points to it */
    int64_t due_us;
    size_t heap_at;                     /* 1 …: place in the heap; 0: not in it */
    bool watching_out, chunk_tail, counted;
    struct conn *next, *prev, *line_next;
};

struct llm_server {
    llm_choose *choose;
    void *arg;
    int epoll, listener, timer, wake, stop_fd;
    unsigned port;
    char url[64];
    pthread_t thread;
    bool threaded;
    struct conn **heap;
    size_t heap_len, heap_cap;
    struct conn *conns, *dead;
    struct conn *line_first, *line_last;
    size_t slots, working;

    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    int wish;             /* 0 none, 1 die, 2 return, 3 stop */
    struct llm_server_counts counts;
    size_t wished_slots;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "llm_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- the heap of due times ---- */

static void heap_put(struct llm_server *server, size_t at, struct conn *conn)
{
    server->heap[at] = conn;
    conn->heap_at = at;
}

static void heap_up(struct llm_server *server, size_t at)
{
    struct conn *conn = server->heap[at];

    for (; at > 1 && server->heap[at / 2]->due_us > conn->due_us; at /= 2)
        heap_put(server, at, server->heap[at / 2]);
    heap_put(server, at, conn);
}

static void heap_down(struct llm_server *server, size_t at)
{
    struct conn *conn = server->heap[at];

    for (;;) {
        size_t child = 2 * at;

        if (child > server->heap_len)
            break;
        if (child < server->heap_len && server->heap[child + 1]->due_us < server->heap[child]->due_us)
            child++;
        if (server->heap[child]->due_us >= conn->due_us)
            break;
        heap_put(server, at, server->heap[child]);
        at = child;
    }
    heap_put(server, at, conn);
}

static void heap_add(struct llm_server *server, struct conn *conn, int64_t due_us)
{
    conn->due_us = due_us;
    if (server->heap_len + 2 > server->heap_cap) {
        server->heap_cap = server->heap_cap ? 2 * server->heap_cap : 1024;
        if (!(server->heap = realloc(server->heap, server->heap_cap * sizeof *server->heap)))
            die("realloc");
    }
    server->heap[++server->heap_len] = conn;
    heap_up(server, server->heap_len);
}

static void heap_remove(struct llm_server *server, struct conn *conn)
{
    size_t at = conn->heap_at;
    struct conn *last = server->heap[server->heap_len--];

    conn->heap_at = 0;
    if (last == conn)
        return;
    heap_put(server, at, last);
    heap_up(server, at);
    heap_down(server, last->heap_at);
}

/* ---- connections ---- */

static void watch(struct llm_server *server, struct conn *conn, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = conn};

    if (conn->watching_out == out)
        return;
    conn->watching_out = out;
    epoll_ctl(server->epoll, EPOLL_CTL_MOD, conn->fd, &event);
}

static void begin_next(struct llm_server *server);

/* The request that conn had under way is over, answered or not. */
static void over(struct llm_server *server, struct conn *conn, bool answered)
{
    if (conn->heap_at)
        heap_remove(server, conn);
    if (conn->counted) {
        bool worked = conn->state != WAITING;

        pthread_mutex_lock(&server->lock);
        server->counts.open--;
        if (answered)
            server->counts.answered++;
        else
            server->counts.aborted++;
        pthread_mutex_unlock(&server->lock);
        conn->counted = false;
        if (!worked) { /* leaves the line */
            struct conn **link = &server->line_first, *before = NULL;

            for (; *link != conn; link = &(*link)->line_next)
                before = *link;
            *link = conn->line_next;
            if (server->line_last == conn)
                server->line_last = before;
        } else {
            server->working--;
        }
    }
    free(conn->head);
    free(conn->generated);
    conn->head = conn->generated = NULL;
    conn->state = READING;
}

static void conn_close(struct llm_server *server, struct conn *conn, bool reset, bool answered)
{
    struct linger hard = {1, 0};

    over(server, conn, answered);
    if (reset)
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(conn->fd);
    conn->fd = -1;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    conn->next = server->dead; /* freed after the round: events of it may still be in the list */
    server->dead = conn;
    begin_next(server);
}

static void bury(struct llm_server *server)
{
    while (server->dead) {
        struct conn *conn = server->dead;

        server->dead = conn->next;
        free(conn->in);
        free(conn);
    }
}

static void accept_all(struct llm_server *server)
{
    int fd, one = 1;

    while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *conn = calloc(1, sizeof *conn);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

        if (!conn)
            die("calloc");
        conn->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event))
            die("epoll_ctl");
        conn->next = server->conns;
        if (server->conns)
            server->conns->prev = conn;
        server->conns = conn;
        pthread_mutex_lock(&server->lock);
        server->counts.connections++;
        pthread_mutex_unlock(&server->lock);
    }
}

/* ---- answers ---- */

#define CHAT_ANSWER                                                                                                                                    \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"scripted\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," \
    "\"content\":\"{\\\"category\\\":\\\"billing\\\"}\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":500,\"completion_tokens\":20,\"total_tokens\":520}}"

static const char *reason_of(int status)
{
    return status == 200 ? "OK" : status == 429 ? "Too Many Requests" : status >= 500 ? "Server Error" : status >= 400 ? "Client Error" : "Other";
}

/* "input":["a","b"] gets two vectors of four numbers; a string gets one. */
static char *embeddings_for(const char *body)
{
    const char *input = strstr(body, "\"input\"");
    size_t count = 1, used;
    char *out;

    if (input && (input = strchr(input, ':')) && input[1 + strspn(input + 1, " ")] == '[') {
        const char *at = strchr(input, '[') + 1;

        for (count = 0; *at && *at != ']'; at++) {
            if (*at != '"')
                continue;
            for (at++; *at && *at != '"'; at++)
                at += *at == '\\' && at[1];
            count++;
        }
    }
    if (!(out = malloc(256 + count * 96)))
        die("malloc");
    used = (size_t)sprintf(out, "{\"object\":\"list\",\"model\":\"scripted\",\"data\":[");
    for (size_t i = 0; i < count; i++)
        used += (size_t)sprintf(out + used, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":[0.5,-0.5,0.5,0.5]}", i ? "," : "", i);
    sprintf(out + used, "],\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}", 8 * count, 8 * count);
    return out;
}

static void compose(struct conn *conn)
{
    struct llm_reply *reply = &conn->reply;
    size_t cap = 512 + (reply->headers ? strlen(reply->headers) : 0);
    char *head = malloc(cap);
    size_t used;

    if (!head)
        die("malloc");
    conn->body_len = reply->body_len * (reply->repeat ? reply->repeat : 1);
    used = (size_t)snprintf(head, cap, "HTTP/1.1 %d %s\r\n", reply->status, reason_of(reply->status));
    if (!reply->content_type || *reply->content_type)
        used += (size_t)snprintf(head + used, cap - used, "Content-Type: %s\r\n", reply->content_type ? reply->content_type : "application/json");
    if (reply->headers)
        used += (size_t)snprintf(head + used, cap - used, "%s", reply->headers);
    if (reply->close_after)
        used += (size_t)snprintf(head + used, cap - used, "Connection: close\r\n");
    if (reply->chunked)
        used += (size_t)snprintf(head + used, cap - used, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", conn->body_len);
    else
        used += (size_t)snprintf(head + used, cap - used, "Content-Length: %zu\r\n\r\n", conn->body_len);
    conn->head = head;
    conn->head_len = used;
    conn->total = used + conn->body_len + (reply->chunked ? 7 : 0);
    conn->sent = 0;
    conn->limit = reply->fault == LLM_CUT || reply->fault == LLM_CUT_RESET || reply->fault == LLM_STALL ? reply->at : conn->total;
    if (conn->limit > conn->total)
        conn->limit = conn->total;
}

/* The bytes of the answer from conn->sent on, as far as they lie together. */
static const char *piece(const struct conn *conn, size_t *len)
{
    size_t at = conn->sent;
    const char *ptr;

    if (at < conn->head_len) {
        ptr = conn->head + at;
        *len = conn->head_len - at;
    } else if (at < conn->head_len + conn->body_len) {
        size_t in_body = (at - conn->head_len) % conn->reply.body_len;

        ptr = conn->reply.body + in_body;
        *len = conn->reply.body_len - in_body;
    } else {
        size_t in_tail = at - conn->head_len - conn->body_len;

        ptr = &"\r\n0\r\n\r\n"[in_tail];
        *len = 7 - in_tail;
    }
    if (*len > conn->limit - at)
        *len = conn->limit - at;
    return ptr;
}

static void read_more(struct llm_server *server, struct conn *conn);

static void finished(struct llm_server *server, struct conn *conn)
{
    size_t rest = conn->in_len - conn->request_len;

    if (conn->limit < conn->total || conn->reply.fault == LLM_CLOSE || conn->reply.fault == LLM_RESET) {
        if (conn->reply.fault == LLM_STALL)
            conn->state = STALLED;
        else
            conn_close(server, conn, conn->reply.fault == LLM_RESET || conn->reply.fault == LLM_CUT_RESET, true);
        return;
    }
    if (conn->reply.close_after) {
        conn_close(server, conn, false, true);
        return;
    }
    over(server, conn, true);
    watch(server, conn, false);
    memmove(conn->in, conn->in + conn->request_len, rest);
    conn->in_len = rest;
    conn->request_len = 0;
    begin_next(server);
    if (rest)
        read_more(server, conn);
}

/* Head and body in one call where both are whole and small: a server that is quick leaves more of the machine to what is measured. */
static ssize_t send_some(struct conn *conn)
{
    size_t len;
    const char *ptr;

    if (conn->sent == 0 && conn->limit == conn->total && conn->reply.fault == LLM_FINE && conn->body_len && !conn->reply.chunked && conn->reply.repeat < 2) {
        struct iovec parts[2] = {{conn->head, conn->head_len}, {(void *)(uintptr_t)conn->reply.body, conn->body_len}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

        return sendmsg(conn->fd, &message, MSG_NOSIGNAL);
    }
    ptr = piece(conn, &len);
    if (conn->reply.fault == LLM_DRIP)
        len = 1;
    return send(conn->fd, ptr, len, MSG_NOSIGNAL);
}

static void write_more(struct llm_server *server, struct conn *conn)
{
    while (conn->sent < conn->limit) {
        ssize_t n = send_some(conn);

        if (n < 0 && errno == EAGAIN) {
            watch(server, conn, true);
            return;
        }
        if (n < 0) {
            conn_close(server, conn, false, false);
            return;
        }
        conn->sent += (size_t)n;
        if (conn->reply.fault == LLM_DRIP && conn->sent < conn->limit) {
            heap_add(server, conn, now_us() + conn->reply.drip_us);
            return;
        }
    }
    finished(server, conn);
}

static void due(struct llm_server *server, struct conn *conn)
{
    heap_remove(server, conn);
    if (conn->state == DELAYED) {
        conn->state = WRITING;
        if (conn->reply.fault == LLM_CLOSE || conn->reply.fault == LLM_RESET)
            finished(server, conn);
        else
            write_more(server, conn);
    } else {
        write_more(server, conn);
    }
}

static void begin(struct llm_server *server, struct conn *conn)
{
    server->working++;
    conn->state = DELAYED;
    heap_add(server, conn, now_us() + conn->reply.delay_us);
}

static void begin_next(struct llm_server *server)
{
    while (server->line_first && (!server->slots || server->working < server->slots)) {
        struct conn *conn = server->line_first;

        server->line_first = conn->line_next;
        if (!server->line_first)
            server->line_last = NULL;
        begin(server, conn);
    }
}

/* ---- requests ---- */

/* The value of a header, or 0: enough for Content-Length. */
static size_t number_header(const char *head, const char *name)
{
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, strlen(name)) && line[2 + strlen(name)] == ':')
            return strtoul(line + 3 + strlen(name), NULL, 10);
    return 0;
}

/* The request is whole: what shall it get? Bytes behind it are kept apart by their first byte, which the NUL takes for a while. */
static void take(struct llm_server *server, struct conn *conn, size_t head_len, size_t body_len)
{
    struct llm_request request = {.head = conn->in, .body = conn->in + head_len, .body_len = body_len};
    char behind = conn->in[head_len + body_len], method[16] = "", path[256] = "";

    conn->in[head_len + body_len] = '\0';
    conn->in[head_len - 2] = '\0';
    sscanf(conn->in, "%15s %255s", method, path);
    request.method = method;
    request.path = path;
    pthread_mutex_lock(&server->lock);
    request.number = server->counts.requests++;
    request.open = ++server->counts.open;
    if (server->counts.open > server->counts.open_max)
        server->counts.open_max = server->counts.open;
    server->slots = server->wished_slots;
    pthread_mutex_unlock(&server->lock);
    conn->counted = true;
    conn->request_len = head_len + body_len;
    conn->reply = (struct llm_reply){0};
    if (server->choose)
        server->choose(server->arg, &request, &conn->reply);
    if (!conn->reply.status)
        conn->reply.status = 200;
    if (!conn->reply.body && strstr(path, "embeddings"))
        conn->reply.body = conn->generated = embeddings_for(request.body);
    if (!conn->reply.body)
        conn->reply.body = CHAT_ANSWER;
    if (!conn->reply.body_len)
        conn->reply.body_len = strlen(conn->reply.body);
    conn->in[head_len + body_len] = behind;
    compose(conn);
    if (!server->slots || server->working < server->slots) {
        begin(server, conn);
        return;
    }
    conn->state = WAITING;
    conn->line_next = NULL;
    if (server->line_last)
        server->line_last->line_next = conn;
    else
        server->line_first = conn;
    server->line_last = conn;
}

static void read_more(struct llm_server *server, struct conn *conn)
{
    char *end;
    size_t head_len, body_len;

    if (conn->state != READING || !conn->in_len)
        return;
    conn->in[conn->in_len] = '\0';
    if (!(end = strstr(conn->in, "\r\n\r\n")))
        return;
    head_len = (size_t)(end - conn->in) + 4;
    body_len = number_header(conn->in, "Content-Length");
    if (conn->in_len >= head_len + body_len)
        take(server, conn, head_len, body_len);
}

static void readable(struct llm_server *server, struct conn *conn)
{
    ssize_t n;

    if (conn->in_cap - conn->in_len < 8192) {
        conn->in_cap = conn->in_cap ? 2 * conn->in_cap : 16384;
        if (conn->in_cap > REQUEST_MAX || !(conn->in = realloc(conn->in, conn->in_cap)))
            die("request");
    }
    n = recv(conn->fd, conn->in + conn->in_len, conn->in_cap - conn->in_len - 1, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        conn_close(server, conn, false, false);
        return;
    }
    conn->in_len += (size_t)n;
    read_more(server, conn);
}

/* ---- the loop ---- */

static void server_listen(struct llm_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)server->port)};
    socklen_t len = sizeof address;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->listener};
    int one = 1;

    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address) || listen(server->listener, 4096))
        die("bind");
    getsockname(server->listener, (struct sockaddr *)&address, &len);
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u/v1", server->port);
    epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event);
}

static void server_unlisten(struct llm_server *server)
{
    if (server->listener >= 0)
        close(server->listener);
    server->listener = -1;
    while (server->conns)
        conn_close(server, server->conns, true, false);
}

/* True: stop. */
static bool obey(struct llm_server *server)
{
    uint64_t count;
    int wish;

    if (read(server->wake, &count, sizeof count) < 0)
        return false;
    pthread_mutex_lock(&server->lock);
    wish = server->wish;
    pthread_mutex_unlock(&server->lock);
    if (wish == 1 || wish == 3)
        server_unlisten(server);
    else if (wish == 2)
        server_listen(server);
    pthread_mutex_lock(&server->lock);
    server->wish = 0;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    return wish == 3;
}

static void arm(struct llm_server *server)
{
    struct itimerspec when = {0};
    int64_t due_us = server->heap_len ? server->heap[1]->due_us : 0;

    when.it_value.tv_sec = due_us / 1000000;
    when.it_value.tv_nsec = due_us % 1000000 * 1000;
    timerfd_settime(server->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static bool event_of(struct llm_server *server, const struct epoll_event *event)
{
    struct conn *conn = event->data.ptr;
    uint64_t ignored;

    if (event->data.ptr == &server->stop_fd)
        return true;
    if (event->data.ptr == &server->wake)
        return obey(server);
    if (event->data.ptr == &server->listener) {
        accept_all(server);
    } else if (event->data.ptr == &server->timer) {
        if (read(server->timer, &ignored, sizeof ignored) < 0)
            return false;
    } else if (conn->fd >= 0) {
        if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            readable(server, conn);
        if (conn->fd >= 0 && event->events & EPOLLOUT && conn->state == WRITING)
            write_more(server, conn);
    }
    return false;
}

static void *loop(void *arg)
{
    struct llm_server *server = arg;
    struct epoll_event events[EVENTS];
    int64_t armed_us = -1;

    for (bool stop = false; !stop;) {
        int count;
        int64_t next_us = server->heap_len ? server->heap[1]->due_us : 0;

        if (next_us != armed_us) {
            arm(server);
            armed_us = next_us;
        }
        count = epoll_wait(server->epoll, events, EVENTS, -1);
        for (int i = 0; i < count && !stop; i++)
            stop = event_of(server, &events[i]);
        for (int64_t now = now_us(); server->heap_len && server->heap[1]->due_us <= now;)
            due(server, server->heap[1]);
        bury(server);
    }
    return NULL;
}

static void watch_own(struct llm_server *server, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};

    if (*fd >= 0 && epoll_ctl(server->epoll, EPOLL_CTL_ADD, *fd, &event))
        die("epoll_ctl");
}

static struct llm_server *server_new(llm_choose *choose, void *arg, int stop_fd)
{
    struct llm_server *server = calloc(1, sizeof *server);

    if (!server)
        die("calloc");
    server->choose = choose;
    server->arg = arg;
    server->stop_fd = stop_fd;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    server->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    watch_own(server, &server->timer);
    watch_own(server, &server->wake);
    watch_own(server, &server->stop_fd);
    server_listen(server);
    return server;
}

static void server_free(struct llm_server *server)
{
    server_unlisten(server);
    bury(server);
    close(server->epoll);
    close(server->timer);
    close(server->wake);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    free(server->heap);
    free(server);
}

struct llm_server *llm_server_start(llm_choose *choose, void *arg)
{
    struct llm_server *server = server_new(choose, arg, -1);

    if (pthread_create(&server->thread, NULL, loop, server))
        die("pthread_create");
    return server;
}

static void wish(struct llm_server *server, int what)
{
    static const uint64_t one = 1;

    pthread_mutex_lock(&server->lock);
    server->wish = what;
    if (write(server->wake, &one, sizeof one) < 0)
        die("eventfd");
    while (server->wish)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

void llm_server_stop(struct llm_server *server)
{
    wish(server, 3);
    pthread_join(server->thread, NULL);
    server_free(server);
}

void llm_server_die(struct llm_server *server) { wish(server, 1); }
void llm_server_return(struct llm_server *server) { wish(server, 2); }

void llm_server_run(llm_choose *choose, void *arg, int stop_fd, int port_fd)
{
    struct llm_server *server = server_new(choose, arg, stop_fd);

    if (write(port_fd, &server->port, sizeof server->port) != sizeof server->port)
        die("write");
    loop(server);
    server_free(server);
}

unsigned llm_server_port(const struct llm_server *server) { return server->port; }
const char *llm_server_url(const struct llm_server *server) { return server->url; }

void llm_server_set_slots(struct llm_server *server, size_t slots)
{
    pthread_mutex_lock(&server->lock);
    server->wished_slots = slots;
    pthread_mutex_unlock(&server->lock);
}

void llm_server_counts(struct llm_server *server, struct llm_server_counts *counts)
{
    pthread_mutex_lock(&server->lock);
    *counts = server->counts;
    pthread_mutex_unlock(&server->lock);
}
