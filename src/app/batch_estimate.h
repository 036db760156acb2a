/*
 * `--estimate`: what a run would ask of models, from a sample of what it would read.
 *
 *     coordinator   splits as they are listed ──> at most sample bytes of them, spread over all sources ──> emitted ──> sums by source
 *     workers       each reads the beginning of such a split ──> analyzer in place of models ──> what it would take, to the coordinator
 *
 * Of a source the splits are taken in the order of a hash of what they are: the same ones each time, and anywhere in it. A split's part that was read stands for
 * all of it, and those that were read for all of their source, by their bytes (a ratio estimator; its standard error is told). What is no larger than the sample is
 * read whole, and counted exactly.
 */
#ifndef LAMINA_APP_BATCH_ESTIMATE_H
#define LAMINA_APP_BATCH_ESTIMATE_H

#include "batch_job.h"

struct lam_batch_estimate;

/* On every rank, before the run; does nothing where none is to be made. */
int lam_batch_estimate_open(struct lam_batch_job *batch, struct lam_error *err);
void lam_batch_estimate_close(struct lam_batch_job *batch);

/* Lister: a split to be read, or to be chosen from. source: its index, or LAM_ESTIMATE_PENDING. */
#define LAM_ESTIMATE_PENDING SIZE_MAX
int lam_batch_estimate_offer(struct lam_batch_job *batch, struct lam_batch_lister *lister, size_t source, uint64_t size, struct lam_sv payload, struct lam_error *err);
int lam_batch_estimate_choose(struct lam_batch_job *batch, struct lam_batch_lister *lister, struct lam_error *err); /* all were offered */

/* The size at which files are cut: smaller than usual, so that a sample has many of them. */
uint64_t lam_batch_estimate_cut(const struct lam_batch_job *batch);

/* A chosen split: how much of it is to be read, how large it is, and the split itself. False: it is none. */
struct lam_batch_sampled {
    uint64_t limit, size;
};
bool lam_batch_estimate_split(struct lam_sv *split, struct lam_batch_sampled *sampled);

/* Worker, main thread: a piece has been through the analyzer, or needed none (needed NULL). Its note's begin and end are bytes read, and those that they stand for. */
int lam_batch_estimate_take(struct lam_batch_job *batch, const struct lam_batch_piece *piece, const struct lam_llm_need *needed, struct lam_error *err);
int lam_batch_estimate_step(struct lam_batch_job *batch, struct lam_error *err); /* each turn of the main loop */

/* Coordinator: the sums, extrapolated. */
struct lam_estimate_sums {
    struct lam_llm_need total, error; /* of all; its standard error, 0 where it is exact */
    double sampled;                          /* records that the sample has for models */
    uint64_t bytes, all_bytes;               /* read, of */
    bool exact;
};
void lam_batch_estimate_sums(const struct lam_batch_job *batch, struct lam_estimate_sums *sums);

/* llm_estimate.c: for people, or as JSON; sums NULL: no model is asked. */
void lam_llm_job_print_estimate(const struct lam_engine *engine, const struct lam_estimate_sums *sums, bool json);

#endif
