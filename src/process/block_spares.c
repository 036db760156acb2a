#include "block_spares.h"

#include <pthread.h>
#include <stdlib.h>

#define SPARES 32

struct lam_block_spares {
    pthread_mutex_t lock;
    size_t max_held, held, count;
    struct lam_block *blocks[SPARES]; /* the last one given is the first one taken: it is still in the caches */
};

struct lam_block_spares *lam_block_spares_new(size_t max_held)
{
    struct lam_block_spares *spares = calloc(1, sizeof *spares);

    if (!spares)
        return NULL;
    pthread_mutex_init(&spares->lock, NULL);
    spares->max_held = max_held;
    return spares;
}

void lam_block_spares_free(struct lam_block_spares *spares)
{
    if (!spares)
        return;
    lam_block_spares_drop(spares);
    pthread_mutex_destroy(&spares->lock);
    free(spares);
}

struct lam_block *lam_block_spares_take(struct lam_block_spares *spares, size_t max_rows, size_t max_bytes)
{
    struct lam_block *block = NULL;

    pthread_mutex_lock(&spares->lock);
    if (spares->count) {
        block = spares->blocks[--spares->count];
        spares->held -= lam_block_held(block);
    }
    pthread_mutex_unlock(&spares->lock);
    return block ? block : lam_block_new(max_rows, max_bytes);
}

void lam_block_spares_give(struct lam_block_spares *spares, struct lam_block *block)
{
    bool kept;

    if (!block)
        return;
    lam_block_clear(block);
    pthread_mutex_lock(&spares->lock);
    kept = spares->count < SPARES && lam_block_held(block) <= spares->max_held - spares->held;
    if (kept) {
        spares->blocks[spares->count++] = block;
        spares->held += lam_block_held(block);
    }
    pthread_mutex_unlock(&spares->lock);
    if (!kept)
        lam_block_free(block);
}

void lam_block_spares_drop(struct lam_block_spares *spares)
{
    pthread_mutex_lock(&spares->lock);
    while (spares->count)
        lam_block_free(spares->blocks[--spares->count]);
    spares->held = 0;
    pthread_mutex_unlock(&spares->lock);
}
