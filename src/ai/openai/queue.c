#include "queue.h"

#include <stdlib.h>
#include <string.h>

#define TURN 64  /* requests of one prefix in a row while others wait: enough for a server's cache to pay off */
#define LOOK 64  /* how far to look for a request that does not avoid the endpoint */

int lam_llm_queue_init(struct lam_llm_queue *queue, size_t cap, struct lam_error *err)
{
    memset(queue, 0, sizeof *queue);
    queue->cap = cap;
    queue->heap = calloc(cap + 1, sizeof(struct lam_llm_wait *));
    return queue->heap ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a queue of %zu requests", cap);
}

void lam_llm_queue_release(struct lam_llm_queue *queue)
{
    free(queue->heap);
    queue->heap = NULL;
}

/* ---- lists ---- */

static void link_before(struct lam_llm_list *list, struct lam_llm_wait *wait, struct lam_llm_wait *next)
{
    wait->list = list;
    wait->next = next;
    wait->prev = next ? next->prev : list->last;
    *(wait->prev ? &wait->prev->next : &list->first) = wait;
    *(next ? &next->prev : &list->last) = wait;
}

static void unlink_from_list(struct lam_llm_wait *wait)
{
    struct lam_llm_list *list = wait->list;

    *(wait->prev ? &wait->prev->next : &list->first) = wait->next;
    *(wait->next ? &wait->next->prev : &list->last) = wait->prev;
    wait->next = wait->prev = NULL;
    wait->list = NULL;
}

/* ---- those that wait for a time ---- */

static void heap_set(struct lam_llm_queue *queue, size_t at, struct lam_llm_wait *wait)
{
    queue->heap[at] = wait;
    wait->heap_at = at;
}

static void heap_up(struct lam_llm_queue *queue, size_t at)
{
    struct lam_llm_wait *wait = queue->heap[at];

    for (; at > 1 && queue->heap[at / 2]->at_us > wait->at_us; at /= 2)
        heap_set(queue, at, queue->heap[at / 2]);
    heap_set(queue, at, wait);
}

static void heap_down(struct lam_llm_queue *queue, size_t at)
{
    struct lam_llm_wait *wait = queue->heap[at];

    for (size_t child; (child = 2 * at) <= queue->heap_len; at = child) {
        if (child < queue->heap_len && queue->heap[child + 1]->at_us < queue->heap[child]->at_us)
            child++;
        if (queue->heap[child]->at_us >= wait->at_us)
            break;
        heap_set(queue, at, queue->heap[child]);
    }
    heap_set(queue, at, wait);
}

static void heap_remove(struct lam_llm_queue *queue, struct lam_llm_wait *wait)
{
    size_t at = wait->heap_at;
    struct lam_llm_wait *last = queue->heap[queue->heap_len--];

    wait->heap_at = 0;
    if (last == wait)
        return;
    heap_set(queue, at, last);
    heap_up(queue, at);
    heap_down(queue, last->heap_at);
}

/* ---- in and out ---- */

static void put_by_size(struct lam_llm_queue *queue, struct lam_llm_wait *wait)
{
    struct lam_llm_wait *next = queue->by_size.first;

    while (next && next->size >= wait->size)
        next = next->next;
    link_before(&queue->by_size, wait, next);
}

void lam_llm_queue_put(struct lam_llm_queue *queue, struct lam_llm_wait *wait)
{
    wait->order = queue->order++;
    queue->count++;
    if (wait->avoid)
        link_before(&queue->again, wait, NULL); /* the only line that is looked through */
    else if (queue->draining)
        put_by_size(queue, wait);
    else
        link_before(&queue->groups[wait->prefix % LAM_LLM_QUEUE_GROUPS], wait, NULL);
}

void lam_llm_queue_again(struct lam_llm_queue *queue, struct lam_llm_wait *wait, int64_t at_us)
{
    queue->count++;
    wait->at_us = at_us;
    queue->heap[++queue->heap_len] = wait;
    heap_up(queue, queue->heap_len);
}

void lam_llm_queue_remove(struct lam_llm_queue *queue, struct lam_llm_wait *wait)
{
    if (!wait->heap_at && !wait->list)
        return;
    if (wait->heap_at)
        heap_remove(queue, wait);
    else if (wait->list == &queue->groups[queue->turn] && queue->turn_left) /* what was looked at only costs no turn */
        queue->turn_left--;
    if (wait->list)
        unlink_from_list(wait);
    queue->count--;
}

int64_t lam_llm_queue_turn(struct lam_llm_queue *queue, int64_t now_us)
{
    while (queue->heap_len && queue->heap[1]->at_us <= now_us) {
        struct lam_llm_wait *wait = queue->heap[1];

        heap_remove(queue, wait);
        link_before(&queue->again, wait, NULL);
    }
    return queue->heap_len ? queue->heap[1]->at_us : INT64_MAX;
}

/* The group whose turn it is, or the one that waits longest. */
static struct lam_llm_wait *next_of_groups(struct lam_llm_queue *queue)
{
    struct lam_llm_wait *first = queue->groups[queue->turn].first, *oldest = NULL;

    if (first && queue->turn_left)
        return first;
    for (unsigned i = 0; i < LAM_LLM_QUEUE_GROUPS; i++) {
        struct lam_llm_wait *wait = queue->groups[i].first;

        if (wait && (!oldest || wait->order < oldest->order)) {
            oldest = wait;
            queue->turn = i;
        }
    }
    queue->turn_left = TURN;
    return oldest;
}

struct lam_llm_wait *lam_llm_queue_next(struct lam_llm_queue *queue, unsigned endpoint, uint32_t usable)
{
    struct lam_llm_wait *wait = queue->again.first;

    for (unsigned i = 0; wait && i < LOOK; i++, wait = wait->next)
        if (!(wait->avoid >> endpoint & 1) || !(usable & ~wait->avoid))
            return wait;
    return queue->by_size.first ? queue->by_size.first : next_of_groups(queue);
}

struct lam_llm_wait *lam_llm_queue_expired(struct lam_llm_queue *queue, int64_t now_us)
{
    for (struct lam_llm_wait *wait = queue->again.first; wait; wait = wait->next)
        if (wait->deadline_us <= now_us)
            return wait;
    return NULL;
}

struct lam_llm_wait *lam_llm_queue_any(struct lam_llm_queue *queue)
{
    if (queue->again.first)
        return queue->again.first;
    if (queue->heap_len)
        return queue->heap[1];
    return queue->by_size.first ? queue->by_size.first : next_of_groups(queue);
}

static int larger_first(const void *a, const void *b)
{
    const struct lam_llm_wait *x = *(struct lam_llm_wait *const *)a, *y = *(struct lam_llm_wait *const *)b;

    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->order < y->order ? -1 : 1;
}

void lam_llm_queue_drain(struct lam_llm_queue *queue, bool draining)
{
    struct lam_llm_wait **waits;
    size_t count = 0;

    if (draining == queue->draining)
        return;
    queue->draining = draining;
    if (!draining || !queue->count)
        return;
    waits = malloc(queue->count * sizeof *waits);
    if (!waits)
        return; /* the order of arrival does as well */
    for (unsigned i = 0; i < LAM_LLM_QUEUE_GROUPS; i++)
        while (queue->groups[i].first) {
            waits[count++] = queue->groups[i].first;
            unlink_from_list(queue->groups[i].first);
        }
    qsort(waits, count, sizeof *waits, larger_first);
    for (size_t i = 0; i < count; i++) /* what is there already, from an earlier draining, goes first */
        link_before(&queue->by_size, waits[i], NULL);
    free(waits);
}
