/*
 * How good answers are: what a classifier said, held against what somebody who knew it said. Counting alone; whose answers they are is of no matter.
 *
 *     accuracy       right answers of all labelled records: one without an answer is not right
 *     macro F1       mean over the labels that occur as truth of 2·precision·recall / (precision + recall); 0 where there is neither
 *     calibration    expected calibration error over 10 bins of equal width: the mean distance between confidence and the share of right answers,
 *                    weighed by records (Naeini et al. 2015); answered records
 *     coverage       accuracy of the surest 50, 80, 90 and 100 % of the labelled records; where the border falls between records that are equally
 *                    sure, each of them counts in part
 *
 * Memory grows with the labels and the pairs of them that occur, not with the records: confidence is counted in steps of a millionth. All of it is
 * exact and the same in whatever order the records come.
 */
#ifndef LAMINA_APP_EVAL_H
#define LAMINA_APP_EVAL_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/buf.h"

#define LAM_EVAL_BINS 10
#define LAM_EVAL_SHARES 4

struct lam_eval; /* a count under way */

int lam_eval_new(struct lam_eval **eval, struct lam_error *err);
void lam_eval_free(struct lam_eval *eval); /* NULL-safe */

/* One labelled record. answer empty: none was given, and confidence is not looked at; else it is 0..1 (what is not is taken for 0). */
int lam_eval_add(struct lam_eval *eval, struct lam_sv truth, struct lam_sv answer, double confidence, struct lam_error *err);

struct lam_eval_label {
    struct lam_sv name;
    uint64_t truth, answers, right; /* records that are it, that were said to be, that were rightly said to be */
    double precision, recall, f1;   /* 0 where there is nothing to divide by */
};

struct lam_eval_cell {
    struct lam_sv truth, answer; /* answer empty: none */
    uint64_t records;
};

struct lam_eval_bin {
    uint64_t records, right;
    double confidence; /* mean */
};

struct lam_eval_share {
    double share;      /* of the labelled records */
    uint64_t records;
    double confidence; /* of the least sure of them; 0: one without an answer */
    double accuracy;
};

/* Owned by the count it is made of, until that is freed. */
struct lam_eval_result {
    uint64_t records, answered, right;
    double accuracy, accuracy_answered, macro_f1, calibration_error;
    struct lam_eval_label *labels; /* by name: those that are truth or answer of some record */
    size_t label_count;
    struct lam_eval_cell *cells;   /* confusion by truth, then answer: those that occur */
    size_t cell_count;
    struct lam_eval_bin bins[LAM_EVAL_BINS];
    struct lam_eval_share shares[LAM_EVAL_SHARES];
};

/* Sums up; once, after which nothing is added any more. */
int lam_eval_finish(struct lam_eval *eval, struct lam_eval_result *result, struct lam_error *err);

/* Adds the members of a JSON object, without its braces: "records":…, …, "confusion":[…]. */
int lam_eval_json(const struct lam_eval_result *result, struct lam_buf *out, struct lam_error *err);

/* Adds a table for people: figures, coverage, labels, and the confusion (a square where it fits a screen, else the commonest errors). */
int lam_eval_text(const struct lam_eval_result *result, struct lam_buf *out, struct lam_error *err);

#endif
