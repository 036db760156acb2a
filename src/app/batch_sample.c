/*
 * A sample of what is staged: of the keys with the smallest hash the newest versions, as views into the staged segments.
 *
 * A function of what was staged, whoever staged it: every number of ranks, and a run that goes on with another's work, has the same one.
 */
#include "batch_sample.h"

#include "base/utf8.h"

#include <stdlib.h>

#define DOCUMENTS_MAX ((size_t)20000) /* a second or two of training */
#define DOCUMENT_TEXT ((size_t)16 << 10) /* of one document: long ones are not to crowd out the others */
#define METADATA_MAX ((size_t)16 << 20)

void lam_batch_sample_free(struct lam_batch_sample *sample)
{
    if (!sample)
        return;
    for (size_t i = 0; i < sample->input_count; i++) {
        lam_map_unref(sample->inputs[i].map);
        lam_mask_release(&sample->masks[i]);
    }
    free(sample->inputs);
    free(sample->masks);
    free(sample->docs);
    lam_trained_unref(sample->made);
    lam_json_free(sample->json);
    lam_buf_release(&sample->artifact);
    free(sample);
}

/* Maps what is planned, with masks for rows that do not count. */
static int open_inputs(struct lam_batch_job *batch, struct lam_batch_sample *sample, struct lam_error *err)
{
    struct lam_batch_inputs *planned = &batch->planned;
    struct lam_count_deltas none = {0};
    int rc = 0;

    sample->inputs = calloc(planned->count + 1, sizeof *sample->inputs);
    sample->masks = calloc(planned->count + 1, sizeof *sample->masks);
    if (!sample->inputs || !sample->masks)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a sample");
    for (size_t i = 0; !rc && i < planned->count; i++) {
        struct lam_batch_input *input = &planned->items[i];
        struct lam_merge_input *made = &sample->inputs[sample->input_count];
        struct lam_mask *mask = &sample->masks[sample->input_count];

        if (input->entry.kind != LAM_SEGMENT_RUN && input->entry.kind != LAM_SEGMENT_SILVER)
            continue;
        if ((rc = lam_map_cache_get(batch->engine->maps, &input->entry, &made->map, err)))
            break;
        sample->input_count++;
        sample->rows += lam_map_rows(made->map);
        if ((rc = lam_map_need(made->map, LAM_COLUMNS_ALL, err)) || !input->rule_count)
            continue;
        if (!(rc = lam_mask_init(mask, lam_map_rows(made->map), NULL, err)))
            rc = lam_resolve_mask(made->map, input->rules, input->rule_count, mask, &none, err);
        made->mask = mask->bits;
    }
    lam_count_deltas_release(&none);
    return rc;
}

static int32_t by_label(const struct lam_tasks *tasks, struct lam_sv name)
{
    size_t low = 0, high = tasks->label_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = lam_sv_cmp(tasks->labels[middle].name, name);

        if (order == 0)
            return (int32_t)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* What the record itself says that it is; -1: nothing, or no label of the job. */
static int32_t known_label(const struct lam_batch_job *batch, struct lam_batch_sample *sample, const struct lam_record *rec)
{
    const struct lam_job *job = batch->engine->job;
    struct lam_error why;

    if (!job->label_field.len || !rec->metadata.len || lam_json_parse(sample->json, rec->metadata, &why))
        return -1;
    return by_label(&job->tasks, lam_json_string(sample->json, lam_json_find(sample->json, LAM_JSON_ROOT, job->label_field)));
}

/* LAM_END: the sample is full. */
static int add_document(struct lam_batch_job *batch, struct lam_batch_sample *sample, struct lam_map *map, uint64_t at, struct lam_error *err)
{
    struct lam_builtin_doc *doc;
    struct lam_row row;

    lam_rows_get(map, at,
                 LAM_COLUMN(LAM_ROWS_OP) | LAM_COLUMN(LAM_ROWS_TITLE) | LAM_COLUMN(LAM_ROWS_TEXT) | LAM_COLUMN(LAM_ROWS_METADATA), &row);
    if (row.rec.op == LAM_OP_DELETE || (!row.rec.text.len && !row.rec.title.len))
        return 0;
    if (sample->count == DOCUMENTS_MAX || sample->bytes >= sample->max_bytes)
        return LAM_END;
    if (sample->count == sample->cap) {
        size_t cap = sample->cap ? 2 * sample->cap : 4096;
        struct lam_builtin_doc *grown = realloc(sample->docs, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a sample of %zu documents", cap);
        sample->docs = grown;
        sample->cap = cap;
    }
    doc = &sample->docs[sample->count++];
    *doc = (struct lam_builtin_doc){lam_utf8_cut(row.rec.title, DOCUMENT_TEXT), lam_utf8_cut(row.rec.text, DOCUMENT_TEXT), known_label(batch, sample, &row.rec)};
    sample->bytes += doc->title.len + doc->text.len;
    return 0;
}

/* Sorted segments: the merge gives the keys by hash, the last version of each is the newest. */
static int sample_keys(struct lam_batch_job *batch, struct lam_batch_sample *sample, struct lam_error *err)
{
    struct lam_merge merge;
    int rc = lam_merge_init(&merge, sample->inputs, sample->input_count, 0, UINT64_MAX, false, err);

    while (!rc && lam_merge_at(&merge)) {
        struct lam_merge_cursor newest;
        const struct lam_merge_cursor *at = lam_merge_at(&merge);

        do {
            newest = *at;
            lam_merge_next(&merge);
            at = lam_merge_at(&merge);
        } while (at && at->hash == newest.hash && lam_sv_eq(at->key, newest.key));
        rc = add_document(batch, sample, sample->inputs[newest.input].map, newest.row, err);
    }
    lam_merge_release(&merge);
    return rc;
}

/* A row of an append dataset: every one counts, so that its position decides among those of one key. */
struct candidate {
    uint64_t hash;
    uint32_t input;
    uint64_t row;
    struct lam_position pos;
};

static int candidate_cmp(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int order;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->pos.source != y->pos.source)
        return x->pos.source < y->pos.source ? -1 : 1;
    if ((order = memcmp(x->pos.partition, y->pos.partition, sizeof x->pos.partition)))
        return order;
    if (x->pos.life != y->pos.life)
        return x->pos.life < y->pos.life ? -1 : 1;
    return (x->pos.offset > y->pos.offset) - (x->pos.offset < y->pos.offset);
}

/* Puts a candidate on the heap of the smallest so far, the largest of them on top. */
static void offer(struct candidate *heap, size_t *count, const struct candidate *given)
{
    size_t at = 0;

    if (*count < DOCUMENTS_MAX) { /* up from the end */
        for (at = (*count)++; at && candidate_cmp(&heap[(at - 1) / 2], given) < 0; at = (at - 1) / 2)
            heap[at] = heap[(at - 1) / 2];
    } else if (candidate_cmp(given, &heap[0]) < 0) { /* down from the top */
        for (size_t child; (child = 2 * at + 1) < *count; at = child) {
            child += child + 1 < *count && candidate_cmp(&heap[child], &heap[child + 1]) < 0;
            if (candidate_cmp(&heap[child], given) <= 0)
                break;
            heap[at] = heap[child];
        }
    } else {
        return;
    }
    heap[at] = *given;
}

/* Segments in order of arrival: all hashes are looked at, and the smallest kept. */
static int sample_rows(struct lam_batch_job *batch, struct lam_batch_sample *sample, struct lam_error *err)
{
    struct candidate *heap = malloc(DOCUMENTS_MAX * sizeof *heap);
    size_t count = 0;
    int rc = 0;

    if (!heap)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a sample");
    for (uint32_t i = 0; i < sample->input_count; i++) {
        struct lam_map *map = sample->inputs[i].map;
        const uint64_t *hashes = lam_map_u64(map, LAM_ROWS_HASH);

        for (uint64_t r = 0; r < lam_map_rows(map); r++) {
            struct lam_row row;

            if (lam_merge_masked(&sample->inputs[i], r) || (count == DOCUMENTS_MAX && hashes[r] > heap[0].hash))
                continue;
            lam_rows_get(map, r, LAM_ROWS_POSITION, &row);
            offer(heap, &count, &(struct candidate){hashes[r], i, r, row.rec.pos});
        }
    }
    qsort(heap, count, sizeof *heap, candidate_cmp);
    for (size_t i = 0; !rc && i < count; i++)
        rc = add_document(batch, sample, sample->inputs[heap[i].input].map, heap[i].row, err);
    free(heap);
    return rc;
}

int lam_batch_sample(void *arg, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    const struct lam_job *job = batch->engine->job;
    struct lam_batch_sample *sample;
    int rc;

    if (!batch->training || !lam_batch_has_work(batch))
        return LAM_END;
    if (!(sample = calloc(1, sizeof *sample)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a sample");
    lam_batch_sample_free(batch->sample);
    batch->sample = sample;
    sample->max_bytes = job->batch.sample;
    lam_buf_init(&sample->artifact, LAM_BUILTIN_MODEL_MAX);
    if (job->label_field.len && !(sample->json = lam_json_new(METADATA_MAX, job->limits.depth)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a JSON parser");
    if ((rc = lam_batch_gather(batch, err)) || (rc = open_inputs(batch, sample, err)))
        return rc;
    rc = job->dataset.kind == LAM_JOB_UPSERT ? sample_keys(batch, sample, err) : sample_rows(batch, sample, err);
    return rc == LAM_END ? 0 : rc;
}
