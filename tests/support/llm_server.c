#include "llm_server_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256

_Noreturn void llm_server_fail(const char *what)
{
    fprintf(stderr, "llm_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

int64_t llm_server_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void server_listen(struct llm_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)server->port)};
    socklen_t len = sizeof address;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->listener};
    int one = 1;

    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address) || listen(server->listener, 4096))
        llm_server_fail("bind");
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
        llm_conn_close(server, server->conns, true, false);
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
        llm_conn_accept(server);
    } else if (event->data.ptr == &server->timer) {
        if (read(server->timer, &ignored, sizeof ignored) < 0)
            return false;
    } else if (conn->fd >= 0) {
        if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            llm_conn_readable(server, conn);
        if (conn->fd >= 0 && event->events & EPOLLOUT)
            llm_conn_writable(server, conn);
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
        for (int64_t now = llm_server_now_us(); server->heap_len && server->heap[1]->due_us <= now;)
            llm_conn_due(server, server->heap[1]);
        llm_conn_bury(server);
    }
    return NULL;
}

static void watch_own(struct llm_server *server, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};

    if (*fd >= 0 && epoll_ctl(server->epoll, EPOLL_CTL_ADD, *fd, &event))
        llm_server_fail("epoll_ctl");
}

static struct llm_server *server_new(llm_choose *choose, void *arg, int stop_fd)
{
    struct llm_server *server = calloc(1, sizeof *server);

    if (!server)
        llm_server_fail("calloc");
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
    llm_conn_bury(server);
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
        llm_server_fail("pthread_create");
    return server;
}

static void wish(struct llm_server *server, int what)
{
    static const uint64_t one = 1;

    pthread_mutex_lock(&server->lock);
    server->wish = what;
    if (write(server->wake, &one, sizeof one) < 0)
        llm_server_fail("eventfd");
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
        llm_server_fail("write");
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
