/*
 * Lookups and scans of a snapshot.
 *
 * A page of an append dataset goes on behind (position, place). Rows come segment by segment in the order in which
 * commits added them, then speed segments in the same order, then the tail by position. place says where in this the
 * row stands, from the highest bit on:
 *
 *     1   31 bits: hash of the segment's path   32 bits: row      a segment never changes
 *     0   63 bits: number of a commit                             the tail under this commit; the position says where
 *
 * A new view takes up what stood in speed segments and tail, in another order: a cursor that stands there is refused from then on.
 */
#include "store_reader_own.h"

#include <inttypes.h>

#include "base/hash.h"
#include "model/order.h"

#define PLACE_SEGMENT (UINT64_C(1) << 63)

static uint64_t columns_of(uint32_t wants)
{
    static const struct {
        uint32_t want;
        uint64_t columns;
    } groups[] = {
        {LAM_WANT_TEXT, LAM_COLUMN(LAM_ROWS_TEXT)},
        {LAM_WANT_DOCUMENT,
         LAM_COLUMN(LAM_ROWS_MEDIA_TYPE) | LAM_COLUMN(LAM_ROWS_TITLE) | LAM_COLUMN(LAM_ROWS_STRUCTURE)},
        {LAM_WANT_METADATA, LAM_COLUMN(LAM_ROWS_METADATA)},
        {LAM_WANT_ANSWERS, LAM_COLUMN(LAM_ROWS_CATEGORY) | LAM_COLUMN(LAM_ROWS_CONFIDENCE) |
                               LAM_COLUMN(LAM_ROWS_SENTIMENT) | LAM_COLUMN(LAM_ROWS_LANGUAGE)},
        {LAM_WANT_DETAILS,
         LAM_COLUMN(LAM_ROWS_ENTITIES) | LAM_COLUMN(LAM_ROWS_SUMMARY) | LAM_COLUMN(LAM_ROWS_KEYWORDS) |
             LAM_COLUMN(LAM_ROWS_CUSTOM)},
        {LAM_WANT_EMBEDDING, LAM_COLUMN(LAM_ROWS_EMBEDDING) | LAM_COLUMN(LAM_ROWS_SPACE)},
        {LAM_WANT_PROVENANCE, LAM_COLUMN(LAM_ROWS_DEPTH) | LAM_COLUMN(LAM_ROWS_ANALYZER) | LAM_COLUMN(LAM_ROWS_MODEL) |
                                  LAM_COLUMN(LAM_ROWS_PROMPT) | LAM_COLUMN(LAM_ROWS_TOKENS) |
                                  LAM_COLUMN(LAM_ROWS_PROCESSED_AT) | LAM_COLUMN(LAM_ROWS_TRACE) | LAM_COLUMN(LAM_ROWS_SPACE)},
    };
    uint64_t columns = LAM_ROWS_SORT | LAM_ROWS_POSITION | LAM_COLUMN(LAM_ROWS_EVENT_TIME) |
                       LAM_COLUMN(LAM_ROWS_ARRIVAL) | LAM_COLUMN(LAM_ROWS_OP) | LAM_COLUMN(LAM_ROWS_FLAGS) |
                       LAM_COLUMN(LAM_ROWS_LAYER);

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (wants & groups[i].want)
            columns |= groups[i].columns;
    return columns;
}

static void fill_hit(const struct lam_snapshot *snapshot, const struct lam_segment_entry *segment,
                     const struct lam_row *row, struct lam_hit *hit)
{
    hit->row = *row;
    hit->view = segment && segment->kind != LAM_SEGMENT_SPEED ? segment->view : 0;
    hit->place = 0;
    hit->source = lam_pinned_source(snapshot->pinned, row->rec.pos.source);
}

/* --- get --- */

struct get {
    struct lam_snapshot *snapshot;
    struct lam_sv key;
    uint64_t columns;
    struct lam_found found;
    lam_visit *visit;
    void *arg;
    bool visiting; /* what fails now is the visitor's */
    struct lam_error *err;
};

static int work_get(void *arg)
{
    struct get *get = arg;
    struct lam_tail tail = {get->snapshot->rows, get->snapshot->row_count};
    struct lam_hit hit;
    int rc = lam_view_lookup(get->snapshot->pinned->view, get->key, &tail, get->columns, &get->found, get->err);

    if (rc)
        return rc;
    get->visiting = true;
    if (get->found.row.rec.op == LAM_OP_DELETE)
        return LAM_FAIL(get->err, LAM_E_NOT_FOUND, "the newest version of this key is a delete");
    get->snapshot->at = (struct lam_view_at){.segment = get->found.segment};
    fill_hit(get->snapshot, get->found.segment, &get->found.row, &hit);
    return get->visit(get->arg, &hit, get->err);
}

int lam_snapshot_get(struct lam_snapshot *snapshot, struct lam_sv key, uint32_t wants, lam_visit *visit,
                     void *visit_arg, struct lam_error *err)
{
    struct get get = {.snapshot = snapshot,
                      .key = key.ptr ? key : LAM_SV(""),
                      .columns = columns_of(wants),
                      .visit = visit,
                      .arg = visit_arg,
                      .err = err};
    int rc;

    snapshot->at = (struct lam_view_at){0};
    if ((rc = lam_snapshot_fetch(snapshot, get.key, err)) || (rc = lam_snapshot_order(snapshot, false, err)))
        return rc;
    rc = lam_map_guard(work_get, &get, err);
    rc = lam_snapshot_judge(snapshot, rc, rc == LAM_E_NOT_FOUND && !get.visiting && !get.found.none, err);
    lam_found_release(&get.found);
    return rc;
}

/* --- scan --- */

struct scan {
    struct lam_snapshot *snapshot;
    const struct lam_cursor *from;
    struct lam_view_scan view;
    size_t range;                            /* to begin with */
    lam_visit *visit;
    void *arg;
    const struct lam_segment_entry *segment; /* append: the cursor's, or */
    bool in_tail;                            /* it stands in the tail */
    bool visiting;
    int ended;                               /* what the visitor ended it with */
    struct lam_error *err;
};

/* Of the first row of a segment. */
static uint64_t place_of(const struct lam_segment_entry *segment)
{
    return PLACE_SEGMENT | (lam_hash64(segment->path, strlen(segment->path)) & UINT64_C(0x7fffffff)) << 32;
}

static int give(struct scan *scan, const struct lam_row *row, struct lam_error *err)
{
    struct lam_hit hit;
    int rc;

    fill_hit(scan->snapshot, scan->snapshot->at.segment, row, &hit);
    if (scan->snapshot->pinned->append)
        hit.place = scan->snapshot->at.segment ? place_of(scan->snapshot->at.segment) | scan->snapshot->at.row
                                               : scan->snapshot->pinned->state->number;
    scan->visiting = true;
    rc = scan->visit(scan->arg, &hit, err);
    scan->visiting = false;
    scan->ended = rc;
    return rc;
}

static int visit_upsert(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct scan *scan = arg;

    if (scan->from && row->rec.hash == scan->from->hash && lam_sv_cmp(row->rec.key, scan->from->key) <= 0)
        return 0;
    return give(scan, row, err);
}

static int visit_append(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct scan *scan = arg;
    const struct lam_view_at *at = &scan->snapshot->at;

    if (at->segment ? at->segment == scan->segment && at->row <= (uint32_t)scan->from->place
                    : scan->in_tail && lam_position_cmp(&row->rec.pos, &scan->from->pos) <= 0)
        return 0;
    return give(scan, row, err);
}

static int refuse_cursor(const struct scan *scan)
{
    return LAM_FAIL(scan->err, LAM_E_INVALID,
                    "the cursor stands where a newer commit (now %" PRIu64
                    ") has put rows in another order: begin again without it",
                    scan->snapshot->pinned->state->number);
}

/* Where the cursor stands: from_part of the scan. */
static int find_place(struct scan *scan)
{
    const struct lam_pinned *pinned = scan->snapshot->pinned;
    size_t count = pinned->part_count + pinned->speed_count;

    if (!(scan->from->place & PLACE_SEGMENT)) {
        scan->in_tail = true;
        scan->view.from_part = count;
        return scan->from->place == pinned->state->number ? 0 : refuse_cursor(scan);
    }
    for (size_t i = 0; i < count; i++)
        if (place_of(pinned->parts[i].segment) == (scan->from->place & ~UINT64_C(0xffffffff))) {
            if (scan->segment)
                return refuse_cursor(scan); /* two of the same hash: rather than a wrong page */
            scan->view.from_part = i;
            scan->segment = pinned->parts[i].segment;
        }
    return scan->segment ? 0 : refuse_cursor(scan);
}

static int work_scan(void *arg)
{
    struct scan *scan = arg;
    struct lam_view *view = scan->snapshot->pinned->view;
    int rc = 0;

    for (size_t range = scan->range; !rc && !scan->ended && range < lam_view_ranges(view); range++)
        rc = lam_view_scan(view, range, &scan->view, scan->snapshot->pinned->append ? visit_append : visit_upsert, scan, scan->err);
    return rc ? rc : scan->ended;
}

int lam_snapshot_scan(struct lam_snapshot *snapshot, const struct lam_cursor *from, uint32_t wants, lam_visit *visit,
                      void *visit_arg, struct lam_error *err)
{
    struct scan scan = {.snapshot = snapshot, .from = from, .visit = visit, .arg = visit_arg, .err = err};
    uint32_t bits = snapshot->pinned->state->view.range_bits;
    int rc;

    snapshot->at = (struct lam_view_at){0};
    if ((rc = lam_snapshot_fetch(snapshot, lam_sv(NULL, 0), err)) || (rc = lam_snapshot_order(snapshot, snapshot->pinned->append, err)))
        return rc;
    scan.view = (struct lam_view_scan){.columns = columns_of(wants), .tail = {snapshot->rows, snapshot->row_count}, .at = &snapshot->at};
    if (from && snapshot->pinned->append && (rc = find_place(&scan)))
        return rc;
    if (from && !snapshot->pinned->append) {
        scan.view.from_hash = from->hash;
        scan.range = bits ? (size_t)(from->hash >> (64 - bits)) : 0;
    }
    rc = lam_map_guard(work_scan, &scan, err);
    return scan.ended && rc == scan.ended ? rc : lam_snapshot_judge(snapshot, rc, rc == LAM_E_NOT_FOUND && !scan.visiting, err);
}
