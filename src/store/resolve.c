#include "resolve.h"

#include <stdlib.h>

/* What deciding takes: small columns. The rest is read only where two answers for one position have to be compared. */
#define DECIDE                                                                                                                                                 \
    (LAM_ROWS_SORT | LAM_COLUMN(LAM_ROWS_SOURCE) | LAM_COLUMN(LAM_ROWS_LIFE) | LAM_COLUMN(LAM_ROWS_OP) | LAM_COLUMN(LAM_ROWS_FLAGS) |                          \
     LAM_COLUMN(LAM_ROWS_LAYER) | LAM_COLUMN(LAM_ROWS_DEPTH) | LAM_COLUMN(LAM_ROWS_PROCESSED_AT))

#define NONE UINT32_MAX
#define ANSWER_EVERY 64 /* rows that are answered together */

struct lam_resolve {
    struct lam_resolve_spec spec;
    uint64_t first, last;
    struct lam_merge_input *inputs; /* runs, then staged */
    struct lam_map **maps;          /* of inputs */
    size_t input_count;
    struct lam_mask *masks;         /* one a run; made when its first bit is set */
    struct lam_pick *picks;         /* winners in order; in the end those that are to be written */
    size_t pick_count, pick_cap;
    const struct lam_row **rows;    /* beside picks: those that were answered since; NULL: none were */
    struct lam_count_deltas counts;
    bool rewritten;
    struct lam_segment *segment;    /* the run, put and not yet public; NULL: there is none */
    struct lam_segment_entry run;   /* its ranges */
    uint64_t foreign;
};

/* One version of the current key: all rows with the same order. */
struct version {
    struct lam_pick view;   /* the view's row, not masked; input NONE: there is none */
    struct lam_pick staged; /* the best of the staged rows */
    bool known;             /* it stands in a run, masked or not: it is counted already */
    bool rejected;          /* a staged row says that no model has an answer to it */
};

static const struct version no_version = {{NONE, 0}, {NONE, 0}, false, false};

static bool is_run(const struct lam_resolve *resolve, uint32_t input) { return input < resolve->spec.run_count; }

/* The counts that a row belongs to. */
static int counts_of(struct lam_resolve *resolve, struct lam_pick row, struct lam_count_delta **delta, struct lam_error *err)
{
    struct lam_map *map = resolve->maps[row.input];

    *delta = lam_count_deltas_at(&resolve->counts, lam_map_u32(map, LAM_ROWS_SOURCE)[row.row], lam_map_u32(map, LAM_ROWS_LIFE)[row.row]);
    return *delta ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for the counts of %zu lives", resolve->counts.count);
}

/* Counts a row in the state that it has as a winner; times is 1 or -1. */
static int count_winner(struct lam_resolve *resolve, struct lam_pick row, int times, struct lam_error *err)
{
    struct lam_map *map = resolve->maps[row.input];
    struct lam_count_delta *delta;
    int rc = counts_of(resolve, row, &delta, err);

    if (rc)
        return rc;
    if (lam_map_u8(map, LAM_ROWS_OP)[row.row] == LAM_OP_DELETE) {
        delta->deleted += times;
        return 0;
    }
    delta->live += times;
    if (lam_map_u32(map, LAM_ROWS_FLAGS)[row.row] & LAM_ROW_PENDING)
        delta->pending += times;
    if (lam_map_u32(map, LAM_ROWS_FLAGS)[row.row] & LAM_ROW_UNAVAILABLE)
        delta->unavailable += times;
    return 0;
}

static int count_superseded(struct lam_resolve *resolve, struct lam_pick row, int times, struct lam_error *err)
{
    struct lam_count_delta *delta;
    int rc = counts_of(resolve, row, &delta, err);

    if (!rc)
        delta->superseded += times;
    return rc;
}

static uint32_t flags_of(const struct lam_resolve *resolve, struct lam_pick row) { return lam_map_u32(resolve->maps[row.input], LAM_ROWS_FLAGS)[row.row]; }

static int override(struct lam_resolve *resolve, struct lam_pick row, struct lam_error *err)
{
    struct lam_mask *mask = &resolve->masks[row.input];
    int rc = 0;

    if (!mask->bits)
        rc = lam_mask_init(mask, lam_map_rows(resolve->maps[row.input]), resolve->inputs[row.input].mask, err);
    if (!rc)
        lam_mask_set(mask, row.row);
    return rc;
}

static int pick(struct lam_resolve *resolve, struct lam_pick row, struct lam_error *err)
{
    if (resolve->pick_count == resolve->pick_cap) {
        size_t cap = resolve->pick_cap ? 2 * resolve->pick_cap : 1024;
        struct lam_pick *picks = realloc(resolve->picks, cap * sizeof *picks);

        if (!picks)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the %zu keys of a range", cap);
        resolve->picks = picks;
        resolve->pick_cap = cap;
    }
    resolve->picks[resolve->pick_count++] = row;
    return 0;
}

/* Of two answers for one position: <0 a is better, >0 b is, 0 neither. */
static int answer_cmp(const struct lam_resolve *resolve, struct lam_pick a, struct lam_pick b)
{
    struct lam_row row_a, row_b;

    lam_rows_get(resolve->maps[a.input], a.row, DECIDE, &row_a);
    lam_rows_get(resolve->maps[b.input], b.row, DECIDE, &row_b);
    return lam_row_answer_cmp(&row_a, &row_b);
}

static int64_t processed(const struct lam_resolve *resolve, struct lam_pick row)
{
    return lam_map_i64(resolve->maps[row.input], LAM_ROWS_PROCESSED_AT)[row.row];
}

/* Adds a row to the version that it is of. */
static void see(const struct lam_resolve *resolve, struct version *version, struct lam_pick row)
{
    if (is_run(resolve, row.input)) {
        version->known = true;
        if (!lam_merge_masked(&resolve->inputs[row.input], row.row))
            version->view = row;
    } else if (lam_merge_masked(&resolve->inputs[row.input], row.row)) {
        return;
    } else if (flags_of(resolve, row) & LAM_ROW_REJECTED) {
        version->rejected = true;
    } else {
        int order = version->staged.input == NONE ? -1 : answer_cmp(resolve, row, version->staged);

        if (order < 0 || (order == 0 && processed(resolve, row) > processed(resolve, version->staged)))
            version->staged = row;
    }
}

/* Is it only what the view has overridden already, or a row of a dropped split? */
static bool is_past(const struct version *version) { return version->view.input == NONE && version->staged.input == NONE; }

/* Is it the view's, pending, and found to have no answer? */
static bool is_rejected(const struct lam_resolve *resolve, const struct version *version)
{
    return version->rejected && version->staged.input == NONE && flags_of(resolve, version->view) & LAM_ROW_PENDING;
}

/* It leaves the view, whether or not a newer version follows. */
static int reject(struct lam_resolve *resolve, const struct version *version, struct lam_error *err)
{
    struct lam_count_delta *delta;
    int rc;

    if ((rc = count_winner(resolve, version->view, -1, err)) || (rc = override(resolve, version->view, err)) || (rc = counts_of(resolve, version->view, &delta, err)))
        return rc;
    delta->quarantined++;
    return 0;
}

/* A newer version of the key follows. */
static int lose(struct lam_resolve *resolve, const struct version *version, struct lam_error *err)
{
    int rc;

    if (is_rejected(resolve, version))
        return reject(resolve, version, err);
    if (version->view.input != NONE) {
        if ((rc = count_winner(resolve, version->view, -1, err)) || (rc = override(resolve, version->view, err)))
            return rc;
        return count_superseded(resolve, version->view, 1, err);
    }
    return version->known ? 0 : count_superseded(resolve, version->staged, 1, err);
}

/* Does the staged answer take the place of the view's, for the same position? */
static int replaces(struct lam_resolve *resolve, const struct version *version, bool *yes, struct lam_error *err)
{
    struct lam_map *view = resolve->maps[version->view.input], *staged = resolve->maps[version->staged.input];
    int rc;

    *yes = answer_cmp(resolve, version->staged, version->view) <= 0;
    if (!*yes)
        return 0;
    if ((rc = lam_map_need(view, LAM_COLUMNS_ALL, err)) || (rc = lam_map_need(staged, LAM_COLUMNS_ALL, err)))
        return rc;
    *yes = !lam_rows_same(staged, version->staged.row, view, version->view.row);
    return 0;
}

static int win(struct lam_resolve *resolve, const struct version *version, struct lam_error *err)
{
    bool yes = version->view.input == NONE;
    int rc = 0;

    if (is_rejected(resolve, version))
        return reject(resolve, version, err);
    if (!yes && version->staged.input != NONE)
        rc = replaces(resolve, version, &yes, err);
    if (rc)
        return rc;
    if (!yes)
        return pick(resolve, version->view, err);
    if (version->view.input != NONE) {
        if ((rc = count_winner(resolve, version->view, -1, err)) || (rc = override(resolve, version->view, err)))
            return rc;
    } else if (version->known) { /* it was overridden by what is gone, and comes back */
        if ((rc = count_superseded(resolve, version->staged, -1, err)))
            return rc;
    }
    if ((rc = count_winner(resolve, version->staged, 1, err)))
        return rc;
    return pick(resolve, version->staged, err);
}

/* Takes all rows of one version off the merge. */
static struct version next_version(const struct lam_resolve *resolve, struct lam_merge *merge, struct lam_sv *key)
{
    const struct lam_merge_cursor *at = lam_merge_at(merge);
    struct version version = no_version;
    struct lam_sv order = at->order;

    *key = at->key;
    do {
        see(resolve, &version, (struct lam_pick){at->input, (uint32_t)at->row});
        lam_merge_next(merge);
        at = lam_merge_at(merge);
    } while (at && lam_sv_eq(at->order, order) && lam_sv_eq(at->key, *key));
    return version;
}

/* Walks over all versions of all keys in order: of each key the last one wins, and all others lose. */
static int merge_range(struct lam_resolve *resolve, struct lam_error *err)
{
    struct version version = no_version, next; /* version: the newest so far of its key */
    struct lam_sv key = {0}, next_key;
    struct lam_merge merge;
    int rc = lam_merge_init(&merge, resolve->inputs, resolve->input_count, resolve->first, resolve->last, true, err);

    while (!rc && lam_merge_at(&merge)) {
        next = next_version(resolve, &merge, &next_key);
        if (is_past(&next))
            continue;
        if (!is_past(&version))
            rc = lam_sv_eq(next_key, key) ? lose(resolve, &version, err) : win(resolve, &version, err);
        version = next;
        key = next_key;
    }
    if (!rc && !is_past(&version))
        rc = win(resolve, &version, err);
    lam_merge_release(&merge);
    return rc;
}

/* One run instead of all, or a further one? Then picks keeps what is to be written. */
static void decide(struct lam_resolve *resolve)
{
    const struct lam_resolve_spec *spec = &resolve->spec;
    size_t max_runs = spec->max_runs ? spec->max_runs : LAM_RESOLVE_MAX_RUNS, changed = 0, kept = 0;
    uint64_t rows = 0, masked;

    for (size_t i = 0; i < resolve->pick_count; i++)
        changed += !is_run(resolve, resolve->picks[i].input);
    for (size_t i = 0; i < spec->run_count; i++)
        rows += lam_rows_upper(resolve->maps[i], resolve->last) - lam_rows_lower(resolve->maps[i], resolve->first);
    rows += changed;
    masked = rows - resolve->pick_count;
    resolve->rewritten = spec->rewrite || (changed > 0 && (spec->run_count + 1 > max_runs || (masked > 0 && 2 * masked >= rows)));
    resolve->rewritten &= spec->run_count > 0;
    if (resolve->rewritten)
        return;
    for (size_t i = 0; i < resolve->pick_count; i++)
        if (!is_run(resolve, resolve->picks[i].input))
            resolve->picks[kept++] = resolve->picks[i];
    resolve->pick_count = kept;
}

/* The input whose columns are checked first: another one for each range, far from its neighbours', so that those who resolve at the same time share the work. */
static size_t check_first(const struct lam_resolve *resolve)
{
    return (size_t)((uint64_t)resolve->input_count * (uint32_t)(resolve->spec.range * UINT32_C(0x9e3779b1)) >> 32);
}

static int check_input(const struct lam_resolve *resolve, size_t i, struct lam_error *err)
{
    struct lam_map *map = resolve->inputs[i].map;
    const uint64_t *hashes;
    int rc;

    if (!map || lam_map_layout(map)->number != LAM_LAYOUT_ROWS || lam_map_rows(map) > UINT32_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "input %zu of a range is no segment of at most 2^32 rows", i);
    if ((rc = lam_map_need(map, DECIDE, err)))
        return rc;
    hashes = lam_map_u64(map, LAM_ROWS_HASH);
    if (is_run(resolve, (uint32_t)i) && !resolve->spec.rewrite && lam_map_rows(map) &&
        (hashes[0] < resolve->first || hashes[lam_map_rows(map) - 1] > resolve->last))
        return LAM_FAIL(err, LAM_E_INVALID, "run %s reaches beyond range %u of %u bits: all of it has to be rewritten", lam_map_path(map),
                        resolve->spec.range,
                        resolve->spec.range_bits);
    return 0;
}

void lam_range_hashes(uint32_t bits, uint32_t range, uint64_t *first, uint64_t *last)
{
    *first = bits ? (uint64_t)range << (64 - bits) : 0;
    *last = bits ? *first | (UINT64_MAX >> bits) : UINT64_MAX;
}

int lam_resolve_plan(const struct lam_resolve_spec *spec, struct lam_resolve **out, struct lam_error *err)
{
    struct lam_resolve *resolve = calloc(1, sizeof *resolve);
    size_t count = spec->run_count + spec->staged_count;
    int rc = 0;

    *out = NULL;
    if (spec->range_bits > LAM_RANGE_BITS_MAX || (uint64_t)spec->range >> spec->range_bits) {
        free(resolve);
        return LAM_FAIL(err, LAM_E_INVALID, "there is no range %u of %u bits", spec->range, spec->range_bits);
    }
    if (!resolve || !(resolve->inputs = calloc(count + 1, sizeof *resolve->inputs)) ||
        !(resolve->maps = calloc(count + 1, sizeof *resolve->maps)) ||
        !(resolve->masks = calloc(spec->run_count + 1, sizeof *resolve->masks))) {
        lam_resolve_free(resolve);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to resolve %zu segments", count);
    }
    resolve->spec = *spec;
    resolve->input_count = count;
    lam_range_hashes(spec->range_bits, spec->range, &resolve->first, &resolve->last);
    for (size_t i = 0; i < count; i++) {
        resolve->inputs[i] = i < spec->run_count ? spec->runs[i] : spec->staged[i - spec->run_count];
        resolve->maps[i] = resolve->inputs[i].map;
    }
    for (size_t i = 0; !rc && i < count; i++)
        rc = check_input(resolve, (check_first(resolve) + i) % count, err);
    if (rc || (rc = merge_range(resolve, err))) {
        lam_resolve_free(resolve);
        return LAM_PASS(err, rc, "resolve range %u of %u bits", spec->range, spec->range_bits);
    }
    decide(resolve);
    *out = resolve;
    return 0;
}

void lam_resolve_free(struct lam_resolve *resolve)
{
    if (!resolve)
        return;
    for (size_t i = 0; resolve->masks && i < resolve->spec.run_count; i++)
        lam_mask_release(&resolve->masks[i]);
    lam_segment_free(resolve->segment);
    lam_count_deltas_release(&resolve->counts);
    free(resolve->masks);
    free(resolve->inputs);
    free(resolve->maps);
    free(resolve->picks);
    free(resolve->rows);
    free(resolve);
}

bool lam_resolve_changes(const struct lam_resolve *resolve)
{
    bool masked = false;

    for (size_t i = 0; i < resolve->spec.run_count; i++) /* rows may go without others in their place */
        masked |= resolve->masks[i].bits != NULL;
    return resolve->rewritten || resolve->pick_count > 0 || masked;
}

const struct lam_count_deltas *lam_resolve_counts(const struct lam_resolve *resolve) { return &resolve->counts; }

/* Is this row to be written, and owed an answer? */
static bool is_owed(const struct lam_resolve *resolve, struct lam_pick row)
{
    return !is_run(resolve, row.input) && lam_map_u32(resolve->maps[row.input], LAM_ROWS_FLAGS)[row.row] & LAM_ROW_PENDING;
}

/* Has the rows from first on answered; what is answered is no longer pending in the counts. */
static int answer_rows(struct lam_resolve *resolve, struct lam_block *block, size_t first, lam_resolve_answerer *answer, void *arg, struct lam_error *err)
{
    int rc = answer(arg, block, first, err);

    for (size_t i = first; !rc && i < lam_block_rows(block); i++) {
        const struct lam_record *rec = &lam_block_row(block, i)->rec;
        struct lam_count_delta *delta;

        if (rec->op == LAM_OP_DELETE || rec->flags & LAM_ROW_PENDING)
            continue;
        if (!(delta = lam_count_deltas_at(&resolve->counts, rec->pos.source, rec->pos.life)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the counts of %zu lives", resolve->counts.count);
        delta->pending--;
    }
    return rc;
}

int lam_resolve_answer(struct lam_resolve *resolve, struct lam_block *block, lam_resolve_answerer *answer, void *arg, struct lam_error *err)
{
    size_t first = lam_block_rows(block), done = first, at = first;
    int rc = 0;

    for (size_t i = 0; !rc && i < resolve->pick_count; i++) {
        struct lam_map *map = resolve->maps[resolve->picks[i].input];
        struct lam_row row;

        if (!is_owed(resolve, resolve->picks[i]) || (rc = lam_map_need(map, LAM_COLUMNS_ALL, err)))
            continue;
        lam_rows_get(map, resolve->picks[i].row, LAM_COLUMNS_ALL, &row);
        if (!(rc = lam_block_lend_row(block, &row, err)) && lam_block_rows(block) - done >= ANSWER_EVERY) {
            rc = answer_rows(resolve, block, done, answer, arg, err);
            done = lam_block_rows(block);
        }
    }
    if (!rc && lam_block_rows(block) > done)
        rc = answer_rows(resolve, block, done, answer, arg, err);
    if (rc || lam_block_rows(block) == first)
        return rc;
    if (!(resolve->rows = calloc(resolve->pick_count, sizeof *resolve->rows)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the answers of a range");
    for (size_t i = 0; i < resolve->pick_count; i++) /* only now: the block's rows moved while it grew */
        if (is_owed(resolve, resolve->picks[i]))
            resolve->rows[i] = lam_block_row(block, at++);
    return 0;
}

/* Staged rows are read once in their life, but ranges of all ranks read them: so none keeps mapped what it touched to check it. */
static int check_staged(const struct lam_resolve *resolve, struct lam_error *err)
{
    size_t count = resolve->input_count;
    int rc = 0;

    for (size_t i = 0; !rc && i < count; i++) {
        size_t at = (check_first(resolve) + i) % count;

        if (!is_run(resolve, (uint32_t)at))
            rc = lam_map_need_once(resolve->maps[at], LAM_COLUMNS_ALL, err);
    }
    return rc;
}

void lam_resolve_forget(const struct lam_resolve *resolve)
{
    for (size_t i = resolve->spec.run_count; i < resolve->input_count; i++)
        lam_map_forget(resolve->maps[i], lam_rows_lower(resolve->maps[i], resolve->first), lam_rows_upper(resolve->maps[i], resolve->last));
}

int lam_resolve_put(struct lam_resolve *resolve, const struct lam_fs *fs, const char *root, lam_segment_namer *name, void *arg, struct lam_error *err)
{
    const struct lam_resolve_spec *spec = &resolve->spec;
    struct lam_rows_copied what = {.maps = resolve->maps, .map_count = resolve->input_count, .picks = resolve->picks, .rows = resolve->rows,
                                   .count = resolve->pick_count, .dim = spec->dim};
    char path[LAM_SEGMENT_PATH];
    const struct lam_target target = {fs, root, path, LAM_SEGMENT_RUN};
    int rc;

    if (resolve->segment || resolve->pick_count == 0)
        return 0;
    what.check_first = check_first(resolve);
    lam_segment_entry_init(&resolve->run);
    if ((rc = check_staged(resolve, err)) || (rc = name(arg, LAM_SEGMENT_RUN, path, err)) ||
        (rc = lam_rows_copy_put(&target, &what, &resolve->segment, &resolve->run, &resolve->foreign, err)))
        return LAM_PASS(err, rc, "write range %u of %u bits", spec->range, spec->range_bits);
    free(resolve->rows);
    resolve->rows = NULL;
    return 0;
}

/* The run that was put gets its name. */
static int publish_run(struct lam_resolve *resolve, struct lam_resolve_result *result, struct lam_error *err)
{
    int rc = lam_segment_finish(resolve->segment, &resolve->run, err);

    lam_segment_free(resolve->segment);
    resolve->segment = NULL;
    if (rc)
        return rc;
    result->run = resolve->run;
    result->run.range_bits = resolve->spec.range_bits;
    result->run.range = resolve->spec.range;
    result->foreign = resolve->foreign;
    result->has_run = true;
    return 0;
}

static int write_mask(struct lam_resolve *resolve, const struct lam_target *target, size_t run, struct lam_resolve_result *result,
                      struct lam_error *err)
{
    struct lam_resolve_new_mask *mask = &result->masks[result->mask_count];
    int rc;

    *mask = (struct lam_resolve_new_mask){.run = run, .set = resolve->masks[run].set};
    lam_segment_entry_init(&mask->entry);
    rc = lam_mask_write(target, &resolve->masks[run], lam_map_path(resolve->maps[run]), &mask->entry, err);
    result->mask_count += !rc;
    return rc;
}

static void take_back(const struct lam_fs *fs, const char *root, const char *path)
{
    char full[LAM_PATH_MAX];

    if (!lam_path_join(full, root, path, NULL))
        fs->ops->unlink(fs->arg, full);
}

int lam_resolve_write(struct lam_resolve *resolve, const struct lam_fs *fs, const char *root, lam_segment_namer *name, void *arg,
                      struct lam_resolve_result *result, struct lam_error *err)
{
    char path[LAM_SEGMENT_PATH];
    const struct lam_target target = {fs, root, path, LAM_SEGMENT_MASK};
    int rc = lam_resolve_put(resolve, fs, root, name, arg, err);

    *result = (struct lam_resolve_result){.rewritten = resolve->rewritten};
    lam_segment_entry_init(&result->run);
    if (rc)
        return rc;
    if (!(result->masks = calloc(resolve->spec.run_count + 1, sizeof *result->masks)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the masks of %zu runs", resolve->spec.run_count);
    if (resolve->segment)
        rc = publish_run(resolve, result, err);
    for (size_t i = 0; !rc && !resolve->rewritten && i < resolve->spec.run_count; i++)
        if (resolve->masks[i].bits && !(rc = name(arg, LAM_SEGMENT_MASK, path, err)))
            rc = write_mask(resolve, &target, i, result, err);
    if (!rc)
        return 0;
    if (result->has_run)
        take_back(fs, root, result->run.path);
    for (size_t i = 0; i < result->mask_count; i++)
        take_back(fs, root, result->masks[i].entry.path);
    lam_resolve_result_release(result);
    return LAM_PASS(err, rc, "write range %u of %u bits", resolve->spec.range, resolve->spec.range_bits);
}

void lam_resolve_result_release(struct lam_resolve_result *result)
{
    lam_segment_entry_release(&result->run);
    for (size_t i = 0; i < result->mask_count; i++)
        lam_segment_entry_release(&result->masks[i].entry);
    free(result->masks);
    *result = (struct lam_resolve_result){0};
}
