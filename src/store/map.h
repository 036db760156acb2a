/*
 * Reading segments: mapped, from their entry alone, without HDF5.
 *
 * Opening compares the file's size with the entry's, every dataset's place and length with the layout and the number of rows, and maps
 * the file read-only; no descriptor stays open. Bytes are checked at the first touch of a column, once, by whichever thread comes first:
 * CRC, and for strings that offsets begin at 0, never fall and end at the last byte. A column that does not hold is LAM_E_CORRUPT naming
 * segment, dataset and byte, and stays so. lam_map_need does this for a set of columns; after it the accessors are plain loads.
 *
 *     if (lam_map_need(map, LAM_COLUMN(LAM_ROWS_HASH) | LAM_COLUMN(LAM_ROWS_KEY), err)) ...
 *     hashes = lam_map_u64(map, LAM_ROWS_HASH);
 *     key = lam_map_string(map, LAM_ROWS_KEY, 17);
 *
 * Any thread. A map is shared by counted references; its bytes live until the last one is given back. A page that the disk cannot
 * deliver raises SIGBUS: while a column is being checked that is LAM_E_CORRUPT, and so it is in all that runs under
 * lam_map_guard (a query), if lam_map_catch_faults was called once at start.
 */
#ifndef LAMINA_STORE_MAP_H
#define LAMINA_STORE_MAP_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/fs.h"
#include "entry.h"
#include "layout.h"

struct lam_map;
struct lam_map_cache;

#define LAM_COLUMN(column) (UINT64_C(1) << (column))
#define LAM_COLUMNS_ALL UINT64_MAX

/*
 * Maps root/entry->path. LAM_E_NOT_FOUND: no such file; LAM_E_CORRUPT: not what the entry says; LAM_E_INVALID: a layout of a newer
 * program.
 */
int lam_map_open(const struct lam_fs *fs, const char *root, const struct lam_segment_entry *entry, struct lam_map **map,
                 struct lam_error *err);
struct lam_map *lam_map_ref(struct lam_map *map);
void lam_map_unref(struct lam_map *map); /* NULL-safe */

const char *lam_map_path(const struct lam_map *map); /* as in the entry */
const struct lam_layout *lam_map_layout(const struct lam_map *map);
uint64_t lam_map_rows(const struct lam_map *map);
uint32_t lam_map_dim(const struct lam_map *map); /* of the VECTOR column; 0 where there is none */

/* Checks the columns of the set (those that the layout has) where that has not been done. */
int lam_map_need(struct lam_map *map, uint64_t columns, struct lam_error *err);

/*
 * For rows that are read once, as staged ones are. Both leave every byte where it was: what is touched again is read again, from the disk if need be.
 *
 * need_once: lam_map_need; and what was touched to check a column is given back to the page cache, for as long as one process has a page mapped, another
 * cannot let go of it.
 *
 * forget: the strings and vectors of rows [first, end), of columns that were checked, are not needed any more: their pages leave the page cache, and the
 * next file that is written gets them. A hint, taken for columns of some size; on a file system in memory it does nothing.
 */
int lam_map_need_once(struct lam_map *map, uint64_t columns, struct lam_error *err);
void lam_map_forget(const struct lam_map *map, uint64_t first, uint64_t end);

/* Whole columns; only after lam_map_need of that column, and only of its type (asserted). NULL where there are no rows. */
const uint8_t *lam_map_u8(const struct lam_map *map, uint32_t column);
const uint32_t *lam_map_u32(const struct lam_map *map, uint32_t column);
const uint64_t *lam_map_u64(const struct lam_map *map, uint32_t column);
const int64_t *lam_map_i64(const struct lam_map *map, uint32_t column);
const float *lam_map_f32(const struct lam_map *map, uint32_t column);

/* A column of any type with fixed size, for code that works on all of them. */
const void *lam_map_values(const struct lam_map *map, uint32_t column);

/* One value. row < lam_map_rows (asserted). */
const uint8_t *lam_map_bytes16(const struct lam_map *map, uint32_t column, uint64_t row);
struct lam_sv lam_map_string(const struct lam_map *map, uint32_t column, uint64_t row);
const float *lam_map_vector(const struct lam_map *map, uint32_t column, uint64_t row); /* NULL: this row has none */
struct lam_sv lam_map_blob(const struct lam_map *map, uint32_t column);

/*
 * Tells the processor that these columns of a row are about to be read, so that it waits for memory once and not once a column. Strings: their
 * offsets.
 */
void lam_map_prefetch(const struct lam_map *map, uint64_t columns, uint64_t row);

/* Bytes of all strings of rows [first, end), for whoever has to declare the size of a copy. */
uint64_t lam_map_string_bytes(const struct lam_map *map, uint32_t column, uint64_t first, uint64_t end);

/*
 * A bounded set of maps by path, least recently used out first (its memory goes when its last reader has given it back).
 * root is copied. Thread-safe.
 */
struct lam_map_cache *lam_map_cache_new(const struct lam_fs *fs, const char *root, size_t max);
void lam_map_cache_free(struct lam_map_cache *cache);

/* A reference to the map of entry, opened where it is not held. */
int lam_map_cache_get(struct lam_map_cache *cache, const struct lam_segment_entry *entry, struct lam_map **map, struct lam_error *err);

/* Forgets a segment, which was removed or is damaged. */
void lam_map_cache_drop(struct lam_map_cache *cache, const char *path);
size_t lam_map_cache_count(struct lam_map_cache *cache);

/* Installs the handler of SIGBUS for the process. Faults elsewhere end the process as they did. Once, at start. */
int lam_map_catch_faults(struct lam_error *err);

/*
 * Runs work(arg) and returns what it returns; a fault inside a mapped segment on this thread ends it at once with LAM_E_CORRUPT. work then
 * does not release what it holds: use it around reading alone, without locks. Nests.
 */
int lam_map_guard(int (*work)(void *arg), void *arg, struct lam_error *err);

#endif
