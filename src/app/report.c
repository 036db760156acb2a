#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void lam_report_memory(long *anon_kib, long *shmem_kib)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];

    *anon_kib = *shmem_kib = -1;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", anon_kib) != 1)
            sscanf(line, "RssShmem: %ld", shmem_kib);
    if (file)
        fclose(file);
}

static int add_counts(const struct lam_counts *c, struct lam_buf *json, struct lam_error *err)
{
    return lam_buf_addf(json, err,
                        "\"read\":%" PRId64 ",\"live\":%" PRId64 ",\"superseded\":%" PRId64 ",\"deleted\":%" PRId64
                        ",\"quarantined\":%" PRId64 ",\"filtered\":%" PRId64 ",\"pending\":%" PRId64
                        ",\"unavailable\":%" PRId64,
                        c->read, c->live, c->superseded, c->deleted, c->quarantined, c->filtered, c->pending,
                        c->unavailable);
}

int lam_report_counts(const struct lam_state *state, struct lam_buf *json, struct lam_error *err)
{
    int rc;
    bool first = true;

    if ((rc = lam_buf_addf(json, err, "{\"totals\":{")) || (rc = add_counts(&state->totals, json, err)) ||
        (rc = lam_buf_addf(json, err, "},\"sources\":[")))
        return rc;
    for (uint32_t s = 0; !rc && s < state->source_count; s++)
        for (uint32_t l = 0; !rc && l < state->sources[s].life_count; l++) {
            const struct lam_state_life *life = state->sources[s].lives[l];

            if (!life->counts.read)
                continue;
            if ((rc = lam_buf_addf(json, err, "%s{\"name\":", first ? "" : ",")) ||
                (rc = lam_buf_add_json(json, lam_sv_of(state->sources[s].name), err)) ||
                (rc = lam_buf_addf(json, err, ",\"source\":%" PRIu32 ",\"life\":%" PRIu32 ",", s + 1, life->number)) ||
                (rc = add_counts(&life->counts, json, err)))
                return rc;
            rc = lam_buf_addf(json, err, "}");
            first = false;
        }
    return rc ? rc : lam_buf_addf(json, err, "]}");
}

int lam_report_models(const struct lam_state *state, struct lam_buf *json, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, "[");

    for (uint32_t i = 0; !rc && i < state->model_count; i++) {
        const struct lam_state_model *model = &state->models[i];

        if ((rc = lam_buf_addf(json, err, "%s{\"number\":%" PRIu32 ",\"name\":", i ? "," : "", i + 1)) ||
            (rc = lam_buf_add_json(json, lam_sv_of(model->name), err)) || (rc = lam_buf_addf(json, err, ",\"kind\":")) ||
            (rc = lam_buf_add_json(json, lam_sv_of(model->kind), err)) || (rc = lam_buf_addf(json, err, ",\"path\":")) ||
            (rc = lam_buf_add_json(json, lam_sv_of(model->path), err)) ||
            (rc = lam_buf_addf(json, err, ",\"commit\":%" PRIu64 ",\"info\":%s}", model->commit, model->info[0] ? model->info : "null")))
            return rc;
    }
    return rc ? rc : lam_buf_addf(json, err, "]");
}

int lam_report_model(const struct lam_state *state, const struct lam_batch_model_report *model, struct lam_buf *json, struct lam_error *err)
{
    const char *info = model->number && model->number <= state->model_count ? state->models[model->number - 1].info : "";
    int rc = lam_buf_addf(json, err, "{\"number\":%" PRIu32 ",\"trained\":%s,\"sampled\":%" PRIu64 ",\"why\":", model->number,
                          model->trained ? "true" : "false", model->sampled);

    if (!rc)
        rc = model->why[0] ? lam_buf_add_json(json, lam_sv_of(model->why), err) : lam_buf_addf(json, err, "null");
    return rc ? rc : lam_buf_addf(json, err, ",\"artifact\":%s}", info[0] ? info : "null");
}

static bool balanced(const struct lam_counts *c) { return c->read == c->live + c->superseded + c->deleted + c->quarantined + c->filtered; }

bool lam_report_balanced(const struct lam_state *state)
{
    for (uint32_t s = 0; s < state->source_count; s++)
        for (uint32_t l = 0; l < state->sources[s].life_count; l++)
            if (!balanced(&state->sources[s].lives[l]->counts))
                return false;
    return balanced(&state->totals);
}

/* "serve", "speed", "batch", with separators between them. */
static void roles_of(const struct lam_engine *engine, int rank, const char *separator, char text[64])
{
    static const char *const names[] = {[LAM_ROLE_SERVE] = "serve", [LAM_ROLE_SPEED] = "speed", [LAM_ROLE_BATCH] = "batch"};
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lam_roles_has(&engine->roles, rank, (enum lam_role)i))
            len += (size_t)snprintf(text + len, 64 - len, "%s%s", len ? separator : "", names[i]);
}

int lam_report_ranks(const struct lam_engine *engine, struct lam_buf *json, struct lam_error *err)
{
    int rc = lam_buf_add(json, "[", 1, err);

    for (int r = 0; !rc && r < engine->size; r++) {
        const struct lam_rank_stats *s = &engine->ranks[r];
        char roles[64];

        roles_of(engine, r, "\",\"", roles);
        rc = lam_buf_addf(json, err, "%s{\"rank\":%d,\"roles\":[%s%s%s],\"rss_anon_kib\":%" PRId64 ",\"rss_shmem_kib\":%" PRId64 ",\"peak_kib\":%" PRId64
                          ",\"cpu_s\":%.3f,\"documents\":%" PRIu64 ",\"events\":%" PRIu64 "}", r ? "," : "", r, roles[0] ? "\"" : "", roles, roles[0] ? "\"" : "",
                          s->anon_kib, s->shmem_kib, s->peak_kib, (double)s->cpu_us / 1e6, s->documents, s->events);
    }
    return rc ? rc : lam_buf_add(json, "]", 1, err);
}

void lam_report_print_ranks(const struct lam_engine *engine, double seconds)
{
    printf("  %4s %-17s %12s %12s %9s %13s %13s\n", "rank", "roles", "memory KiB", "peak KiB", "CPU s", "documents/s", "events/s");
    for (int r = 0; r < engine->size; r++) {
        const struct lam_rank_stats *s = &engine->ranks[r];
        char roles[64];

        roles_of(engine, r, ", ", roles);
        printf("  %4d %-17s %12" PRId64 " %12" PRId64 " %9.2f %13.1f %13.1f\n", r, roles, s->anon_kib + s->shmem_kib, s->peak_kib, (double)s->cpu_us / 1e6,
               seconds > 0 ? (double)s->documents / seconds : 0, seconds > 0 ? (double)s->events / seconds : 0);
    }
}

static int write_json(const struct lam_session *session, const struct lam_batch_job *batch,
                      const struct lam_state *state, int code, double seconds, struct lam_buf *json,
                      struct lam_error *err)
{
    const struct lam_batch_report *r = &batch->report;
    long anon, shmem;
    int rc;

    lam_report_memory(&anon, &shmem);
    rc = lam_buf_addf(json, err, "{\"job\":");
    if (rc || (rc = lam_buf_add_json(json, lam_sv_of(session->job->name), err)) ||
        (rc = lam_buf_addf(json, err,
                           ",\"run\":\"%s\",\"exit\":%d,\"view\":%" PRIu64
                           ",\"nothing_new\":%s,\"rebuilt\":%s,\"seconds\":%.3f,\"ranks\":%d,\"files\":%" PRIu64
                           ",\"files_unchanged\":%" PRIu64 ",\"files_failed\":%" PRIu64 ",\"splits\":%" PRIu64
                           ",\"adopted\":%" PRIu64 ",\"ranges\":%" PRIu64 ",\"no_text\":%" PRIu64 ",\"no_order\":%" PRIu64 ",\"carried\":%" PRIu64 ",\"carried_files\":%" PRIu64
                           ",\"rss_anon_kib\":%ld,\"rss_shmem_kib\":%ld,\"added\":{",
                           batch->run, code, r->view, r->nothing_new ? "true" : "false", r->rebuilt ? "true" : "false",
                           seconds, session->engine.size, r->files, r->files_unchanged, r->files_failed, r->splits,
                           r->adopted, r->ranges, r->no_text, r->no_order, r->carried, r->carried_files, anon, shmem)) ||
        (rc = add_counts(&r->counts, json, err)) || (rc = lam_buf_addf(json, err, "},\"first_failure\":")) ||
        (rc = lam_buf_add_json(json, lam_sv_of(r->first_failure.code ? r->first_failure.text : ""), err)) || (rc = lam_buf_addf(json, err, ",\"model\":")) ||
        (rc = lam_report_model(state, &r->model, json, err)) || (rc = lam_buf_addf(json, err, ",\"each_rank\":")) ||
        (rc = lam_report_ranks(&session->engine, json, err)) ||
        (rc = lam_buf_addf(json, err,
                           ",\"balanced\":%s,\"counts\":", lam_report_balanced(state) ? "true" : "false")) ||
        (rc = lam_report_counts(state, json, err)) || (rc = lam_llm_job_report(batch->llm, json, err)))
        return rc;
    return lam_buf_addf(json, err, "}\n");
}

bool lam_report_unreadable(const struct lam_session *session, const struct lam_batch_job *batch)
{
    if (!batch->report.files_failed || lam_batch_any_file(batch->files) || session->job->stream)
        return false;
    lam_log_error(&session->engine.log, "job", "none of %" PRIu64 " files could be read; first %s", batch->report.files_failed, batch->report.first_failure.text);
    return true;
}

void lam_report_print_failed(uint64_t files, const struct lam_error *first, const char *indent)
{
    if (files)
        printf("%s%" PRIu64 " %s left out, and looked at again by the next run: %s%s\n", indent, files, files == 1 ? "file was" : "files were", files > 1 ? "first " : "", first->text);
}

static void print_table(const struct lam_session *session, const struct lam_batch_job *batch, const struct lam_state *state, double seconds)
{
    const struct lam_batch_report *r = &batch->report;

    if (r->nothing_new) {
        printf("Nothing new since view %" PRIu64 ": nothing was published.\n", state->view.number);
        lam_report_print_failed(r->files_failed, &r->first_failure, "");
        return;
    }
    printf("View %" PRIu64 " of %s: %" PRId64 " records read in %.2f s (%.0f a second), %" PRIu64 " files, %" PRIu64
           " unchanged, %" PRIu64 " failed.\n\n",
           r->view, session->job->store.path, r->counts.read, seconds,
           seconds > 0 ? (double)r->counts.read / seconds : 0.0, r->files, r->files_unchanged, r->files_failed);
    lam_report_print_failed(r->files_failed, &r->first_failure, "  ");
    if (r->files_failed)
        printf("\n");
    if (r->no_text || r->no_order)
        printf("  of what was read, %" PRIu64 " records have no text, and so no answers; %" PRIu64 " have no order value, and are older than any that has one\n\n", r->no_text, r->no_order);
    if (r->model.trained)
        printf("  answers: model %" PRIu32 ", trained on %" PRIu32 " of these records in %" PRIu32 " rounds; %" PRIu32 " labels died out, %" PRIu32
               " were not seen\n\n",
               r->model.number, r->model.training.documents, r->model.training.rounds, r->model.training.died_out, r->model.training.unseen);
    else if (r->model.number)
        printf("  answers: model %" PRIu32 "\n\n", r->model.number);
    if (r->carried)
        printf("  %" PRIu64 " records were not there to be read again and stay as they were (%" PRIu64 " files); %" PRId64 " records are unavailable\n\n",
               r->carried, r->carried_files, state->totals.unavailable);
    printf("  %-28s %5s %10s %10s %10s %10s %11s %9s\n", "source", "life", "read", "live", "superseded", "deleted",
           "quarantined", "filtered");
    for (uint32_t s = 0; s < state->source_count; s++)
        for (uint32_t l = 0; l < state->sources[s].life_count; l++) {
            const struct lam_counts *c = &state->sources[s].lives[l]->counts;

            if (c->read)
                printf("  %-28.28s %5" PRIu32 " %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 " %11" PRId64
                       " %9" PRId64 "\n",
                       state->sources[s].name, state->sources[s].lives[l]->number, c->read, c->live, c->superseded,
                       c->deleted, c->quarantined, c->filtered);
        }
    if (state->totals.pending)
        printf("  of those that are live, %" PRId64 " are pending: their answers are asked for by the next run\n", state->totals.pending);
    printf("\n");
    lam_report_print_ranks(&session->engine, seconds);
    printf("\n");
    lam_llm_job_print(batch->llm);
}

bool lam_report_over_quarantine(const struct lam_session *session, uint64_t bad, uint64_t all)
{
    const struct lam_job *job = session->job;

    if (bad <= job->quarantine.records || (double)bad <= job->quarantine.max * (double)all)
        return false;
    lam_log_error(&session->engine.log, "job",
                  "%" PRIu64 " of %" PRIu64 " records are in quarantine, more than quarantine.max (%g) allows; each has its reason in %s/quarantine", bad, all,
                  job->quarantine.max, job->store.path);
    return true;
}

/* Into the store, and to standard output for programs. rc: of what made json. */
static void keep_report(struct lam_session *session, const struct lam_batch_job *batch, const struct lam_buf *json, int rc, struct lam_error *err)
{
    char path[LAM_PATH_MAX];

    if (!rc && snprintf(path, sizeof path, "%s/runs/%s/report.json", session->job->store.path, batch->run) < (int)sizeof path)
        rc = lam_fs_replace(session->engine.fs, path, lam_buf_sv(json), err);
    if (rc)
        lam_log_warn(&session->engine.log, "job", "no report could be written: %s", err->text);
    if (session->cli->json)
        fwrite(json->ptr, 1, json->len, stdout);
}

void lam_report_batch(struct lam_session *session, const struct lam_batch_job *batch, int code)
{
    const struct lam_state *state = lam_engine_state(&session->engine);
    double seconds = (double)(lam_mono_us(&lam_clock_system) - session->started_us) / 1e6;
    struct lam_error err;
    struct lam_buf json;
    int rc;

    lam_buf_init(&json, (size_t)64 << 20);
    rc = write_json(session, batch, state, code, seconds, &json, &err);
    keep_report(session, batch, &json, rc, &err);
    if (!session->cli->json)
        print_table(session, batch, state, seconds);
    fflush(stdout);
    lam_buf_release(&json);
    lam_state_unref(state);
}

void lam_report_batch_ended(struct lam_session *session, const struct lam_batch_job *batch, int code, const char *why)
{
    double seconds = (double)(lam_mono_us(&lam_clock_system) - session->started_us) / 1e6;
    struct lam_error err;
    struct lam_buf json;
    int rc;

    if (!batch->run[0] || !lam_llm_job_asked(batch->llm))
        return;
    lam_buf_init(&json, (size_t)1 << 20);
    if (!(rc = lam_buf_addf(&json, &err, "{\"job\":")) && !(rc = lam_buf_add_json(&json, lam_sv_of(session->job->name), &err)) &&
        !(rc = lam_buf_addf(&json, &err, ",\"run\":\"%s\",\"exit\":%d,\"ended\":", batch->run, code)) && !(rc = lam_buf_add_json(&json, lam_sv_of(why), &err)) &&
        !(rc = lam_buf_addf(&json, &err, ",\"seconds\":%.3f,\"ranks\":%d", seconds, session->engine.size)) && !(rc = lam_llm_job_report(batch->llm, &json, &err)))
        rc = lam_buf_addf(&json, &err, "}\n");
    keep_report(session, batch, &json, rc, &err);
    if (!session->cli->json) {
        printf("No view was published: %s\n\n", why);
        lam_llm_job_print(batch->llm);
    }
    fflush(stdout);
    lam_buf_release(&json);
}
