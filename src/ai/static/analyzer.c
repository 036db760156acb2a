/* An analyzer in front of another one: what that one answers stays, the embedding is the table's. */
#include <stdlib.h>

#include "static.h"

struct lam_analyzer {
    const struct lam_static *table;
    struct lam_static_reader *reader;
    const struct lam_analyzer_ops *ops; /* of inner */
    struct lam_analyzer *inner;
};

static void close_both(struct lam_analyzer *analyzer)
{
    if (!analyzer)
        return;
    analyzer->ops->close(analyzer->inner);
    lam_static_reader_free(analyzer->reader);
    free(analyzer);
}

int lam_static_analyzer_new(const struct lam_static *table, const struct lam_analyzer_ops *ops, struct lam_analyzer *inner, struct lam_analyzer **analyzer,
                            struct lam_error *err)
{
    struct lam_analyzer *made = calloc(1, sizeof *made);

    *analyzer = NULL;
    if (!made || !(made->reader = lam_static_reader_new(table))) {
        free(made);
        ops->close(inner);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for static embeddings");
    }
    made->table = table;
    made->ops = ops;
    made->inner = inner;
    *analyzer = made;
    return 0;
}

static int embed(struct lam_analyzer *analyzer, struct lam_block *block, struct lam_row *row, struct lam_error *err)
{
    uint32_t dim = lam_static_dim(analyzer->table);
    float *vector = lam_block_alloc(block, dim * sizeof *vector);
    bool found;
    int rc;

    if (!vector)
        return LAM_FAIL(err, LAM_E_LIMIT, "no room for an embedding of %u dimensions", (unsigned)dim);
    if ((rc = lam_static_embed(analyzer->reader, row->rec.title, row->rec.text, vector, &found, err)))
        return rc;
    row->enr.embedding = found ? vector : NULL;
    row->enr.dim = found ? dim : 0;
    row->enr.space = found ? lam_block_keep(block, lam_sv_of(lam_static_space(analyzer->table))) : LAM_SV("");
    if (!row->enr.space.ptr)
        return LAM_FAIL(err, LAM_E_LIMIT, "no room for an embedding");
    return 0;
}

static int submit(struct lam_analyzer *analyzer, struct lam_block *block, size_t first, size_t count, void *ticket, struct lam_error *err)
{
    int rc = analyzer->ops->submit(analyzer->inner, block, first, count, ticket, err);

    for (size_t i = first; i < first + count && !rc; i++) {
        struct lam_row *row = lam_block_row(block, i);

        if (row->rec.flags & (LAM_ROW_PENDING | LAM_ROW_NO_TEXT) || row->rec.op == LAM_OP_DELETE)
            continue;
        if ((rc = embed(analyzer, block, row, err)))
            for (; i < first + count; i++) /* as an analyzer does whose block is full: what is not whole waits */
                lam_block_row(block, i)->rec.flags |= LAM_ROW_PENDING;
    }
    return rc;
}

static int poll(struct lam_analyzer *analyzer, void **ticket, struct lam_error *err) { return analyzer->ops->poll(analyzer->inner, ticket, err); }

const struct lam_analyzer_ops lam_analyzer_static = {.name = "static", .submit = submit, .poll = poll, .close = close_both};
