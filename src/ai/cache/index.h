/*
 * An index on disk: the sorted keys of some files, or of their beginnings; mapped to be searched, written in one stream. It is a
 * shortcut only: what it says is compared with the entry that it points at. So its keys are not checked when it is opened; a merge, which
 * reads all of them, does.
 */
#ifndef LAMINA_AI_CACHE_INDEX_H
#define LAMINA_AI_CACHE_INDEX_H

#include "entry.h"

#define CACHE_NO_FILE UINT32_MAX

struct cache_index {
    char name[CACHE_NAME];
    struct cache_span *spans;
    uint32_t *files; /* of each span, the file's number in memory; CACHE_NO_FILE: it is gone */
    uint32_t span_count;
    uint64_t count;  /* keys */
    uint32_t keys_crc;
    const unsigned char *keys; /* into the mapping */
    void *base;
    size_t size;
};

/* LAM_E_NOT_FOUND: it is not there any more; LAM_E_CORRUPT; LAM_E_IO; LAM_E_MEMORY. files are all CACHE_NO_FILE. */
int cache_index_open(const struct lam_fs *fs, const char *folder, const char *name, struct cache_index **index, struct lam_error *err);
void cache_index_close(struct cache_index *index);

/* False: not in it. found->file is a span, below span_count. Any bytes in the file end the search. */
bool cache_index_find(const struct cache_index *index, const struct lam_digest *digest, struct cache_key *found);

/* Do the keys have their CRC? Reads all of them. */
bool cache_index_holds(const struct cache_index *index);

/*
 * Writing: begin with the spans, add keys in ascending order (file: a span), finish: synced and renamed to name. release in any case; an
 * index that was not finished leaves nothing.
 */
struct cache_index_writer {
    const struct lam_fs *fs;
    const char *folder; /* borrowed */
    char name[CACHE_NAME], path[LAM_PATH_MAX], tmp[LAM_PATH_MAX];
    int fd;
    struct lam_buf buf; /* not written yet */
    uint64_t at;        /* of the file where buf belongs */
    struct cache_index_header header;
};

int cache_index_begin(struct cache_index_writer *writer, const struct lam_fs *fs, const char *folder, const struct cache_span *spans, uint32_t span_count,
                      struct lam_error *err);
int cache_index_add(struct cache_index_writer *writer, const struct cache_key *key, struct lam_error *err);
int cache_index_finish(struct cache_index_writer *writer, struct lam_error *err);
void cache_index_release(struct cache_index_writer *writer);

#endif
