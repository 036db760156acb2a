/*
 * Scan manifests (LAM_LAYOUT_MANIFEST): the files of one corpus source as its last complete scan saw them, sorted by path. The next scan
 * finds in it what is unchanged, grown, changed and gone.
 */
#ifndef LAMINA_STORE_MANIFEST_H
#define LAMINA_STORE_MANIFEST_H

#include "base/hash.h"
#include "rows.h"

struct lam_manifest_row {
    struct lam_sv path;       /* below the source's root, archive members included */
    uint8_t partition[16];    /* lam_hash128 of path */
    uint64_t size;            /* raw bytes */
    int64_t mtime_ns;
    struct lam_digest digest; /* of the raw bytes that were read */
    bool ended;               /* the last byte ended a record: the file can have grown */
    uint64_t rows;            /* positions read from it */
    uint32_t life;            /* the scan that first read what is in it; a file that grows keeps it, and what it grew by has a later one */
    struct lam_sv media;      /* media type it was read as; empty: not known */
};

/* Writes rows in their order, which has to be that of their paths' bytes (LAM_E_INVALID). Any thread. */
int lam_manifest_write(const struct lam_target *target, const struct lam_manifest_row *rows, size_t count, struct lam_segment_entry *entry,
                       struct lam_error *err);

/* Row i as views into the map, all columns of which were needed. */
void lam_manifest_get(const struct lam_map *map, uint64_t i, struct lam_manifest_row *row);

/* The row of a path; LAM_E_NOT_FOUND. */
int lam_manifest_find(const struct lam_map *map, struct lam_sv path, struct lam_manifest_row *row);

#endif
