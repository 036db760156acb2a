/* The JSON of a commit. Its fields stand in docs/formats.md. */
#include "commit.h"

#include "base/hash.h"

#include <inttypes.h>

/* Adds ,"name":"text". */
static int add_text(struct lam_buf *json, const char *name, const char *text, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, ",\"%s\":", name);

    return rc ? rc : lam_buf_add_json(json, lam_sv_of(text), err);
}

static int write_term(const struct lam_action *action, struct lam_buf *json, struct lam_error *err)
{
    const struct lam_holder *holder = action->term.holder;
    const char *comma = "";
    int rc = lam_buf_add_sv(json, LAM_SV(",\"layers\":["), err);

    for (int layer = 0; !rc && layer < LAM_TERMS; layer++)
        if (action->term.layers >> layer & 1) {
            rc = lam_buf_addf(json, err, "%s\"%s\"", comma, lam_term_layer_name(layer));
            comma = ",";
        }
    if (!rc)
        rc = lam_buf_addf(json, err, "],\"pid\":%" PRIu64 ",\"started\":%" PRIu64 ",\"pid_namespace\":%" PRIu64, holder->pid, holder->started, holder->pid_namespace);
    if (!rc && !(rc = add_text(json, "host", holder->host, err)) && !(rc = add_text(json, "boot", holder->boot, err)) &&
        !(rc = add_text(json, "job", holder->job, err)))
        rc = add_text(json, "run", holder->run, err);
    return rc;
}

static int write_archive(const struct lam_action *action, struct lam_buf *json, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, ",\"source\":%" PRIu32 ",\"life\":%" PRIu32 ",\"partitions\":[", action->archive.source, action->archive.life);

    for (uint32_t i = 0; !rc && i < action->archive.count; i++) {
        const struct lam_archived *at = &action->archive.partitions[i];

        rc = lam_buf_addf(json, err, "%s{\"partition\":%" PRIu32 ",\"next\":%" PRIu64, i ? "," : "", at->partition, at->next);
        if (!rc && at->has_witness)
            rc = lam_buf_addf(json, err, ",\"witness\":{\"offset\":%" PRIu64 ",\"timestamp\":%" PRId64 ",\"crc32c\":%" PRIu32 "}", at->witness.offset,
                              at->witness.timestamp_ms, at->witness.crc32c);
        if (!rc)
            rc = lam_buf_add_sv(json, LAM_SV("}"), err);
    }
    if (!rc)
        rc = lam_buf_add_sv(json, LAM_SV("]"), err);
    if (!rc && action->archive.cursor)
        rc = add_text(json, "cursor", action->archive.cursor, err);
    return rc;
}

static int write_cutoff(const struct lam_cutoff *cutoff, struct lam_buf *json, struct lam_error *err)
{
    int rc = lam_buf_add_sv(json, LAM_SV(",\"cutoff\":["), err);

    for (uint32_t i = 0; !rc && i < cutoff->count; i++) {
        const struct lam_cutoff_source *source = &cutoff->sources[i];

        rc = lam_buf_addf(json, err, "%s{\"source\":%" PRIu32 ",\"life\":%" PRIu32 "%s", i ? "," : "", source->source, source->life,
                          source->stream ? ",\"partitions\":[" : "");
        for (uint32_t p = 0; !rc && p < source->count; p++)
            rc = lam_buf_addf(json, err, "%s[%" PRIu32 ",%" PRIu64 "]", p ? "," : "", source->partitions[p].partition, source->partitions[p].next);
        if (!rc)
            rc = lam_buf_addf(json, err, "%s}", source->stream ? "]" : "");
    }
    return rc ? rc : lam_buf_add_sv(json, LAM_SV("]"), err);
}

static int write_publish(const struct lam_action *action, struct lam_buf *json, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, ",\"view\":%" PRIu64 ",\"range_bits\":%" PRIu32, action->publish.view, action->publish.range_bits);

    if (rc || (rc = add_text(json, "run", action->publish.run, err)) || (rc = write_cutoff(&action->publish.cutoff, json, err)) ||
        (rc = lam_buf_add_sv(json, LAM_SV(",\"counts\":["), err)))
        return rc;
    for (uint32_t i = 0; !rc && i < action->publish.count; i++) {
        const struct lam_life_counts *item = &action->publish.counts[i];
        const struct lam_counts *c = &item->counts;

        rc = lam_buf_addf(json, err,
                          "%s{\"source\":%" PRIu32 ",\"life\":%" PRIu32 ",\"read\":%" PRId64 ",\"live\":%" PRId64 ",\"superseded\":%" PRId64 ",\"deleted\":%" PRId64
                          ",\"quarantined\":%" PRId64 ",\"filtered\":%" PRId64 ",\"pending\":%" PRId64 ",\"unavailable\":%" PRId64 "}",
                          i ? "," : "", item->source, item->life, c->read, c->live, c->superseded, c->deleted, c->quarantined, c->filtered, c->pending,
                          c->unavailable);
    }
    return rc ? rc : lam_buf_add_sv(json, LAM_SV("]"), err);
}

static int write_action(const struct lam_action *action, struct lam_buf *json, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, "{\"action\":\"%s\"", lam_action_name(action->type));

    if (rc)
        return rc;
    switch (action->type) {
    case LAM_ACTION_TERM:
        rc = write_term(action, json, err);
        break;
    case LAM_ACTION_SOURCE:
        rc = add_text(json, "name", action->source.name, err);
        break;
    case LAM_ACTION_LIFE:
        if (!(rc = add_text(json, "source", action->life.source, err)))
            rc = add_text(json, "name", action->life.name, err);
        break;
    case LAM_ACTION_JOB:
        if (!(rc = add_text(json, "identity", action->job.identity, err)) && !(rc = add_text(json, "analysis", action->job.analysis, err)))
            rc = add_text(json, "rest", action->job.rest, err);
        break;
    case LAM_ACTION_ADD:
        if (!(rc = lam_buf_add_sv(json, LAM_SV(",\"segment\":"), err)))
            rc = lam_segment_entry_write(action->add.entry, json, err);
        break;
    case LAM_ACTION_REMOVE:
        rc = add_text(json, "path", action->remove.path, err);
        break;
    case LAM_ACTION_MASK:
        rc = add_text(json, "path", action->mask.path, err);
        if (!rc && action->mask.entry && !(rc = lam_buf_add_sv(json, LAM_SV(",\"segment\":"), err)))
            rc = lam_segment_entry_write(action->mask.entry, json, err);
        break;
    case LAM_ACTION_ARCHIVE:
        rc = write_archive(action, json, err);
        break;
    case LAM_ACTION_MODEL:
        if (!(rc = add_text(json, "name", action->model.name, err)) && !(rc = add_text(json, "kind", action->model.kind, err)) &&
            !(rc = add_text(json, "path", action->model.path, err)))
            rc = add_text(json, "info", action->model.info, err);
        break;
    case LAM_ACTION_PUBLISH:
        rc = write_publish(action, json, err);
        break;
    case LAM_ACTION_HORIZON:
        rc = lam_buf_add_sv(json, LAM_SV(",\"value\":\""), err);
        for (uint32_t i = 0; !rc && i < action->horizon.len; i++)
            rc = lam_buf_addf(json, err, "%02x", action->horizon.value[i]);
        if (!rc)
            rc = lam_buf_add_sv(json, LAM_SV("\""), err);
        break;
    case LAM_ACTIONS:
        break;
    }
    return rc ? rc : lam_buf_add_sv(json, LAM_SV("}"), err);
}

int lam_commit_write(const struct lam_commit *commit, struct lam_buf *json, struct lam_error *err)
{
    const char *comma = "";
    size_t start = json->len;
    int rc = lam_commit_check(commit, err);

    if (rc || (rc = lam_buf_addf(json, err, "{\"format\":%d,\"time\":%" PRId64 ",\"id\":\"%s\",\"base\":%" PRIu64 ",\"terms\":{", LAM_COMMIT_FORMAT,
                                 commit->time_us, commit->id, commit->base)))
        return rc;
    for (int layer = 0; !rc && layer < LAM_TERMS; layer++)
        if (commit->terms[layer]) {
            rc = lam_buf_addf(json, err, "%s\"%s\":%" PRIu64, comma, lam_term_layer_name(layer), commit->terms[layer]);
            comma = ",";
        }
    if (!rc)
        rc = lam_buf_add_sv(json, LAM_SV("},\"based_on\":["), err);
    for (size_t i = 0; !rc && i < commit->based_on_count; i++)
        if (!(rc = i ? lam_buf_add_sv(json, LAM_SV(","), err) : 0))
            rc = lam_buf_add_json(json, lam_sv_of(commit->based_on[i]), err);
    if (!rc)
        rc = lam_buf_add_sv(json, LAM_SV("],\"actions\":["), err);
    for (size_t i = 0; !rc && i < commit->action_count; i++)
        if (!(rc = lam_buf_addf(json, err, "%s\n", i ? "," : "")))
            rc = write_action(&commit->actions[i], json, err);
    if (rc || (rc = lam_buf_add_sv(json, LAM_SV("]"), err)))
        return rc;
    return lam_buf_addf(json, err, ",\"crc32c\":%" PRIu32 "}\n", lam_crc32c(0, json->ptr + start, json->len - start)); /* of all before the comma */
}
