/*
 * Counts of a snapshot: the view's, which the log has, and what speed segments and tail add to them, merged with the
 * view as a query merges them.
 *
 *     upsert   each position above the cutoff is read once; the newest version of a key is live or deleted, its others are superseded, and so is the
 *              version of the view that it beats
 *     append   each row above the cutoff is live
 *
 * Quarantined and filtered positions are those in the speed layer's reject segments, and in the tail.
 */
#include "store_reader_own.h"

#include <stdlib.h>

#include "model/cutoff.h"
#include "model/order.h"

#define COUNTED (LAM_ROWS_SORT | LAM_ROWS_POSITION | LAM_COLUMN(LAM_ROWS_OP) | LAM_COLUMN(LAM_ROWS_FLAGS))

/* View and speed segments of one commit. */
struct lam_stats_base {
    struct lam_source_count *sources;
    size_t source_count, source_cap;
    uint64_t view_rows, speed_rows;
};

void lam_stats_base_free(struct lam_stats_base *stats)
{
    if (!stats)
        return;
    free(stats->sources);
    free(stats);
}

/* The count of a life, made where there is none; NULL: no memory. Holds until the next call. */
static struct lam_source_count *count_of(struct lam_stats_base *stats, const struct lam_pinned *pinned, uint32_t source, uint32_t life)
{
    struct lam_source_count *grown;

    for (size_t i = 0; i < stats->source_count; i++)
        if (stats->sources[i].source == source && stats->sources[i].life == life)
            return &stats->sources[i];
    if (stats->source_count == stats->source_cap) {
        size_t cap = stats->source_cap ? 2 * stats->source_cap : 16;

        if (!(grown = realloc(stats->sources, cap * sizeof *grown)))
            return NULL;
        stats->sources = grown;
        stats->source_cap = cap;
    }
    stats->sources[stats->source_count] = (struct lam_source_count){
        .name = lam_pinned_source(pinned, source), .source = source, .life = life};
    return &stats->sources[stats->source_count++];
}

static int by_life(const void *a, const void *b)
{
    const struct lam_source_count *x = a, *y = b;

    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return (x->life > y->life) - (x->life < y->life);
}

/* What of a version counts. */
struct version {
    uint32_t source, life;
    bool deleted, pending;
};

static struct version version_of(const struct lam_row *row)
{
    return (struct version){row->rec.pos.source, row->rec.pos.life, row->rec.op == LAM_OP_DELETE,
                            row->rec.op != LAM_OP_DELETE && (row->rec.flags & LAM_ROW_PENDING)};
}

struct counting {
    const struct lam_pinned *pinned;
    struct lam_stats_base *stats;
    struct lam_view *base; /* what the rows are merged with */
    struct lam_merge_input *inputs;
    struct lam_map **maps;
    size_t count;
    uint64_t rows;         /* above the cutoff */
    struct lam_error *err;
};

/* by: 1 or -1 winners of this kind. */
static int count_winner(struct counting *counting, struct version version, int by)
{
    struct lam_source_count *count = count_of(counting->stats, counting->pinned, version.source, version.life);

    if (!count)
        return LAM_FAIL(counting->err, LAM_E_MEMORY, "no memory for counts");
    *(version.deleted ? &count->deleted : &count->live) += (uint64_t)(int64_t)by;
    if (version.pending)
        count->pending += (uint64_t)(int64_t)by;
    return 0;
}

static int count_read(struct counting *counting, struct version version, bool superseded)
{
    struct lam_source_count *count = count_of(counting->stats, counting->pinned, version.source, version.life);

    if (!count)
        return LAM_FAIL(counting->err, LAM_E_MEMORY, "no memory for counts");
    count->read++;
    count->superseded += superseded;
    return 0;
}

/* newest: of the new versions of its key, all others were counted. Judges it against the version that base has. */
static int count_newest(struct counting *counting, struct lam_sv key, struct lam_sv order, struct version newest)
{
    struct lam_found found;
    struct lam_source_count *count;
    int rc = lam_view_lookup(counting->base, key, NULL, COUNTED, &found, counting->err), compared;

    if (rc == LAM_E_NOT_FOUND && found.none) {
        rc = count_read(counting, newest, false);
        return rc ? rc : count_winner(counting, newest, 1);
    }
    if (rc)
        return rc;
    compared = lam_sv_cmp(found.row.rec.order, order);
    if (compared > 0) {
        rc = count_read(counting, newest, true);
    } else if (compared < 0) {
        struct version beaten = version_of(&found.row);

        if (!(rc = count_read(counting, newest, false)) && !(rc = count_winner(counting, newest, 1)) &&
            !(rc = count_winner(counting, beaten, -1)) &&
            (count = count_of(counting->stats, counting->pinned, beaten.source, beaten.life)))
            count->superseded++;
    } /* equal: the same version, counted already */
    lam_found_release(&found);
    return rc;
}

static bool is_covered(const struct counting *counting, const struct lam_row *row)
{
    return lam_cutoff_covers(&counting->pinned->state->view.cutoff, &row->rec.pos);
}

static int count_upsert(struct counting *counting)
{
    struct lam_merge merge;
    struct lam_row row, newest = {0};
    bool any = false;
    int rc = lam_merge_init(&merge, counting->inputs, counting->count, 0, UINT64_MAX, false, counting->err);

    for (const struct lam_merge_cursor *at; !rc && (at = lam_merge_at(&merge)); lam_merge_next(&merge)) {
        lam_merge_get(&counting->inputs[at->input], at->row, COUNTED, &row);
        if (is_covered(counting, &row))
            continue;
        if (any && lam_sv_eq(row.rec.key, newest.rec.key) && lam_sv_eq(row.rec.order, newest.rec.order))
            continue; /* the same version once more */
        counting->rows++;
        if (any)
            rc = lam_sv_eq(row.rec.key, newest.rec.key) ? count_read(counting, version_of(&newest), true)
                                                        : count_newest(counting, newest.rec.key, newest.rec.order, version_of(&newest));
        newest = row;
        any = true;
    }
    if (!rc && any)
        rc = count_newest(counting, newest.rec.key, newest.rec.order, version_of(&newest));
    lam_merge_release(&merge);
    return rc;
}

static int count_append(struct counting *counting)
{
    struct lam_row row;
    int rc = 0;

    for (size_t i = 0; i < counting->count; i++) {
        const struct lam_merge_input *input = &counting->inputs[i];
        uint64_t rows = input->map ? lam_map_rows(input->map) : input->count;

        for (uint64_t r = 0; !rc && r < rows; r++) {
            lam_merge_get(input, r, COUNTED, &row);
            if (lam_merge_masked(input, r) || is_covered(counting, &row))
                continue;
            counting->rows++;
            if (!(rc = count_read(counting, version_of(&row), false)))
                rc = count_winner(counting, version_of(&row), 1);
        }
    }
    return rc;
}

static int count_reject(struct counting *counting, const struct lam_position *pos, uint8_t kind)
{
    struct lam_source_count *count;

    if (lam_cutoff_covers(&counting->pinned->state->view.cutoff, pos))
        return 0;
    if (!(count = count_of(counting->stats, counting->pinned, pos->source, pos->life)))
        return LAM_FAIL(counting->err, LAM_E_MEMORY, "no memory for counts");
    count->read++;
    *(kind == LAM_FILTERED ? &count->filtered : &count->quarantined) += 1;
    return 0;
}

static int count_rejects(struct counting *counting, struct lam_map_cache *cache)
{
    const uint64_t columns = LAM_COLUMN(LAM_POS_SOURCE) | LAM_COLUMN(LAM_POS_LIFE) | LAM_COLUMN(LAM_POS_PARTITION) |
                             LAM_COLUMN(LAM_POS_OFFSET) | LAM_COLUMN(LAM_REJECTS_KIND);
    const struct lam_state_segment *segment;
    int rc = 0;

    for (size_t at = 0; !rc && (segment = lam_state_next(counting->pinned->state, LAM_SEGMENT_QUARANTINE, &at));) {
        struct lam_map *map = NULL;

        if (segment->entry->view) /* the batch layer's: in the view's counts */
            continue;
        if ((rc = lam_map_cache_get(cache, segment->entry, &map, counting->err)) || (rc = lam_map_need(map, columns, counting->err)))
            map = (lam_map_unref(map), NULL);
        for (uint64_t i = 0; !rc && i < lam_map_rows(map); i++) {
            struct lam_position pos = {.source = lam_map_u32(map, LAM_POS_SOURCE)[i],
                                       .life = lam_map_u32(map, LAM_POS_LIFE)[i],
                                       .offset = lam_map_u64(map, LAM_POS_OFFSET)[i]};

            memcpy(pos.partition, lam_map_bytes16(map, LAM_POS_PARTITION, i), sizeof pos.partition);
            rc = count_reject(counting, &pos, lam_map_u8(map, LAM_REJECTS_KIND)[i]);
        }
        lam_map_unref(map);
    }
    return rc;
}

static int open_speed(struct counting *counting, struct lam_map_cache *cache)
{
    const struct lam_pinned *pinned = counting->pinned;
    int rc;

    counting->inputs = calloc(pinned->speed_count + 1, sizeof *counting->inputs);
    counting->maps = calloc(pinned->speed_count + 1, sizeof *counting->maps);
    if (!counting->inputs || !counting->maps)
        return LAM_FAIL(counting->err, LAM_E_MEMORY, "no memory for counts");
    for (size_t i = 0; i < pinned->speed_count; i++) {
        if ((rc = lam_map_cache_get(cache, pinned->parts[pinned->part_count + i].segment, &counting->maps[i], counting->err)) ||
            (rc = lam_map_need(counting->maps[i], COUNTED, counting->err)))
            return rc;
        counting->inputs[counting->count++].map = counting->maps[i];
    }
    return 0;
}

static int copy_view(struct lam_stats_base *stats, const struct lam_pinned *pinned, struct lam_error *err)
{
    for (uint32_t s = 0; s < pinned->state->source_count; s++)
        for (uint32_t l = 0; l < pinned->state->sources[s].life_count; l++) {
            const struct lam_counts *from = &pinned->state->sources[s].lives[l]->counts;
            struct lam_source_count *to = from->read ? count_of(stats, pinned, s + 1, pinned->state->sources[s].lives[l]->number) : NULL;

            if (!from->read)
                continue;
            if (!to)
                return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
            to->read = (uint64_t)from->read;
            to->live = (uint64_t)from->live;
            to->superseded = (uint64_t)from->superseded;
            to->deleted = (uint64_t)from->deleted;
            to->quarantined = (uint64_t)from->quarantined;
            to->filtered = (uint64_t)from->filtered;
            to->pending = (uint64_t)from->pending;
            to->unavailable = (uint64_t)from->unavailable;
        }
    stats->view_rows = (uint64_t)pinned->state->totals.live;
    return 0;
}

static void counting_release(struct counting *counting)
{
    for (size_t i = 0; counting->maps && i < counting->pinned->speed_count; i++)
        lam_map_unref(counting->maps[i]);
    free(counting->maps);
    free(counting->inputs);
}

struct asked {
    struct lam_snapshot *snapshot;
    struct lam_stats_base *base; /* of the commit; made where it is NULL */
    struct lam_stats_base *sum;  /* with the tail */
    uint64_t tail_rows;
    struct lam_error *err;
};

static int make_base(struct asked *asked)
{
    struct lam_map_cache *cache = asked->snapshot->reader->engine->maps;
    struct lam_pinned *pinned = asked->snapshot->pinned;
    struct counting counting = {.pinned = pinned, .stats = calloc(1, sizeof *counting.stats), .base = pinned->base, .err = asked->err};
    int rc;

    if (!counting.stats)
        return LAM_FAIL(asked->err, LAM_E_MEMORY, "no memory for counts");
    if (!(rc = copy_view(counting.stats, pinned, asked->err)) && !(rc = open_speed(&counting, cache)) &&
        !(rc = pinned->append ? count_append(&counting) : count_upsert(&counting)))
        rc = count_rejects(&counting, cache);
    counting.stats->speed_rows = counting.rows;
    counting_release(&counting);
    if (rc)
        lam_stats_base_free(counting.stats);
    else
        asked->base = counting.stats;
    return rc;
}

/* Adds the tail to a copy of the base. */
static int add_tail(struct asked *asked)
{
    struct lam_snapshot *snapshot = asked->snapshot;
    struct lam_merge_input input = {.rows = snapshot->rows, .count = snapshot->row_count};
    struct counting counting = {.pinned = snapshot->pinned,
                                .stats = asked->sum,
                                .base = snapshot->pinned->view,
                                .inputs = &input,
                                .count = 1,
                                .err = asked->err};
    int rc = snapshot->pinned->append ? count_append(&counting) : count_upsert(&counting);

    asked->tail_rows = counting.rows;
    for (size_t i = 0; !rc && snapshot->block && i < lam_block_rejects(snapshot->block); i++) {
        const struct lam_reject *reject = lam_block_reject(snapshot->block, i);

        if (lam_snapshot_reached(snapshot, &reject->pos))
            rc = count_reject(&counting, &reject->pos, reject->kind);
    }
    return rc;
}

static int work_stats(void *arg)
{
    struct asked *asked = arg;
    const struct lam_stats_base *base;
    int rc = asked->base ? 0 : make_base(asked);

    if (rc)
        return rc;
    base = asked->base;
    if (!(asked->sum = calloc(1, sizeof *asked->sum)) ||
        !(asked->sum->sources = calloc(base->source_count + 1, sizeof *asked->sum->sources)))
        return LAM_FAIL(asked->err, LAM_E_MEMORY, "no memory for counts");
    if (base->source_count)
        memcpy(asked->sum->sources, base->sources, base->source_count * sizeof *base->sources);
    asked->sum->source_count = base->source_count;
    asked->sum->source_cap = base->source_count + 1;
    return add_tail(asked);
}

int lam_snapshot_stats(struct lam_snapshot *snapshot, struct lam_reader_stats *stats, struct lam_error *err)
{
    struct lam_pinned *pinned = snapshot->pinned;
    struct lam_error local;
    struct asked asked = {.snapshot = snapshot, .err = err ? err : &local};
    int rc;

    snapshot->at = (struct lam_view_at){0};
    if ((rc = lam_snapshot_fetch(snapshot, lam_sv(NULL, 0), asked.err)) || (rc = lam_snapshot_order(snapshot, false, asked.err)))
        return rc;
    pthread_mutex_lock(&snapshot->reader->stats_lock);
    asked.base = pinned->stats;
    rc = lam_map_guard(work_stats, &asked, asked.err);
    if (asked.base)
        pinned->stats = asked.base;
    pthread_mutex_unlock(&snapshot->reader->stats_lock);
    lam_stats_base_free(snapshot->stats);
    snapshot->stats = asked.sum;
    if (rc)
        return lam_snapshot_judge(snapshot, rc, rc == LAM_E_NOT_FOUND, asked.err);
    qsort(asked.sum->sources, asked.sum->source_count, sizeof *asked.sum->sources, by_life);
    stats->sources = asked.sum->sources;
    stats->source_count = asked.sum->source_count;
    stats->view_rows = asked.base->view_rows;
    stats->speed_rows = asked.base->speed_rows;
    stats->tail_rows = asked.tail_rows;
    if (snapshot->reader->more_stats)
        snapshot->reader->more_stats(snapshot->reader->more_arg, stats);
    return 0;
}
