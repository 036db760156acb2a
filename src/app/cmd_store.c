/* lamina store: what is in a store, and is it whole? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "engine.h"
#include "report.h"
#include "serve/json_row.h"
#include "serve/query.h"
#include "store_check.h"
#include "store_reader.h"

#define TEXT_MAX ((size_t)256 << 20)

static int run(struct lam_cli *cli);

extern const struct lam_verb lam_verb_store;
const struct lam_verb lam_verb_store = {
    .name = "store",
    .arguments = "ls|show|check STORE",
    .summary = "the segments and models of a store; its view, sources and counts; is it whole?",
    .details = "  ls       one line a segment: kind, rows, bytes, view, path; one line a model\n"
               "  show     view, cutoff, terms, sources, lives, models, counts, horizon\n"
               "  check    reads everything: the log, CRCs, the structure of each file, masks, manifests, order and ranges of rows, counts,\n"
               "           models. Tells what is damaged, and what to do about it; exit 1 where anything is\n\n"
               "  lamina store check out/tickets\n",
    .min_args = 2,
    .max_args = 2,
    .run = run,
};

/* --- ls --- */

static const struct lam_segment_entry *next_entry(const struct lam_state *state, size_t *at, bool *mask)
{
    const struct lam_state_segment *segment;

    if (*mask) { /* the mask of the segment before */
        *mask = false;
        return state->segments[*at - 1].mask;
    }
    if (!(segment = lam_state_next(state, 0, at)))
        return NULL;
    *mask = segment->mask != NULL;
    return segment->entry;
}

static int ls_json(const struct lam_state *state, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_segment_entry *entry;
    bool mask = false, first = true;
    size_t at = 0;
    int rc = lam_buf_addf(out, err, "{\"commit\":%" PRIu64 ",\"view\":%" PRIu64 ",\"segments\":[", state->number, state->view.number);

    while (!rc && (entry = next_entry(state, &at, &mask))) {
        rc = lam_buf_addf(out, err,
                          "%s{\"kind\":\"%s\",\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"view\":%" PRIu64
                          ",\"path\":\"%s\"}",
                          first ? "" : ",", lam_segment_kind_name(entry->kind), entry->rows, entry->bytes, entry->view,
                          entry->path);
        first = false;
    }
    if (!rc && !(rc = lam_buf_addf(out, err, "],\"models\":")) && !(rc = lam_report_models(state, out, err)))
        rc = lam_buf_addf(out, err, "}\n");
    return rc;
}

static int ls(const struct lam_state *state, bool json, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_segment_entry *entry;
    uint64_t bytes = 0, count = 0;
    bool mask = false;
    size_t at = 0;
    int rc;

    if (json)
        return ls_json(state, out, err);
    rc = lam_buf_addf(out, err, "%-14s %12s %14s %6s  %s\n", "kind", "rows", "bytes", "view", "path");
    while (!rc && (entry = next_entry(state, &at, &mask))) {
        rc = lam_buf_addf(out, err, "%-14s %12" PRIu64 " %14" PRIu64 " %6" PRIu64 "  %s\n",
                          lam_segment_kind_name(entry->kind), entry->rows, entry->bytes, entry->view, entry->path);
        bytes += entry->bytes;
        count++;
    }
    for (uint32_t i = 0; !rc && i < state->model_count; i++)
        rc = lam_buf_addf(out, err, "%-14s %12s %14s %6s  %s\n", state->models[i].kind, "-", "-", "-", state->models[i].path);
    return rc ? rc : lam_buf_addf(out, err, "\n%" PRIu64 " segments, %" PRIu64 " bytes, commit %" PRIu64 "\n", count, bytes, state->number);
}

/* --- show --- */

/* as_of as queries have it, and from it the cutoff. */
static int add_as_of(struct lam_engine *engine, struct lam_buf *out, struct lam_error *err)
{
    struct lam_store_reader *store;
    struct lam_snapshot *snapshot = NULL;
    struct lam_reader reader;
    struct lam_as_of as_of;
    int rc = lam_store_reader_new(&store, engine, NULL, false, err);

    if (rc)
        return rc;
    reader = lam_store_reader(store);
    if (!(rc = reader.ops->pin(reader.arg, 60000, &snapshot, err))) {
        reader.ops->as_of(snapshot, &as_of);
        rc = lam_as_of_add_json(out, &as_of, err);
        reader.ops->release(snapshot);
    }
    lam_store_reader_free(store);
    return rc;
}

static int add_terms(const struct lam_state *state, struct lam_buf *out, struct lam_error *err)
{
    bool first = true;
    int rc = lam_buf_addf(out, err, "{");

    for (int i = 0; !rc && i < LAM_TERMS; i++) {
        const struct lam_state_term *term = &state->terms[i];

        if (!term->number)
            continue;
        if ((rc = lam_buf_addf(out, err, "%s\"%s\":{\"term\":%" PRIu64 ",\"host\":", first ? "" : ",",
                               lam_term_layer_name(i), term->number)) ||
            (rc = lam_buf_add_json(out, lam_sv_of(term->holder.host), err)) ||
            (rc = lam_buf_addf(out, err, ",\"pid\":%" PRIu64 ",\"job\":", term->holder.pid)) ||
            (rc = lam_buf_add_json(out, lam_sv_of(term->holder.job), err)) ||
            (rc = lam_buf_addf(out, err, ",\"run\":\"%s\"}", term->holder.run)))
            return rc;
        first = false;
    }
    return rc ? rc : lam_buf_addf(out, err, "}");
}

static int add_lives(const struct lam_state *state, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "[");

    for (uint32_t s = 0; !rc && s < state->source_count; s++)
        for (uint32_t l = 0; !rc && l < state->sources[s].life_count; l++) {
            const struct lam_state_life *life = state->sources[s].lives[l];

            if ((rc = lam_buf_addf(out, err, "%s{\"source\":%" PRIu32 ",\"name\":", s || l ? "," : "", s + 1)) ||
                (rc = lam_buf_add_json(out, lam_sv_of(state->sources[s].name), err)) ||
                (rc = lam_buf_addf(out, err, ",\"life\":%" PRIu32 ",\"is\":", life->number)) ||
                (rc = lam_buf_add_json(out, lam_sv_of(life->name), err)) ||
                (rc = lam_buf_addf(out, err, ",\"commit\":%" PRIu64 ",\"archived\":{", life->commit)))
                return rc;
            for (uint32_t p = 0; !rc && p < life->partition_count; p++)
                rc = lam_buf_addf(out, err, "%s\"%" PRIu32 "\":%" PRIu64, p ? "," : "", life->partitions[p].partition,
                                  life->partitions[p].next);
            if (!rc)
                rc = lam_buf_addf(out, err, "}}");
        }
    return rc ? rc : lam_buf_addf(out, err, "]");
}

static int add_horizon(const struct lam_state *state, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, state->horizon ? "\"" : "null");

    for (uint32_t i = 0; !rc && state->horizon && i < state->horizon_len; i++)
        rc = lam_buf_addf(out, err, "%02x", state->horizon[i]);
    return rc || !state->horizon ? rc : lam_buf_addf(out, err, "\"");
}

static int show_json(struct lam_engine *engine, const struct lam_state *state, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"as_of\":")) || (rc = add_as_of(engine, out, err)) ||
        (rc = lam_buf_addf(out, err,
                           ",\"range_bits\":%" PRIu32 ",\"segments\":%zu,\"void_commits\":%" PRIu64
                           ",\"log_from\":%" PRIu64 ",\"terms\":",
                           state->view.range_bits, state->segment_count, state->voids, state->log_from)) ||
        (rc = add_terms(state, out, err)) || (rc = lam_buf_addf(out, err, ",\"lives\":")) ||
        (rc = add_lives(state, out, err)) || (rc = lam_buf_addf(out, err, ",\"horizon\":")) ||
        (rc = add_horizon(state, out, err)) || (rc = lam_buf_addf(out, err, ",\"models\":")) ||
        (rc = lam_report_models(state, out, err)) || (rc = lam_buf_addf(out, err, ",\"counts\":")) ||
        (rc = lam_report_counts(state, out, err)))
        return rc;
    return lam_buf_addf(out, err, ",\"balanced\":%s}\n", lam_report_balanced(state) ? "true" : "false");
}

static int show_counts(const struct lam_state *state, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "\n%-28s %5s %10s %10s %10s %10s %11s %9s %8s %11s\n", "source", "life", "read", "live",
                          "superseded", "deleted", "quarantined", "filtered", "pending", "unavailable");

    for (uint32_t s = 0; !rc && s < state->source_count; s++)
        for (uint32_t l = 0; !rc && l < state->sources[s].life_count; l++) {
            const struct lam_counts *c = &state->sources[s].lives[l]->counts;

            rc = lam_buf_addf(out, err,
                              "%-28s %5" PRIu32 " %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 " %11" PRId64
                              " %9" PRId64 " %8" PRId64 " %11" PRId64 "\n",
                              state->sources[s].name, state->sources[s].lives[l]->number, c->read, c->live,
                              c->superseded, c->deleted, c->quarantined, c->filtered, c->pending, c->unavailable);
        }
    return rc ? rc : lam_buf_addf(out, err, "%s\n", lam_report_balanced(state) ? "counts balance" : "COUNTS DO NOT BALANCE");
}

static int show(struct lam_engine *engine, const struct lam_state *state, bool json, struct lam_buf *out, struct lam_error *err)
{
    char time[LAM_TIME_TEXT] = "never";
    int rc;

    if (json)
        return show_json(engine, state, out, err);
    if (state->view.number)
        lam_time_format(state->view.time_us, time);
    if ((rc = lam_buf_addf(out, err,
                           "view       %" PRIu64 ", published %s\ncommit     %" PRIu64 ", %" PRIu64
                           " void\nsegments   %zu, %u ranges\n",
                           state->view.number, time, state->number, state->voids, state->segment_count,
                           1u << state->view.range_bits)) ||
        (rc = lam_buf_addf(out, err, "as of      ")) || (rc = add_as_of(engine, out, err)) ||
        (rc = lam_buf_addf(out, err, "\nterms      ")) || (rc = add_terms(state, out, err)) ||
        (rc = lam_buf_addf(out, err, "\nhorizon    ")) || (rc = add_horizon(state, out, err)) ||
        (rc = lam_buf_addf(out, err, "\nlives      ")) || (rc = add_lives(state, out, err)) ||
        (rc = lam_buf_addf(out, err, "\nmodels     ")) || (rc = lam_report_models(state, out, err)) ||
        (rc = lam_buf_addf(out, err, "\n")))
        return rc;
    return show_counts(state, out, err);
}

/* --- check --- */

static int check(struct lam_engine *engine, const struct lam_state *state, bool json, struct lam_buf *out,
                 uint64_t *problems, struct lam_error *err)
{
    struct lam_store_check result;
    struct lam_buf list;
    int rc;

    lam_buf_init(&list, TEXT_MAX);
    rc = lam_store_check(engine, state, json, &list, &result, err);
    *problems = result.problems;
    if (!rc && json)
        rc = lam_buf_addf(out, err,
                          "{\"ok\":%s,\"commit\":%" PRIu64 ",\"view\":%" PRIu64 ",\"segments\":%" PRIu64
                          ",\"bytes\":%" PRIu64 ",\"rows\":%" PRIu64 ",\"problems\":[%.*s]}\n",
                          result.problems ? "false" : "true", state->number, state->view.number, result.segments,
                          result.bytes, result.rows, (int)list.len, list.len ? list.ptr : "");
    else if (!rc && !(rc = lam_buf_add_sv(out, lam_buf_sv(&list), err)))
        rc = lam_buf_addf(out, err,
                          "%s: %" PRIu64 " segments, %" PRIu64 " bytes, %" PRIu64 " rows of view %" PRIu64 "; %" PRIu64
                          " problems\n",
                          result.problems ? "DAMAGED" : "whole", result.segments, result.bytes, result.rows,
                          state->view.number, result.problems);
    lam_buf_release(&list);
    return rc;
}

static int answer(const struct lam_cli *cli, struct lam_engine *engine, struct lam_error *err)
{
    const struct lam_state *state = lam_engine_state(engine);
    uint64_t problems = 0;
    struct lam_buf out;
    int rc;

    lam_buf_init(&out, TEXT_MAX);
    if (!strcmp(cli->args[0], "ls"))
        rc = ls(state, cli->json, &out, err);
    else if (!strcmp(cli->args[0], "show"))
        rc = show(engine, state, cli->json, &out, err);
    else
        rc = check(engine, state, cli->json, &out, &problems, err);
    fwrite(out.ptr, 1, out.len, stdout);
    lam_buf_release(&out);
    lam_state_unref(state);
    if (rc)
        return lam_cli_fail(cli, err);
    return problems ? LAM_EXIT_FAILED : LAM_EXIT_DONE;
}

static int run(struct lam_cli *cli)
{
    struct lam_engine engine = {0};
    struct lam_error err;
    int code;

    if (strcmp(cli->args[0], "ls") && strcmp(cli->args[0], "show") && strcmp(cli->args[0], "check"))
        return lam_cli_usage(cli, "expected ls, show or check; found \"%s\"", cli->args[0]);
    if (!(code = lam_cli_store(cli, cli->args[1], &engine)))
        code = answer(cli, &engine, &err);
    lam_engine_close(&engine);
    return code;
}
