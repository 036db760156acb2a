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

#define ROW_VIEWS 16
#define REJECT_VIEWS 3

/* All views of a row; its embedding is the one thing else that it points to. */
static void row_views(struct lam_row *row, struct lam_sv *views[ROW_VIEWS])
{
    struct lam_record *rec = &row->rec;
    struct lam_enrichment *enr = &row->enr;
    struct lam_sv *const all[ROW_VIEWS] = {&rec->key,      &rec->order,    &rec->media_type, &rec->title,   &rec->text,     &rec->structure,
                                           &rec->metadata, &enr->category, &enr->entities,   &enr->summary, &enr->language, &enr->keywords,
                                           &enr->analyzer, &enr->custom,   &enr->trace,      &enr->space};

    memcpy(views, all, sizeof all);
}

static void reject_views(struct lam_reject *reject, struct lam_sv *views[REJECT_VIEWS])
{
    struct lam_sv *const all[REJECT_VIEWS] = {&reject->place, &reject->reason, &reject->raw};

    memcpy(views, all, sizeof all);
}

int lam_block_add_row(struct lam_block *block, const struct lam_row *row, struct lam_error *err)
{
    struct lam_row copy = *row;
    struct lam_enrichment *enr = &copy.enr;
    struct lam_sv *views[ROW_VIEWS];
    int rc = make_room((void **)&block->rows, block->row_count, &block->row_cap, block->max_rows, sizeof *block->rows, err);

    if (rc)
        return rc;
    row_views(&copy, views);
    if (!copy_all(&block->arena, views, ROW_VIEWS))
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
    struct lam_sv *views[REJECT_VIEWS];
    int rc = make_room((void **)&block->rejects, block->reject_count, &block->reject_cap, block->max_rows, sizeof *block->rejects, err);

    if (rc)
        return rc;
    reject_views(&copy, views);
    if (!copy_all(&block->arena, views, REJECT_VIEWS))
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

/* --- compact copies --- */

static size_t aligned_sum(struct lam_sv *const views[], size_t count)
{
    size_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += lam_arena_aligned(views[i]->len);
    return sum;
}

/* Bytes that copies of all that a block's items point to take in an arena. */
static size_t needed_bytes(const struct lam_block *block)
{
    struct lam_sv *views[ROW_VIEWS];
    size_t sum = 0;

    for (size_t i = 0; i < block->row_count; i++) {
        const struct lam_enrichment *enr = &block->rows[i].enr;

        row_views(&block->rows[i], views);
        sum += aligned_sum(views, ROW_VIEWS) + (enr->embedding ? lam_arena_aligned(enr->dim * sizeof *enr->embedding) : 0);
    }
    for (size_t i = 0; i < block->reject_count; i++) {
        reject_views(&block->rejects[i], views);
        sum += aligned_sum(views, REJECT_VIEWS);
    }
    for (size_t i = 0; i < block->copy_count; i++)
        sum += lam_arena_aligned(block->copies[i].raw.len);
    return sum;
}

/* Room for count items of size bytes, and no more. False: out of memory. */
static bool make_exact(void *items, size_t *cap, size_t count, size_t size)
{
    void *made = count ? malloc(count * size) : NULL;

    memcpy(items, &made, sizeof made);
    *cap = made ? count : 0;
    return count == 0 || made;
}

struct lam_block *lam_block_compact(const struct lam_block *block)
{
    struct lam_block *copy = lam_block_new(block->max_rows, block->arena.max);
    bool whole = copy && lam_arena_reserve(&copy->arena, needed_bytes(block)) && make_exact(&copy->rows, &copy->row_cap, block->row_count, sizeof *copy->rows) &&
                 make_exact(&copy->rejects, &copy->reject_cap, block->reject_count, sizeof *copy->rejects) &&
                 make_exact(&copy->copies, &copy->copy_cap, block->copy_count, sizeof *copy->copies);

    for (size_t i = 0; whole && i < block->row_count; i++)
        whole = !lam_block_add_row(copy, &block->rows[i], NULL);
    for (size_t i = 0; whole && i < block->reject_count; i++)
        whole = !lam_block_add_reject(copy, &block->rejects[i], NULL);
    for (size_t i = 0; whole && i < block->copy_count; i++)
        whole = !lam_block_add_copy(copy, &block->copies[i], NULL);
    if (whole)
        return copy;
    lam_block_free(copy);
    return NULL;
}

void lam_block_truncate(struct lam_block *block, size_t rows, size_t rejects)
{
    if (rows < block->row_count)
        block->row_count = rows;
    if (rejects < block->reject_count)
        block->reject_count = rejects;
}
