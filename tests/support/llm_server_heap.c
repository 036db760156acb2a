/* A binary heap of connections by their due times; heap[1] is the next one. */
#include "llm_server_impl.h"

#include <stdlib.h>

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

void llm_heap_add(struct llm_server *server, struct conn *conn, int64_t due_us)
{
    conn->due_us = due_us;
    if (server->heap_len + 2 > server->heap_cap) {
        server->heap_cap = server->heap_cap ? 2 * server->heap_cap : 1024;
        if (!(server->heap = realloc(server->heap, server->heap_cap * sizeof *server->heap)))
            llm_server_fail("realloc");
    }
    server->heap[++server->heap_len] = conn;
    heap_up(server, server->heap_len);
}

void llm_heap_remove(struct llm_server *server, struct conn *conn)
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
