/*
 * Reports: what a run did, as JSON in the store (runs/<id>/report.json) and, with --json, on standard output; else as a table.
 */
#ifndef LAMINA_APP_REPORT_H
#define LAMINA_APP_REPORT_H

#include "batch_job.h"
#include "session.h"

/* Adds "counts" of a state by source and life, and their totals: {"totals":{…},"sources":[{"name","life","read",…}]} */
int lam_report_counts(const struct lam_state *state, struct lam_buf *json, struct lam_error *err);

/* Adds what each rank took and did: [{"rank","roles":["batch",…],"rss_anon_kib","rss_shmem_kib","peak_kib","cpu_s","documents","events"},…]. Rank 0. */
int lam_report_ranks(const struct lam_engine *engine, struct lam_buf *json, struct lam_error *err);

/* The same as a table on standard output; rates are over these seconds. */
void lam_report_print_ranks(const struct lam_engine *engine, double seconds);

/* Do the counts balance, in every life? */
bool lam_report_balanced(const struct lam_state *state);

/* Adds the models of a state: [{"number","name","kind","path","commit","info":{…}}]. */
int lam_report_models(const struct lam_state *state, struct lam_buf *json, struct lam_error *err);

/* Adds which model a batch answered with: {"number","trained","sampled","why","artifact":{…}}; artifact is what the log says of it. */
int lam_report_model(const struct lam_state *state, const struct lam_batch_model_report *model, struct lam_buf *json, struct lam_error *err);

/* Of `all` records `bad` are in quarantine. True, with a word in the log: that is more than the job allows. */
bool lam_report_over_quarantine(const struct lam_session *session, uint64_t bad, uint64_t all);

/* Is there something to be read, and nothing of it can be? True, with a word in the log. */
bool lam_report_unreadable(const struct lam_session *session, const struct lam_batch_job *batch);

/* A line about the files that were left out, on standard output; none where all were read. */
void lam_report_print_failed(uint64_t files, const struct lam_error *first, const char *indent);

/* Writes a batch's report. Rank 0, when the storage thread is idle. */
void lam_report_batch(struct lam_session *session, const struct lam_batch_job *batch, int code);

/* The same of a run that came to no view: why, and what it paid models; nothing where it asked none. Rank 0. */
void lam_report_batch_ended(struct lam_session *session, const struct lam_batch_job *batch, int code, const char *why);

/* Resident memory of this process in KiB, anonymous and shared pages (of Linux's smaps); -1 where it is not told. */
void lam_report_memory(long *anon_kib, long *shmem_kib);

#endif
