#include "query.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "json_row.h"
#include "status.h"

#define KEY_MAX ((size_t)1 << 20)
#define PINS 3          /* snapshots tried when segments are removed under them */
#define CHECK_ROWS 64   /* between two looks at the clock */

int lam_query_init(struct lam_query *query, enum lam_query_kind kind, struct lam_error *err)
{
    *query = (struct lam_query){.kind = kind, .limit = LAM_QUERY_LIMIT};
    lam_buf_init(&query->key, KEY_MAX);
    lam_buf_init(&query->cursor, LAM_CURSOR_TEXT);
    if (kind == LAM_QUERY_LIST && !(query->filter = lam_filter_new()))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a query");
    return 0;
}

void lam_query_release(struct lam_query *query)
{
    lam_buf_release(&query->key);
    lam_buf_release(&query->cursor);
    lam_filter_free(query->filter);
    lam_aggregate_free(query->aggregate);
    query->filter = NULL;
    query->aggregate = NULL;
}

int lam_query_set_key(struct lam_query *query, struct lam_sv key, struct lam_error *err)
{
    lam_buf_clear(&query->key);
    return lam_buf_add_sv(&query->key, key, err);
}

int lam_query_set_aggregate(struct lam_query *query, struct lam_sv json, struct lam_error *err)
{
    lam_aggregate_free(query->aggregate);
    query->aggregate = NULL;
    return lam_aggregate_parse(json, &query->aggregate, err);
}

static int read_flag(struct lam_query *query, struct lam_sv value, unsigned flag, bool set_when, struct lam_error *err)
{
    bool truth = lam_sv_eq(value, LAM_SV("true"));

    if (!truth && !lam_sv_eq(value, LAM_SV("false")))
        return LAM_FAIL(err, LAM_E_INVALID, "expected true or false, not \"%.*s\"", LAM_SV_ARG(value));
    query->flags = truth == set_when ? query->flags | flag : query->flags & ~flag;
    return 0;
}

static int read_limit(struct lam_query *query, struct lam_sv value, struct lam_error *err)
{
    size_t limit = 0;

    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9' || i > 8)
            return LAM_FAIL(err, LAM_E_INVALID, "expected a number, not \"%.*s\"", LAM_SV_ARG(value));
        limit = limit * 10 + (size_t)(value.ptr[i] - '0');
    }
    if (limit < 1 || limit > LAM_QUERY_MAX_LIMIT)
        return LAM_FAIL(err, LAM_E_INVALID, "expected a number of rows from 1 to %d", LAM_QUERY_MAX_LIMIT);
    query->limit = limit;
    return 0;
}

static int read_param(struct lam_query *query, struct lam_sv name, struct lam_sv value, struct lam_error *err)
{
    bool rows = query->kind == LAM_QUERY_KEY || query->kind == LAM_QUERY_LIST;

    if (rows && lam_sv_eq(name, LAM_SV("embedding")))
        return read_flag(query, value, LAM_JSON_ROW_EMBEDDING, true, err);
    if (query->kind == LAM_QUERY_LIST) {
        if (lam_sv_eq(name, LAM_SV("limit")))
            return read_limit(query, value, err);
        if (lam_sv_eq(name, LAM_SV("filter")))
            return lam_filter_add_json(query->filter, value, "", err);
        if (lam_sv_eq(name, LAM_SV("cursor"))) {
            lam_buf_clear(&query->cursor);
            return lam_buf_add_sv(&query->cursor, value, err) ? LAM_FAIL(err, LAM_E_INVALID, "the cursor is none of ours: too long") : 0;
        }
        return lam_filter_add_param(query->filter, name, value, err);
    }
    if (query->kind == LAM_QUERY_AGGREGATE)
        return lam_filter_add_param(lam_aggregate_filter(query->aggregate), name, value, err);
    return LAM_FAIL(err, LAM_E_INVALID, "unknown parameter");
}

int lam_query_param(struct lam_query *query, struct lam_sv name, struct lam_sv value, struct lam_error *err)
{
    struct lam_sv shown = lam_sv(name.ptr, name.len < 64 ? name.len : 64);
    int rc;

    if (lam_utf8_valid(name) != name.len || lam_utf8_valid(value) != value.len)
        rc = LAM_FAIL(err, LAM_E_INVALID, "no UTF-8");
    else
        rc = read_param(query, name, value, err);
    return rc ? LAM_PASS(err, rc, "parameter \"%.*s\"", LAM_SV_ARG(shown)) : 0;
}

int lam_as_of_add_json(struct lam_buf *out, const struct lam_as_of *as_of, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"store\":")) || (rc = lam_buf_add_json(out, as_of->store, err)) ||
        (rc = lam_buf_addf(out, err, ",\"view\":%" PRIu64 ",\"commit\":%" PRIu64 ",\"committed_at\":", as_of->view, as_of->commit)) ||
        (rc = lam_json_add_time(out, as_of->committed_us, err)) || (rc = lam_buf_addf(out, err, ",\"cutoff\":")) ||
        (rc = lam_json_add_raw(out, as_of->cutoff, "{}", err)) || (rc = lam_buf_addf(out, err, ",\"speed\":")) ||
        (rc = lam_json_add_raw(out, as_of->speed, "null", err)) || (rc = lam_buf_addf(out, err, ",\"pinned_at\":")) ||
        (rc = lam_json_add_time(out, as_of->pinned_us, err)))
        return rc;
    if (as_of->note.len && ((rc = lam_buf_addf(out, err, ",\"note\":")) || (rc = lam_buf_add_json(out, as_of->note, err))))
        return rc;
    return lam_buf_add(out, "}", 1, err);
}

/* One query while it runs. */
struct run {
    const struct lam_query *query;
    const struct lam_query_limits *limits;
    int64_t start_us;
    bool append;
    struct lam_buf *out;
    struct lam_query_info *info;
    struct lam_field_reader *reader;       /* LIST */
    struct lam_aggregation *aggregation;   /* AGGREGATE */
    bool full;                             /* LIST: info->next_cursor names the last row, and no other belongs to this page */
};

static int64_t spent_us(const struct run *run) { return lam_mono_us(run->limits->clock) - run->start_us; }

/* Each visit begins here. */
static int step(struct run *run, struct lam_error *err)
{
    int64_t timeout_us = (int64_t)run->limits->timeout_ms * 1000;

    if (run->info->rows_seen++ % CHECK_ROWS)
        return 0;
    if (run->limits->stop && atomic_load_explicit(run->limits->stop, memory_order_relaxed))
        return LAM_FAIL(err, LAM_E_CANCELLED, "the server stops");
    if (spent_us(run) > timeout_us)
        return LAM_FAIL(err, LAM_E_TIMEOUT, "the query took longer than %u ms, over %" PRIu64 " rows: narrow it",
                        run->limits->timeout_ms, run->info->rows_seen - 1);
    return 0;
}

static int visit_key(void *arg, const struct lam_hit *hit, struct lam_error *err)
{
    struct run *run = arg;

    run->info->rows_seen = run->info->rows = 1;
    return lam_json_row_add(run->out, hit, run->query->flags, err);
}

static int run_key(struct run *run, const struct lam_reader *reader, struct lam_snapshot *snapshot, struct lam_error *err)
{
    uint32_t wants = run->query->flags & LAM_JSON_ROW_EMBEDDING ? LAM_WANT_ALL : LAM_WANT_ALL & ~(uint32_t)LAM_WANT_EMBEDDING;
    struct lam_sv key = lam_buf_sv(&run->query->key), shown = lam_utf8_cut(key, 200);
    int rc = lam_buf_addf(run->out, err, ",\"record\":");

    if (rc || !(rc = reader->ops->get(snapshot, key, wants, visit_key, run, err)))
        return rc;
    return rc == LAM_E_NOT_FOUND ? LAM_FAIL(err, rc, "no record with the key \"%.*s\"", LAM_SV_ARG(shown)) : rc;
}

/* A page is full at its limit, at half of the largest answer, or when most of the time is spent. */
static bool is_full(const struct run *run)
{
    return run->info->rows >= run->query->limit || run->out->len >= run->out->max / 2 ||
           (run->info->rows_seen % CHECK_ROWS == 0 && spent_us(run) > (int64_t)run->limits->timeout_ms * 750);
}

static int visit_list(void *arg, const struct lam_hit *hit, struct lam_error *err)
{
    struct run *run = arg;
    int rc;

    if (run->full)
        return LAM_END;
    if ((rc = step(run, err)))
        return rc;
    lam_field_reader_row(run->reader, hit);
    if (lam_filter_match(run->query->filter, run->reader)) {
        if ((run->info->rows && (rc = lam_buf_add(run->out, ",", 1, err))) ||
            (rc = lam_json_row_add(run->out, hit, run->query->flags, err)))
            return rc == LAM_E_LIMIT ? LAM_PASS(err, rc, "the page is too long: ask for fewer rows with limit") : rc;
        run->info->rows++;
    }
    if (is_full(run) && lam_cursor_fits(hit, run->append)) {
        run->full = true;
        lam_cursor_format(hit, run->append, run->info->next_cursor);
    }
    return lam_field_reader_check(run->reader, err);
}

static int run_list(struct run *run, const struct lam_reader *reader, struct lam_snapshot *snapshot, struct lam_error *err)
{
    uint32_t wants = run->query->flags & LAM_JSON_ROW_EMBEDDING ? LAM_WANT_ALL : LAM_WANT_ALL & ~(uint32_t)LAM_WANT_EMBEDDING;
    bool resumed = run->query->cursor.len > 0;
    struct lam_cursor from;
    struct lam_buf bytes;
    int rc = 0;

    lam_buf_init(&bytes, 2 * LAM_CURSOR_TEXT);
    if (resumed && (rc = lam_cursor_parse(lam_buf_sv(&run->query->cursor), run->append, &bytes, &from, err)))
        goto cleanup;
    if ((rc = lam_buf_addf(run->out, err, ",\"records\":[")))
        goto cleanup;
    rc = reader->ops->scan(snapshot, resumed ? &from : NULL, wants, visit_list, run, err);
    if (!rc)
        run->info->next_cursor[0] = '\0'; /* the page ended with the last row of all */
    else if (rc != LAM_END)
        goto cleanup;
    if (run->info->next_cursor[0])
        rc = lam_buf_addf(run->out, err, "],\"next_cursor\":\"%s\"", run->info->next_cursor);
    else
        rc = lam_buf_addf(run->out, err, "],\"next_cursor\":null");

cleanup:
    lam_buf_release(&bytes);
    return rc;
}

static int visit_aggregate(void *arg, const struct lam_hit *hit, struct lam_error *err)
{
    struct run *run = arg;
    int rc = step(run, err);

    return rc ? rc : lam_aggregation_add(run->aggregation, hit, err);
}

static int run_aggregate(struct run *run, const struct lam_reader *reader, struct lam_snapshot *snapshot, struct lam_error *err)
{
    int rc = reader->ops->scan(snapshot, NULL, lam_aggregate_wants(run->query->aggregate), visit_aggregate, run, err);

    if (rc || (rc = lam_buf_add(run->out, ",", 1, err)))
        return rc;
    run->info->rows = lam_aggregation_rows(run->aggregation);
    return lam_aggregation_write(run->aggregation, run->out, err);
}

static int answer(struct run *run, const struct lam_reader *reader, struct lam_snapshot *snapshot, struct lam_error *err)
{
    switch (run->query->kind) {
    case LAM_QUERY_KEY:
        return run_key(run, reader, snapshot, err);
    case LAM_QUERY_LIST:
        return run_list(run, reader, snapshot, err);
    case LAM_QUERY_AGGREGATE:
        return run_aggregate(run, reader, snapshot, err);
    default:
        return lam_status_add_json(run->out, reader, snapshot, err);
    }
}

/* What is owned while it runs is made before anything is pinned, so that a visit that is left by a jump loses nothing. */
static int prepare(struct run *run, struct lam_error *err)
{
    if (run->query->kind == LAM_QUERY_LIST && !(run->reader = lam_field_reader_new()))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a query");
    if (run->query->kind == LAM_QUERY_AGGREGATE && !(run->aggregation = lam_aggregation_new(run->query->aggregate)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a query");
    return 0;
}

static int pin_and_answer(struct run *run, const struct lam_reader *reader, struct lam_error *err)
{
    int64_t left_us = (int64_t)run->limits->timeout_ms * 1000 - spent_us(run);
    struct lam_snapshot *snapshot = NULL;
    struct lam_as_of as_of;
    int rc;

    if (left_us <= 0)
        return LAM_FAIL(err, LAM_E_TIMEOUT, "the query took longer than %u ms", run->limits->timeout_ms);
    if ((rc = prepare(run, err)))
        goto cleanup;
    if ((rc = reader->ops->pin(reader->arg, (unsigned)((left_us + 999) / 1000), &snapshot, err)))
        goto cleanup;
    reader->ops->as_of(snapshot, &as_of);
    run->append = as_of.append;
    run->info->view = as_of.view;
    run->info->commit = as_of.commit;
    if ((rc = lam_buf_addf(run->out, err, "{\"as_of\":")) || (rc = lam_as_of_add_json(run->out, &as_of, err)) ||
        (rc = answer(run, reader, snapshot, err)))
        goto cleanup;
    rc = lam_buf_add(run->out, "}", 1, err);

cleanup:
    if (snapshot)
        reader->ops->release(snapshot);
    lam_field_reader_free(run->reader);
    lam_aggregation_free(run->aggregation);
    run->reader = NULL;
    run->aggregation = NULL;
    return rc;
}

int lam_query_run(const struct lam_query *query, const struct lam_reader *reader, const struct lam_query_limits *limits,
                  struct lam_buf *out, struct lam_query_info *info, struct lam_error *err)
{
    struct lam_query_info local;
    struct run run = {.query = query, .limits = limits, .out = out, .info = info ? info : &local};
    size_t before = out->len;
    int rc = LAM_E_CONFLICT;

    run.start_us = lam_mono_us(limits->clock);
    for (int i = 0; i < PINS && rc == LAM_E_CONFLICT; i++) {
        out->len = before;
        run.full = false;
        *run.info = (struct lam_query_info){0};
        rc = pin_and_answer(&run, reader, err);
    }
    if (rc)
        out->len = before;
    return rc;
}
