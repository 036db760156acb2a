#include "store_reader_own.h"

#include <stdlib.h>

#define REFRESH_US 1000000 /* between two looks at the log by pins */

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
        lam_pinned_free(pinned);
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
        if ((rc = lam_pinned_new(reader, state, &made, err)))
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
            lam_pinned_free(made);
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
    lam_snapshot_drop_rows(snapshot);
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
    lam_buf_init(&snapshot->speed, LAM_READER_TEXT_MAX);
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
        rc = lam_snapshot_pin_tail(snapshot, err);

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
