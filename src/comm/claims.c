#include "claims.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/dict.h"

#define MAX_OPEN ((size_t)65536)
#define MAX_BYTES ((size_t)64 << 20)
#define OVERDUE_US 60000000
#define MAX_RETURNS 3

struct attempt {
    int rank;
    bool live; /* handed out, and neither given back nor failed */
};

struct split {
    struct split *prev, *next; /* among those running */
    uint64_t id, size;
    size_t heap_at;            /* where it waits */
    int64_t due_us;
    uint32_t piece;            /* the next one to be accepted */
    uint32_t attempt_count, live_count;
    unsigned returns;
    struct attempt *attempts;  /* attempt n is number n - 1 */
    size_t payload_len;
    char payload[];
};

struct lam_claims {
    struct lam_claims_options options;
    struct lam_dict by_id;      /* all open splits: id to pointer */
    struct split **heap;       /* those that wait: the largest first, the lowest id first among equals */
    size_t heap_count, heap_cap;
    struct split *running;     /* in no order: as many as there are workers */
    size_t bytes;              /* of payloads */
    bool finished;
    struct lam_claims_progress progress;
};

struct lam_claims *lam_claims_new(const struct lam_claims_options *options)
{
    struct lam_claims *claims = calloc(1, sizeof *claims);
    struct lam_claims_options *own;

    if (!claims)
        return NULL;
    own = &claims->options;
    if (options)
        *own = *options;
    own->max_open = own->max_open ? own->max_open : MAX_OPEN;
    own->max_bytes = own->max_bytes ? own->max_bytes : MAX_BYTES;
    own->overdue_us = own->overdue_us ? own->overdue_us : OVERDUE_US;
    own->max_returns = own->max_returns ? own->max_returns : MAX_RETURNS;
    lam_dict_init(&claims->by_id, own->max_open, 4 * own->max_open * sizeof(uint64_t));
    return claims;
}

static void free_split(struct split *split)
{
    free(split->attempts);
    free(split);
}

void lam_claims_free(struct lam_claims *claims)
{
    size_t cursor = 0;
    uint64_t value;

    if (!claims)
        return;
    while (lam_dict_next(&claims->by_id, &cursor, NULL, &value))
        free_split((struct split *)(uintptr_t)value);
    lam_dict_release(&claims->by_id);
    free(claims->heap);
    free(claims);
}

static bool before(const struct split *a, const struct split *b) { return a->size != b->size ? a->size > b->size : a->id < b->id; }

static void place(struct lam_claims *claims, size_t at, struct split *split)
{
    claims->heap[at] = split;
    split->heap_at = at;
}

static void heap_push(struct lam_claims *claims, struct split *split)
{
    size_t at = claims->heap_count++;

    for (; at && before(split, claims->heap[(at - 1) / 2]); at = (at - 1) / 2)
        place(claims, at, claims->heap[(at - 1) / 2]);
    place(claims, at, split);
    claims->progress.waiting++;
}

static struct split *heap_pop(struct lam_claims *claims)
{
    struct split *top = claims->heap[0], *split = claims->heap[--claims->heap_count];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < claims->heap_count) {
        if (child + 1 < claims->heap_count && before(claims->heap[child + 1], claims->heap[child]))
            child++;
        if (!before(claims->heap[child], split))
            break;
        place(claims, at, claims->heap[child]);
        at = child;
    }
    place(claims, at, split);
    claims->progress.waiting--;
    return top;
}

static struct lam_sv key_of(const uint64_t *id) { return lam_sv((const char *)id, sizeof *id); }

static struct split *find(const struct lam_claims *claims, uint64_t id)
{
    uint64_t *value = lam_dict_find(&claims->by_id, key_of(&id));

    return value ? (struct split *)(uintptr_t)*value : NULL;
}

int lam_claims_add(struct lam_claims *claims, uint64_t id, uint64_t size, struct lam_sv payload, struct lam_error *err)
{
    struct split *split;
    uint64_t *value;
    int rc;

    if (find(claims, id))
        return LAM_FAIL(err, LAM_E_EXISTS, "split %" PRIu64 " is there already", id);
    if (payload.len > claims->options.max_bytes)
        return LAM_FAIL(err, LAM_E_LIMIT, "a split of %zu bytes: at most %zu fit", payload.len, claims->options.max_bytes);
    if (claims->by_id.count >= claims->options.max_open || claims->bytes + payload.len > claims->options.max_bytes)
        return LAM_PENDING;
    if (claims->by_id.count >= claims->heap_cap) { /* so that every open split fits: giving back never needs memory */
        size_t cap = claims->heap_cap ? 2 * claims->heap_cap : 64;
        struct split **heap = realloc(claims->heap, cap * sizeof *heap);

        if (!heap)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu splits", cap);
        claims->heap = heap;
        claims->heap_cap = cap;
    }
    if (!(split = calloc(1, sizeof *split + payload.len)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a split of %zu bytes", payload.len);
    if ((rc = lam_dict_add(&claims->by_id, key_of(&id), &value, NULL, err))) {
        free(split);
        return rc;
    }
    *value = (uint64_t)(uintptr_t)split;
    split->id = id;
    split->size = size;
    split->payload_len = payload.len;
    if (payload.len)
        memcpy(split->payload, payload.ptr, payload.len);
    claims->bytes += payload.len;
    claims->progress.added++;
    claims->progress.added_size += size;
    heap_push(claims, split);
    return 0;
}

void lam_claims_finish(struct lam_claims *claims) { claims->finished = true; }
bool lam_claims_ended(const struct lam_claims *claims) { return claims->finished && claims->by_id.count == 0; }

static void run(struct lam_claims *claims, struct split *split)
{
    split->prev = NULL;
    split->next = claims->running;
    if (split->next)
        split->next->prev = split;
    claims->running = split;
    claims->progress.running++;
}

static void halt(struct lam_claims *claims, struct split *split)
{
    if (split->prev)
        split->prev->next = split->next;
    else
        claims->running = split->next;
    if (split->next)
        split->next->prev = split->prev;
    claims->progress.running--;
}

/* It leaves the table: accepted or failed. */
static void end(struct lam_claims *claims, struct split *split)
{
    halt(claims, split);
    claims->bytes -= split->payload_len;
    claims->progress.ended_size += split->size;
    lam_dict_remove(&claims->by_id, key_of(&split->id));
    free_split(split);
}

static bool works_on(const struct split *split, int rank)
{
    for (uint32_t i = 0; i < split->attempt_count; i++)
        if (split->attempts[i].live && split->attempts[i].rank == rank)
            return true;
    return false;
}

/* The one that has been overdue for longest and that rank is not at work on itself. */
static struct split *overdue(const struct lam_claims *claims, int rank, int64_t now_us)
{
    struct split *best = NULL;

    for (struct split *split = claims->running; split; split = split->next)
        if (split->due_us <= now_us && (!best || split->due_us < best->due_us) && !works_on(split, rank))
            best = split;
    return best;
}

int lam_claims_hand_out(struct lam_claims *claims, int rank, int64_t now_us, struct lam_claim *claim)
{
    struct split *split = claims->heap_count ? claims->heap[0] : overdue(claims, rank, now_us);
    struct attempt *attempts;

    if (!split)
        return lam_claims_ended(claims) ? LAM_END : LAM_PENDING;
    attempts = realloc(split->attempts, (split->attempt_count + 1) * sizeof *attempts);
    if (!attempts)
        return LAM_PENDING; /* memory may come back; nothing is lost */
    if (claims->heap_count) {
        heap_pop(claims);
        run(claims, split);
    } else {
        claims->progress.again++;
    }
    split->attempts = attempts;
    attempts[split->attempt_count++] = (struct attempt){rank, true};
    split->live_count++;
    split->due_us = now_us + claims->options.overdue_us;
    claims->progress.handed_out++;
    *claim = (struct lam_claim){split->id, split->attempt_count, split->piece, split->size, lam_sv(split->payload, split->payload_len)};
    return 0;
}

/* The split of an attempt that rank has; LAM_E_EXISTS: it has ended. */
static int find_attempt(struct lam_claims *claims, uint64_t id, uint32_t attempt, int rank, struct split **split, struct lam_error *err)
{
    if (!(*split = find(claims, id)))
        return LAM_FAIL(err, LAM_E_EXISTS, "split %" PRIu64 " has ended", id);
    if (attempt < 1 || attempt > (*split)->attempt_count || (*split)->attempts[attempt - 1].rank != rank ||
        !(*split)->attempts[attempt - 1].live)
        return LAM_FAIL(err, LAM_E_INVALID, "rank %d has no attempt %u at split %" PRIu64, rank, attempt, id);
    return 0;
}

int lam_claims_offer(struct lam_claims *claims, uint64_t id, uint32_t attempt, uint32_t piece, bool last, int rank, int64_t now_us,
                     struct lam_error *err)
{
    struct split *split;
    int rc = find_attempt(claims, id, attempt, rank, &split, err);

    if (!rc && piece < split->piece)
        rc = LAM_FAIL(err, LAM_E_EXISTS, "piece %u of split %" PRIu64 " was accepted from another attempt", piece, id);
    if (rc) {
        claims->progress.rejected += rc == LAM_E_EXISTS;
        return rc;
    }
    if (piece > split->piece)
        return LAM_FAIL(err, LAM_E_INVALID, "rank %d offers piece %u of split %" PRIu64 " before piece %u", rank, piece, id, split->piece);
    split->piece++;
    split->due_us = now_us + claims->options.overdue_us;
    claims->progress.pieces++;
    if (last) {
        claims->progress.accepted++;
        end(claims, split);
    }
    return 0;
}

/* This attempt is over; is another one still at work? */
static bool others_go_on(struct split *split, uint32_t attempt)
{
    split->attempts[attempt - 1].live = false;
    return --split->live_count > 0;
}

int lam_claims_fail(struct lam_claims *claims, uint64_t id, uint32_t attempt, int rank, struct lam_error *err)
{
    struct split *split;
    int rc = find_attempt(claims, id, attempt, rank, &split, err);

    if (rc)
        return rc;
    if (others_go_on(split, attempt))
        return LAM_FAIL(err, LAM_E_EXISTS, "another attempt at split %" PRIu64 " goes on", id);
    claims->progress.failed++;
    end(claims, split);
    return 0;
}

int lam_claims_give_back(struct lam_claims *claims, uint64_t id, uint32_t attempt, int rank, struct lam_error *err)
{
    struct split *split;
    int rc = find_attempt(claims, id, attempt, rank, &split, err);

    if (rc)
        return rc;
    claims->progress.returned++;
    split->returns++;
    if (others_go_on(split, attempt))
        return 0;
    if (split->returns > claims->options.max_returns) {
        rc = LAM_FAIL(err, LAM_E_LIMIT, "split %" PRIu64 " was given back %u times", id, split->returns);
        claims->progress.failed++;
        end(claims, split);
        return rc;
    }
    halt(claims, split);
    heap_push(claims, split);
    return 0;
}

int64_t lam_claims_next_overdue_us(const struct lam_claims *claims)
{
    int64_t first = INT64_MAX;

    for (const struct split *split = claims->running; split; split = split->next)
        if (split->due_us < first)
            first = split->due_us;
    return first;
}

struct lam_claims_progress lam_claims_progress(const struct lam_claims *claims) { return claims->progress; }
