/* What one commit says: the parts of its view, and what every answer under it begins with. */
#include "store_reader_own.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "model/cutoff.h"

/* --- what one commit says, as JSON --- */

struct lam_sv lam_pinned_source(const struct lam_pinned *pinned, uint32_t number)
{
    const struct lam_state_source *source = number ? lam_state_source(pinned->state, number) : NULL;

    return source ? lam_sv_of(source->name) : lam_sv(NULL, 0);
}

static int add_cutoff(struct lam_buf *out, const struct lam_state *state, struct lam_error *err)
{
    const struct lam_cutoff *cutoff = &state->view.cutoff;
    int rc = lam_buf_addf(out, err, "{");

    for (uint32_t i = 0; !rc && i < cutoff->count; i++) {
        const struct lam_cutoff_source *covered = &cutoff->sources[i];
        const struct lam_state_source *source = lam_state_source(state, covered->source);

        if ((rc = lam_buf_addf(out, err, "%s", i ? "," : "")) || (rc = lam_buf_add_json(out, lam_sv_of(source ? source->name : NULL), err)))
            break;
        if (!covered->stream) {
            rc = lam_buf_addf(out, err, ":{\"scan\":%" PRIu32 "}", covered->life);
            continue;
        }
        rc = lam_buf_addf(out, err, ":{\"life\":%" PRIu32 ",\"next\":{", covered->life);
        for (uint32_t p = 0; !rc && p < covered->count; p++)
            rc = lam_buf_addf(out, err, "%s\"%" PRIu32 "\":%" PRIu64, p ? "," : "", covered->partitions[p].partition, covered->partitions[p].next);
        if (!rc)
            rc = lam_buf_addf(out, err, "}}");
    }
    return rc ? rc : lam_buf_addf(out, err, "}");
}

/* The kind of the dataset and the store's name, from the parts of the job that the store remembers. */
static int read_job(struct lam_pinned *pinned, const struct lam_engine *engine, struct lam_error *err)
{
    const struct lam_state_job *job = &pinned->state->job;
    json_t *identity = job->identity ? json_loads(job->identity, 0, NULL) : NULL, *rest = job->rest ? json_loads(job->rest, 0, NULL) : NULL;
    const char *kind = json_string_value(json_object_get(json_object_get(identity, "dataset"), "kind"));
    const char *name = json_string_value(json_object_get(rest, "name"));
    int rc = 0;

    if (!name && engine->job)
        name = engine->job->name;
    if (kind)
        pinned->append = !strcmp(kind, "append");
    else
        pinned->append = engine->job && engine->job->dataset.kind == LAM_JOB_APPEND;
    if (name)
        rc = lam_buf_add_sv(&pinned->store, lam_sv_of(name), err);
    json_decref(identity);
    json_decref(rest);
    return rc;
}

static int add_note(struct lam_pinned *pinned, const struct lam_store_reader *reader, struct lam_error *err)
{
    const struct lam_state *state = pinned->state;
    const struct lam_job *job = reader->engine->job;

    if (job && state->job.analysis && memcmp(&job->analysis_digest, &state->job.analysis_digest, sizeof job->analysis_digest))
        return lam_buf_addf(&pinned->note, err, "view %" PRIu64 " was made with another analysis than the job file now asks for", state->view.number);
    if (!reader->tail.fetch && state->terms[LAM_TERM_SPEED].number)
        return lam_buf_addf(&pinned->note, err, "of the stream these answers know what the speed layer has archived, not what it still holds in memory");
    return 0;
}

/* --- the view of one commit --- */

/* Does the view's cutoff cover all that a speed segment has? */
static bool covered_wholly(const struct lam_state *state, const struct lam_segment_entry *entry)
{
    if (!entry->offset_count)
        return false;
    for (uint32_t i = 0; i < entry->offset_count; i++)
        if (entry->offsets[i].end > lam_cutoff_next(&state->view.cutoff, entry->source, entry->life, entry->offsets[i].partition))
            return false;
    return true;
}

static int by_added(const void *a, const void *b)
{
    const struct lam_state_segment *x = *(const struct lam_state_segment *const *)a, *y = *(const struct lam_state_segment *const *)b;

    if (x->entry->range != y->entry->range)
        return x->entry->range < y->entry->range ? -1 : 1;
    if (x->added != y->added)
        return x->added < y->added ? -1 : 1;
    return strcmp(x->entry->path, y->entry->path);
}

static int find_parts(struct lam_pinned *pinned, struct lam_error *err)
{
    const struct lam_state *state = pinned->state;
    const struct lam_state_segment *segment, **found = calloc(state->segment_count + 1, sizeof *found);
    size_t view = 0, count;

    pinned->parts = calloc(state->segment_count + 1, sizeof *pinned->parts);
    if (!found || !pinned->parts) {
        free(found);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a view of %zu segments", state->segment_count);
    }
    for (size_t at = 0; (segment = lam_state_next(state, pinned->append ? LAM_SEGMENT_SILVER : LAM_SEGMENT_RUN, &at));)
        found[view++] = segment;
    count = view;
    for (size_t at = 0; (segment = lam_state_next(state, LAM_SEGMENT_SPEED, &at));)
        if (!covered_wholly(state, segment->entry))
            found[count++] = segment;
    qsort(found, view, sizeof *found, by_added);
    qsort(found + view, count - view, sizeof *found, by_added);
    for (size_t i = 0; i < count; i++)
        pinned->parts[i] = (struct lam_view_part){found[i]->entry, found[i]->mask};
    pinned->part_count = view;
    pinned->speed_count = count - view;
    free(found);
    return 0;
}

static bool is_covered(void *arg, const struct lam_position *pos)
{
    const struct lam_state *state = arg;

    return lam_cutoff_covers(&state->view.cutoff, pos);
}

void lam_pinned_free(struct lam_pinned *pinned)
{
    if (!pinned)
        return;
    lam_stats_base_free(pinned->stats);
    lam_view_free(pinned->view);
    lam_view_free(pinned->base);
    free(pinned->parts);
    lam_buf_release(&pinned->cutoff);
    lam_buf_release(&pinned->store);
    lam_buf_release(&pinned->note);
    lam_state_unref(pinned->state);
    free(pinned);
}

int lam_pinned_new(struct lam_store_reader *reader, const struct lam_state *state, struct lam_pinned **out, struct lam_error *err)
{
    struct lam_pinned *pinned = calloc(1, sizeof *pinned);
    struct lam_view_spec spec;
    int rc;

    *out = NULL;
    if (!pinned) {
        lam_state_unref(state);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a snapshot");
    }
    pinned->state = state;
    lam_buf_init(&pinned->cutoff, LAM_READER_TEXT_MAX);
    lam_buf_init(&pinned->store, LAM_READER_TEXT_MAX);
    lam_buf_init(&pinned->note, LAM_READER_TEXT_MAX);
    if ((rc = read_job(pinned, reader->engine, err)) || (rc = add_cutoff(&pinned->cutoff, state, err)) || (rc = add_note(pinned, reader, err)) ||
        (rc = find_parts(pinned, err)))
        goto cleanup;
    spec = (struct lam_view_spec){.upsert = !pinned->append, .range_bits = state->view.range_bits, .parts = pinned->parts, .part_count = pinned->part_count,
                                  .covered = is_covered, .covered_arg = (void *)(uintptr_t)state};
    if ((rc = lam_view_new(reader->engine->maps, &spec, &pinned->base, err)))
        goto cleanup;
    spec.speed = pinned->parts + pinned->part_count;
    spec.speed_count = pinned->speed_count;
    rc = lam_view_new(reader->engine->maps, &spec, &pinned->view, err);

cleanup:
    if (rc) {
        lam_pinned_free(pinned);
        return LAM_PASS(err, rc, "commit %" PRIu64, state->number);
    }
    *out = pinned;
    return 0;
}
