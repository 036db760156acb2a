/*
 * Resolving: how new rows enter a view.
 *
 * Upsert datasets. A view is cut into ranges of the hash; each has a few runs (sorted segments, no key twice in one), each with a mask of the
 * rows that a later run overrides: over all runs of a range, each key has exactly one row that is not masked, its winner.
 *
 *     staged rows  S1 S2 …  (sorted; any key, any number of versions)  \   merge by     new run: winners that are new or changed
 *     view's runs  R1 R2 …  (with their masks)                         /   key, order   new masks for the rows of R1 R2 … they override
 *
 *     or, where that would leave more than max_runs runs, or at least half of the rows masked, or where it is asked for: one run with all
 *     winners, and R1 R2 … with their masks are to be removed.
 *
 * A winner is the version with the highest order; a delete is a version like any other, and its row stays. At equal order the version is
 * the same and only the answer may differ: what is answered beats what is pending, then lam_better_answer, then the newer of both
 * (staged over view). A staged row that says what the view's row says already changes nothing, and nothing is written for it.
 *
 * Counts. Each distinct position enters the counts once: as live or deleted when it wins, as superseded when it does not. The deltas
 * of a plan are those between the view as it was and as it will be, by source and life; `pending` is the part of live that is owed an answer.
 * A staged row with LAM_ROW_REJECTED is no version: it takes the view's row at its position, if that is pending still, out of the view and of its counts,
 * and into those of the quarantine. The key's older versions do not come back.
 * Positions in runs, masked ones included, are counted already; every other position of the staged rows is new.
 *
 * Memory: a cursor an input, 8 bytes a winner of the range, a bit a row of its runs. The plan reads key columns alone (others only where
 * two answers for one position meet). Any thread, one at a time for a plan.
 *
 * Append datasets have no keys to resolve: all that may happen to their rows is that a changed file masks those of its older positions
 * (lam_resolve_mask).
 */
#ifndef LAMINA_STORE_RESOLVE_H
#define LAMINA_STORE_RESOLVE_H

#include "mask.h"
#include "rows_merge.h"

#define LAM_RESOLVE_MAX_RUNS 8

/* Changes of the counts of one life of a source; read changes by the sum of live, superseded, deleted and quarantined. */
struct lam_count_delta {
    uint32_t source, life;
    int64_t live, superseded, deleted;
    int64_t pending; /* of live */
    int64_t quarantined;
    int64_t unavailable; /* of live */
};

/* Sorted by (source, life). Release with lam_count_deltas_release. */
struct lam_count_deltas {
    struct lam_count_delta *items;
    size_t count, cap;
};

/* The item of this life, made where there is none; NULL: no memory. The pointer holds until the next call. */
struct lam_count_delta *lam_count_deltas_at(struct lam_count_deltas *deltas, uint32_t source, uint32_t life);
int lam_count_deltas_add(struct lam_count_deltas *deltas, const struct lam_count_deltas *more, struct lam_error *err);
void lam_count_deltas_release(struct lam_count_deltas *deltas);

struct lam_resolve_spec {
    const struct lam_merge_input *staged, *runs; /* maps with masks; runs oldest first. They stay where they are until the plan is freed */
    size_t staged_count, run_count;
    uint32_t range_bits, range; /* keys whose hash begins with these bits */
    uint32_t max_runs;    /* 0: LAM_RESOLVE_MAX_RUNS */
    bool rewrite;         /* asked for; needed where a run reaches beyond the range (b changed) */
    uint32_t dim;         /* of the embeddings to be written */
};

/* The hashes of a range: first and last, both included. */
void lam_range_hashes(uint32_t bits, uint32_t range, uint64_t *first, uint64_t *last);

struct lam_resolve; /* a plan */

int lam_resolve_plan(const struct lam_resolve_spec *spec, struct lam_resolve **resolve, struct lam_error *err);
void lam_resolve_free(struct lam_resolve *resolve); /* NULL-safe */

/* Is there anything to write? Where not, counts may change all the same (late versions that lose). */
bool lam_resolve_changes(const struct lam_resolve *resolve);

/* Owned by the plan. */
const struct lam_count_deltas *lam_resolve_counts(const struct lam_resolve *resolve);

/* Answers the rows of block from first on; a row that is not answered keeps LAM_ROW_PENDING. */
typedef int lam_resolve_answerer(void *arg, struct lam_block *block, size_t first, struct lam_error *err);

/*
 * Has those staged rows that are to be written and are owed an answer answered, in the order of writing, and the counts corrected. The rows and
 * their answers are held by block, which has room for them and lives until lam_resolve_put; their records stay in the maps. Once, before it. The thread
 * that planned.
 */
int lam_resolve_answer(struct lam_resolve *resolve, struct lam_block *block, lam_resolve_answerer *answer, void *arg, struct lam_error *err);

struct lam_resolve_new_mask {
    size_t run; /* index in spec.runs */
    struct lam_segment_entry entry;
    uint64_t set; /* rows masked in all */
};

struct lam_resolve_result {
    bool has_run;
    struct lam_segment_entry run; /* range and ranges set; view and run id are the caller's */
    bool rewritten; /* all input runs and their masks are to be removed */
    struct lam_resolve_new_mask *masks;
    size_t mask_count;
    uint64_t foreign; /* embeddings of another length, left out */
};

/* Gives the path, below the root, of the next segment to be written. */
typedef int lam_segment_namer(void *arg, enum lam_segment_kind kind, char path[LAM_SEGMENT_PATH], struct lam_error *err);

/*
 * Writes the bytes of the run, which has no name yet. What answers were lent for (lam_resolve_answer) is not needed any more. Any thread. It may be left
 * out: then lam_resolve_write begins with it.
 */
int lam_resolve_put(struct lam_resolve *resolve, const struct lam_fs *fs, const char *root, lam_segment_namer *name, void *arg, struct lam_error *err);

/*
 * Nobody needs the staged rows of this range any more, unless something fails: the page cache may let go of them (lam_map_forget). A view is as large as what
 * was staged for it, and would take as much memory once more. After lam_resolve_put; on the thread of the plan.
 */
void lam_resolve_forget(const struct lam_resolve *resolve);

/*
 * Makes the run durable and public, and writes the masks. After a failure files that were already published are removed again, as far as that goes. Any
 * thread; it mostly waits for the disk.
 */
int lam_resolve_write(struct lam_resolve *resolve, const struct lam_fs *fs, const char *root, lam_segment_namer *name, void *arg,
                      struct lam_resolve_result *result, struct lam_error *err);
void lam_resolve_result_release(struct lam_resolve_result *result);

/* Rows with source, partition, life in [life_first, life_end) and offset in [offset_first, offset_end) are masked. */
struct lam_mask_rule {
    uint32_t source;
    uint8_t partition[16];
    uint64_t life_first, life_end;
    uint64_t offset_first, offset_end;
    bool uncounted; /* these positions never entered the counts (a dropped split in a kept segment): deltas do not change */
};

/*
 * Sets in mask, which was made for the rows of map, the bits of all rows that a rule names, and adds what that changes to deltas
 * (live to superseded). rules are sorted by (source, partition) here. Any kind of rows segment.
 */
int lam_resolve_mask(struct lam_map *map, struct lam_mask_rule *rules, size_t count, struct lam_mask *mask,
                     struct lam_count_deltas *deltas, struct lam_error *err);

#endif
