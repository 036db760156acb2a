/*
 * HDF5's part of writing a segment: the file with its attributes and all datasets at their places, and none of their bytes. Datasets are contiguous
 * and allocated when they are made, so whoever knows the places writes the bytes without HDF5, on any thread.
 */
#ifndef LAMINA_STORE_SEGMENT_DECLARE_H
#define LAMINA_STORE_SEGMENT_DECLARE_H

#include "segment.h"

/* Where the bytes of one dataset go. len 0: it has no place, and offset is 0. */
struct lam_segment_place {
    uint64_t offset, len;
};

/*
 * Writes the frame of a segment into the empty file fd, which stays open and is not synced. name stands in errors. places: one for each dataset of the
 * layout. Any thread: HDF5 is entered under its lock (segment_vfd.h).
 */
int lam_segment_declare(const struct lam_fs *fs, int fd, const char *name, const struct lam_segment_spec *spec,
                        struct lam_segment_place places[LAM_LAYOUT_MAX_DATASETS], struct lam_error *err);

#endif
