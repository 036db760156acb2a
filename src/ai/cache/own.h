/*
 * What the files of the cache share. Three locks:
 *
 *     upkeep  held by whoever looks at the folder, writes an index, merges or removes: one at a time, for as long as the disk takes
 *     tail    held while an answer is written to the end of the own file, but not while that is synced: pending answers, and who has been told
 *     lock    held for a moment: tables, counts
 *
 * upkeep before lock; nothing within tail. Files are never freed before close, so their numbers stay; `indexes` changes under both upkeep and lock, so that
 * holding either is enough to read it. The file that is written to belongs to the flushing thread, and to close when that has ended; others write
 * behind its end, within tail, as long as `through` allows it.
 */
#ifndef LAMINA_AI_CACHE_OWN_H
#define LAMINA_AI_CACHE_OWN_H

#include <pthread.h>
#include <time.h>

#include "index.h"
#include "keys.h"

#define CACHE_SCAN_STEP ((size_t)1 << 20)
#define CACHE_QUIET_S 3600 /* a file that was not changed for so long has no writer any more */
#define CACHE_MERGING "merging" /* a file that is there while one process merges: the others need not do the same */
#define CACHE_PRUNING "pruning" /* and while one prunes: the others wait a moment */

struct cache_file {
    struct cache_file_id id;
    uint64_t size;    /* as last seen; 0: look again */
    uint32_t read;    /* entries below are known, by an index or in memory */
    uint32_t covered; /* by indexes, from the beginning on */
    uint32_t covered_was;
    uint64_t entries; /* below read */
    uint64_t covered_entries;
    uint32_t newest;  /* seconds; of these */
    bool sealed;      /* nothing will be added */
    bool gone;        /* not in the folder any more */
    bool own;         /* this process writes to it */
    bool damage_told; /* was logged */
    bool seen;        /* in the listing that is being looked at */
    int fd;           /* for reading; -1: closed */
    unsigned users;   /* who read from fd */
    uint64_t used;    /* when it was used last, for closing the one that was not used for longest */
};

/* An answer that waits to be flushed; its entry stands in the batch's bytes, and mostly in the file already. */
struct cache_ticket {
    struct cache_key key; /* offset: in the batch */
    lam_cache_flushed_fn flushed;
    void *arg;
};

struct cache_batch {
    struct lam_buf bytes;
    size_t written; /* of them, to the own file */
    struct cache_ticket *tickets;
    size_t count, cap;
};

struct lam_cache {
    struct lam_cache_options options;
    char folder[LAM_PATH_MAX];

    pthread_mutex_t upkeep, tail, lock;
    struct cache_file **files; /* by number */
    uint32_t *by_id;           /* their numbers, by id */
    uint32_t file_count, file_cap;
    struct cache_index **indexes;
    uint32_t index_count, index_cap;
    struct cache_keys keys;
    unsigned open_count;
    uint64_t uses;
    int64_t looked_us; /* when the folder was last looked at; 0: never */
    bool full_told;    /* that keys are passed by was logged */
    struct lam_cache_counts counts;

    /* With tail. */
    struct cache_batch pending;
    bool through;               /* puts write to the own file themselves */
    bool begun;                 /* a first file was made, or could not be */
    uint32_t tail_at;           /* where pending begins in it, while they do */
    uint64_t put_count, told_count; /* answers */
    int last_rc;                    /* of the last group commit */
    struct lam_error last_error;
    bool started, closing, hurry; /* hurry: somebody waits in flush */
    bool give_up;                 /* somebody waits for the own file to be ended */
    struct timespec due;          /* when pending is flushed at the latest */
    pthread_t thread;
    pthread_cond_t some, told;

    uint64_t writer;        /* this process' random number */
    uint32_t next_number;
    struct cache_file *own; /* NULL: none yet */
    uint32_t own_number;    /* its number in memory */
    int own_fd;
    uint32_t own_at;        /* its flushed length; changes with lock held */
};

/* look.c. Called with upkeep held. */
int cache_look(struct lam_cache *cache, struct lam_error *err);
struct cache_file *cache_file_at(struct lam_cache *cache, struct cache_file_id id, uint32_t *number);
int cache_file_add(struct lam_cache *cache, struct cache_file_id id, uint32_t *number, struct lam_error *err); /* with lock held */

/* Where bytes of a file are no entry, though whole ones stand behind them, or nothing does that could become one. */
struct cache_damage {
    uint64_t places, bytes;
    uint32_t first; /* where the first begins */
};

/* scan.c: walks over the whole entries of a file's bytes [from, to): visit may end it. Damage is added up. LAM_E_CORRUPT: it is too short for a header. */
struct cache_scan {
    uint32_t from, to;
    int (*visit)(void *arg, const struct lam_cache_entry *entry, uint32_t offset, struct lam_error *err);
    void *arg;
    struct cache_damage *damage;
};
int cache_scan(struct lam_cache *cache, const struct cache_file *file, const struct cache_scan *scan, struct lam_error *err);
void cache_tell_damage(struct lam_cache *cache, struct cache_file *file, const struct cache_damage *damage); /* logs it, once a file; without lock */

/* shorten.c. Called with upkeep held, not lock. */
int cache_index_keys(struct lam_cache *cache, uint32_t file, struct lam_error *err); /* of one file, or CACHE_NO_FILE: all; what is in memory becomes an index */
int cache_merge(struct lam_cache *cache, bool all, struct lam_error *err);           /* where several of a size have come together; all: into one */
int cache_adopt_index(struct lam_cache *cache, const char *name, struct lam_error *err);
void cache_drop_index(struct lam_cache *cache, uint32_t at); /* with lock held as well */
void cache_cover(struct lam_cache *cache);                   /* with lock held as well: what indexes cover, anew */

/* One process at a time, by a file of this name in the folder: false: it is another one's, since less than an hour. True: unlink path when done. */
bool cache_take_turn(struct lam_cache *cache, const char *name, char path[LAM_PATH_MAX]);

/* read.c */
bool cache_find(struct lam_cache *cache, const struct lam_digest *digest, struct cache_key *found); /* with lock held; found->file is a number in memory */
void cache_close_idle(struct lam_cache *cache);                                                       /* with lock held */

/* walk.c: the answers of one file that count. What was found in it besides is added to seen, which may be NULL. */
struct cache_seen {
    uint64_t entries; /* whole ones, those that were replaced among them */
    struct cache_damage damage;
};
int cache_walk_file(struct lam_cache *cache, uint32_t number, int (*visit)(void *arg, const struct lam_cache_entry *entry, struct lam_error *err), void *arg,
                    struct cache_seen *seen, struct lam_error *err);

/* put.c. Writes what is pending to the end of the own file, where puts do so. Nothing is synced; a failure is left to the flushing thread. With tail held. */
void cache_write_through(struct lam_cache *cache);

/* flush.c */
void *cache_flusher(void *cache);                    /* the thread */
void cache_give_up_file(struct lam_cache *cache); /* what was put stands in files that are ended: the next answer begins a new one */
void cache_stop_writing(struct lam_cache *cache); /* ends it when all that was put is told; then nothing more is written */

#define cache_log(cache, ...)                                            \
    do {                                                                 \
        if ((cache)->options.log)                                        \
            lam_log_warn((cache)->options.log, "cache", __VA_ARGS__);    \
    } while (0)

#endif
