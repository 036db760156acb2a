/* Keys in memory, by hash: of entries that no index covers yet. Of a key that is put twice the newest stays. Not thread-safe. */
#ifndef LAMINA_AI_CACHE_KEYS_H
#define LAMINA_AI_CACHE_KEYS_H

#include "entry.h"

struct cache_keys {
    struct cache_key *slots; /* offset 0: empty (no entry stands there, a file begins with its header) */
    size_t slot_count, count, max;
};

void cache_keys_init(struct cache_keys *keys, size_t max);
void cache_keys_release(struct cache_keys *keys);

/* NULL: not here. */
const struct cache_key *cache_keys_find(const struct cache_keys *keys, const struct lam_digest *digest);

/* LAM_E_LIMIT: there are max already; LAM_E_MEMORY. Without a text: the caller makes room and comes again. */
int cache_keys_put(struct cache_keys *keys, const struct cache_key *key);

/* Removes the keys that keep refuses. */
void cache_keys_sift(struct cache_keys *keys, bool (*keep)(void *arg, const struct cache_key *key), void *arg);

/* A copy of all keys (of file, UINT32_MAX: any), ascending; malloc. LAM_E_MEMORY. */
int cache_keys_sorted(const struct cache_keys *keys, uint32_t file, struct cache_key **sorted, size_t *count);

#endif
