/*
 * The scripted server's insides, shared by llm_server*.c and by nobody else. All of it belongs to the server's thread but what is marked.
 *
 *     llm_server.c        listening, the loop, what tests wish
 *     llm_server_conn.c   connections: requests read, answers sent, misbehaviour
 *     llm_server_reply.c  an answer's bytes
 *     llm_server_heap.c   due times
 */
#ifndef LAMINA_TESTS_LLM_SERVER_IMPL_H
#define LAMINA_TESTS_LLM_SERVER_IMPL_H

#include <pthread.h>
#include <sys/types.h>

#include "llm_server.h"

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

_Noreturn void llm_server_fail(const char *what);
int64_t llm_server_now_us(void);

/* llm_server_heap.c: at most once for each connection. */
void llm_heap_add(struct llm_server *server, struct conn *conn, int64_t due_us);
void llm_heap_remove(struct llm_server *server, struct conn *conn);

/* llm_server_reply.c: the answer's head, and how long it is in all, from conn->reply. */
void llm_reply_compose(struct conn *conn, const struct llm_request *request);
/* The bytes of the answer from conn->sent on, as far as they lie together. */
const char *llm_reply_piece(const struct conn *conn, size_t *len);

/* llm_server_conn.c */
void llm_conn_accept(struct llm_server *server);
void llm_conn_readable(struct llm_server *server, struct conn *conn);
void llm_conn_writable(struct llm_server *server, struct conn *conn);
void llm_conn_due(struct llm_server *server, struct conn *conn);
void llm_conn_close(struct llm_server *server, struct conn *conn, bool reset, bool answered);
void llm_conn_bury(struct llm_server *server); /* those that were closed in this round */

#endif
