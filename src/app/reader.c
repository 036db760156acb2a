#include "reader.h"

#include "ai/builtin/builtin.h"
#include "llm_job.h"
#include "parse/parse.h"

#include <stdio.h>
#include <stdlib.h>

struct lam_tools {
    struct lam_engine *engine;
    struct lam_tasks tasks;      /* the job's, or what of them is not for models */
    const struct lam_static *embedder; /* NULL: tasks say who embeds */
    struct lam_trained *trained; /* in use; NULL: the descriptions */
    uint32_t looked; /* models in the log when lam_tools_follow looked last */
    struct lam_parser *parser;
    struct lam_refiner *refiner;
};

static int parse(void *parser, struct lam_sv name, const char *media_type, struct lam_sv bytes, struct lam_document *document, struct lam_error *err)
{
    struct lam_parsed parsed;
    int rc = lam_parser_parse(parser, name, media_type, bytes, &parsed, err);

    if (!rc)
        *document = (struct lam_document){parsed.title, parsed.text, parsed.structure, parsed.media_type};
    return rc;
}

static int open_builtin(void *arg, struct lam_analyzer **analyzer, struct lam_error *err)
{
    const struct lam_tools *tools = arg;
    const struct lam_tasks *tasks = &tools->tasks;
    int rc = tools->trained ? lam_builtin_open_with_model(tasks, tools->trained->model, tools->trained->number, analyzer, err)
                            : lam_analyzer_builtin.open(tasks, analyzer, err);

    if (rc || !tools->embedder)
        return rc;
    return lam_static_analyzer_new(tools->embedder, &lam_analyzer_builtin, *analyzer, analyzer, err);
}

int lam_tools_new(struct lam_tools **out, struct lam_engine *engine, enum lam_layer layer, enum lam_depth depth, struct lam_error *err)
{
    const struct lam_job *job = engine->job;
    struct lam_tools *tools = calloc(1, sizeof *tools);
    struct lam_parse_limits limits = lam_parse_limits_default;
    struct lam_refine_options options = {.max_record = job->limits.record, .max_document = job->limits.document, .max_depth = job->limits.depth,
                                         .max_raw = job->limits.raw, .tasks = &job->tasks, .layer = layer, .depth = depth, .clock = engine->clock, .open_analyzer = open_builtin,
                                         .arg = tools, .analyzer = &lam_analyzer_builtin, .parse = parse};
    int rc;

    *out = NULL;
    if (!tools)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a reader");
    tools->engine = engine;
    tools->tasks = job->tasks;
    if (layer == LAM_LAYER_BATCH && job->deep.analyzer == LAM_JOB_DEEP_OPENAI)
        tools->tasks.wanted = lam_llm_job_builtin_tasks(job);
    if (engine->embedder && tools->tasks.wanted & LAM_TASK_EMBED) {
        tools->embedder = engine->embedder;
        tools->tasks.wanted &= ~(uint32_t)LAM_TASK_EMBED;
        options.analyzer = &lam_analyzer_static;
    }
    limits.max_bytes = job->limits.document > job->limits.record ? job->limits.document : job->limits.record;
    if (!(tools->parser = lam_parser_new(&limits)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a parser");
    else {
        options.parser = tools->parser;
        rc = lam_refiner_new(&tools->refiner, &options, err);
    }
    if (rc) {
        lam_tools_free(tools);
        return rc;
    }
    *out = tools;
    return 0;
}

void lam_tools_free(struct lam_tools *tools)
{
    if (!tools)
        return;
    lam_refiner_free(tools->refiner);
    lam_parser_free(tools->parser);
    lam_trained_unref(tools->trained);
    free(tools);
}

struct lam_refiner *lam_tools_refiner(struct lam_tools *tools) { return tools->refiner; }

int lam_tools_use(struct lam_tools *tools, struct lam_trained *trained, struct lam_error *err)
{
    struct lam_trained *old = tools->trained;
    int rc;

    if (old == trained || (old && trained && old->number == trained->number))
        return 0;
    tools->trained = lam_trained_ref(trained);
    if ((rc = lam_refiner_reopen(tools->refiner, err))) {
        lam_trained_unref(tools->trained);
        tools->trained = old;
        return rc;
    }
    lam_trained_unref(old);
    return 0;
}

int lam_tools_follow(struct lam_tools *tools, struct lam_error *err)
{
    const struct lam_state *state = lam_engine_state(tools->engine);
    struct lam_artifact artifact = {0};
    struct lam_trained *trained = NULL;
    int rc = 0;

    if (state->model_count != tools->looked)
        artifact = lam_trained_newest(state, tools->engine->job);
    tools->looked = state->model_count;
    if (artifact.number && !artifact.empty) {
        struct lam_error why;

        if (lam_trained_load(tools->engine, &artifact, &trained, &why))
            lam_log_warn(&tools->engine->log, "ai", "%s; the answers go on as before", why.text);
        else if (!(rc = lam_tools_use(tools, trained, err)))
            lam_log_info(&tools->engine->log, "ai", "answers come from model %u from now on", (unsigned)artifact.number);
    }
    lam_trained_unref(trained);
    lam_state_unref(state);
    return rc;
}

void lam_raw_of_message(struct lam_raw *raw, const struct lam_extract *settings, const char *topic, char place[LAM_PLACE_MAX])
{
    raw->settings = settings;
    raw->media_type = "application/json";
    raw->raw = raw->bytes;
    snprintf(place, LAM_PLACE_MAX, "%.280s/%u", topic, (unsigned)lam_position_partition(&raw->pos));
    raw->place = lam_sv_of(place);
}
