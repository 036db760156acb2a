#include "refine.h"

#include <stdlib.h>

struct lam_refiner {
    struct lam_refine_options options;
    struct lam_json *json;
    struct lam_extractor extractor;
    struct lam_analyzer *analyzer;
};

int lam_refiner_new(struct lam_refiner **out, const struct lam_refine_options *options, struct lam_error *err)
{
    size_t most = options->max_document > options->max_record ? options->max_document : options->max_record;
    struct lam_refiner *refiner = calloc(1, sizeof *refiner);
    int rc;

    *out = NULL;
    if (!refiner)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a refiner");
    refiner->options = *options;
    lam_extractor_init(&refiner->extractor, most);
    if (!(refiner->json = lam_json_new(most, options->max_depth)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a JSON parser");
    else
        rc = options->open_analyzer(options->arg, &refiner->analyzer, err);
    if (rc) {
        lam_refiner_free(refiner);
        return rc;
    }
    *out = refiner;
    return 0;
}

void lam_refiner_free(struct lam_refiner *refiner)
{
    if (!refiner)
        return;
    if (refiner->analyzer)
        refiner->options.analyzer->close(refiner->analyzer);
    lam_extractor_release(&refiner->extractor);
    lam_json_free(refiner->json);
    free(refiner);
}

const struct lam_json *lam_refiner_json(const struct lam_refiner *refiner) { return refiner->json; }

int lam_refiner_reject(struct lam_refiner *refiner, const struct lam_raw *raw, enum lam_reject_kind kind, struct lam_sv reason, struct lam_block *block,
                       struct lam_error *err)
{
    struct lam_reject reject = {.pos = raw->pos, .kind = (uint8_t)kind, .arrival_us = raw->arrival_us, .place = raw->place, .reason = reason, .raw = raw->raw};

    if (reject.raw.len > refiner->options.max_raw)
        reject.raw.len = refiner->options.max_raw;
    return lam_block_add_reject(block, &reject, err);
}

/* Fills input with what can be known of the item; its JSON, or its text. */
static int understand(struct lam_refiner *refiner, const struct lam_raw *raw, struct lam_extract_input *input, struct lam_error *err)
{
    struct lam_document document;
    bool json = !raw->document;
    int rc;

    if (raw->null_value)
        return 0;
    if (raw->document) {
        if ((rc = refiner->options.parse(refiner->options.parser, raw->name, raw->media_type, raw->bytes, &document, err)))
            return rc;
        input->title = document.title;
        input->text = document.text;
        input->structure = document.structure;
        input->media_type = lam_sv_of(document.media_type);
        json = !strcmp(document.media_type, "application/json");
    }
    if (json) {
        if ((rc = lam_json_parse(refiner->json, raw->bytes, err)))
            return rc;
        input->json = refiner->json;
        input->media_type = LAM_SV("application/json");
    }
    return 0;
}

static int too_large(const struct lam_refiner *refiner, const struct lam_raw *raw, struct lam_error *err)
{
    if (raw->document)
        return LAM_FAIL(err, LAM_E_LIMIT, "a document of %zu bytes, more than limits.document (%zu)", raw->bytes.len, refiner->options.max_document);
    return LAM_FAIL(err, LAM_E_LIMIT, "a record of %zu bytes, more than limits.record (%zu)", raw->bytes.len, refiner->options.max_record);
}

int lam_refiner_add(struct lam_refiner *refiner, const struct lam_raw *raw, struct lam_block *block, struct lam_error *err)
{
    struct lam_extract_input input = {.pos = raw->pos, .path = raw->path, .arrival_us = raw->arrival_us, .mtime_us = raw->mtime_us,
                                      .message_us = raw->message_us, .has_key = raw->has_key, .null_value = raw->null_value, .message_key = raw->key};
    struct lam_row row = {.enr = {.sentiment = __builtin_nanf("")}};
    struct lam_error why;
    int rc;

    if (raw->bytes.len > (raw->document ? refiner->options.max_document : refiner->options.max_record))
        rc = too_large(refiner, raw, &why);
    else if (!(rc = understand(refiner, raw, &input, &why)))
        rc = lam_extract_record(&refiner->extractor, raw->settings, &input, &row.rec, &why);
    if (!rc)
        return lam_block_add_row(block, &row, err);
    if (lam_error_class(rc) != LAM_CLASS_REJECT) {
        if (err)
            *err = why;
        return rc;
    }
    return lam_refiner_reject(refiner, raw, LAM_QUARANTINED, lam_sv_of(why.text), block, err);
}

/* Whose word it is, and when it was given. */
static void sign(const struct lam_refiner *refiner, struct lam_block *block, size_t first)
{
    int64_t now = lam_wall_us(refiner->options.clock);

    for (size_t i = first; i < lam_block_rows(block); i++) {
        struct lam_enrichment *enr = &lam_block_row(block, i)->enr;

        enr->layer = (uint8_t)refiner->options.layer;
        enr->depth = (uint8_t)refiner->options.depth;
        enr->processed_us = now;
    }
}

void lam_refine_abstain(const struct lam_tasks *tasks, struct lam_enrichment *enr)
{
    if (tasks->wanted & LAM_TASK_CLASSIFY && (double)enr->confidence < tasks->abstain_below)
        enr->category = tasks->other.len ? tasks->other : lam_sv("", 0);
}

void lam_refiner_defer(struct lam_refiner *refiner, struct lam_block *block, size_t first)
{
    for (size_t i = first; i < lam_block_rows(block); i++)
        lam_block_row(block, i)->rec.flags |= LAM_ROW_PENDING;
    sign(refiner, block, first);
}

int lam_refiner_reopen(struct lam_refiner *refiner, struct lam_error *err)
{
    struct lam_analyzer *fresh;
    int rc = refiner->options.open_analyzer(refiner->options.arg, &fresh, err);

    if (rc)
        return rc;
    refiner->options.analyzer->close(refiner->analyzer);
    refiner->analyzer = fresh;
    return 0;
}

int lam_refiner_analyze(struct lam_refiner *refiner, struct lam_block *block, size_t first, struct lam_error *err)
{
    const struct lam_refine_options *o = &refiner->options;
    size_t count = lam_block_rows(block) - first;
    void *ticket;
    int rc;

    if (count == 0)
        return 0;
    if ((rc = o->analyzer->submit(refiner->analyzer, block, first, count, NULL, err)))
        return rc;
    while (!(rc = o->analyzer->poll(refiner->analyzer, &ticket, err)))
        ;
    if (rc != LAM_END)
        return rc;
    for (size_t i = first; i < first + count; i++) {
        struct lam_row *row = lam_block_row(block, i);

        if (!(row->rec.flags & (LAM_ROW_PENDING | LAM_ROW_NO_TEXT)))
            lam_refine_abstain(o->tasks, &row->enr);
    }
    sign(refiner, block, first);
    return 0;
}
