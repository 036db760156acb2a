/*
 * Writing a segment: one immutable HDF5 file with the datasets of one layout, published by rename.
 *
 *     create PATH.tmp.<random>  ->  HDF5 declares all datasets with their final size, and is done  ->  values, through a slab a dataset,
 *     to the places that it gave them  ->  fsync, close  ->  rename to PATH  ->  fsync folder  ->  a filled struct lam_segment_entry
 *
 * Sizes are stated first (rows, and the bytes of each string column), so that everything is contiguous and a segment of any size is
 * written within LAM_SEGMENT_MEMORY bytes: whoever has the values walks over them once to add up lengths, and once more to put them.
 * HDF5 reaches the disk through a struct lam_fs by a virtual file driver of ours, so that a test can make each single call fail.
 *
 * Columns are put in any order or in turns, the values of one in the order of its rows, with the put function of its type: one after the
 * other takes the least memory, in turns of some hundred rows suits rows that lie scattered. A column that is not put at all is filled with
 * zeros (strings: empty; vectors: none). What does not fit the declaration is LAM_E_INVALID, in the end at the latest.
 *
 * Any thread, one at a time for a segment; several write several segments at once. HDF5, which is not thread-safe, makes the frame of a
 * segment under a lock and never sees its values. The CRC of each dataset is computed here, while its bytes pass by.
 *
 * After any failure nothing is visible under PATH and the temporary file is removed; err names the path and the call. One exception, as
 * everywhere: when only the last step, the sync of the folder, fails, the file is removed again and may come back after a power loss.
 */
#ifndef LAMINA_STORE_SEGMENT_H
#define LAMINA_STORE_SEGMENT_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/fs.h"
#include "entry.h"
#include "layout.h"

#define LAM_SEGMENT_MEMORY ((size_t)16 << 20) /* the most that a writer holds: 256 KiB a dataset that is begun and not whole, and HDF5's frame */

struct lam_segment; /* one being written */

struct lam_segment_spec {
    const char *root; /* the store's folder; the file is root/path, and its folder exists */
    const char *path; /* below the root; goes into the entry and must not exist */
    enum lam_segment_kind kind;
    uint32_t layout;  /* enum lam_layout_number */
    uint64_t rows;
    uint32_t dim;     /* of VECTOR columns */
    uint64_t bytes[LAM_LAYOUT_MAX_COLUMNS]; /* of STRING and BLOB columns */
};

/* Begins a segment. Nothing of spec is kept. */
int lam_segment_new(const struct lam_fs *fs, const struct lam_segment_spec *spec, struct lam_segment **segment, struct lam_error *err);

/* count values of a column of fixed size, as they lie in memory. */
int lam_segment_put(struct lam_segment *segment, uint32_t column, const void *values, size_t count, struct lam_error *err);

/* The next row of a STRING column. */
int lam_segment_put_string(struct lam_segment *segment, uint32_t column, struct lam_sv sv, struct lam_error *err);

/* The next count rows of a STRING column. */
int lam_segment_put_strings(struct lam_segment *segment, uint32_t column, const struct lam_sv *strings, size_t count, struct lam_error *err);

/* The next row of a VECTOR column: dim floats, or NULL for none. */
int lam_segment_put_vector(struct lam_segment *segment, uint32_t column, const float *values, struct lam_error *err);

/* The next bytes of a BLOB column. */
int lam_segment_put_blob(struct lam_segment *segment, uint32_t column, const void *bytes, size_t len, struct lam_error *err);

/* All columns are put: writes what is left, and lets go of memory. What takes time then is waiting for the disk, in lam_segment_finish. */
int lam_segment_complete(struct lam_segment *segment, struct lam_error *err);

/*
 * Completes where that was not done; closes, syncs and publishes. In entry, which was initialised, path, kind, layout, rows, bytes, dim and datasets are set;
 * the rest is the caller's. The segment is done whatever the result; it still has to be freed.
 */
int lam_segment_finish(struct lam_segment *segment, struct lam_segment_entry *entry, struct lam_error *err);

/* NULL-safe. A segment that was not finished leaves no file. */
void lam_segment_free(struct lam_segment *segment);

/*
 * Opens a segment by HDF5 itself, and compares what stands in the file with the entry: attributes, names, types, sizes and offsets of all
 * datasets. What `store check` does besides the CRCs (map.h). LAM_E_CORRUPT names what differs. Any thread.
 */
int lam_segment_check(const struct lam_fs *fs, const char *root, const struct lam_segment_entry *entry, struct lam_error *err);

#endif
