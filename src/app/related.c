#include "related.h"

#include <stdlib.h>

#include "serve/json_row.h"

#define TEXT_MAX 600 /* bytes of a title or summary in the answer */

struct near {
    float similarity;
    struct lam_buf json; /* the object, without the similarity */
};

struct search {
    struct lam_sv key;
    float *vector;
    uint32_t dim;
    struct lam_buf space;
    struct near best[LAM_RELATED_MAX + 1]; /* the most similar first; the last is scratch */
    size_t limit, count;
    const atomic_bool *stop; /* NULL: nobody does */
};

static int keep_vector(void *arg, const struct lam_hit *hit, struct lam_error *err)
{
    struct search *search = arg;
    const struct lam_enrichment *enr = &hit->row.enr;

    if (!enr->embedding || !enr->dim)
        return LAM_FAIL(err, LAM_E_NOT_FOUND, "this record has no vector");
    if (!(search->vector = malloc(enr->dim * sizeof *search->vector)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a vector");
    memcpy(search->vector, enr->embedding, enr->dim * sizeof *search->vector);
    search->dim = enr->dim;
    return lam_buf_add_sv(&search->space, enr->space, err);
}

static struct lam_sv head(struct lam_sv text) { return lam_sv(text.ptr, text.len < TEXT_MAX ? text.len : TEXT_MAX); }

static int describe(const struct lam_hit *hit, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    lam_buf_clear(out);
    if ((rc = lam_buf_addf(out, err, "\"key\":")) || (rc = lam_buf_add_json(out, hit->row.rec.key, err)) || (rc = lam_buf_addf(out, err, ",\"category\":")) ||
        (rc = lam_buf_add_json(out, hit->row.enr.category, err)) || (rc = lam_buf_addf(out, err, ",\"title\":")) ||
        (rc = lam_buf_add_json(out, head(hit->row.rec.title), err)) || (rc = lam_buf_addf(out, err, ",\"summary\":")))
        return rc;
    return lam_buf_add_json(out, head(hit->row.enr.summary), err);
}

static int look(void *arg, const struct lam_hit *hit, struct lam_error *err)
{
    struct search *search = arg;
    const struct lam_enrichment *enr = &hit->row.enr;
    float similarity = 0;
    struct near spare;
    size_t at;
    int rc;

    if (search->stop && atomic_load(search->stop))
        return LAM_FAIL(err, LAM_E_CANCELLED, "the run ends");
    if (!enr->embedding || enr->dim != search->dim || !lam_sv_eq(enr->space, lam_buf_sv(&search->space)) || lam_sv_eq(hit->row.rec.key, search->key))
        return 0;
    for (uint32_t i = 0; i < enr->dim; i++)
        similarity += enr->embedding[i] * search->vector[i];
    if (search->count == search->limit && similarity <= search->best[search->count - 1].similarity)
        return 0;
    if ((rc = describe(hit, &search->best[search->count].json, err)))
        return rc;
    search->best[search->count].similarity = similarity;
    spare = search->best[search->count];
    for (at = search->count; at > 0 && search->best[at - 1].similarity < similarity; at--)
        search->best[at] = search->best[at - 1];
    search->best[at] = spare;
    if (search->count < search->limit)
        search->count++;
    return 0;
}

static int write_answer(const struct search *search, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"key\":")) || (rc = lam_buf_add_json(out, search->key, err)) || (rc = lam_buf_addf(out, err, ",\"related\":[")))
        return rc;
    for (size_t i = 0; i < search->count; i++)
        if ((rc = lam_buf_addf(out, err, "%s{", i ? "," : "")) || (rc = lam_buf_add_sv(out, lam_buf_sv(&search->best[i].json), err)) ||
            (rc = lam_buf_addf(out, err, ",\"similarity\":")) || (rc = lam_json_add_float(out, search->best[i].similarity, err)) ||
            (rc = lam_buf_add(out, "}", 1, err)))
            return rc;
    return lam_buf_add(out, "]}", 2, err);
}

int lam_related(const struct lam_reader *reader, struct lam_sv key, size_t limit, unsigned timeout_ms, const atomic_bool *stop, struct lam_buf *out,
                struct lam_error *err)
{
    struct search *search = calloc(1, sizeof *search);
    struct lam_snapshot *snapshot = NULL;
    int rc;

    if (!search)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a search");
    search->key = key;
    search->stop = stop;
    lam_buf_init(&search->space, 4096);
    search->limit = limit < LAM_RELATED_MAX ? limit : LAM_RELATED_MAX;
    for (size_t i = 0; i <= LAM_RELATED_MAX; i++)
        lam_buf_init(&search->best[i].json, 16 * TEXT_MAX + (1 << 16));
    if (!(rc = reader->ops->pin(reader->arg, timeout_ms, &snapshot, err)) &&
        !(rc = reader->ops->get(snapshot, key, LAM_WANT_EMBEDDING | LAM_WANT_PROVENANCE, keep_vector, search, err)) &&
        !(rc = reader->ops->scan(snapshot, NULL, LAM_WANT_EMBEDDING | LAM_WANT_PROVENANCE | LAM_WANT_ANSWERS | LAM_WANT_DOCUMENT | LAM_WANT_DETAILS, look, search, err)))
        rc = write_answer(search, out, err);
    reader->ops->release(snapshot);
    for (size_t i = 0; i <= LAM_RELATED_MAX; i++)
        lam_buf_release(&search->best[i].json);
    lam_buf_release(&search->space);
    free(search->vector);
    free(search);
    return rc;
}
