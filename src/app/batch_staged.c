#include "batch_staged.h"

#include "store/lookup.h"
#include "store/rejects.h"

#include <stdlib.h>

int lam_batch_staged_open(struct lam_batch_job *batch, struct lam_batch_staged *staged, struct lam_error *err)
{
    const struct lam_batch_inputs *planned = &batch->planned;
    int rc = 0;

    *staged = (struct lam_batch_staged){0};
    if (!(staged->items = calloc(planned->count + 1, sizeof *staged->items)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a plan");
    for (size_t i = 0; !rc && i < planned->count; i++) {
        const struct lam_batch_input *from = &planned->items[i];
        struct lam_batch_mapped *to = &staged->items[staged->count];
        struct lam_count_deltas none = {0};

        if (from->entry.kind != LAM_SEGMENT_RUN)
            continue;
        staged->count++;
        if ((rc = lam_map_cache_get(batch->engine->maps, &from->entry, &to->map, err)) ||
            (rc = lam_map_need(to->map, LAM_ROWS_SORT | LAM_ROWS_POSITION, err)) || !from->rule_count)
            continue;
        if (!(rc = lam_mask_init(&to->mask, lam_map_rows(to->map), NULL, err)))
            rc = lam_resolve_mask(to->map, from->rules, from->rule_count, &to->mask, &none, err);
        lam_count_deltas_release(&none);
    }
    return rc;
}

void lam_batch_staged_close(struct lam_batch_staged *staged)
{
    for (size_t i = 0; i < staged->count; i++) {
        lam_map_unref(staged->items[i].map);
        lam_mask_release(&staged->items[i].mask);
    }
    free(staged->items);
    *staged = (struct lam_batch_staged){0};
}

bool lam_batch_staged_has(const struct lam_batch_staged *staged, const struct lam_record *rec)
{
    for (size_t i = 0; i < staged->count; i++) {
        const struct lam_batch_mapped *input = &staged->items[i];
        int64_t row = lam_lookup_map(input->map, input->mask.bits, rec->hash, rec->key);

        if (row >= 0 && lam_map_u32(input->map, LAM_ROWS_SOURCE)[row] == rec->pos.source)
            return true;
    }
    return false;
}

bool lam_batch_staged_beats(const struct lam_batch_staged *staged, const struct lam_record *rec)
{
    for (size_t i = 0; i < staged->count; i++) {
        const struct lam_batch_mapped *input = &staged->items[i];
        int64_t at = lam_lookup_map(input->map, input->mask.bits, rec->hash, rec->key);
        struct lam_row row;

        if (at < 0)
            continue;
        lam_rows_get(input->map, (uint64_t)at, LAM_COLUMN(LAM_ROWS_ORDER), &row);
        if (lam_sv_cmp(row.rec.order, rec->order) >= 0)
            return true;
    }
    return false;
}

/* Takes entry. owed: rows of it wait for the built-in analyzer, and no range does. */
static int add_input(struct lam_batch_job *batch, struct lam_segment_entry *entry, bool owed, struct lam_error *err)
{
    struct lam_batch_input *input = lam_batch_inputs_add(&batch->planned);

    if (!input) {
        lam_segment_entry_release(entry);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a plan");
    }
    memcpy(entry->run, batch->run, LAM_RUN_ID);
    *input = (struct lam_batch_input){.entry = *entry, .owed = owed};
    return 0;
}

static bool has_pending(struct lam_block *block)
{
    for (size_t i = 0; i < lam_block_rows(block); i++)
        if (lam_block_row(block, i)->rec.flags & LAM_ROW_PENDING)
            return true;
    return false;
}

int lam_batch_stage_rows(struct lam_batch_job *batch, struct lam_block *block, struct lam_error *err)
{
    const struct lam_job *job = batch->engine->job;
    bool upsert = job->dataset.kind == LAM_JOB_UPSERT, owed = !upsert && job->deep.analyzer == LAM_JOB_DEEP_BUILTIN && has_pending(block);
    struct lam_segment_entry entry;
    char path[LAM_SEGMENT_PATH];
    struct lam_target target = {batch->engine->fs, job->store.path, path, upsert ? LAM_SEGMENT_RUN : LAM_SEGMENT_SILVER};
    int rc;

    if (!lam_block_rows(block))
        return 0;
    lam_segment_entry_init(&entry);
    if (!(rc = upsert ? lam_namer_staged(&batch->namer, path, err) : lam_namer_next(&batch->namer, target.kind, path, err)))
        rc = lam_rows_write(&target, &block, 1, job->tasks.dim, upsert, &entry, NULL, err);
    if (rc) {
        lam_segment_entry_release(&entry);
        return rc;
    }
    lam_block_clear(block);
    return add_input(batch, &entry, owed, err);
}

int lam_batch_stage_row(struct lam_batch_job *batch, struct lam_block *block, const struct lam_row *row, struct lam_error *err)
{
    int rc = lam_block_bytes(block) >= LAM_BATCH_STAGE_BYTES ? lam_batch_stage_rows(batch, block, err) : 0;

    if (rc || (rc = lam_block_add_row(block, row, err)) != LAM_E_LIMIT)
        return rc;
    return (rc = lam_batch_stage_rows(batch, block, err)) ? rc : lam_block_add_row(block, row, err);
}

int lam_batch_stage_rejects(struct lam_batch_job *batch, struct lam_block *block, struct lam_error *err)
{
    struct lam_segment_entry entry;
    char path[LAM_SEGMENT_PATH];
    struct lam_target target = {batch->engine->fs, batch->engine->job->store.path, path, LAM_SEGMENT_QUARANTINE};
    int rc;

    if (!lam_block_rejects(block))
        return 0;
    lam_segment_entry_init(&entry);
    if (!(rc = lam_namer_next(&batch->namer, target.kind, path, err)))
        rc = lam_rejects_write(&target, &block, 1, &entry, err);
    if (rc) {
        lam_segment_entry_release(&entry);
        return rc;
    }
    lam_block_clear(block);
    return add_input(batch, &entry, false, err);
}
