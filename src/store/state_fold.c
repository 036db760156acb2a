/* Folding one commit into a state. */
#include <assert.h>
#include <stdlib.h>

#include "state_own.h"

static int no_memory(struct lam_error *err) { return LAM_FAIL(err, LAM_E_MEMORY, "no memory to fold a commit"); }

/* Room for one item more in a growing array; false: no memory. */
static bool room32(void **items, uint32_t count, uint32_t *cap, size_t size)
{
    uint32_t more = *cap ? 2 * *cap : 4;
    void *grown;

    if (count < *cap)
        return true;
    if (!(grown = realloc(*items, more * size)))
        return false;
    *items = grown;
    *cap = more;
    return true;
}

void lam_counts_add(struct lam_counts *sum, const struct lam_counts *more)
{
#define ADD(field) sum->field = (int64_t)((uint64_t)sum->field + (uint64_t)more->field)
    ADD(read);
    ADD(live);
    ADD(superseded);
    ADD(deleted);
    ADD(quarantined);
    ADD(filtered);
    ADD(pending);
    ADD(unavailable);
#undef ADD
}

static int fold_source(struct lam_state *state, const char *name, struct lam_error *err)
{
    struct lam_state_source *source;

    if (lam_state_source_number(state, name))
        return 0; /* given already: skipped */
    if (!room32((void **)&state->sources, state->source_count, &state->source_cap, sizeof *state->sources))
        return no_memory(err);
    source = &state->sources[state->source_count];
    *source = (struct lam_state_source){.name = strdup(name)};
    if (!source->name)
        return no_memory(err);
    state->source_count++;
    return 0;
}

static int fold_life(struct lam_state *state, const struct lam_action *action, int64_t time_us, struct lam_error *err)
{
    uint32_t number = lam_state_source_number(state, action->life.source);
    struct lam_state_source *source = &state->sources[number - 1];
    struct lam_state_life *life;

    if (lam_state_life_number(state, number, action->life.name))
        return 0;
    if (!room32((void **)&source->lives, source->life_count, &source->life_cap, sizeof *source->lives) || !(life = calloc(1, sizeof *life)))
        return no_memory(err);
    life->refs = 1;
    life->number = source->life_count + 1;
    life->commit = state->number;
    life->opened_us = time_us;
    if (!(life->name = strdup(action->life.name)) || (state->horizon_len && !(life->horizon = malloc(state->horizon_len)))) {
        lam_life_unref(life);
        return no_memory(err);
    }
    if (state->horizon_len)
        memcpy(life->horizon, state->horizon, state->horizon_len);
    life->horizon_len = state->horizon_len;
    source->lives[source->life_count++] = life;
    return 0;
}

static int replace_text(char **to, const char *text, struct lam_error *err)
{
    char *copy = strdup(text);

    if (!copy)
        return no_memory(err);
    free(*to);
    *to = copy;
    return 0;
}

static int fold_job(struct lam_state *state, const struct lam_action *action, struct lam_error *err)
{
    struct lam_state_job *job = &state->job;
    int rc = replace_text(&job->identity, action->job.identity, err);

    if (rc || (rc = replace_text(&job->analysis, action->job.analysis, err)) || (rc = replace_text(&job->rest, action->job.rest, err)))
        return rc;
    job->identity_digest = lam_hash128(job->identity, strlen(job->identity));
    job->analysis_digest = lam_hash128(job->analysis, strlen(job->analysis));
    job->rest_digest = lam_hash128(job->rest, strlen(job->rest));
    job->commit = state->number;
    return 0;
}

static struct lam_state_segment *find(struct lam_state *state, const char *path) { return (struct lam_state_segment *)lam_state_segment(state, path); }

static void fold_mask(struct lam_state *state, const struct lam_action *action)
{
    struct lam_state_segment *segment = find(state, action->mask.path);

    lam_segment_entry_unref(segment->mask);
    segment->mask = action->mask.entry ? lam_segment_entry_ref(action->mask.entry) : NULL;
    segment->touched = state->number;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct lam_state_segment *)a)->entry->path, ((const struct lam_state_segment *)b)->entry->path);
}

/* All removals in one pass, then all additions sorted behind the rest and merged from the back: linear in the live segments. */
static int fold_segments(struct lam_state *state, const struct lam_commit *commit, struct lam_error *err)
{
    size_t added = 0, removed = 0, kept = 0, old, put;

    for (size_t i = 0; i < commit->action_count; i++) {
        added += commit->actions[i].type == LAM_ACTION_ADD;
        removed += commit->actions[i].type == LAM_ACTION_REMOVE;
    }
    if (state->segment_count + added > state->segment_cap) {
        size_t cap = state->segment_count + added > 2 * state->segment_cap ? state->segment_count + added : 2 * state->segment_cap;
        struct lam_state_segment *grown = realloc(state->segments, cap * sizeof *grown);

        if (!grown)
            return no_memory(err);
        state->segments = grown;
        state->segment_cap = cap;
    }
    for (size_t i = 0; removed && i < commit->action_count; i++)
        if (commit->actions[i].type == LAM_ACTION_REMOVE)
            find(state, commit->actions[i].remove.path)->added = 0; /* a live one has a number */
    for (size_t i = 0; removed && i < state->segment_count; i++) {
        if (state->segments[i].added) {
            state->segments[kept++] = state->segments[i];
            continue;
        }
        lam_segment_entry_unref(state->segments[i].entry);
        lam_segment_entry_unref(state->segments[i].mask);
    }
    if (removed)
        state->segment_count = kept;
    if (!added)
        return 0;
    old = state->segment_count;
    for (size_t i = 0; i < commit->action_count; i++)
        if (commit->actions[i].type == LAM_ACTION_ADD)
            state->segments[state->segment_count++] = (struct lam_state_segment){
                .entry = lam_segment_entry_ref(commit->actions[i].add.entry), .added = state->number, .touched = state->number};
    qsort(state->segments + old, added, sizeof *state->segments, by_path);
    put = state->segment_count;
    if (old && by_path(&state->segments[old - 1], &state->segments[old]) > 0) {
        struct lam_state_segment *fresh = malloc(added * sizeof *fresh);

        if (!fresh)
            return no_memory(err);
        memcpy(fresh, state->segments + old, added * sizeof *fresh);
        while (added) {
            if (old && by_path(&state->segments[old - 1], &fresh[added - 1]) > 0)
                state->segments[--put] = state->segments[--old];
            else
                state->segments[--put] = fresh[--added];
        }
        free(fresh);
    }
    return 0;
}

static int fold_archive(struct lam_state *state, const struct lam_action *action, struct lam_error *err)
{
    struct lam_state_life *life = lam_life_own(&state->sources[action->archive.source - 1].lives[action->archive.life - 1]);

    if (!life)
        return no_memory(err);
    for (uint32_t i = 0; i < action->archive.count; i++) {
        const struct lam_archived *to = &action->archive.partitions[i];
        struct lam_archived *grown;
        uint32_t at = 0;

        while (at < life->partition_count && life->partitions[at].partition < to->partition)
            at++;
        if (at == life->partition_count || life->partitions[at].partition != to->partition) {
            if (!(grown = realloc(life->partitions, (life->partition_count + 1) * sizeof *grown)))
                return no_memory(err);
            memmove(grown + at + 1, grown + at, (life->partition_count - at) * sizeof *grown);
            grown[at] = (struct lam_archived){0};
            life->partitions = grown;
            life->partition_count++;
        }
        if (to->next > life->partitions[at].next || (to->next == life->partitions[at].next && to->has_witness))
            life->partitions[at] = *to; /* never back; a position that stays keeps its witness */
    }
    return action->archive.cursor ? replace_text(&life->cursor, action->archive.cursor, err) : 0;
}

static int fold_model(struct lam_state *state, const struct lam_action *action, struct lam_error *err)
{
    struct lam_state_model *model;

    if (lam_state_model_number(state, action->model.name))
        return 0;
    if (!room32((void **)&state->models, state->model_count, &state->model_cap, sizeof *state->models))
        return no_memory(err);
    model = &state->models[state->model_count++];
    *model = (struct lam_state_model){.commit = state->number};
    if (!(model->name = strdup(action->model.name)) || !(model->kind = strdup(action->model.kind)) || !(model->path = strdup(action->model.path)) ||
        !(model->info = strdup(action->model.info)))
        return no_memory(err);
    return 0;
}

static int fold_publish(struct lam_state *state, const struct lam_action *action, int64_t time_us, struct lam_error *err)
{
    struct lam_cutoff cutoff;
    int rc = lam_cutoff_copy(&cutoff, &action->publish.cutoff, err);

    if (rc)
        return rc;
    lam_cutoff_release(&state->view.cutoff);
    state->view.cutoff = cutoff;
    state->view.number = action->publish.view;
    state->view.commit = state->number;
    state->view.time_us = time_us;
    state->view.range_bits = action->publish.range_bits;
    memcpy(state->view.run, action->publish.run, sizeof state->view.run);
    for (uint32_t i = 0; i < action->publish.count; i++) {
        const struct lam_life_counts *item = &action->publish.counts[i];
        struct lam_state_life *life = lam_life_own(&state->sources[item->source - 1].lives[item->life - 1]);

        if (!life)
            return no_memory(err);
        lam_counts_add(&life->counts, &item->counts);
        lam_counts_add(&state->totals, &item->counts);
    }
    return 0;
}

/* The highest one stays, whatever the order of the commits. */
static int fold_horizon(struct lam_state *state, const struct lam_action *action, struct lam_error *err)
{
    struct lam_sv value = lam_sv((const char *)action->horizon.value, action->horizon.len);
    uint8_t *copy;

    if (state->horizon && lam_sv_cmp(value, lam_state_horizon(state)) <= 0)
        return 0;
    if (!(copy = malloc(value.len)))
        return no_memory(err);
    memcpy(copy, value.ptr, value.len);
    free(state->horizon);
    state->horizon = copy;
    state->horizon_len = action->horizon.len;
    state->horizon_commit = state->number;
    return 0;
}

static int fold_action(struct lam_state *state, const struct lam_action *action, int64_t time_us, struct lam_error *err)
{
    switch (action->type) {
    case LAM_ACTION_TERM:
        for (int layer = 0; layer < LAM_TERMS; layer++)
            if (action->term.layers >> layer & 1)
                state->terms[layer] = (struct lam_state_term){state->number, *action->term.holder};
        return 0;
    case LAM_ACTION_SOURCE:
        return fold_source(state, action->source.name, err);
    case LAM_ACTION_LIFE:
        return fold_life(state, action, time_us, err);
    case LAM_ACTION_JOB:
        return fold_job(state, action, err);
    case LAM_ACTION_MASK:
        fold_mask(state, action);
        return 0;
    case LAM_ACTION_ARCHIVE:
        return fold_archive(state, action, err);
    case LAM_ACTION_MODEL:
        return fold_model(state, action, err);
    case LAM_ACTION_PUBLISH:
        return fold_publish(state, action, time_us, err);
    case LAM_ACTION_HORIZON:
        return fold_horizon(state, action, err);
    case LAM_ACTION_ADD:
    case LAM_ACTION_REMOVE:
    case LAM_ACTIONS:
        break; /* fold_segments did them */
    }
    return 0;
}

/*
 * Dates the block of this number. A time for each of up to 120,000 commits of a week would be most of a checkpoint; one a block of
 * LAM_CHECKPOINT_EVERY keeps log_from exact to the block, and errs by keeping files longer.
 */
static int sample(struct lam_state *state, int64_t time_us, struct lam_error *err)
{
    uint64_t first = (state->number - 1) / LAM_CHECKPOINT_EVERY * LAM_CHECKPOINT_EVERY + 1;
    struct lam_state_sample *last = state->sample_count ? &state->samples[state->sample_count - 1] : NULL;

    if (last && last->first == first) {
        if (time_us > last->time_us)
            last->time_us = time_us;
        return 0;
    }
    if (state->sample_count == state->sample_cap) {
        size_t cap = state->sample_cap ? 2 * state->sample_cap : 16;
        struct lam_state_sample *grown = realloc(state->samples, cap * sizeof *grown);

        if (!grown)
            return no_memory(err);
        state->samples = grown;
        state->sample_cap = cap;
    }
    state->samples[state->sample_count++] = (struct lam_state_sample){first, time_us};
    return 0;
}

/* The first block with a commit younger than LAM_LOG_KEEP_US before the newest time: there is one, the newest's own. */
static void move_log_from(struct lam_state *state)
{
    int64_t cut = state->time_us < INT64_MIN + LAM_LOG_KEEP_US ? INT64_MIN : state->time_us - LAM_LOG_KEEP_US;
    size_t old = 0;

    while (old + 1 < state->sample_count && state->samples[old].time_us <= cut)
        old++;
    if (state->sample_count && state->samples[old].first > state->log_from)
        state->log_from = state->samples[old].first;
    memmove(state->samples, state->samples + old, (state->sample_count - old) * sizeof *state->samples);
    state->sample_count -= old;
}

int lam_state_fold(struct lam_state *state, const struct lam_commit *commit, struct lam_error *err)
{
    int rc = lam_state_admits(state, commit, err);

    assert(state->refs == 1);
    if (rc && rc != LAM_E_FENCED && rc != LAM_E_CONFLICT)
        return rc;
    state->number++;
    state->last_void = rc != 0;
    state->voids += rc != 0;
    if (commit->time_us > state->time_us)
        state->time_us = commit->time_us;
    if ((rc = sample(state, commit->time_us, err)))
        return rc;
    if (!state->last_void)
        rc = fold_segments(state, commit, err);
    for (size_t i = 0; !rc && !state->last_void && i < commit->action_count; i++)
        rc = fold_action(state, &commit->actions[i], commit->time_us, err);
    if (!rc && state->number % LAM_CHECKPOINT_EVERY == 0)
        move_log_from(state);
    return rc;
}
