#include "batch_estimate.h"
#include "batch_table.h"

#include <math.h>
#include <stdlib.h>

#define MSG_NEED 0x0318
#define SAMPLE_BYTES ((uint64_t)32 << 20)
#define SPLITS_AIMED 64                  /* that a sample has at least: with few, its error is hardly known */
#define PART_MIN ((uint64_t)16 << 10)    /* of a split that is read: many records, so that the one at its end is of no weight */
#define PART_MAX ((uint64_t)512 << 10)
#define SPLITS_LEAST 8                   /* of a source */
#define UNSENT_MAX ((size_t)64 << 20)
#define HEAD 17                          /* 'S', limit, size */

#define NEEDS (sizeof(struct lam_llm_need) / sizeof(double))

struct offered {
    uint64_t size, order;
    char *payload;
    size_t len;
};

/* What is alike: a source's splits; and rows of the view that wait. */
struct stratum {
    uint64_t splits, bytes; /* all */
    struct offered *kept;   /* a heap: those of the least order that make up a sample, the one of the highest order first */
    size_t count, cap;
    uint64_t kept_bytes;    /* that would be read of them */
    uint64_t bytes_read;
    double read;            /* splits */
    double x, xx, y[NEEDS], yy[NEEDS], xy[NEEDS]; /* sums over those read: bytes, and what each would take, as a whole split */
    double seen[NEEDS];     /* what was seen of it */
};

struct lam_batch_estimate {
    struct lam_batch_job *batch;
    struct lam_buf unsent; /* worker: struct need, each */
    uint64_t sample, part; /* bytes: of all, of a split */

    struct stratum *strata; /* coordinator, from here on. A source each, then the stream, then what is pending */
    size_t strata_count;
    bool exact;
};

/* From worker to coordinator, a piece each. Plain bytes, one build on all ranks. */
struct need {
    uint64_t stratum, read, of;
    struct lam_llm_need needed;
};

static size_t pending_stratum(const struct lam_batch_job *batch) { return batch->source_count; }

static void on_need(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_batch_estimate *estimate = arg;
    struct stratum *stratum;
    double needed[NEEDS];
    struct need need;

    (void)src;
    (void)type;
    if (!estimate->strata || bytes.len != sizeof need)
        return;
    memcpy(&need, bytes.ptr, sizeof need);
    memcpy(needed, &need.needed, sizeof needed);
    if (need.stratum >= estimate->strata_count)
        return;
    stratum = &estimate->strata[need.stratum];
    stratum->bytes_read += need.read;
    stratum->read += need.of > 0;
    stratum->x += (double)need.of;
    stratum->xx += (double)need.of * (double)need.of;
    for (size_t i = 0; i < NEEDS; i++) {
        double y = need.read ? needed[i] * (double)need.of / (double)need.read : needed[i];

        stratum->seen[i] += needed[i];
        stratum->y[i] += y;
        stratum->yy[i] += y * y;
        stratum->xy[i] += y * (double)need.of;
    }
}

int lam_batch_estimate_open(struct lam_batch_job *batch, struct lam_error *err)
{
    const struct lam_engine *engine = batch->engine;
    struct lam_batch_estimate *estimate;

    batch->estimate = engine->estimate;
    if (!engine->estimate || !batch->llm) /* the built-in analyzer costs nothing */
        return 0;
    if (!(batch->estimator = estimate = calloc(1, sizeof *estimate)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an estimate");
    estimate->batch = batch;
    estimate->sample = engine->estimate_bytes > 0 ? (uint64_t)engine->estimate_bytes : SAMPLE_BYTES;
    estimate->part = estimate->sample / SPLITS_AIMED;
    estimate->part = estimate->part < PART_MIN ? PART_MIN : estimate->part > PART_MAX ? PART_MAX : estimate->part;
    lam_buf_init(&estimate->unsent, UNSENT_MAX);
    estimate->strata_count = batch->source_count + 1;
    if (engine->rank == 0 && !(estimate->strata = calloc(estimate->strata_count, sizeof *estimate->strata)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an estimate");
    return lam_comm_on(engine->comm, MSG_NEED, MSG_NEED, on_need, estimate, err);
}

void lam_batch_estimate_close(struct lam_batch_job *batch)
{
    struct lam_batch_estimate *estimate = batch->estimator;

    if (!estimate)
        return;
    lam_comm_off(batch->engine->comm, MSG_NEED);
    lam_buf_release(&estimate->unsent);
    for (size_t s = 0; estimate->strata && s < estimate->strata_count; s++) {
        for (size_t i = 0; i < estimate->strata[s].count; i++)
            free(estimate->strata[s].kept[i].payload);
        free(estimate->strata[s].kept);
    }
    free(estimate->strata);
    free(estimate);
    batch->estimator = NULL;
}

/* --- what is read --- */

static uint64_t to_read(const struct lam_batch_estimate *estimate, const struct offered *offered) { return offered->size < estimate->part ? offered->size : estimate->part; }

static void swap(struct offered *a, struct offered *b)
{
    struct offered kept = *a;

    *a = *b;
    *b = kept;
}

static int push(struct stratum *stratum, const struct offered *offered, struct lam_error *err)
{
    size_t at = stratum->count;

    if (stratum->count == stratum->cap) {
        size_t cap = stratum->cap ? 2 * stratum->cap : 64;
        struct offered *grown = realloc(stratum->kept, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu splits", cap);
        stratum->kept = grown;
        stratum->cap = cap;
    }
    stratum->kept[stratum->count++] = *offered;
    for (; at && stratum->kept[(at - 1) / 2].order < stratum->kept[at].order; at = (at - 1) / 2)
        swap(&stratum->kept[(at - 1) / 2], &stratum->kept[at]);
    return 0;
}

static void pop(struct stratum *stratum)
{
    struct offered *kept = stratum->kept;

    free(kept[0].payload);
    kept[0] = kept[--stratum->count];
    for (size_t at = 0, child; (child = 2 * at + 1) < stratum->count; at = child) {
        child += child + 1 < stratum->count && kept[child + 1].order > kept[child].order;
        if (kept[child].order <= kept[at].order)
            return;
        swap(&kept[at], &kept[child]);
    }
}

/* Those that no sample could reach are let go of, so that memory is bounded whatever there is. */
static int keep(struct lam_batch_estimate *estimate, struct stratum *stratum, struct offered *offered, struct lam_sv payload, struct lam_error *err)
{
    bool full = stratum->kept_bytes >= estimate->sample && stratum->count >= SPLITS_LEAST;
    int rc;

    if (full && offered->order >= stratum->kept[0].order)
        return 0;
    if (!(offered->payload = malloc(payload.len)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a split");
    memcpy(offered->payload, payload.ptr, payload.len);
    if ((rc = push(stratum, offered, err))) {
        free(offered->payload);
        return rc;
    }
    stratum->kept_bytes += to_read(estimate, offered);
    while (stratum->count > SPLITS_LEAST && stratum->kept_bytes - to_read(estimate, &stratum->kept[0]) >= estimate->sample) {
        stratum->kept_bytes -= to_read(estimate, &stratum->kept[0]);
        pop(stratum);
    }
    return 0;
}

int lam_batch_estimate_offer(struct lam_batch_job *batch, struct lam_batch_lister *lister, size_t source, uint64_t size, struct lam_sv payload, struct lam_error *err)
{
    struct lam_batch_estimate *estimate = batch->estimator;
    struct offered offered = {.size = size ? size : 1, .order = lam_hash64(payload.ptr, payload.len), .len = payload.len};
    struct stratum *stratum;

    if (!estimate)
        return lam_batch_emit(lister, size, payload, err);
    stratum = &estimate->strata[source == LAM_ESTIMATE_PENDING ? pending_stratum(batch) : source];
    stratum->splits++;
    stratum->bytes += offered.size;
    return keep(estimate, stratum, &offered, payload, err);
}

static int by_order(const void *a, const void *b)
{
    const struct offered *x = a, *y = b;

    return (x->order > y->order) - (x->order < y->order);
}

static int emit(struct lam_batch_lister *lister, const struct offered *offered, uint64_t limit, struct lam_error *err)
{
    struct lam_buf split;
    int rc;

    lam_buf_init(&split, offered->len + HEAD);
    if (!(rc = lam_buf_add(&split, "S", 1, err)) && !(rc = lam_buf_add(&split, &limit, sizeof limit, err)) &&
        !(rc = lam_buf_add(&split, &offered->size, sizeof offered->size, err)) && !(rc = lam_buf_add(&split, offered->payload, offered->len, err)))
        rc = lam_batch_emit(lister, limit < offered->size ? limit : offered->size, lam_buf_sv(&split), err);
    lam_buf_release(&split);
    return rc;
}

/* So many bytes of a source, and a few splits at least. */
static int choose(const struct lam_batch_estimate *estimate, struct stratum *stratum, double bytes, struct lam_batch_lister *lister, struct lam_error *err)
{
    double taken = 0;
    int rc = 0;

    if (stratum->count)
        qsort(stratum->kept, stratum->count, sizeof *stratum->kept, by_order);
    for (size_t i = 0; !rc && i < stratum->count && (estimate->exact || i < SPLITS_LEAST || taken < bytes); i++) {
        taken += (double)to_read(estimate, &stratum->kept[i]);
        rc = emit(lister, &stratum->kept[i], estimate->exact ? UINT64_MAX : estimate->part, err);
    }
    return rc;
}

int lam_batch_estimate_choose(struct lam_batch_job *batch, struct lam_batch_lister *lister, struct lam_error *err)
{
    struct lam_batch_estimate *estimate = batch->estimator;
    uint64_t all = 0;
    int rc = 0;

    if (!estimate)
        return 0;
    for (size_t i = 0; i < estimate->strata_count; i++)
        all += estimate->strata[i].bytes;
    estimate->exact = all <= estimate->sample;
    for (size_t i = 0; !rc && i < estimate->strata_count; i++)
        rc = choose(estimate, &estimate->strata[i], all ? (double)estimate->strata[i].bytes / (double)all * (double)estimate->sample : 0, lister, err);
    return rc;
}

uint64_t lam_batch_estimate_cut(const struct lam_batch_job *batch)
{
    uint64_t split = batch->engine->job->batch.split;

    return batch->estimator && split > PART_MAX ? PART_MAX : split;
}

bool lam_batch_estimate_split(struct lam_sv *split, struct lam_batch_sampled *sampled)
{
    if (split->len < HEAD || split->ptr[0] != 'S')
        return false;
    memcpy(&sampled->limit, split->ptr + 1, sizeof sampled->limit);
    memcpy(&sampled->size, split->ptr + 9, sizeof sampled->size);
    *split = lam_sv(split->ptr + HEAD, split->len - HEAD);
    return true;
}

/* --- what it would take --- */

static size_t stratum_of(const struct lam_batch_job *batch, const struct lam_piece *piece)
{
    return piece->again ? pending_stratum(batch) : lam_batch_source_at(batch, piece->source);
}

int lam_batch_estimate_take(struct lam_batch_job *batch, const struct lam_batch_piece *piece, const struct lam_llm_need *needed, struct lam_error *err)
{
    struct lam_batch_estimate *estimate = batch->estimator;
    struct need need = {0};
    struct lam_piece said;
    int rc;

    if (!estimate)
        return 0;
    if ((rc = lam_piece_read(lam_buf_sv(&piece->note), &said, err)))
        return rc;
    need.stratum = stratum_of(batch, &said);
    need.read = said.begin;
    need.of = said.end;
    if (needed)
        need.needed = *needed;
    lam_piece_release(&said);
    if ((rc = lam_buf_add(&estimate->unsent, &need, sizeof need, err)))
        return rc;
    return lam_batch_estimate_step(batch, err);
}

int lam_batch_estimate_step(struct lam_batch_job *batch, struct lam_error *err)
{
    struct lam_batch_estimate *estimate = batch->estimator;
    size_t at = 0;
    int rc = 0;

    if (!estimate || !estimate->unsent.len)
        return 0;
    while (at < estimate->unsent.len && !(rc = lam_comm_send(batch->engine->comm, 0, MSG_NEED, lam_sv(estimate->unsent.ptr + at, sizeof(struct need)), err)))
        at += sizeof(struct need);
    memmove(estimate->unsent.ptr, estimate->unsent.ptr + at, estimate->unsent.len - at);
    estimate->unsent.len -= at;
    return rc == LAM_PENDING ? 0 : rc; /* full: the next turn sends the rest */
}

/* --- and of all --- */

/* A source's total and the variance of that, from parts of n of its N splits. What all of it was read of has none; of one part alone nothing is known. */
static double extrapolate(const struct stratum *stratum, size_t i, double *variance)
{
    double ratio = stratum->x > 0 ? stratum->y[i] / stratum->x : 0, total = ratio * (double)stratum->bytes;
    double n = stratum->read, all = (double)stratum->splits, unread = 1 - (double)stratum->bytes_read / (double)stratum->bytes, residuals;

    *variance = 0;
    if (!stratum->bytes || unread <= 0)
        return total;
    residuals = stratum->yy[i] - 2 * ratio * stratum->xy[i] + ratio * ratio * stratum->xx;
    *variance = n < 2 ? total * total : residuals > 0 ? all * all * unread * residuals / (n - 1) / n : 0;
    return total;
}

void lam_batch_estimate_sums(const struct lam_batch_job *batch, struct lam_estimate_sums *sums)
{
    const struct lam_batch_estimate *estimate = batch->estimator;
    double total[NEEDS] = {0}, error[NEEDS] = {0}, seen[NEEDS] = {0}, variance;

    *sums = (struct lam_estimate_sums){.exact = estimate->exact};
    for (size_t s = 0; s < estimate->strata_count; s++) {
        const struct stratum *stratum = &estimate->strata[s];

        sums->bytes += stratum->bytes_read;
        sums->all_bytes += stratum->bytes;
        for (size_t i = 0; i < NEEDS; i++) {
            seen[i] += stratum->seen[i];
            total[i] += estimate->exact ? stratum->seen[i] : extrapolate(stratum, i, &variance);
            error[i] += estimate->exact ? 0 : variance;
        }
    }
    for (size_t i = 0; i < NEEDS; i++)
        error[i] = sqrt(error[i]);
    memcpy(&sums->total, total, sizeof total);
    memcpy(&sums->error, error, sizeof error);
    sums->sampled = seen[0];
}
