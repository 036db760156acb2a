/*
 * A scripted server of the chat-completions protocol: it answers what the test tells it to, when it tells it to, and misbehaves on demand.
 * One thread, epoll and a heap of due times, so that a thousand requests in flight with exact latencies are no effort.
 *
 *     request arrives ──> choose(arg, request, reply) ──> delay ──> status, headers, body ── with a fault on the way, perhaps
 *
 * It listens on a free port of 127.0.0.1. Ends the program with a word where the system gives it no socket.
 */
#ifndef LAMINA_TESTS_LLM_SERVER_H
#define LAMINA_TESTS_LLM_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum llm_fault {
    LLM_FINE,
    LLM_RESET,      /* a reset instead of an answer */
    LLM_CLOSE,      /* the connection ends instead of an answer */
    LLM_CUT,        /* ends after `at` bytes of the answer, headers counted */
    LLM_CUT_RESET,  /* a reset after `at` bytes */
    LLM_STALL,      /* nothing more after `at` bytes, the connection stays */
    LLM_DRIP        /* one byte each drip_us */
};

/* What to answer. Zero: status 200, a small chat answer with its usage, at once, connection kept. */
struct llm_reply {
    int64_t delay_us;         /* before the first byte */
    int status;
    const char *headers;      /* more lines, each with its \r\n; NULL: none. Static, or lives as long as the server */
    const char *content_type; /* NULL: application/json; "": none is sent */
    const char *body;         /* NULL: the small chat answer, or an embedding per input where embeddings were asked for */
    size_t body_len;          /* 0: strlen(body) */
    size_t repeat;            /* the body this many times; 0: once. 100 MB need no 100 MB */
    bool chunked, close_after;
    enum llm_fault fault;
    size_t at;
    int64_t drip_us;
};

/* Views live during the call of choose. */
struct llm_request {
    uint64_t number;          /* 0, 1, …: in the order in which they arrived whole */
    const char *method, *path;
    const char *head;         /* request line and headers, NUL-terminated */
    const char *body;         /* NUL-terminated */
    size_t body_len;
    size_t open;              /* requests that arrived and are not answered yet, this one included */
};

/* On the server's thread. */
typedef void llm_choose(void *arg, const struct llm_request *request, struct llm_reply *reply);

struct llm_server;

/* choose NULL: every request gets the zero reply. */
struct llm_server *llm_server_start(llm_choose *choose, void *arg);
void llm_server_stop(struct llm_server *server);

/* In the calling thread instead of one of its own, until *stop_fd is readable: for a process that is nothing else. port is written to port_fd. */
void llm_server_run(llm_choose *choose, void *arg, int stop_fd, int port_fd);

unsigned llm_server_port(const struct llm_server *server);
const char *llm_server_url(const struct llm_server *server); /* "http://127.0.0.1:PORT/v1" */

/* Dies: all connections are reset, the port refuses. Comes back on the same port. Both return when it is so. */
void llm_server_die(struct llm_server *server);
void llm_server_return(struct llm_server *server);

/*
 * Only so many requests are worked on at once; others wait in line without bound, as older inference servers do: a reply's delay begins
 * when a slot is free. 0: no bound.
 */
void llm_server_set_slots(struct llm_server *server, size_t slots);

struct llm_server_counts {
    uint64_t connections, requests, answered, aborted; /* aborted: the client closed before its answer was sent */
    size_t open, open_max;
};

void llm_server_counts(struct llm_server *server, struct llm_server_counts *counts);

#endif
