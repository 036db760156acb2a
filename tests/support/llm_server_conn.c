#include "llm_server_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX ((size_t)64 << 20)

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
        llm_heap_remove(server, conn);
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

void llm_conn_close(struct llm_server *server, struct conn *conn, bool reset, bool answered)
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

void llm_conn_bury(struct llm_server *server)
{
    while (server->dead) {
        struct conn *conn = server->dead;

        server->dead = conn->next;
        free(conn->in);
        free(conn);
    }
}

void llm_conn_accept(struct llm_server *server)
{
    int fd, one = 1;

    while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *conn = calloc(1, sizeof *conn);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

        if (!conn)
            llm_server_fail("calloc");
        conn->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event))
            llm_server_fail("epoll_ctl");
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

static void read_more(struct llm_server *server, struct conn *conn);

static void finished(struct llm_server *server, struct conn *conn)
{
    size_t rest = conn->in_len - conn->request_len;

    if (conn->limit < conn->total || conn->reply.fault == LLM_CLOSE || conn->reply.fault == LLM_RESET) {
        if (conn->reply.fault == LLM_STALL)
            conn->state = STALLED;
        else
            llm_conn_close(server, conn, conn->reply.fault == LLM_RESET || conn->reply.fault == LLM_CUT_RESET, true);
        return;
    }
    if (conn->reply.close_after) {
        llm_conn_close(server, conn, false, true);
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
    ptr = llm_reply_piece(conn, &len);
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
            llm_conn_close(server, conn, false, false);
            return;
        }
        conn->sent += (size_t)n;
        if (conn->reply.fault == LLM_DRIP && conn->sent < conn->limit) {
            llm_heap_add(server, conn, llm_server_now_us() + conn->reply.drip_us);
            return;
        }
    }
    finished(server, conn);
}

void llm_conn_writable(struct llm_server *server, struct conn *conn)
{
    if (conn->state == WRITING)
        write_more(server, conn);
}

void llm_conn_due(struct llm_server *server, struct conn *conn)
{
    llm_heap_remove(server, conn);
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
    llm_heap_add(server, conn, llm_server_now_us() + conn->reply.delay_us);
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
    llm_reply_compose(conn, &request);
    conn->in[head_len + body_len] = behind;
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

void llm_conn_readable(struct llm_server *server, struct conn *conn)
{
    ssize_t n;

    if (conn->in_cap - conn->in_len < 8192) {
        conn->in_cap = conn->in_cap ? 2 * conn->in_cap : 16384;
        if (conn->in_cap > REQUEST_MAX || !(conn->in = realloc(conn->in, conn->in_cap)))
            llm_server_fail("request");
    }
    n = recv(conn->fd, conn->in + conn->in_len, conn->in_cap - conn->in_len - 1, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        llm_conn_close(server, conn, false, false);
        return;
    }
    conn->in_len += (size_t)n;
    read_more(server, conn);
}
