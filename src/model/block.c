#include <lamina/block.h>

#include <stdlib.h>

#include "base/arena.h"

#define FIRST_CAP 64

struct lam_block {
    struct lam_arena arena;
    struct lam_row *rows;
    struct lam_reject *rejects;
    struct lam_copy *copies;
    size_t copy_count, copy_cap;
    size_t row_count, row_cap, reject_count, reject_cap, max_rows;
};

struct lam_block *lam_block_new(size_t max_rows, size_t max_bytes)
{
    struct lam_block *block = calloc(1, sizeof *block);

    if (!block)
        return NULL;
    block->max_rows = max_rows;
    lam_arena_init(&block->arena, max_bytes);
    return block;
}

void lam_block_free(struct lam_block *block)
{
    if (!block)
        return;
    lam_arena_release(&block->arena);
    free(block->rows);
    free(block->rejects);
    free(block->copies);
    free(block);
}

void lam_block_clear(struct lam_block *block)
{
    lam_arena_reset(&block->arena);
    block->row_count = block->reject_count = block->copy_count = 0;
}

size_t lam_block_rows(const struct lam_block *block) { return block->row_count; }
size_t lam_block_rejects(const struct lam_block *block) { return block->reject_count; }
size_t lam_block_bytes(const struct lam_block *block) { return block->arena.used; }

size_t lam_block_held(const struct lam_block *block)
{
    return block->arena.held + block->row_cap * sizeof *block->rows + block->reject_cap * sizeof *block->rejects + block->copy_cap * sizeof *block->copies;
}

struct lam_row *lam_block_row(struct lam_block *block, size_t i) { return &block->rows[i]; }
struct lam_reject *lam_block_reject(struct lam_block *block, size_t i) { return &block->rejects[i]; }
void *lam_block_alloc(struct lam_block *block, size_t len) { return lam_arena_alloc(&block->arena, len); }

struct lam_sv lam_block_keep(struct lam_block *block, struct lam_sv text)
{
    char *kept = lam_block_alloc(block, text.len + 1);

    if (kept)
        memcpy(kept, text.len ? text.ptr : "", text.len);
    return lam_sv(kept, kept ? text.len : 0);
}

/* Room for one more item of size bytes in *items: doubles, up to max items. */
static int make_room(void **items, size_t count, size_t *cap, size_t max, size_t size, struct lam_error *err)
{
    size_t more = *cap ? 2 * *cap : FIRST_CAP;
    void *grown;

    if (count < *cap)
        return 0;
    if (count >= max)
        return LAM_FAIL(err, LAM_E_LIMIT, "the block is full: %zu rows", count);
    if (more > max)
        more = max;
    if (!(grown = realloc(*items, more * size)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a block of %zu rows", more);
    *items = grown;
    *cap = more;
    return 0;
}

static bool copy_all(struct lam_arena *arena, struct lam_sv *const views[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *views[i] = lam_arena_copy(arena, *views[i]);
        if (!views[i]->ptr)
            return false;
    }
    return true;
}

int lam_block_add_row(struct lam_block *block, const struct lam_row *row, struct lam_error *err)
{
    struct lam_row copy = *row;
    struct lam_record *rec = &copy.rec;
    struct lam_enrichment *enr = &copy.enr;
    struct lam_sv *const views[] = {&rec->key,      &rec->order,    &rec->media_type, &rec->title,   &rec->text,     &rec->structure,
                                    &rec->metadata, &enr->category, &enr->entities,   &enr->summary, &enr->language, &enr->keywords,
                                    &enr->analyzer, &enr->custom,   &enr->trace,     &enr->space};
    int rc = make_room((void **)&block->rows, block->row_count, &block->row_cap, block->max_rows, sizeof *block->rows, err);

    if (rc)
        return rc;
    if (!copy_all(&block->arena, views, sizeof views / sizeof *views))
        return LAM_FAIL(err, LAM_E_LIMIT, "the block is full: %zu bytes", block->arena.used);
    if (enr->embedding) {
        float *embedding = lam_arena_alloc(&block->arena, enr->dim * sizeof *embedding);

        if (!embedding)
            return LAM_FAIL(err, LAM_E_LIMIT, "the block is full: %zu bytes", block->arena.used);
        memcpy(embedding, enr->embedding, enr->dim * sizeof *embedding);
        enr->embedding = embedding;
    }
    block->rows[block->row_count++] = copy;
    return 0;
}

int lam_block_lend_row(struct lam_block *block, const struct lam_row *row, struct lam_error *err)
{
    int rc = make_room((void **)&block->rows, block->row_count, &block->row_cap, block->max_rows, sizeof *block->rows, err);

    if (!rc)
        block->rows[block->row_count++] = *row;
    return rc;
}

int lam_block_add_reject(struct lam_block *block, const struct lam_reject *reject, struct lam_error *err)
{
    struct lam_reject copy = *reject;
    struct lam_sv *const views[] = {&copy.place, &copy.reason, &copy.raw};
    int rc = make_room((void **)&block->rejects, block->reject_count, &block->reject_cap, block->max_rows, sizeof *block->rejects, err);

    if (rc)
        return rc;
    if (!copy_all(&block->arena, views, sizeof views / sizeof *views))
        return LAM_FAIL(err, LAM_E_LIMIT, "the block is full: %zu bytes", block->arena.used);
    block->rejects[block->reject_count++] = copy;
    return 0;
}

int lam_block_add_copy(struct lam_block *block, const struct lam_copy *copy, struct lam_error *err)
{
    struct lam_copy kept = *copy;
    int rc = make_room((void **)&block->copies, block->copy_count, &block->copy_cap, block->max_rows, sizeof *block->copies, err);

    if (rc)
        return rc;
    kept.raw = lam_arena_copy(&block->arena, copy->raw);
    if (!kept.raw.ptr)
        return LAM_FAIL(err, LAM_E_LIMIT, "the block is full: %zu bytes", block->arena.used);
    block->copies[block->copy_count++] = kept;
    return 0;
}

size_t lam_block_copies(const struct lam_block *block) { return block->copy_count; }
const struct lam_copy *lam_block_copy(const struct lam_block *block, size_t i) { return &block->copies[i]; }

void lam_block_truncate(struct lam_block *block, size_t rows, size_t rejects)
{
    if (rows < block->row_count)
        block->row_count = rows;
    if (rejects < block->reject_count)
        block->reject_count = rejects;
}
