/*
 * States: what the log says, folded up to one commit. A pure function of the commits 1…number: every reader has the same.
 *
 * A state is shared by reference count and immutable for everybody but the log that folds it: a snapshot is one more reference, and the
 * log copies its arrays of pointers only when it goes on from a state that somebody else holds. Entries and lives are shared between
 * states. All fields are public to read.
 *
 * Numbers given by the log begin with 1: sources in the order of their `source` actions, lives within a source, models. 0 is none.
 *
 * A commit is void, and changes nothing but the number and the time, when one of its terms is not the newest of its layer, or when it does
 * not apply: it removes, masks or is based on a segment that is not live or was touched after its base, adds a name that is live, names a
 * number that was not given, moves an archive position or the view backwards. The writer asks the same question before it links
 * (lam_state_admits), so the latter never happens to a correct one.
 */
#ifndef LAMINA_STORE_STATE_H
#define LAMINA_STORE_STATE_H

#include "base/hash.h"

#include "commit.h"

#define LAM_CHECKPOINT_EVERY 100
#define LAM_LOG_KEEP_US ((int64_t)7 * 24 * 3600 * 1000000) /* commits younger than this are kept */

struct lam_state_term {
    uint64_t number; /* of the commit that took it: the term itself; 0: never taken */
    struct lam_holder holder;
};

/* One life of a source: of a topic, or a numbered scan. Shared, immutable. */
struct lam_state_life {
    uint32_t refs;
    uint32_t number;
    char *name;
    uint64_t commit;    /* that opened it */
    int64_t opened_us;  /* time of that commit */
    uint8_t *horizon;   /* the horizon in force then; NULL: none */
    uint32_t horizon_len;
    struct lam_counts counts;
    struct lam_archived *partitions; /* archive positions, sorted by partition */
    uint32_t partition_count;
    char *cursor;       /* the replayer's; NULL: none */
};

struct lam_state_source {
    char *name;
    struct lam_state_life **lives; /* lives[i]->number == i + 1 */
    uint32_t life_count, life_cap;
};

struct lam_state_segment {
    struct lam_segment_entry *entry, *mask; /* mask NULL: no row is masked */
    uint64_t added, touched;                /* numbers of the commits that added it, and last added or masked it */
};

struct lam_state_model {
    char *name, *kind, *path, *info;
    uint64_t commit;
};

struct lam_state_job {
    char *identity, *analysis, *rest; /* NULL before the first job action */
    struct lam_digest identity_digest, analysis_digest, rest_digest; /* lam_hash128 of the texts */
    uint64_t commit;
};

struct lam_state_view {
    uint64_t number; /* 0: nothing published yet */
    uint64_t commit;
    int64_t time_us;
    char run[LAM_RUN_ID];
    uint32_t range_bits;
    struct lam_cutoff cutoff;
};

struct lam_state_sample {
    uint64_t first;  /* number; the block is [first, first + LAM_CHECKPOINT_EVERY) */
    int64_t time_us; /* newest in it */
};

struct lam_state {
    uint32_t refs;
    uint64_t number;   /* of the last commit; 0: the log is empty */
    int64_t time_us;   /* newest time of any commit; LAM_TIME_NONE */
    uint64_t voids;    /* void commits so far */
    bool last_void;    /* was the last commit void? Not in a checkpoint */
    struct lam_state_term terms[LAM_TERMS];
    struct lam_state_job job;
    struct lam_state_source *sources; /* number i + 1 */
    uint32_t source_count, source_cap;
    struct lam_state_segment *segments; /* live ones, sorted by path */
    size_t segment_count, segment_cap;
    struct lam_state_model *models;   /* number i + 1 */
    uint32_t model_count, model_cap;
    struct lam_state_view view;
    uint8_t *horizon;                 /* highest order value dropped; NULL: none */
    uint32_t horizon_len;
    uint64_t horizon_commit;
    struct lam_counts totals;         /* over all lives */
    uint64_t log_from;                /* as of the last multiple of LAM_CHECKPOINT_EVERY */
    struct lam_state_sample *samples; /* blocks from log_from on */
    size_t sample_count, sample_cap;
};

/* The state of an empty log, with one reference. NULL: no memory. */
struct lam_state *lam_state_new(void);
const struct lam_state *lam_state_ref(const struct lam_state *state);
void lam_state_unref(const struct lam_state *state); /* NULL-safe; any thread */

/* A copy with one reference that shares entries and lives. */
int lam_state_clone(const struct lam_state *state, struct lam_state **copy, struct lam_error *err);

/*
 * Would this commit take effect as the next one? 0; LAM_E_FENCED naming the holder of the newer term; LAM_E_CONFLICT naming the segment or
 * number. A `term` commit always takes effect.
 */
int lam_state_admits(const struct lam_state *state, const struct lam_commit *commit, struct lam_error *err);

/*
 * Folds commit as number state->number + 1. Only for the one owner of a state with one reference. A void commit is folded too, last_void says so.
 * Anything but 0 is LAM_E_MEMORY, and the state is then good for lam_state_unref only.
 */
int lam_state_fold(struct lam_state *state, const struct lam_commit *commit, struct lam_error *err);

/* Lookups; NULL where there is none. By number: 1…count. */
const struct lam_state_segment *lam_state_segment(const struct lam_state *state, const char *path);
const struct lam_state_source *lam_state_source(const struct lam_state *state, uint32_t number);
const struct lam_state_life *lam_state_life(const struct lam_state *state, uint32_t source, uint32_t life);
const struct lam_state_life *lam_state_newest_life(const struct lam_state *state, uint32_t source);
const struct lam_archived *lam_state_archived(const struct lam_state *state, uint32_t source, uint32_t life, uint32_t partition);

/* Numbers by name; 0 where it was not given. */
uint32_t lam_state_source_number(const struct lam_state *state, const char *name);
uint32_t lam_state_life_number(const struct lam_state *state, uint32_t source, const char *name);
uint32_t lam_state_model_number(const struct lam_state *state, const char *name);

/* The next live segment of a kind (0: any) from *at on, in the order of paths: `for (size_t at = 0; (seg = lam_state_next(state, kind, &at)); )`. */
const struct lam_state_segment *lam_state_next(const struct lam_state *state, int kind, size_t *at);

static inline struct lam_sv lam_state_horizon(const struct lam_state *state) { return lam_sv((const char *)state->horizon, state->horizon_len); }

#endif
