#include "reader.h"

#include "parse/parse.h"

#include <stdio.h>
#include <stdlib.h>

struct lam_tools {
    const struct lam_engine *engine;
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
    const struct lam_engine *engine = arg;

    return lam_analyzer_builtin.open(&engine->job->tasks, analyzer, err);
}

int lam_tools_new(struct lam_tools **out, const struct lam_engine *engine, enum lam_layer layer, enum lam_depth depth, struct lam_error *err)
{
    const struct lam_job *job = engine->job;
    struct lam_tools *tools = calloc(1, sizeof *tools);
    struct lam_parse_limits limits = lam_parse_limits_default;
    struct lam_refine_options options = {.max_record = job->limits.record, .max_depth = job->limits.depth, .max_raw = job->limits.raw, .tasks = &job->tasks,
                                         .layer = layer, .depth = depth, .clock = engine->clock, .open_analyzer = open_builtin,
                                         .arg = (void *)(uintptr_t)engine, .analyzer = &lam_analyzer_builtin, .parse = parse};
    int rc;

    *out = NULL;
    if (!tools)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a reader");
    tools->engine = engine;
    if (limits.max_bytes > job->limits.record)
        limits.max_bytes = job->limits.record;
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
    free(tools);
}

struct lam_refiner *lam_tools_refiner(struct lam_tools *tools) { return tools->refiner; }

void lam_raw_of_message(struct lam_raw *raw, const struct lam_extract *settings, const char *topic, char place[LAM_PLACE_MAX])
{
    raw->settings = settings;
    raw->media_type = "application/json";
    raw->raw = raw->bytes;
    snprintf(place, LAM_PLACE_MAX, "%.280s/%u", topic, (unsigned)lam_position_partition(&raw->pos));
    raw->place = lam_sv_of(place);
}
