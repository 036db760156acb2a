#include "tail.h"

#include <pthread.h>
#include <stdlib.h>

#define CHUNK_ROWS ((size_t)1 << 22)
#define CHUNK_BYTES ((size_t)4 << 30) /* rolling by bytes comes long before */

struct lam_tail_chunk {
    struct lam_tail_chunk *next;
    struct lam_block *block;
    struct lam_tail_message *messages;
    size_t message_count, message_cap;
    struct lam_tail_range *ranges;
    size_t range_count;
    uint64_t number;
    uint64_t archived; /* commit; 0: not yet; UINT64_MAX: taken */
    size_t owed;       /* rows that wait for something */
    int64_t owed_us;   /* when the first of them was appended */
    bool closed;
};

struct lam_tail_log {
    pthread_mutex_t lock; /* guards the list, the open chunk, and archived of all */
    struct lam_tail_chunk *first, *open;
    uint64_t next_number;
    bool broken; /* an append failed half way: the open chunk is not to be rolled any more */
};

int lam_tail_log_new(struct lam_tail_log **out, struct lam_error *err)
{
    struct lam_tail_log *tail = calloc(1, sizeof *tail);

    *out = tail;
    if (!tail)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the tail");
    pthread_mutex_init(&tail->lock, NULL);
    return 0;
}

static void chunk_free(struct lam_tail_chunk *chunk)
{
    lam_block_free(chunk->block);
    free(chunk->messages);
    free(chunk->ranges);
    free(chunk);
}

void lam_tail_log_free(struct lam_tail_log *tail)
{
    struct lam_tail_chunk *next;

    if (!tail)
        return;
    for (struct lam_tail_chunk *chunk = tail->first; chunk; chunk = next) {
        next = chunk->next;
        chunk_free(chunk);
    }
    pthread_mutex_destroy(&tail->lock);
    free(tail);
}

static struct lam_tail_chunk *open_chunk(struct lam_tail_log *tail, struct lam_error *err)
{
    struct lam_tail_chunk *chunk, **link;

    if (tail->open)
        return tail->open;
    if (!(chunk = calloc(1, sizeof *chunk)) || !(chunk->block = lam_block_new(CHUNK_ROWS, CHUNK_BYTES))) {
        free(chunk);
        LAM_FAIL(err, LAM_E_MEMORY, "no memory for the tail");
        return NULL;
    }
    chunk->number = ++tail->next_number;
    for (link = &tail->first; *link; link = &(*link)->next)
        ;
    *link = tail->open = chunk;
    return chunk;
}

static bool copy(struct lam_block *block, struct lam_sv *view)
{
    char *ptr;

    if (view->len == 0)
        return true;
    if (!(ptr = lam_block_alloc(block, view->len)))
        return false;
    memcpy(ptr, view->ptr, view->len);
    view->ptr = ptr;
    return true;
}

static struct lam_tail_range *range_of(struct lam_tail_chunk *chunk, uint32_t partition, uint64_t begin)
{
    struct lam_tail_range *grown;

    for (size_t i = 0; i < chunk->range_count; i++)
        if (chunk->ranges[i].partition == partition)
            return &chunk->ranges[i];
    if (!(grown = realloc(chunk->ranges, (chunk->range_count + 1) * sizeof *grown)))
        return NULL;
    chunk->ranges = grown;
    chunk->ranges[chunk->range_count] = (struct lam_tail_range){.partition = partition, .begin = begin, .end = begin};
    return &chunk->ranges[chunk->range_count++];
}

static int add_message(struct lam_tail_chunk *chunk, const struct lam_tail_message *message, struct lam_error *err)
{
    const uint8_t *p = message->pos.partition + 12;
    uint32_t partition = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    struct lam_tail_message kept = *message;
    struct lam_tail_range *range = range_of(chunk, partition, message->pos.offset);

    if (chunk->message_count == chunk->message_cap) {
        size_t cap = chunk->message_cap ? 2 * chunk->message_cap : 256;
        struct lam_tail_message *grown = realloc(chunk->messages, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the tail");
        chunk->messages = grown;
        chunk->message_cap = cap;
    }
    if (!range || !copy(chunk->block, &kept.key) || !copy(chunk->block, &kept.raw) || !copy(chunk->block, &kept.headers))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the tail");
    chunk->messages[chunk->message_count++] = kept;
    range->end = message->pos.offset + 1;
    range->last = kept;
    return 0;
}

/* What of a batch could be added before it failed is taken away again; ranges may reach too far then: the caller ends the job. */
static int add_batch(struct lam_tail_chunk *chunk, const struct lam_tail_batch *batch, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < batch->count; i++)
        rc = add_message(chunk, &batch->messages[i], err);
    for (size_t i = 0; !rc && i < lam_block_rows(batch->block); i++)
        rc = lam_block_add_row(chunk->block, lam_block_row(batch->block, i), err);
    for (size_t i = 0; !rc && i < lam_block_rejects(batch->block); i++)
        rc = lam_block_add_reject(chunk->block, lam_block_reject(batch->block, i), err);
    for (size_t i = 0; !rc && i < batch->reached_count; i++)
        for (size_t r = 0; r < chunk->range_count; r++)
            if (chunk->ranges[r].partition == batch->reached[i].partition && chunk->ranges[r].end < batch->reached[i].end)
                chunk->ranges[r].end = batch->reached[i].end;
    for (size_t i = 0; !rc && batch->owed && i < lam_block_rows(batch->block); i++) {
        if (batch->owed[i] && !chunk->owed++)
            chunk->owed_us = batch->now_us;
    }
    return rc;
}

static void close_open(struct lam_tail_log *tail)
{
    if (tail->open && tail->open->message_count && !tail->broken) {
        tail->open->closed = true;
        tail->open = NULL;
    }
}

/* A chunk that waits for long is closed before anything in it is full. */
static bool is_full(const struct lam_tail_chunk *chunk) { return lam_block_rows(chunk->block) >= CHUNK_ROWS / 2 || lam_block_bytes(chunk->block) >= CHUNK_BYTES / 2; }

int lam_tail_append(struct lam_tail_log *tail, const struct lam_tail_batch *batch, struct lam_tail_place *first, struct lam_error *err)
{
    struct lam_tail_chunk *chunk;
    size_t rows, rejects, message_count;
    int rc;

    pthread_mutex_lock(&tail->lock);
    if (tail->open && is_full(tail->open))
        close_open(tail);
    if (!(chunk = open_chunk(tail, err))) {
        pthread_mutex_unlock(&tail->lock);
        return LAM_E_MEMORY;
    }
    rows = lam_block_rows(chunk->block);
    rejects = lam_block_rejects(chunk->block);
    message_count = chunk->message_count;
    if (first)
        *first = (struct lam_tail_place){chunk->number, rows};
    if ((rc = add_batch(chunk, batch, err))) {
        tail->broken = true; /* nothing of this chunk is rolled any more */
        lam_block_truncate(chunk->block, rows, rejects);
        chunk->message_count = message_count;
    }
    pthread_mutex_unlock(&tail->lock);
    return rc;
}

/* --- what is owed --- */

/* NULL: taken, or gone. */
static struct lam_tail_chunk *waiting_chunk(struct lam_tail_log *tail, uint64_t number)
{
    struct lam_tail_chunk *chunk = tail->first;

    while (chunk && chunk->number != number)
        chunk = chunk->next;
    return chunk && !chunk->archived ? chunk : NULL;
}

static int replace(struct lam_block *block, struct lam_row *old, const struct lam_row *row, struct lam_error *err)
{
    struct lam_sv custom = row->enr.custom, trace = row->enr.trace;

    if (!copy(block, &custom) || !copy(block, &trace))
        return LAM_FAIL(err, LAM_E_LIMIT, "no room in the tail for an answer that came later");
    old->rec.flags = row->rec.flags;
    old->enr.custom = custom;
    old->enr.trace = trace;
    old->enr.tokens = row->enr.tokens;
    old->enr.processed_us = row->enr.processed_us;
    return 0;
}

int lam_tail_settle(struct lam_tail_log *tail, struct lam_tail_place place, const struct lam_row *row, struct lam_error *err)
{
    struct lam_tail_chunk *chunk;
    int rc = LAM_END;

    pthread_mutex_lock(&tail->lock);
    if ((chunk = waiting_chunk(tail, place.chunk))) {
        rc = row ? replace(chunk->block, lam_block_row(chunk->block, place.row), row, err) : 0;
        chunk->owed--;
    }
    pthread_mutex_unlock(&tail->lock);
    return rc;
}

bool lam_tail_waits(struct lam_tail_log *tail, struct lam_tail_place place)
{
    bool waits;

    pthread_mutex_lock(&tail->lock);
    waits = waiting_chunk(tail, place.chunk) != NULL;
    pthread_mutex_unlock(&tail->lock);
    return waits;
}

/* --- rolling --- */

/* The oldest chunk that nobody took. */
static struct lam_tail_chunk *next_chunk(struct lam_tail_log *tail)
{
    struct lam_tail_chunk *chunk = tail->first;

    while (chunk && chunk->archived)
        chunk = chunk->next;
    return chunk;
}

void lam_tail_close(struct lam_tail_log *tail)
{
    pthread_mutex_lock(&tail->lock);
    close_open(tail);
    pthread_mutex_unlock(&tail->lock);
}

struct lam_tail_chunk *lam_tail_take(struct lam_tail_log *tail, int64_t now_us, int64_t patience_us)
{
    struct lam_tail_chunk *chunk;

    pthread_mutex_lock(&tail->lock);
    chunk = next_chunk(tail);
    if (chunk && (!chunk->closed || (chunk->owed && now_us - chunk->owed_us < patience_us)))
        chunk = NULL;
    if (chunk)
        chunk->archived = UINT64_MAX; /* taken: archived by no commit that a query could have pinned */
    pthread_mutex_unlock(&tail->lock);
    return chunk;
}

void lam_tail_archived(struct lam_tail_log *tail, struct lam_tail_chunk *chunk, uint64_t commit)
{
    pthread_mutex_lock(&tail->lock);
    chunk->archived = commit;
    pthread_mutex_unlock(&tail->lock);
}

void lam_tail_let_go(struct lam_tail_log *tail, uint64_t kept)
{
    pthread_mutex_lock(&tail->lock);
    while (tail->first && tail->first->archived && tail->first->archived <= kept) {
        struct lam_tail_chunk *chunk = tail->first;

        tail->first = chunk->next;
        chunk_free(chunk);
    }
    pthread_mutex_unlock(&tail->lock);
}

struct lam_block *lam_tail_chunk_block(struct lam_tail_chunk *chunk) { return chunk->block; }

const struct lam_tail_message *lam_tail_chunk_messages(const struct lam_tail_chunk *chunk, size_t *count)
{
    *count = chunk->message_count;
    return chunk->messages;
}

const struct lam_tail_range *lam_tail_chunk_ranges(const struct lam_tail_chunk *chunk, size_t *count)
{
    *count = chunk->range_count;
    return chunk->ranges;
}

int lam_tail_visit(struct lam_tail_log *tail, uint64_t commit, int (*visit)(void *arg, const struct lam_row *row, struct lam_error *err), void *arg, struct lam_error *err)
{
    int rc = 0;

    pthread_mutex_lock(&tail->lock);
    for (struct lam_tail_chunk *chunk = tail->first; chunk && !rc; chunk = chunk->next) {
        if (chunk->archived && chunk->archived <= commit)
            continue;
        for (size_t i = 0; !rc && i < lam_block_rows(chunk->block); i++)
            rc = visit(arg, lam_block_row(chunk->block, i), err);
    }
    pthread_mutex_unlock(&tail->lock);
    return rc;
}

size_t lam_tail_reached(struct lam_tail_log *tail, struct lam_tail_range *ranges, size_t cap)
{
    size_t count = 0;

    pthread_mutex_lock(&tail->lock);
    for (struct lam_tail_chunk *chunk = tail->first; chunk; chunk = chunk->next)
        for (size_t i = 0; i < chunk->range_count; i++) {
            size_t at = 0;

            while (at < count && ranges[at].partition != chunk->ranges[i].partition)
                at++;
            if (at == count && count == cap)
                continue;
            if (at == count)
                ranges[count++] = chunk->ranges[i];
            else if (ranges[at].end < chunk->ranges[i].end)
                ranges[at].end = chunk->ranges[i].end;
        }
    pthread_mutex_unlock(&tail->lock);
    return count;
}

struct lam_tail_stats lam_tail_stats(struct lam_tail_log *tail)
{
    struct lam_tail_stats stats = {.oldest_us = INT64_MAX};

    pthread_mutex_lock(&tail->lock);
    if (next_chunk(tail)) {
        stats.closed = next_chunk(tail)->closed;
        stats.stuck = next_chunk(tail)->owed > 0;
    }
    for (const struct lam_tail_chunk *chunk = tail->first; chunk; chunk = chunk->next) {
        stats.bytes += lam_block_bytes(chunk->block) + chunk->message_cap * sizeof *chunk->messages;
        if (!chunk->archived || chunk->archived == UINT64_MAX) {
            stats.rows += lam_block_rows(chunk->block);
            stats.rejects += lam_block_rejects(chunk->block);
        }
    }
    if (tail->open && !tail->broken) {
        stats.open_bytes = lam_block_bytes(tail->open->block);
        stats.open_count = tail->open->message_count;
        if (stats.open_count)
            stats.oldest_us = tail->open->messages[0].arrival_us;
    }
    pthread_mutex_unlock(&tail->lock);
    return stats;
}
