/* The table of files, for the two files that work on it: batch_files.c (the table, and what comes back) and batch_list.c (what a scan finds). */
#ifndef LAMINA_APP_BATCH_TABLE_H
#define LAMINA_APP_BATCH_TABLE_H

#include "batch_job.h"

#include "base/dict.h"

#define LAM_BATCH_RELISTS 5 /* of one file that never stands still */

struct lam_batch_file {
    uint32_t source; /* index into the job's sources */
    enum lam_file_state state;
    enum lam_format format;
    char *path;
    size_t path_len;
    uint64_t size;
    int64_t mtime_ns;
    struct lam_digest digest; /* of an unchanged one */
    struct lam_digest *blocks;
    size_t block_count;
    uint64_t rows, splits, splits_done;
    uint32_t life;
    uint32_t since;           /* the scan that first read what is in it: those after it read what it had grown by */
    struct lam_digest before; /* a full view: what the view before had of it, and since which scan; 0: nothing */
    uint32_t before_since;
    bool grown;               /* a full view: it begins with what the view before had of it, and has more */
    bool ended, failed;
    bool restless, lost; /* it changed while it was read; and another look has not found it yet */
    unsigned relists;
};

struct lam_batch_files {
    pthread_mutex_t lock;
    struct lam_dict by_path; /* source and path to index */
    struct lam_batch_file *files;
    size_t count, cap;
    bool news;   /* something is not as the manifests have it, beside files that are to be read */
    bool relist; /* some file is restless */
    uint64_t emitted;
};

/* Index of the source with this number in the job; source_count: it is not of the job. */
size_t lam_batch_source_at(const struct lam_batch_job *batch, uint32_t number);

/* Is it read in this scan, and without a failure? */
bool lam_batch_file_is_read(const struct lam_batch_file *file);

/* Under the lock. The file of this name, or NULL. */
struct lam_batch_file *lam_batch_files_find(const struct lam_batch_files *files, uint32_t source, struct lam_sv path);

/* Under the lock. The same, made where it is missing. It moves when another one is made. */
int lam_batch_files_add(struct lam_batch_files *files, uint32_t source, struct lam_sv path, struct lam_batch_file **file, struct lam_error *err);

/* Under the lock. It is left out of this scan, counted once, and the first of them is what the report names. */
void lam_batch_file_fail(struct lam_batch_job *batch, struct lam_batch_file *file, const struct lam_error *why);

/* What names a file by the number of its source, as lam_batch_name_file does, with the source's name instead. */
void lam_batch_show_failure(const struct lam_batch_job *batch, const struct lam_error *why, struct lam_error *shown);

/* Digests of blocks first … first + count - 1. */
int lam_batch_file_put_blocks(struct lam_batch_file *file, uint64_t first, const struct lam_digest *blocks, size_t count, struct lam_error *err);

/* Upsert: are the keys of files that are no longer there to be deleted? */
bool lam_batch_deletes(const struct lam_batch_job *batch, size_t source);

struct lam_batch_stamps {
    struct lam_map *map;
    struct lam_file_stamp *items;
    uint32_t *since;
    size_t count;
    int64_t began_ns;
};

/* The manifest of a source's last complete scan; none where there is none, or where it is damaged and a full view is made. */
int lam_batch_stamps_load(struct lam_batch_job *batch, uint32_t number, struct lam_batch_stamps *stamps, struct lam_error *err);
void lam_batch_stamps_release(struct lam_batch_stamps *stamps);

#endif
