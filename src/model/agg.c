#include "agg.h"

#include <stdlib.h>

static void init_count(struct lam_agg *agg)
{
    agg->kind = LAM_AGG_COUNT;
    agg->count = 0;
}

static void add_count(struct lam_agg *agg, const struct lam_number *number) { (void)number, agg->count++; }
static void merge_count(struct lam_agg *agg, struct lam_agg *other) { agg->count += other->count; }

static void init_sum(struct lam_agg *agg)
{
    agg->kind = LAM_AGG_SUM;
    agg->count = 0;
    lam_exact_init(&agg->sum);
}

static void add_sum(struct lam_agg *agg, const struct lam_number *number)
{
    if (!number)
        return;
    agg->count++;
    lam_exact_add(&agg->sum, number);
}

static void merge_sum(struct lam_agg *agg, struct lam_agg *other)
{
    agg->count += other->count;
    lam_exact_merge(&agg->sum, &other->sum);
}

static void init_best(struct lam_agg *agg, enum lam_agg_kind kind)
{
    agg->kind = kind;
    agg->count = 0;
    agg->best = lam_number_int(0);
}

static void init_min(struct lam_agg *agg) { init_best(agg, LAM_AGG_MIN); }
static void init_max(struct lam_agg *agg) { init_best(agg, LAM_AGG_MAX); }

/*
 * 1 and 1.0 are equal and look different, as do 0.0 and -0.0: of equals the integer is kept, then the positive zero,
 * whichever came first.
 */
static bool looks_better(const struct lam_number *a, const struct lam_number *b)
{
    if (a->kind != LAM_NUMBER_DOUBLE || b->kind != LAM_NUMBER_DOUBLE)
        return a->kind != LAM_NUMBER_DOUBLE && b->kind == LAM_NUMBER_DOUBLE;
    return !__builtin_signbit(a->d) && __builtin_signbit(b->d);
}

static void consider(struct lam_agg *agg, const struct lam_number *number, bool first)
{
    int order = first ? 0 : lam_number_cmp(number, &agg->best);

    if (first || (agg->kind == LAM_AGG_MIN ? order < 0 : order > 0) || (order == 0 && looks_better(number, &agg->best)))
        agg->best = *number;
}

static void add_best(struct lam_agg *agg, const struct lam_number *number)
{
    if (number)
        consider(agg, number, agg->count++ == 0);
}

static void merge_best(struct lam_agg *agg, struct lam_agg *other)
{
    if (other->count)
        consider(agg, &other->best, agg->count == 0);
    agg->count += other->count;
}

#define SMALL offsetof(struct lam_agg, best) + sizeof(struct lam_number)

static const struct lam_agg_ops all_ops[] = {
    [LAM_AGG_COUNT] = {"count", SMALL, init_count, add_count, merge_count},
    [LAM_AGG_SUM] = {"sum", sizeof(struct lam_agg), init_sum, add_sum, merge_sum},
    [LAM_AGG_MIN] = {"min", SMALL, init_min, add_best, merge_best},
    [LAM_AGG_MAX] = {"max", SMALL, init_max, add_best, merge_best},
};
#define KINDS (sizeof all_ops / sizeof *all_ops)

const struct lam_agg_ops *lam_agg_ops(enum lam_agg_kind kind) { return &all_ops[kind]; }

int lam_agg_kind_of(struct lam_sv word)
{
    for (size_t i = 0; i < KINDS; i++)
        if (lam_sv_eq(word, lam_sv_of(all_ops[i].name)))
            return (int)i;
    return -1;
}

int lam_agg_add_text(struct lam_buf *buf, const struct lam_agg *agg, struct lam_error *err)
{
    if (agg->kind == LAM_AGG_COUNT)
        return lam_buf_addf(buf, err, "%llu", (unsigned long long)agg->count);
    if (agg->kind == LAM_AGG_SUM)
        return lam_exact_add_text(buf, &agg->sum, err);
    return agg->count ? lam_number_add(buf, &agg->best, err) : lam_buf_add(buf, "null", 4, err);
}

/* kind u8, count u64, then of sum the sum, of min and max kind u8 and 8 bytes of the number. */
int lam_agg_encode(struct lam_buf *buf, struct lam_agg *agg, struct lam_error *err)
{
    uint8_t head[18] = {(uint8_t)agg->kind};
    int rc;

    memcpy(head + 1, &agg->count, 8);
    if (agg->kind == LAM_AGG_COUNT || agg->kind == LAM_AGG_SUM) {
        if ((rc = lam_buf_add(buf, head, 9, err)) || agg->kind == LAM_AGG_COUNT)
            return rc;
        return lam_exact_encode(buf, &agg->sum, err);
    }
    head[9] = (uint8_t)agg->best.kind;
    memcpy(head + 10, &agg->best.u64, 8);
    return lam_buf_add(buf, head, sizeof head, err);
}

int lam_agg_decode(struct lam_sv *bytes, struct lam_agg *agg, struct lam_error *err)
{
    const uint8_t *head = (const uint8_t *)bytes->ptr;
    struct lam_sv rest;
    size_t len;

    if (bytes->len < 9 || head[0] >= KINDS)
        return LAM_FAIL(err, LAM_E_CORRUPT, "%zu bytes are no aggregate", bytes->len);
    len = head[0] == LAM_AGG_MIN || head[0] == LAM_AGG_MAX ? 18 : 9;
    if (bytes->len < len || (len == 18 && head[9] > LAM_NUMBER_DOUBLE))
        return LAM_FAIL(err, LAM_E_CORRUPT, "%zu bytes are no aggregate", bytes->len);
    all_ops[head[0]].init(agg);
    memcpy(&agg->count, head + 1, 8);
    rest = lam_sv(bytes->ptr + len, bytes->len - len);
    if (agg->kind == LAM_AGG_SUM) {
        int rc = lam_exact_decode(&rest, &agg->sum, err);

        if (rc)
            return rc;
    } else if (len == 18) {
        agg->best.kind = (enum lam_number_kind)head[9];
        memcpy(&agg->best.u64, head + 10, 8);
    }
    *bytes = rest;
    return 0;
}
