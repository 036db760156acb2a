/*
 * A batch run as the application wires it: what process/batch.h calls opaque gets its meaning here.
 *
 *     batch_begin.c   sources, scans, adoption                             coordinator
 *     batch_term.c    the term, and the counter of its holder              coordinator
 *     batch_files.c   the table of files: pieces, manifest                 coordinator
 *     batch_list.c    what a scan finds, and what of it is to be read      coordinator
 *     batch_estimate.c what models would take, from a sample              coordinator, workers
 *     batch_missing.c deletes of what a scan did not find any more         coordinator
 *     batch_carry.c   what a full view does not read again                 coordinator
 *     batch_staged.c  what is staged, as these two look into it            coordinator
 *     batch_plan.c    what is staged, what of it counts, ranges            coordinator
 *     batch_publish.c the commit                                           coordinator
 *     batch_tally.c   counts by source and life                            coordinator
 *     batch_train.c   which model answers, training, the artifact          coordinator
 *     batch_sample.c  what it is trained on                                coordinator
 *     batch_answer.c  rows that were staged without answers                workers, reading threads
 *     batch_read.c    splits to pieces                                     workers, reading threads
 *     batch_write.c   groups to segments, ranges to runs                   workers, storage thread
 *     batch_job.c     the table of callbacks
 */
#ifndef LAMINA_APP_BATCH_JOB_H
#define LAMINA_APP_BATCH_JOB_H

#include "base/dict.h"
#include "batch_tally.h"
#include "engine.h"
#include "llm_job.h"
#include "process/batch.h"
#include "process/refine.h"
#include "reader.h"
#include "source/digest.h"
#include "source/scan.h"
#include "source/split.h"
#include "store/bronze.h"
#include "store/manifest.h"
#include "store/resolve.h"
#include "store/stage.h"
#include "store/term.h"
#include "store/store.h"

struct lam_batch_files; /* batch_files.c */

/* One source of the job in this run. number and life 0: it takes no part (the stream was never archived). */
struct lam_batch_source {
    uint32_t number, life;
    bool stream;
    char *root; /* corpus: absolute, without links */
    struct lam_files_options files;
};

/* The model that answered, and what its training was where this run trained it. */
struct lam_batch_model_report {
    uint32_t number;      /* 0: by the label descriptions */
    bool trained;
    uint64_t sampled;     /* documents */
    struct lam_builtin_training_report training;
    char why[256];        /* nothing was trained, though it was due; empty: all is well */
};

struct lam_batch_report {
    struct lam_batch_model_report model;
    uint64_t view;                  /* published; 0: none */
    bool nothing_new;
    bool rebuilt;                   /* the analysis changed, or there was no view */
    uint64_t files, files_unchanged, files_failed;
    struct lam_counts counts;       /* what this run added */
    uint64_t adopted;               /* pieces taken over from a run before */
    uint64_t splits, ranges;
    uint64_t decoded_bytes;
    uint64_t asked_again;           /* rows of the view that were pending */
    uint64_t no_text, no_order;     /* of what was read: live without answers, and lowest in the order of versions */
    uint64_t carried, carried_files; /* a full view: rows of the one before that were not read again, and their files */
    struct lam_error first_failure; /* of a file, code 0: none */
};

/* A staged segment as the coordinator plans with it, and what of it does not count. */
struct lam_batch_input {
    struct lam_segment_entry entry;
    struct lam_mask_rule *rules;
    size_t rule_count;
    bool owed; /* append: rows in it were staged without answers */
    bool again; /* append: its rows take the place of rows of the view, or (quarantine) are those of the view that have no answer */
    char replaced[LAM_SEGMENT_PATH]; /* append: the segment that entry took the place of when its rows were answered; empty: none */
};

struct lam_batch_inputs {
    struct lam_batch_input *items;
    size_t count, cap;
};

/* Staged rows as they are read while ranges are resolved. There may be many: nothing else is kept of them. */
struct lam_batch_mapped {
    struct lam_map *map;
    struct lam_mask mask; /* of rows that do not count; without bits: all do */
};

struct lam_batch_maps {
    struct lam_batch_mapped *items;
    size_t count;
};

struct lam_batch_job {
    struct lam_engine *engine;
    const struct lam_analyzer_ops *analyzer;
    struct lam_llm_job *llm; /* models that answer accepted pieces; NULL: the built-in analyzer answers while reading */
    bool cancelled;
    bool retrain; /* asked for, of the next run: a new model, and a new full view */

    /* both sides, from start on */
    char run[LAM_RUN_ID];
    const struct lam_state *state; /* as of the commit that the run began with */
    struct lam_batch_source *sources; /* source_count of the job, then the stream */
    size_t source_count;
    bool rebuild; /* a full view: all is read again, and of the old view stays what cannot be */
    bool estimate;   /* nothing is asked, staged or published: what models would take is counted */
    struct lam_batch_estimate *estimator; /* batch_estimate.h; NULL: no estimate, or nothing to be estimated */
    bool asks_again; /* coordinator: rows of the view that wait for their answer are asked for in this run */
    uint32_t old_bits, bits;
    int64_t arrival_us; /* of everything that this run's scans bring in */
    bool training;      /* there is no model yet: rows are staged without answers */
    struct lam_trained *trained; /* answers; NULL: the label descriptions do */

    /* workers */
    struct lam_batch_reader **readers; /* one a reading thread */
    unsigned reader_count;
    struct lam_namer namer;
    unsigned groups;
    struct lam_batch_maps mapped; /* after prepare */

    /* coordinator */
    uint64_t term;
    struct lam_pulse *pulse; /* pulse.h: says that the holder lives */
    bool holds;                    /* a term of this process: the next one is taken without a look */
    bool untaken;                  /* run was made and its term not had: it is tried again under the same id */
    struct lam_cutoff cutoff;
    struct lam_batch_files *files;
    struct lam_staged_list adopted; /* until it is gathered */
    struct lam_batch_inputs planned;
    struct lam_buf resolved_paths;  /* of staged rows that ranges take, each with its NUL */
    struct lam_dict kept_copies;    /* batch_carry.c: paths of segments that stay */
    struct lam_batch_tally tally;
    bool gathered;           /* planned and tally have what is staged */
    uint64_t gathered_pending; /* rows of it that have no answer */
    struct lam_batch_again *again; /* append: parts of the view's segments whose rows were asked about again, and staged */
    size_t again_count;
    struct lam_batch_sample *sample; /* batch_train.c, from sample to plan */
    uint32_t generation;     /* which model staged answers are from, or will be: what is of another one is not adopted. 0: of none */
    struct lam_buf results;  /* notes of resolved ranges, one JSON a line */
    struct lam_batch_report report;
};

extern const struct lam_batch_ops lam_batch_job_ops;

/* For one process; the run may be made any number of times, one after the other. */
int lam_batch_job_init(struct lam_batch_job *batch, struct lam_engine *engine, struct lam_error *err);
void lam_batch_job_release(struct lam_batch_job *batch);

/* What process/batch.h is opened with for this run. */
struct lam_batch_options lam_batch_job_options(struct lam_batch_job *batch);

/* --- between the files of this module --- */

/* Takes a term for a new run. *state as lam_term_take. LAM_E_EXISTS: another job holds it. */
int lam_batch_take_term(struct lam_batch_job *batch, const struct lam_state **state, struct lam_error *err);
void lam_batch_leave_term(struct lam_batch_job *batch); /* the counter goes; safe on one that has none */

int lam_batch_begin(void *arg, struct lam_buf *out, struct lam_error *err);
int lam_batch_start(void *arg, struct lam_sv bytes, struct lam_error *err);

struct lam_batch_files *lam_batch_files_new(void);
void lam_batch_files_free(struct lam_batch_files *files);
int lam_batch_list(void *arg, struct lam_batch_lister *lister, struct lam_error *err);
void lam_batch_accepted(void *arg, int rank, struct lam_sv note);
/* Puts in front of a worker's error which file it is about, so that lam_batch_failed finds it. Returns rc. */
int lam_batch_name_file(uint32_t source, struct lam_sv path, int rc, struct lam_error *err);
int lam_batch_failed(void *arg, uint64_t split, const struct lam_error *why, struct lam_error *err);
bool lam_batch_again(void *arg);

/* Does what this piece says of its file still hold? Storage thread, when nothing reads any more. */
bool lam_batch_piece_holds(struct lam_batch_job *batch, const struct lam_piece *piece);

/* Did this file change, so that its older rows are to be masked (append)? Calls each for every such file. */
int lam_batch_changed(struct lam_batch_job *batch, int (*each)(void *arg, uint32_t source, const struct lam_digest *partition), void *arg,
                      struct lam_error *err);

/* Calls each for every file that vanished or changed, of the sources with on_missing: delete. path lives with the table. */
int lam_batch_missing(struct lam_batch_job *batch, int (*each)(void *arg, uint32_t source, struct lam_sv path, struct lam_error *err), void *arg,
                      struct lam_error *err);

/*
 * A full view: adds what it does not read again of the view before to what is planned, less what is newer there. Storage thread, when all else is planned.
 */
int lam_batch_carry(struct lam_batch_job *batch, struct lam_error *err);
bool lam_batch_carry_keeps(const struct lam_batch_job *batch, const char *path); /* a segment of copies: are there some of what was carried over? */

/* Adds the deletes of on_missing to what is planned. Storage thread, when all else is planned. */
int lam_batch_delete_missing(struct lam_batch_job *batch, struct lam_error *err);

/* Is anything in the sources not as the manifests have it? */
bool lam_batch_files_news(const struct lam_batch_files *files);

/* Is there a file that is as it was, or could be read? */
bool lam_batch_any_file(const struct lam_batch_files *files);

/* The new manifest of a source. */
int lam_batch_write_manifest(struct lam_batch_job *batch, size_t source, struct lam_segment_entry *entry, struct lam_error *err);

/* A full view: that of a source which is no longer in the job, with all its files as such that were not read. No path: the old one is damaged, and there is none. */
int lam_batch_write_gone_manifest(struct lam_batch_job *batch, const struct lam_segment_entry *old, struct lam_segment_entry *entry, struct lam_error *err);

/* batch_pending.c: rows of a run of the view that are owed an answer; map and mask are held until close, which is fine after a failed open. */
struct lam_batch_owed {
    struct lam_map *map, *mask;
    const uint8_t *bits;
};
int lam_batch_owed_open(struct lam_batch_job *batch, const struct lam_state_segment *segment, struct lam_batch_owed *owed, struct lam_error *err);
void lam_batch_owed_close(struct lam_batch_owed *owed);
bool lam_batch_owed_at(const struct lam_batch_owed *owed, uint64_t row);

/*
 * Append: rows that were asked about again stand in staged segments, answered or not, and the rows that they were are masked in theirs: nothing resolves them.
 * Coordinator, storage thread.
 */
struct lam_batch_again {
    char path[LAM_SEGMENT_PATH]; /* of a segment of the view */
    uint64_t first, end;         /* of its rows: those that were owed an answer are replaced */
};
int lam_batch_again_add(struct lam_batch_job *batch, const struct lam_piece *piece, struct lam_error *err);
void lam_batch_again_forget(struct lam_batch_job *batch);
bool lam_batch_again_in(const struct lam_batch_job *batch, const char *path); /* are rows of this segment replaced? */
int lam_batch_again_mask(const struct lam_batch_job *batch, struct lam_map *map, const uint8_t *bits, struct lam_mask *mask, struct lam_count_deltas *deltas,
                         struct lam_error *err);
int lam_batch_again_count(struct lam_map *map, struct lam_count_deltas *deltas, struct lam_error *err); /* what their successors are */
int lam_batch_again_rejected(struct lam_map *map, struct lam_count_deltas *deltas, struct lam_error *err); /* a quarantine segment: they have none */

/* Emits a split "P<path>" for each segment of the view that has such rows; nothing where no model is asked, or the view is made anew. Lister's thread. */
int lam_batch_list_pending(struct lam_batch_job *batch, struct lam_batch_lister *lister, struct lam_error *err);

int lam_batch_read(void *arg, unsigned worker, struct lam_batch_task *task, struct lam_sv split, struct lam_error *err);
void lam_batch_readers_free(struct lam_batch_job *batch);

/* A reading thread's tools, made when they are first asked for. */
int lam_batch_tools(struct lam_batch_job *batch, unsigned worker, struct lam_tools **tools, struct lam_error *err);

/* A reading thread's spill, empty; after its tools. It goes when the run ends. */
struct lam_spill;
int lam_batch_spill(struct lam_batch_job *batch, unsigned worker, struct lam_spill **spill, struct lam_error *err);
void lam_batch_spills_free(struct lam_batch_job *batch);

bool lam_batch_together(void *arg, struct lam_sv note, struct lam_sv with);
int lam_batch_stage(void *arg, struct lam_batch_piece *const *pieces, size_t count, struct lam_error *err);
int lam_batch_write_copies(struct lam_batch_job *batch, const struct lam_bronze_row *rows, size_t count, struct lam_segment_entry *entry,
                           struct lam_error *err);
/* Adds ",\"counts\":[[source,life,live,superseded,deleted,pending,quarantined,unavailable]]" to a note. */
int lam_batch_write_counts(const struct lam_count_deltas *counts, struct lam_buf *note, struct lam_error *err);
int lam_batch_prepare(void *arg, struct lam_sv bytes, struct lam_error *err);
int lam_batch_resolve(void *arg, unsigned worker, struct lam_sv range, void **made, struct lam_error *err);
int lam_batch_write(void *arg, void *made, struct lam_buf *note, struct lam_error *err);
void lam_batch_discard(void *arg, void *made);
void lam_batch_end(void *arg);
void lam_batch_maps_release(struct lam_batch_job *batch);
void lam_batch_input_release(struct lam_batch_input *input);
void lam_batch_inputs_release(struct lam_batch_inputs *inputs);

/* One more of them, of zeroes. NULL: out of memory. */
struct lam_batch_input *lam_batch_inputs_add(struct lam_batch_inputs *inputs);

/*
 * Which model answers in this run, or that one is trained, which makes it a full view. begin, once state is known and before the cutoff is set.
 */
int lam_batch_choose_model(struct lam_batch_job *batch, struct lam_error *err);
int lam_batch_load_model(struct lam_batch_job *batch, uint32_t number, struct lam_error *err); /* workers; 0: none */

/* Job and model by which staged rows are told apart from those that cannot be adopted. */
struct lam_digest lam_batch_staging_digest(const struct lam_batch_job *batch);

/* Is anything not as the view has it? When all is listed. */
bool lam_batch_has_work(const struct lam_batch_job *batch);

/* Puts what is staged into planned; once, whoever asks first. Storage thread. */
int lam_batch_gather(struct lam_batch_job *batch, struct lam_error *err);

/* Commits what training made, and takes it into use. */
int lam_batch_commit_model(struct lam_batch_job *batch, struct lam_error *err);
void lam_batch_sample_free(struct lam_batch_sample *sample); /* NULL-safe */

/*
 * Answers those rows of a range that are to be written and have none: the rows are held by *block, made here, until the range is written. Nothing where
 * another analyzer owes the answers.
 */
int lam_batch_answer_range(struct lam_batch_job *batch, unsigned worker, struct lam_resolve *resolve, struct lam_block **block, struct lam_error *err);

/* Append: a staged segment's rows with their answers, to be written in its place. */
struct lam_batch_rewrite;
int lam_batch_rewrite_new(struct lam_batch_job *batch, unsigned worker, const struct lam_batch_mapped *input, struct lam_batch_rewrite **rewrite,
                          struct lam_error *err);
int lam_batch_rewrite_write(struct lam_batch_rewrite *rewrite, struct lam_buf *note, struct lam_error *err);
void lam_batch_rewrite_free(struct lam_batch_rewrite *rewrite); /* NULL-safe */

int lam_batch_sample(void *arg, struct lam_error *err);
int lam_batch_train(void *arg, const struct lam_batch_lister *lister, struct lam_error *err);

int lam_batch_plan(void *arg, struct lam_batch_lister *lister, struct lam_buf *out, struct lam_error *err);
void lam_batch_resolved(void *arg, int rank, struct lam_sv note);
int lam_batch_publish(void *arg, struct lam_error *err);

#endif
