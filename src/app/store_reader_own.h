/* Inside of the store's reader: what its files share. */
#ifndef LAMINA_APP_STORE_READER_OWN_H
#define LAMINA_APP_STORE_READER_OWN_H

#include "store/lookup.h"
#include "store/view.h"
#include "store_reader.h"

#define LAM_READER_TEXT_MAX ((size_t)16 << 20) /* bytes of JSON */

/* What the snapshots of one commit share: made once, by the first pin that sees it. Immutable but for pins and stats. */
struct lam_pinned {
    struct lam_pinned *next;
    uint64_t pins;                 /* snapshots that hold it, and one more while it is the newest; guarded by the reader's lock */
    const struct lam_state *state;
    bool append;
    struct lam_view *view;         /* view and speed segments */
    struct lam_view *base;         /* the view alone */
    struct lam_view_part *parts;   /* append: silver in the order it was added, then speed segments; upsert: runs, then speed segments */
    size_t part_count, speed_count;
    struct lam_buf cutoff, store, note; /* as in struct lam_as_of */
    struct lam_stats_base *stats;  /* guarded by the reader's stats_lock; NULL until somebody asks */
};

struct lam_store_reader {
    struct lam_engine *engine;
    struct lam_tail_source tail;   /* fetch NULL: there is none */
    void (*more_stats)(void *arg, struct lam_reader_stats *stats); /* may be NULL */
    void *more_arg;
    bool refresh;
    /*
     * guards pinned, newest and the counts of pins; held while the newest state is taken, so that _oldest is never too
     * young
     */
    pthread_mutex_t lock;
    struct lam_pinned *pinned;     /* all that are held */
    struct lam_pinned *newest;
    pthread_mutex_t make_lock;     /* one thread makes a new one */
    pthread_mutex_t refresh_lock;  /* guards the handle of the log, where refresh is set, and refreshed_us */
    int64_t refreshed_us;
    pthread_mutex_t stats_lock;
};

struct lam_reached {
    uint32_t source, partition;
    uint64_t next;
};

struct lam_snapshot {
    struct lam_store_reader *reader;
    struct lam_pinned *pinned;
    int64_t pinned_us, deadline_us;
    struct lam_buf speed;          /* JSON object; empty: no tail */
    struct lam_reached *reached;   /* of each partition, when it was pinned: rows at and above it are not this snapshot's */
    size_t reached_count;
    struct lam_block *block;       /* the tail's rows, once they were fetched */
    const struct lam_row **rows;   /* sorted by lam_rows_sort, or by position where by_position */
    size_t row_count;
    bool fetched, by_position;
    struct lam_stats_base *stats;  /* what stats handed out */
    struct lam_view_at at;         /* what is being read: a fault names it */
};

/* store_pinned.c. new takes the reference to state; free: nobody has it pinned any more. NULL-safe. */
int lam_pinned_new(struct lam_store_reader *reader, const struct lam_state *state, struct lam_pinned **pinned, struct lam_error *err);
void lam_pinned_free(struct lam_pinned *pinned);

/* The name of a source; empty where the state has none of this number. */
struct lam_sv lam_pinned_source(const struct lam_pinned *pinned, uint32_t number);

/* store_reader_tail.c. Asks the speed ranks where they are now: what they consume later is none of this snapshot's. */
int lam_snapshot_pin_tail(struct lam_snapshot *snapshot, struct lam_error *err);
void lam_snapshot_drop_rows(struct lam_snapshot *snapshot); /* which were fetched */

/*
 * Fetches the tail's rows of the snapshot: all (key.ptr NULL), kept for the snapshot's life, or those of one key.
 * Nothing without a tail.
 */
int lam_snapshot_fetch(struct lam_snapshot *snapshot, struct lam_sv key, struct lam_error *err);
int lam_snapshot_order(struct lam_snapshot *snapshot, bool by_position, struct lam_error *err);

/* Is a position of the stream below the snapshot's speed position? */
bool lam_snapshot_reached(const struct lam_snapshot *snapshot, const struct lam_position *pos);

/* What a failed read means: a file that is gone is LAM_E_CONFLICT under an old snapshot, LAM_E_CORRUPT in the newest one. */
int lam_snapshot_judge(struct lam_snapshot *snapshot, int rc, bool gone, struct lam_error *err);

/* Operations of struct lam_reader_ops. */
int lam_snapshot_get(struct lam_snapshot *snapshot, struct lam_sv key, uint32_t wants, lam_visit *visit,
                     void *visit_arg, struct lam_error *err);
int lam_snapshot_scan(struct lam_snapshot *snapshot, const struct lam_cursor *from, uint32_t wants, lam_visit *visit,
                      void *visit_arg, struct lam_error *err);
int lam_snapshot_stats(struct lam_snapshot *snapshot, struct lam_reader_stats *stats, struct lam_error *err);

void lam_stats_base_free(struct lam_stats_base *stats); /* NULL-safe */

#endif
