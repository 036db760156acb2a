/*
 * The response cache: answers of language models, kept under what was asked, so that nothing is paid for twice: by no rank, no
 * later run and no other layer.
 *
 *     key    128 bits of (model, prompt version, schema, parameters) and the text
 *     value  the caller's bytes, with the tokens that they cost and the time
 *
 *     STORE/cache/<writer>-<n>.answers    entries, appended by one process, each with its CRC; at most one is written to by a process
 *     STORE/cache/<random>.index          sorted keys with the place of their entries; covers files or their beginnings; mapped
 *
 * An answer is written to the file by who puts it, and counts once it is flushed: a thread syncs what came together, and then tells each put. Until then
 * lam_cache_get does not see it. A machine that crashes loses at most what was not flushed; a process that is killed only what a put had not returned from,
 * since an entry that is whole is good, synced or not. A torn end is passed by, and cut off only by its owner after a failed write. An index is a mere shortcut, made from the files by whoever finds it worth while: every entry is checked when it is read, so a damaged
 * index or file costs an answer (it is asked again) and never gives a wrong one. Of several answers to one key the newest counts.
 *
 * Memory is bounded for any number of entries, and so are descriptors: keys of what no index covers yet are held in memory up to
 * a limit, then an index is written for them; small indexes are merged.
 *
 * Any thread. No call but flush, refresh, prune, walk and close waits for the disk to sync; get reads at most one entry from it.
 */
#ifndef LAMINA_AI_CACHE_H
#define LAMINA_AI_CACHE_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"

#define LAM_CACHE_FOLDER "cache"
#define LAM_CACHE_VALUE_MAX ((size_t)16 << 20) /* bytes of one value */

struct lam_cache;

/* What all questions of one kind share. Each part counts by itself: no two different sets of parts are the same bytes. */
struct lam_cache_scope {
    struct lam_digest digest;
};

struct lam_cache_scope lam_cache_scope(struct lam_sv model, struct lam_sv prompt_version, struct lam_sv schema, struct lam_sv parameters);

/* The key of a text asked about within scope. */
struct lam_digest lam_cache_key(const struct lam_cache_scope *scope, struct lam_sv text);

/* What is known of an answer besides its bytes. */
struct lam_cache_meta {
    int64_t time_us;                 /* when it was put; put sets it where it is 0 */
    uint32_t tokens_in, tokens_out;  /* as the server counted them: what a hit saves */
};

struct lam_cache_options {
    const struct lam_fs *fs;       /* NULL: lam_fs_system */
    const struct lam_clock *clock; /* NULL: lam_clock_system; dates entries and judges their age */
    const struct lam_log *log;     /* NULL: nowhere */
    uint64_t file_bytes;           /* a file is sealed when it is larger; 0: 256 MiB, never above 1 GiB */
    size_t pending_bytes;          /* of answers that are not flushed; 0: 32 MiB. One larger value fits where nothing waits */
    size_t flush_bytes;            /* so many are flushed at once; 0: 1 MiB */
    int64_t flush_us;              /* and none waits longer; 0: 20 ms */
    int64_t refresh_us;            /* a miss looks for what others wrote, at most so often; 0: 1 s; negative: never by itself */
    int64_t max_age_us;            /* older answers are not given; 0: all are */
    size_t max_keys;               /* held in memory, 32 bytes each; 0: 262,144 */
    unsigned max_open;             /* files open for reading; 0: 32 */
};

/* Opens the cache of the store at root, whose folder exists; one without a cache is empty. Writes nothing. options may be NULL. */
int lam_cache_open(struct lam_cache **cache, const char *root, const struct lam_cache_options *options, struct lam_error *err);

/* Flushes what was put, tells it, writes an index for it, and frees the cache. NULL-safe. */
void lam_cache_close(struct lam_cache *cache);

/*
 * The newest answer to key: appended to value (whose max is the limit), and meta (may be NULL). LAM_E_NOT_FOUND: none, or none that
 * could be read; err is then not filled, since a miss is usual. LAM_E_LIMIT, LAM_E_MEMORY: it does not fit.
 */
int lam_cache_get(struct lam_cache *cache, struct lam_digest key, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err);

/* As lam_cache_get, but where it has none it looks at once for what other processes wrote: for who was told that another rank's answer is flushed. */
int lam_cache_get_fresh(struct lam_cache *cache, struct lam_digest key, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err);

/*
 * Takes a copy of an answer. After 0 it survives the process, though not the machine; but for those that come while a file that is full gives way to the next,
 * or the disk fails. The first one waits until its file is made. LAM_PENDING: too much waits to be flushed, come again; LAM_E_LIMIT: value is too long; LAM_E_IO: the thread that
 * flushes could not be started. After 0 flushed (may be NULL) is called exactly once, on the cache's own thread, within about flush_us:
 * rc 0: it is durable and lam_cache_get finds it; else it could not be written, err says why, and it may be put again. It must not call the
 * cache but for lam_cache_put.
 *
 * A sync that hangs holds up nobody who puts; a write that hangs (a network file system whose server is away) holds up the putter, and with it all who put, flush
 * or close until it ends.
 */
typedef void (*lam_cache_flushed_fn)(void *arg, int rc, const struct lam_error *err);
int lam_cache_put(struct lam_cache *cache, struct lam_digest key, struct lam_sv value, const struct lam_cache_meta *meta,
                  lam_cache_flushed_fn flushed, void *arg, struct lam_error *err);

/* Waits until all that was put before has been told. LAM_E_IO where the last of it could not be written. */
int lam_cache_flush(struct lam_cache *cache, struct lam_error *err);

/* Reads what other processes wrote since. */
int lam_cache_refresh(struct lam_cache *cache, struct lam_error *err);

struct lam_cache_counts {
    uint64_t files, indexes, bytes; /* on disk, as last seen */
    uint64_t entries;               /* in them: those replaced by newer ones, and those of another index too, count */
    uint64_t keys_in_memory;
    uint64_t hits, misses, unreadable; /* of this handle; unreadable: known to an index and not to be read; a miss as well */
    uint64_t flushed, failed, flushes; /* entries, entries, group commits of this handle */
    uint64_t saved_in, saved_out;      /* tokens of hits */
    uint64_t whole;                  /* entries that the last lam_cache_walk found whole, those that newer ones replace among them */
    uint64_t damaged, damaged_bytes; /* places that it found in files where no entry can be read, and their bytes */
};

void lam_cache_counts(struct lam_cache *cache, struct lam_cache_counts *counts);

/*
 * Visits the newest answer to each key, in no order that means anything. visit returns 0, or a code that ends the walk and is returned.
 * A value that does not verify is passed by.
 */
struct lam_cache_entry {
    struct lam_digest key;
    struct lam_cache_meta meta;
    struct lam_sv value; /* borrowed until visit returns */
};
int lam_cache_walk(struct lam_cache *cache, int (*visit)(void *arg, const struct lam_cache_entry *entry, struct lam_error *err), void *arg,
                   struct lam_error *err);

/*
 * Makes it smaller: removes files whose newest entry is older than max_age_us (0: no limit), then the oldest answers until what is left, with its index, is at
 * most max_bytes (0: no limit): whole files, and of one file all but its newest, which are written anew. Small files become one, without what was replaced. A
 * file goes when what is kept of it is synced elsewhere. Files that another process may still write to are left alone: those not sealed and changed within the
 * last hour. Ends the own file.
 */
struct lam_cache_pruned {
    uint64_t files, bytes;         /* removed, those that were written anew among them */
    uint64_t answers;              /* that are not kept; those of whole files with what newer ones had replaced */
    uint64_t rewritten;            /* entries that were copied */
    uint64_t in_use, in_use_bytes; /* files that were left alone */
    uint64_t left;                 /* bytes of all that is there now, about */
};
int lam_cache_prune(struct lam_cache *cache, uint64_t max_bytes, int64_t max_age_us, struct lam_cache_pruned *pruned, struct lam_error *err);

#endif
