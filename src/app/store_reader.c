#include "store_reader_own.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "model/cutoff.h"
#include "model/order.h"

#define REFRESH_US 1000000 /* between two looks at the log by pins */
#define TEXT_MAX ((size_t)16 << 20)

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

static void pinned_free(struct lam_pinned *pinned)
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

/* Takes the reference to state. */
static int pinned_new(struct lam_store_reader *reader, const struct lam_state *state, struct lam_pinned **out, struct lam_error *err)
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
    lam_buf_init(&pinned->cutoff, TEXT_MAX);
    lam_buf_init(&pinned->store, TEXT_MAX);
    lam_buf_init(&pinned->note, TEXT_MAX);
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
        pinned_free(pinned);
        return LAM_PASS(err, rc, "commit %" PRIu64, state->number);
    }
    *out = pinned;
    return 0;
}

/* --- pins --- */

static void unpin(struct lam_store_reader *reader, struct lam_pinned *pinned)
{
    struct lam_pinned **at;
    bool last;

    pthread_mutex_lock(&reader->lock);
    if ((last = --pinned->pins == 0)) {
        for (at = &reader->pinned; *at != pinned; at = &(*at)->next)
            ;
        *at = pinned->next;
    }
    pthread_mutex_unlock(&reader->lock);
    if (last)
        pinned_free(pinned);
}

/* The newest, with a pin more, where it is still the newest; NULL where it has to be made. */
static struct lam_pinned *take_newest(struct lam_store_reader *reader)
{
    struct lam_pinned *pinned = NULL;
    const struct lam_state *state;

    pthread_mutex_lock(&reader->lock);
    state = lam_engine_state(reader->engine);
    if (reader->newest && reader->newest->state->number == state->number) {
        pinned = reader->newest;
        pinned->pins++;
    }
    pthread_mutex_unlock(&reader->lock);
    lam_state_unref(state);
    return pinned;
}

/*
 * Makes the newest. Between taking the state and entering it into the table _oldest may answer with a younger one, and the tail let go of what this
 * commit needs: so a commit is entered only if it is still the newest then, and else taken anew.
 */
static int make_newest(struct lam_store_reader *reader, struct lam_pinned **out, struct lam_error *err)
{
    const struct lam_state *state, *newest;
    struct lam_pinned *made, *old;
    bool entered;
    int rc;

    do {
        state = lam_engine_state(reader->engine);
        if ((rc = pinned_new(reader, state, &made, err)))
            return rc;
        pthread_mutex_lock(&reader->lock);
        newest = lam_engine_state(reader->engine);
        old = NULL;
        if ((entered = newest->number == made->state->number)) {
            made->pins = 2;
            made->next = reader->pinned;
            reader->pinned = made;
            old = reader->newest;
            reader->newest = made;
        }
        pthread_mutex_unlock(&reader->lock);
        lam_state_unref(newest);
        if (old)
            unpin(reader, old);
        if (!entered)
            pinned_free(made);
    } while (!entered);
    *out = made;
    return 0;
}

/* Reads what was committed since, where nobody else does it for this process. */
static int refresh(struct lam_store_reader *reader, bool now, struct lam_error *err)
{
    int rc = 0;

    if (!reader->refresh)
        return 0;
    pthread_mutex_lock(&reader->refresh_lock);
    if (now || lam_mono_us(reader->engine->clock) - reader->refreshed_us >= REFRESH_US) {
        if (!(rc = lam_commitlog_refresh(reader->engine->commits, err))) {
            if (lam_commitlog_peek(reader->engine->commits)->number != reader->engine->state->number) /* only this lock's holder writes it */
                lam_engine_share(reader->engine);
            reader->refreshed_us = lam_mono_us(reader->engine->clock);
        }
    }
    pthread_mutex_unlock(&reader->refresh_lock);
    return rc;
}

uint64_t lam_store_reader_oldest(struct lam_store_reader *reader)
{
    const struct lam_state *state;
    uint64_t oldest;

    pthread_mutex_lock(&reader->lock);
    state = lam_engine_state(reader->engine);
    oldest = state->number;
    for (const struct lam_pinned *pinned = reader->pinned; pinned; pinned = pinned->next)
        if (pinned->pins > (pinned == reader->newest) && pinned->state->number < oldest)
            oldest = pinned->state->number;
    pthread_mutex_unlock(&reader->lock);
    lam_state_unref(state);
    return oldest;
}

/* --- the tail --- */

/* {"<source>":{"0":next,…},…} as the tail said when it was pinned. */
static int read_reached(struct lam_snapshot *snapshot, struct lam_error *err)
{
    json_t *root = json_loadb(snapshot->speed.ptr, snapshot->speed.len, 0, NULL), *partitions, *next;
    const char *name, *partition;
    size_t count = 0;

    if (!json_is_object(root)) {
        json_decref(root);
        return LAM_FAIL(err, LAM_E_CORRUPT, "the speed ranks answered with no JSON object");
    }
    json_object_foreach(root, name, partitions)
        count += json_object_size(partitions);
    if (!(snapshot->reached = calloc(count + 1, sizeof *snapshot->reached))) {
        json_decref(root);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a snapshot");
    }
    json_object_foreach(root, name, partitions)
        json_object_foreach(partitions, partition, next)
            snapshot->reached[snapshot->reached_count++] = (struct lam_reached){lam_state_source_number(snapshot->pinned->state, name),
                                                                               (uint32_t)strtoul(partition, NULL, 10), (uint64_t)json_integer_value(next)};
    json_decref(root);
    return 0;
}

/* Where the speed ranks are now: asked for with a key that hardly any row has, since rows cost a copy and a lookup needs those of one key alone. */
static int pin_tail(struct lam_snapshot *snapshot, struct lam_error *err)
{
    const struct lam_tail_source *tail = &snapshot->reader->tail;
    struct lam_block *block = NULL;
    int rc;

    if ((rc = lam_buf_addf(&snapshot->speed, err, "{")))
        return rc;
    rc = tail->fetch(tail->arg, snapshot->pinned->state->number, LAM_SV(""), snapshot->deadline_us, &block, &snapshot->speed, err);
    lam_block_free(block);
    if (rc || (rc = lam_buf_addf(&snapshot->speed, err, "}")))
        return rc;
    return read_reached(snapshot, err);
}

bool lam_snapshot_reached(const struct lam_snapshot *snapshot, const struct lam_position *pos)
{
    uint32_t partition = lam_position_partition(pos);

    for (size_t i = 0; i < snapshot->reached_count; i++)
        if (snapshot->reached[i].source == pos->source && snapshot->reached[i].partition == partition)
            return pos->offset < snapshot->reached[i].next;
    return false;
}

/* Is it in the segments of the pinned commit? A rank that has not heard of that commit yet still has it in its tail too. */
static bool is_archived(const struct lam_snapshot *snapshot, const struct lam_position *pos)
{
    const struct lam_archived *archived = lam_state_archived(snapshot->pinned->state, pos->source, pos->life, lam_position_partition(pos));

    return archived && pos->offset < archived->next;
}

/* Leaves in the block what the snapshot has, and points at it. */
static int take_rows(struct lam_snapshot *snapshot, struct lam_error *err)
{
    size_t count = lam_block_rows(snapshot->block);

    if (!(snapshot->rows = calloc(count + 1, sizeof *snapshot->rows)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu rows of the tail", count);
    for (size_t i = 0; i < count; i++) {
        const struct lam_row *row = lam_block_row(snapshot->block, i);

        if (lam_snapshot_reached(snapshot, &row->rec.pos) && !is_archived(snapshot, &row->rec.pos))
            snapshot->rows[snapshot->row_count++] = row;
    }
    snapshot->by_position = false;
    return lam_rows_sort(snapshot->rows, snapshot->row_count, err);
}

static void drop_rows(struct lam_snapshot *snapshot)
{
    lam_block_free(snapshot->block);
    free(snapshot->rows);
    snapshot->block = NULL;
    snapshot->rows = NULL;
    snapshot->row_count = 0;
    snapshot->fetched = false;
}

int lam_snapshot_fetch(struct lam_snapshot *snapshot, struct lam_sv key, struct lam_error *err)
{
    const struct lam_tail_source *tail = &snapshot->reader->tail;
    struct lam_buf newer;
    int rc;

    if (!tail->fetch || snapshot->fetched)
        return 0;
    drop_rows(snapshot);
    lam_buf_init(&newer, TEXT_MAX); /* where the ranks are by now is nothing to this snapshot */
    rc = tail->fetch(tail->arg, snapshot->pinned->state->number, key, snapshot->deadline_us, &snapshot->block, &newer, err);
    lam_buf_release(&newer);
    if (rc || (snapshot->block && (rc = take_rows(snapshot, err))))
        return rc;
    snapshot->fetched = !key.ptr;
    return 0;
}

static int by_position(const void *a, const void *b)
{
    return lam_position_cmp(&(*(const struct lam_row *const *)a)->rec.pos, &(*(const struct lam_row *const *)b)->rec.pos);
}

int lam_snapshot_order(struct lam_snapshot *snapshot, bool positions, struct lam_error *err)
{
    if (snapshot->by_position == positions || !snapshot->row_count)
        return 0;
    snapshot->by_position = positions;
    if (!positions)
        return lam_rows_sort(snapshot->rows, snapshot->row_count, err);
    qsort(snapshot->rows, snapshot->row_count, sizeof *snapshot->rows, by_position);
    return 0;
}

#define DAMAGED "damaged store (`lamina store check` tells what to do)"

int lam_snapshot_judge(struct lam_snapshot *snapshot, int rc, bool gone, struct lam_error *err)
{
    const struct lam_state *state;
    bool old;

    if (rc == LAM_E_CORRUPT && snapshot->at.segment && err && !strstr(err->text, snapshot->at.segment->path))
        LAM_PASS(err, rc, "segment %s", snapshot->at.segment->path);
    if (!gone)
        return rc == LAM_E_CORRUPT ? LAM_PASS(err, rc, DAMAGED) : rc;
    refresh(snapshot->reader, true, NULL);
    state = lam_engine_state(snapshot->reader->engine);
    old = state->number != snapshot->pinned->state->number;
    lam_state_unref(state);
    if (err)
        err->code = old ? LAM_E_CONFLICT : LAM_E_CORRUPT;
    return old ? LAM_PASS(err, LAM_E_CONFLICT, "removed while it was read") : LAM_PASS(err, LAM_E_CORRUPT, DAMAGED ": a segment of the newest commit is missing");
}

/* --- the reader --- */

static int ready(void *arg, struct lam_error *err)
{
    (void)arg;
    (void)err;
    return 0; /* an engine has a state from its beginning on */
}

static void release(struct lam_snapshot *snapshot)
{
    if (!snapshot)
        return;
    drop_rows(snapshot);
    lam_stats_base_free(snapshot->stats);
    free(snapshot->reached);
    lam_buf_release(&snapshot->speed);
    if (snapshot->pinned)
        unpin(snapshot->reader, snapshot->pinned);
    free(snapshot);
}

static int pin(void *arg, unsigned timeout_ms, struct lam_snapshot **out, struct lam_error *err)
{
    struct lam_store_reader *reader = arg;
    struct lam_snapshot *snapshot = calloc(1, sizeof *snapshot);
    int rc;

    *out = NULL;
    if (!snapshot)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a snapshot");
    snapshot->reader = reader;
    snapshot->deadline_us = lam_mono_us(reader->engine->clock) + (int64_t)timeout_ms * 1000;
    lam_buf_init(&snapshot->speed, TEXT_MAX);
    if ((rc = refresh(reader, false, err)))
        goto cleanup;
    if (!(snapshot->pinned = take_newest(reader))) {
        pthread_mutex_lock(&reader->make_lock);
        if (!(snapshot->pinned = take_newest(reader)))
            rc = make_newest(reader, &snapshot->pinned, err);
        pthread_mutex_unlock(&reader->make_lock);
    }
    snapshot->pinned_us = lam_wall_us(reader->engine->clock);
    if (!rc && reader->tail.fetch)
        rc = pin_tail(snapshot, err);

cleanup:
    if (rc) {
        release(snapshot);
        return rc;
    }
    *out = snapshot;
    return 0;
}

static void as_of(struct lam_snapshot *snapshot, struct lam_as_of *out)
{
    const struct lam_pinned *pinned = snapshot->pinned;

    *out = (struct lam_as_of){
        .store = lam_buf_sv(&pinned->store),
        .view = pinned->state->view.number,
        .commit = pinned->state->number,
        .cutoff = lam_buf_sv(&pinned->cutoff),
        .speed = lam_buf_sv(&snapshot->speed),
        .committed_us = pinned->state->time_us,
        .pinned_us = snapshot->pinned_us,
        .append = pinned->append,
        .note = lam_buf_sv(&pinned->note),
    };
}

static const struct lam_reader_ops ops = {
    .ready = ready,
    .pin = pin,
    .as_of = as_of,
    .get = lam_snapshot_get,
    .scan = lam_snapshot_scan,
    .stats = lam_snapshot_stats,
    .release = release,
};

void lam_store_reader_more_stats(struct lam_store_reader *reader, void (*more)(void *arg, struct lam_reader_stats *stats), void *arg)
{
    reader->more_stats = more;
    reader->more_arg = arg;
}

struct lam_reader lam_store_reader(struct lam_store_reader *reader) { return (struct lam_reader){&ops, reader}; }

int lam_store_reader_new(struct lam_store_reader **out, struct lam_engine *engine, const struct lam_tail_source *tail, bool refreshes, struct lam_error *err)
{
    struct lam_store_reader *reader = calloc(1, sizeof *reader);

    *out = reader;
    if (!reader)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a reader");
    reader->engine = engine;
    if (tail)
        reader->tail = *tail;
    reader->refresh = refreshes;
    reader->refreshed_us = lam_mono_us(engine->clock); /* the log was just opened */
    pthread_mutex_init(&reader->lock, NULL);
    pthread_mutex_init(&reader->make_lock, NULL);
    pthread_mutex_init(&reader->refresh_lock, NULL);
    pthread_mutex_init(&reader->stats_lock, NULL);
    return 0;
}

void lam_store_reader_free(struct lam_store_reader *reader)
{
    if (!reader)
        return;
    if (reader->newest)
        unpin(reader, reader->newest);
    pthread_mutex_destroy(&reader->lock);
    pthread_mutex_destroy(&reader->make_lock);
    pthread_mutex_destroy(&reader->refresh_lock);
    pthread_mutex_destroy(&reader->stats_lock);
    free(reader);
}
