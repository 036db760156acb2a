/*
 * A hash map from bytes to 64 bits (a number, an index, a pointer). Open addressing; keys are copied into one buffer of the map.
 * It grows up to its stated limits and says LAM_E_LIMIT beyond; then it is as it was. Not thread-safe.
 *
 * The order of iteration is that of the hashes, the same for the same keys only as long as the map has the same size: nothing that
 * is written to disk may depend on it.
 */
#ifndef LAMINA_BASE_DICT_H
#define LAMINA_BASE_DICT_H

#include <lamina/error.h>
#include <lamina/sv.h>

struct lam_dict_slot;

struct lam_dict {
    struct lam_dict_slot *slots;
    size_t slot_count; /* 0 or a power of two */
    size_t count, max_count;
    char *keys;        /* all keys, those of removed entries too until the next growth */
    size_t keys_len, keys_cap, keys_dead, max_bytes;
};

/* At most max_count entries with max_bytes of keys altogether. Allocates nothing. */
void lam_dict_init(struct lam_dict *map, size_t max_count, size_t max_bytes);
void lam_dict_release(struct lam_dict *map);

/* Removes all entries and keeps the memory. */
void lam_dict_clear(struct lam_dict *map);

/* Where the value of key stands, until the map is changed; NULL: no such key. */
uint64_t *lam_dict_find(const struct lam_dict *map, struct lam_sv key);

/*
 * Finds the key or adds it with value 0; *value stands until the map is changed next. *added (may be NULL): was it new?
 * LAM_E_LIMIT, LAM_E_MEMORY.
 */
int lam_dict_add(struct lam_dict *map, struct lam_sv key, uint64_t **value, bool *added, struct lam_error *err);

/* False: there was no such key. */
bool lam_dict_remove(struct lam_dict *map, struct lam_sv key);

/* Visits each entry once: *cursor begins at 0; false: that was all. key (borrowed) and value may be NULL. Change nothing meanwhile. */
bool lam_dict_next(const struct lam_dict *map, size_t *cursor, struct lam_sv *key, uint64_t *value);

#endif
