#include "store_check.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "report.h"
#include "store/manifest.h"
#include "store/resolve.h"
#include "trained.h"

struct check {
    struct lam_engine *engine;
    const struct lam_state *state;
    bool json;
    struct lam_buf *list;
    struct lam_store_check *result;
    const struct lam_state_segment *segment; /* the one being checked */
    struct lam_counts view;                  /* live and deleted of the view, as found */
    bool unreadable;                         /* a segment of the view is: its counts say nothing */
    struct lam_error found;                  /* what is wrong with it */
};

#define ANEW "make the view anew: `lamina batch JOB --retrain`, a changed analysis, or another store"

/* What to do about a damaged segment. */
static const char *advice_of(const struct lam_segment_entry *entry)
{
    switch (entry->kind) {
    case LAM_SEGMENT_BRONZE_STREAM:
        return "restore it from a backup: what it holds is in no other place, and no view is made of it without it";
    case LAM_SEGMENT_BRONZE_CORPUS:
        return "restore it from a backup; it is a copy, and no view needs it";
    case LAM_SEGMENT_MANIFEST:
        return "restore it from a backup; the next scan compares with it. Or " ANEW;
    case LAM_SEGMENT_SPEED:
        return "the next view takes its place: `lamina batch JOB`";
    case LAM_SEGMENT_QUARANTINE:
        return "restore it from a backup; it holds what was refused, and no view needs it";
    default:
        return "restore it from a backup, or " ANEW;
    }
}

static int tell(struct check *check, const char *path, const struct lam_error *found, const char *advice, struct lam_error *err)
{
    int rc;

    check->result->problems++;
    if (!check->json)
        return lam_buf_addf(check->list, err, "%s: %s\n    %s\n", path, found->text, advice);
    if ((rc = lam_buf_addf(check->list, err, "%s{\"path\":", check->list->len ? "," : "")) || (rc = lam_buf_add_json(check->list, lam_sv_of(path), err)) ||
        (rc = lam_buf_addf(check->list, err, ",\"code\":\"%s\",\"text\":", lam_error_name(found->code))) ||
        (rc = lam_buf_add_json(check->list, lam_sv_of(found->text), err)) || (rc = lam_buf_addf(check->list, err, ",\"advice\":")) ||
        (rc = lam_buf_add_json(check->list, lam_sv_of(advice), err)))
        return rc;
    return lam_buf_addf(check->list, err, "}");
}

/* Rows of one segment: of the view, its live and deleted ones are counted. */
static int check_rows(struct check *check, struct lam_map *map, const uint8_t *mask)
{
    const struct lam_segment_entry *entry = check->segment->entry;
    bool sorted = entry->kind == LAM_SEGMENT_RUN || entry->kind == LAM_SEGMENT_SPEED, view = entry->kind == LAM_SEGMENT_RUN || entry->kind == LAM_SEGMENT_SILVER;
    struct lam_row row, before = {0};
    uint64_t first = 0, last = UINT64_MAX;

    if (entry->kind == LAM_SEGMENT_RUN)
        lam_range_hashes(entry->range_bits, entry->range, &first, &last);
    for (uint64_t i = 0; i < lam_map_rows(map); i++) {
        lam_rows_get(map, i, LAM_ROWS_SORT | LAM_COLUMN(LAM_ROWS_OP) | LAM_COLUMN(LAM_ROWS_FLAGS), &row);
        if (row.rec.hash != lam_hash64(row.rec.key.ptr, row.rec.key.len))
            return LAM_FAIL(&check->found, LAM_E_CORRUPT, "row %" PRIu64 " has the hash of another key", i);
        if (row.rec.hash < first || row.rec.hash > last)
            return LAM_FAIL(&check->found, LAM_E_CORRUPT, "row %" PRIu64 " is of another range", i);
        if (sorted && i && lam_row_cmp(&before, &row) > 0)
            return LAM_FAIL(&check->found, LAM_E_CORRUPT, "row %" PRIu64 " is out of order", i);
        if (entry->kind == LAM_SEGMENT_RUN && i && before.rec.hash == row.rec.hash && lam_sv_eq(before.rec.key, row.rec.key))
            return LAM_FAIL(&check->found, LAM_E_CORRUPT, "row %" PRIu64 " has the key of the row before it", i);
        before = row;
        if (!view || lam_mask_test(mask, i))
            continue;
        check->view.live += row.rec.op != LAM_OP_DELETE;
        check->view.deleted += row.rec.op == LAM_OP_DELETE;
        check->view.pending += row.rec.op != LAM_OP_DELETE && (row.rec.flags & LAM_ROW_PENDING);
        check->view.unavailable += row.rec.op != LAM_OP_DELETE && (row.rec.flags & LAM_ROW_UNAVAILABLE);
    }
    return 0;
}

static int check_manifest(struct check *check, struct lam_map *map)
{
    struct lam_manifest_row row, before = {0};

    for (uint64_t i = 0; i < lam_map_rows(map); i++) {
        lam_manifest_get(map, i, &row);
        if (i && lam_sv_cmp(before.path, row.path) >= 0)
            return LAM_FAIL(&check->found, LAM_E_CORRUPT, "path %" PRIu64 " is out of order", i);
        before = row;
    }
    return 0;
}

static int check_file(struct check *check, const struct lam_segment_entry *entry, struct lam_map **map)
{
    const char *root = lam_commitlog_root(check->engine->commits);
    int rc;

    check->result->segments++;
    check->result->bytes += entry->bytes;
    if ((rc = lam_map_open(check->engine->fs, root, entry, map, &check->found)) || (rc = lam_map_need(*map, LAM_COLUMNS_ALL, &check->found)))
        return rc;
    return lam_segment_check(check->engine->fs, root, entry, &check->found);
}

static int work(void *arg)
{
    struct check *check = arg;
    const struct lam_segment_entry *entry = check->segment->entry, *mask = check->segment->mask;
    struct lam_map *map = NULL, *mask_map = NULL;
    const uint8_t *bits = NULL;
    int rc = check_file(check, entry, &map);

    if (!rc && mask && !(rc = check_file(check, mask, &mask_map)))
        rc = lam_mask_bits(mask_map, entry->path, lam_map_rows(map), &bits, &check->found);
    if (!rc && lam_map_layout(map)->number == LAM_LAYOUT_ROWS)
        rc = check_rows(check, map, bits);
    else if (!rc && lam_map_layout(map)->number == LAM_LAYOUT_MANIFEST)
        rc = check_manifest(check, map);
    lam_map_unref(map);
    lam_map_unref(mask_map);
    return rc;
}

/* Models of the built-in analyzer. */
static int check_models(struct check *check, struct lam_error *err)
{
    int rc = 0;

    for (uint32_t number = 1; !rc && number <= check->state->model_count; number++) {
        struct lam_artifact artifact;
        struct lam_error found;

        if (lam_trained_describe(check->state, number, &artifact) && lam_trained_is_newest(check->state, &artifact) &&
            lam_trained_check(check->engine, lam_commitlog_root(check->engine->commits), &artifact, &found))
            rc = tell(check, artifact.path, &found, "`lamina batch JOB --retrain` makes another, and a new full view", err);
    }
    return rc;
}

static int on_log(void *arg, const char *path, const struct lam_error *what, struct lam_error *err)
{
    size_t len = strlen(path), suffix = sizeof ".ckpt" - 1;
    bool checkpoint = len > suffix && !strcmp(path + len - suffix, ".ckpt");

    return tell(arg, path, what,
                checkpoint ? "remove it: opening the store takes longer then, and that is all"
                           : "restore it from a backup of log/; readers go by the checkpoint above it as long as that is whole",
                err);
}

static int check_counts(struct check *check, struct lam_error *err)
{
    const struct lam_counts *totals = &check->state->totals;
    struct lam_error found;
    int rc = 0;

    if (!lam_report_balanced(check->state)) {
        LAM_FAIL(&found, LAM_E_CORRUPT, "the counts of the log do not balance");
        rc = tell(check, "log", &found, "restore log/ from a backup, or " ANEW, err);
    }
    if (!rc && !check->unreadable && (check->view.live != totals->live || check->view.deleted != totals->deleted || check->view.pending != totals->pending ||
                                     check->view.unavailable != totals->unavailable)) {
        LAM_FAIL(&found, LAM_E_CORRUPT,
                 "the view has %" PRId64 " live, %" PRId64 " deleted, %" PRId64 " pending, %" PRId64 " unavailable rows; the log counts %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64,
                 check->view.live, check->view.deleted, check->view.pending, check->view.unavailable, totals->live, totals->deleted, totals->pending, totals->unavailable);
        rc = tell(check, "log", &found, "restore log/ from a backup, or " ANEW, err);
    }
    check->result->rows = (uint64_t)check->view.live;
    return rc;
}

int lam_store_check(struct lam_engine *engine, const struct lam_state *state, bool json, struct lam_buf *list, struct lam_store_check *result, struct lam_error *err)
{
    struct check check = {.engine = engine, .state = state, .json = json, .list = list, .result = result};
    int rc = 0;

    *result = (struct lam_store_check){0};
    for (size_t at = 0; !rc && (check.segment = lam_state_next(state, 0, &at));) {
        int found = lam_map_guard(work, &check, &check.found);

        if (!found)
            continue;
        if (found == LAM_E_MEMORY) {
            *err = check.found;
            return found;
        }
        check.unreadable |= check.segment->entry->kind == LAM_SEGMENT_RUN || check.segment->entry->kind == LAM_SEGMENT_SILVER;
        rc = tell(&check, check.segment->entry->path, &check.found, advice_of(check.segment->entry), err);
    }
    if (!rc)
        rc = lam_commitlog_check(engine->commits, on_log, &check, err);
    if (!rc)
        rc = check_models(&check, err);
    return rc ? rc : check_counts(&check, err);
}
