/* lamina status: what a store holds and who works on it, from anywhere that sees it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "holders.h"
#include "report.h"
#include "serve/query.h"
#include "store_reader.h"

#define TEXT_MAX ((size_t)64 << 20)

static int run(struct lam_cli *cli);

extern const struct lam_verb lam_verb_status;
const struct lam_verb lam_verb_status = {
    .name = "status",
    .arguments = "STORE",
    .summary = "newest commit, view, cutoff, counts; who works on the store",
    .details = "STORE is the store's folder. Needs no MPI and no job file. Jobs on other hosts are watched for up to 5 s.\n\n"
               "  lamina status out/tickets\n",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

static int add_holders(const struct lam_holders *holders, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "[");

    for (size_t i = 0; !rc && i < holders->count; i++) {
        const struct lam_holder *holder = holders->items[i].holder;
        bool first = true;

        rc = lam_buf_addf(out, err, "%s{\"layers\":[", i ? "," : "");
        for (int layer = 0; !rc && layer < LAM_TERMS; layer++)
            if (holders->items[i].layers & 1u << layer) {
                rc = lam_buf_addf(out, err, "%s\"%s\"", first ? "" : ",", lam_term_layer_name(layer));
                first = false;
            }
        if (rc ||
            (rc = lam_buf_addf(out, err, "],\"term\":%" PRIu64 ",\"state\":\"%s\",\"host\":", holders->items[i].term,
                               lam_holder_life_name(holders->items[i].life))) ||
            (rc = lam_buf_add_json(out, lam_sv_of(holder->host), err)) ||
            (rc = lam_buf_addf(out, err, ",\"pid\":%" PRIu64 ",\"job\":", holder->pid)) ||
            (rc = lam_buf_add_json(out, lam_sv_of(holder->job), err)))
            return rc;
        rc = lam_buf_addf(out, err, ",\"run\":\"%s\"}", holder->run);
    }
    return rc ? rc : lam_buf_addf(out, err, "]");
}

/* The report of the run that published the view, or of the batch layer's last one; null where it wrote none. */
static int add_report(struct lam_engine *engine, const struct lam_state *state, struct lam_buf *out, struct lam_error *err)
{
    const char *runs[] = {state->terms[LAM_TERM_BATCH].holder.run, state->view.run};
    char path[LAM_PATH_MAX];
    size_t before = out->len;

    for (size_t i = 0; i < 2; i++) {
        if (!runs[i][0] || snprintf(path, sizeof path, "%s/runs/%s/report.json", lam_commitlog_root(engine->commits),
                                    runs[i]) >= (int)sizeof path)
            continue;
        if (!lam_fs_read_all(engine->fs, path, out, err) && out->len > before) {
            while (out->len > before && out->ptr[out->len - 1] == '\n')
                out->len--;
            return 0;
        }
        out->len = before;
    }
    return lam_buf_addf(out, err, "null");
}

static int write_json(struct lam_engine *engine, const struct lam_state *state, const struct lam_holders *holders,
                      const struct lam_as_of *as_of, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"as_of\":")) || (rc = lam_as_of_add_json(out, as_of, err)) ||
        (rc = lam_buf_addf(out, err, ",\"jobs\":")) || (rc = add_holders(holders, out, err)) ||
        (rc = lam_buf_addf(out, err, ",\"counts\":")) || (rc = lam_report_counts(state, out, err)) ||
        (rc = lam_buf_addf(out, err, ",\"last_batch\":")) || (rc = add_report(engine, state, out, err)))
        return rc;
    return lam_buf_addf(out, err, "}\n");
}

static int write_text(const struct lam_state *state, const struct lam_holders *holders, const struct lam_as_of *as_of,
                      struct lam_buf *out, struct lam_error *err)
{
    const struct lam_counts *c = &state->totals;
    char time[LAM_TIME_TEXT] = "never";
    int rc;

    if (as_of->committed_us != LAM_TIME_NONE)
        lam_time_format(as_of->committed_us, time);
    rc = lam_buf_addf(out, err,
                      "%.*s\n  view     %" PRIu64 "\n  commit   %" PRIu64 ", %s\n  cutoff   %.*s\n  records  %" PRId64
                      " read: %" PRId64 " live, %" PRId64 " superseded, %" PRId64 " deleted, %" PRId64
                      " quarantined, %" PRId64 " filtered%s\n",
                      LAM_SV_ARG(as_of->store), as_of->view, as_of->commit, time, LAM_SV_ARG(as_of->cutoff), c->read,
                      c->live, c->superseded, c->deleted, c->quarantined, c->filtered,
                      lam_report_balanced(state) ? "" : "; THEY DO NOT BALANCE");
    if (!rc && (c->pending || c->unavailable))
        rc = lam_buf_addf(out, err, "           of those that are live, %" PRId64 " are pending, %" PRId64 " unavailable\n", c->pending, c->unavailable);
    if (!rc && !holders->count)
        rc = lam_buf_addf(out, err, "  jobs     none has written to it\n");
    for (size_t i = 0; !rc && i < holders->count; i++) {
        const struct lam_holder *holder = holders->items[i].holder;

        rc = lam_buf_addf(out, err, "  job      %s: %s%s%s%s, process %" PRIu64 " on %s, run %s\n", holder->job,
                          holders->items[i].layers & 1u << LAM_TERM_BATCH ? "batch, " : "",
                          holders->items[i].layers & 1u << LAM_TERM_SPEED ? "speed, " : "",
                          holders->items[i].layers & 1u << LAM_TERM_UPKEEP ? "upkeep, " : "",
                          lam_holder_life_name(holders->items[i].life), holder->pid, holder->host, holder->run);
    }
    return rc;
}

static int answer(const struct lam_cli *cli, struct lam_engine *engine, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_state *state = lam_engine_state(engine);
    struct lam_store_reader *store = NULL;
    struct lam_snapshot *snapshot = NULL;
    struct lam_holders holders;
    struct lam_reader reader;
    struct lam_as_of as_of;
    int rc;

    if ((rc = lam_holders_find(engine, state, &holders, err)) || (rc = lam_store_reader_new(&store, engine, NULL, false, err)))
        goto cleanup;
    reader = lam_store_reader(store);
    if ((rc = reader.ops->pin(reader.arg, 60000, &snapshot, err)))
        goto cleanup;
    reader.ops->as_of(snapshot, &as_of);
    rc = cli->json ? write_json(engine, state, &holders, &as_of, out, err) : write_text(state, &holders, &as_of, out, err);
    reader.ops->release(snapshot);

cleanup:
    lam_store_reader_free(store);
    lam_state_unref(state);
    return rc;
}

static int run(struct lam_cli *cli)
{
    struct lam_engine engine = {0};
    struct lam_error err;
    struct lam_buf out;
    int code;

    lam_buf_init(&out, TEXT_MAX);
    if (!(code = lam_cli_store(cli, cli->args[0], &engine)) && answer(cli, &engine, &out, &err))
        code = lam_cli_fail(cli, &err);
    else if (!code)
        fwrite(out.ptr, 1, out.len, stdout);
    lam_buf_release(&out);
    lam_engine_close(&engine);
    return code;
}
