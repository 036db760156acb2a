/*
 * Staging and adoption: what of a run's work outlives it.
 *
 *     runs/<id>/staged-<rank>-<n>.json   one group: all segments that its pieces yielded, and the pieces; published by one rename
 *     runs/<id>/adopted                  what this run took over, written once, after its term
 *
 * A group's segments are synced before its list is renamed into place; a piece lies whole in one group. A run adopts, right after its
 * term, from the newest run of its layer before it that has an `adopted`: if that one published, or analysed differently, nothing; else its groups as
 * they are listed then, and what it had adopted itself. Nothing staged later or elsewhere is ever used.
 */
#ifndef LAMINA_STORE_STAGE_H
#define LAMINA_STORE_STAGE_H

#include "log.h"
#include "piece.h"


/* One group, read back. */
struct lam_staged {
    char path[LAM_SEGMENT_PATH]; /* of its list, below the store's root */
    struct lam_segment_entry *segments;
    size_t segment_count;
    struct lam_piece *pieces;
    size_t piece_count;
};

struct lam_staged_list {
    struct lam_staged *groups;
    size_t count;
};

/* Lists a group. segments are durable; pieces are their notes as JSON. Storage thread, as everything here. */
int lam_stage_list(const struct lam_fs *fs, const char *root, const char *run, int rank, unsigned number, const struct lam_segment_entry *segments,
                   size_t segment_count, const struct lam_sv *pieces, size_t piece_count, struct lam_error *err);

/* Calls each for every group that a run has listed so far, one at a time; what it leaves in the group goes with it. LAM_E_CORRUPT names the file. */
int lam_stage_each(const struct lam_fs *fs, const char *root, const char *run, int (*each)(void *arg, struct lam_staged *group, struct lam_error *err),
                   void *arg, struct lam_error *err);

/* Adds all of them. */
int lam_stage_read_run(const struct lam_fs *fs, const char *root, const char *run, struct lam_staged_list *list, struct lam_error *err);

/* Adds one group by the path of its list. */
int lam_stage_read(const struct lam_fs *fs, const char *root, const char *path, struct lam_staged_list *list, struct lam_error *err);
void lam_staged_list_release(struct lam_staged_list *list);

/* What a run adopts from, and what stands in its `adopted`. */
struct lam_adoption {
    const char *run;                    /* its own id */
    uint64_t term;                      /* its own */
    const struct lam_state *state;      /* as of that term */
    struct lam_digest identity, analysis;
    bool answered;                      /* groups with records that wait for an answer are left out, here and for all that adopt from this run */
};

/*
 * Finds what there is to adopt, writes runs/<id>/adopted, and adds the groups to list. *from (may be empty) is the run they come from. A group with a
 * damaged segment is told to the log's options.log and left out.
 */
int lam_stage_adopt(struct lam_commitlog *log, const struct lam_adoption *adoption, struct lam_staged_list *list, char from[LAM_RUN_ID], struct lam_error *err);

#endif
