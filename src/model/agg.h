/*
 * Aggregates: count, sum, min, max, and groups of them. init, add and merge are the same for records, windows, the reduction over ranks
 * and the join of view and speed tail; the result depends on what was added alone, never on order or partition, bit for bit.
 *
 * Nothing is retracted: whoever adds has dropped the rows that newer ones override.
 */
#ifndef LAMINA_MODEL_AGG_H
#define LAMINA_MODEL_AGG_H

#include "exact_sum.h"

enum lam_agg_kind { LAM_AGG_COUNT, LAM_AGG_SUM, LAM_AGG_MIN, LAM_AGG_MAX };

struct lam_agg {
    enum lam_agg_kind kind;
    uint64_t count; /* values added; of count: rows */
    union {
        struct lam_number best;   /* min, max; unset while count is 0 */
        struct lam_exact_sum sum; /* sum */
    };
};

struct lam_agg_ops {
    const char *name;
    size_t size; /* bytes that a state of this kind uses: count is small, sum is not */
    void (*init)(struct lam_agg *agg);
    void (*add)(struct lam_agg *agg, const struct lam_number *number); /* number is NULL for a row without a value: only count counts it */
    void (*merge)(struct lam_agg *agg, struct lam_agg *other);
};

const struct lam_agg_ops *lam_agg_ops(enum lam_agg_kind kind);

/* The kind that a word names ("count", "sum", "min", "max"); -1 where it names none. */
int lam_agg_kind_of(struct lam_sv word);

/* The result as JSON; null where a min or max has seen nothing. A sum of nothing is 0. */
int lam_agg_add_text(struct lam_buf *buf, const struct lam_agg *agg, struct lam_error *err);

int lam_agg_encode(struct lam_buf *buf, struct lam_agg *agg, struct lam_error *err);
int lam_agg_decode(struct lam_sv *bytes, struct lam_agg *agg, struct lam_error *err);

/*
 * Groups: for each key its own aggregates, one of each wanted kind. At most max_groups keys and max_bytes of memory: beyond them
 * adding answers LAM_E_LIMIT and the groups are as they were.
 */
struct lam_agg_groups;

struct lam_agg_groups *lam_agg_groups_new(const enum lam_agg_kind *kinds, size_t kind_count, size_t max_groups, size_t max_bytes);
void lam_agg_groups_free(struct lam_agg_groups *groups);

/* The aggregates of key, kind_count pointers in the order of kinds; made where there are none. Pointers stay until free. */
int lam_agg_groups_at(struct lam_agg_groups *groups, struct lam_sv key, struct lam_agg ***aggs, struct lam_error *err);

/* Adds other's groups to groups. Both were made with the same kinds. */
int lam_agg_groups_merge(struct lam_agg_groups *groups, struct lam_agg_groups *other, struct lam_error *err);

size_t lam_agg_groups_count(const struct lam_agg_groups *groups);

/* Sorts by the bytes of the keys; then group i. The view of the key is the groups' own. */
void lam_agg_groups_sort(struct lam_agg_groups *groups);
struct lam_sv lam_agg_groups_get(const struct lam_agg_groups *groups, size_t i, struct lam_agg ***aggs);

#endif
