#include "state.h"

#include <stdlib.h>

#include "state_own.h"

struct lam_state *lam_state_new(void)
{
    struct lam_state *state = calloc(1, sizeof *state);

    if (!state)
        return NULL;
    state->refs = 1;
    state->time_us = LAM_TIME_NONE;
    state->view.time_us = LAM_TIME_NONE;
    state->log_from = 1;
    return state;
}

const struct lam_state *lam_state_ref(const struct lam_state *state)
{
    __atomic_fetch_add(&((struct lam_state *)state)->refs, 1, __ATOMIC_RELAXED);
    return state;
}

void lam_life_unref(struct lam_state_life *life)
{
    if (!life || __atomic_fetch_sub(&life->refs, 1, __ATOMIC_ACQ_REL) > 1)
        return;
    free(life->name);
    free(life->horizon);
    free(life->partitions);
    free(life->cursor);
    free(life);
}

void lam_state_unref(const struct lam_state *shared)
{
    struct lam_state *state = (struct lam_state *)shared;

    if (!state || __atomic_fetch_sub(&state->refs, 1, __ATOMIC_ACQ_REL) > 1)
        return;
    for (uint32_t i = 0; i < state->source_count; i++) {
        for (uint32_t k = 0; k < state->sources[i].life_count; k++)
            lam_life_unref(state->sources[i].lives[k]);
        free(state->sources[i].lives);
        free(state->sources[i].name);
    }
    for (size_t i = 0; i < state->segment_count; i++) {
        lam_segment_entry_unref(state->segments[i].entry);
        lam_segment_entry_unref(state->segments[i].mask);
    }
    for (uint32_t i = 0; i < state->model_count; i++) {
        free(state->models[i].name);
        free(state->models[i].kind);
        free(state->models[i].path);
        free(state->models[i].info);
    }
    free(state->sources);
    free(state->segments);
    free(state->models);
    free(state->job.identity);
    free(state->job.analysis);
    free(state->job.rest);
    lam_cutoff_release(&state->view.cutoff);
    free(state->horizon);
    free(state->samples);
    free(state);
}

/* Copies of plain memory and text; false: no memory. An absent one is copied as absent. */
static bool copy_bytes(void **to, const void *from, size_t len)
{
    *to = NULL;
    if (!from || !len)
        return true;
    if (!(*to = malloc(len)))
        return false;
    memcpy(*to, from, len);
    return true;
}

static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

struct lam_state_life *lam_life_own(struct lam_state_life **slot)
{
    const size_t rest = offsetof(struct lam_state_life, number); /* behind refs, in which other threads count meanwhile */
    struct lam_state_life *life = *slot, *copy;

    if (__atomic_load_n(&life->refs, __ATOMIC_ACQUIRE) == 1)
        return life;
    if (!(copy = malloc(sizeof *copy)))
        return NULL;
    memcpy((char *)copy + rest, (const char *)life + rest, sizeof *copy - rest);
    copy->refs = 1;
    copy->name = copy->cursor = NULL;
    copy->horizon = NULL;
    copy->partitions = NULL;
    if (!copy_text(&copy->name, life->name) || !copy_text(&copy->cursor, life->cursor) ||
        !copy_bytes((void **)&copy->horizon, life->horizon, life->horizon_len) ||
        !copy_bytes((void **)&copy->partitions, life->partitions, life->partition_count * sizeof *life->partitions)) {
        lam_life_unref(copy);
        return NULL;
    }
    lam_life_unref(life);
    *slot = copy;
    return copy;
}

static bool clone_source(struct lam_state_source *to, const struct lam_state_source *from)
{
    *to = (struct lam_state_source){.life_cap = from->life_count};
    if (!copy_text(&to->name, from->name) || !copy_bytes((void **)&to->lives, from->lives, from->life_count * sizeof *from->lives))
        return false;
    for (uint32_t i = 0; i < from->life_count; i++)
        __atomic_fetch_add(&from->lives[i]->refs, 1, __ATOMIC_RELAXED);
    to->life_count = from->life_count;
    return true;
}

static bool clone_model(struct lam_state_model *to, const struct lam_state_model *from)
{
    *to = (struct lam_state_model){.commit = from->commit};
    return copy_text(&to->name, from->name) && copy_text(&to->kind, from->kind) && copy_text(&to->path, from->path) && copy_text(&to->info, from->info);
}

/* What a state has besides its lists; all owned parts of copy are absent before. */
static bool clone_parts(const struct lam_state *state, struct lam_state *copy)
{
    return copy_text(&copy->job.identity, state->job.identity) && copy_text(&copy->job.analysis, state->job.analysis) &&
           copy_text(&copy->job.rest, state->job.rest) && copy_bytes((void **)&copy->horizon, state->horizon, state->horizon_len) &&
           copy_bytes((void **)&copy->samples, state->samples, state->sample_count * sizeof *state->samples) &&
           !lam_cutoff_copy(&copy->view.cutoff, &state->view.cutoff, NULL);
}

static bool clone_lists(const struct lam_state *state, struct lam_state *copy)
{
    if ((state->source_count && !(copy->sources = calloc(state->source_count, sizeof *copy->sources))) ||
        (state->model_count && !(copy->models = calloc(state->model_count, sizeof *copy->models))))
        return false;
    copy->source_cap = state->source_count;
    copy->model_cap = state->model_count;
    for (uint32_t i = 0; i < state->source_count; i++) {
        copy->source_count = i + 1;
        if (!clone_source(&copy->sources[i], &state->sources[i]))
            return false;
    }
    for (uint32_t i = 0; i < state->model_count; i++) {
        copy->model_count = i + 1;
        if (!clone_model(&copy->models[i], &state->models[i]))
            return false;
    }
    if (!copy_bytes((void **)&copy->segments, state->segments, state->segment_count * sizeof *state->segments))
        return false;
    for (size_t i = 0; i < state->segment_count; i++) {
        lam_segment_entry_ref(state->segments[i].entry);
        if (state->segments[i].mask)
            lam_segment_entry_ref(state->segments[i].mask);
    }
    copy->segment_count = copy->segment_cap = state->segment_count;
    return true;
}

int lam_state_clone(const struct lam_state *state, struct lam_state **copy, struct lam_error *err)
{
    const size_t rest = offsetof(struct lam_state, number); /* behind refs, in which other threads count meanwhile */
    struct lam_state *made = malloc(sizeof *made);

    *copy = NULL;
    if (!made)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a state");
    memcpy((char *)made + rest, (const char *)state + rest, sizeof *made - rest);
    made->refs = 1;
    made->job.identity = made->job.analysis = made->job.rest = NULL;
    made->sources = NULL;
    made->segments = NULL;
    made->models = NULL;
    made->horizon = NULL;
    made->samples = NULL;
    made->source_count = made->source_cap = made->model_count = made->model_cap = 0;
    made->segment_count = made->segment_cap = 0;
    made->sample_cap = state->sample_count;
    lam_cutoff_init(&made->view.cutoff);
    if (!clone_parts(state, made) || !clone_lists(state, made)) {
        lam_state_unref(made);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a state");
    }
    *copy = made;
    return 0;
}

const struct lam_state_segment *lam_state_segment(const struct lam_state *state, const char *path)
{
    size_t low = 0, high = state->segment_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(state->segments[mid].entry->path, path);

        if (order == 0)
            return &state->segments[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct lam_state_segment *lam_state_next(const struct lam_state *state, int kind, size_t *at)
{
    while (*at < state->segment_count) {
        const struct lam_state_segment *segment = &state->segments[(*at)++];

        if (!kind || segment->entry->kind == kind)
            return segment;
    }
    return NULL;
}

const struct lam_state_source *lam_state_source(const struct lam_state *state, uint32_t number)
{
    return number >= 1 && number <= state->source_count ? &state->sources[number - 1] : NULL;
}

const struct lam_state_life *lam_state_life(const struct lam_state *state, uint32_t source, uint32_t life)
{
    const struct lam_state_source *found = lam_state_source(state, source);

    return found && life >= 1 && life <= found->life_count ? found->lives[life - 1] : NULL;
}

const struct lam_state_life *lam_state_newest_life(const struct lam_state *state, uint32_t source)
{
    const struct lam_state_source *found = lam_state_source(state, source);

    return found && found->life_count ? found->lives[found->life_count - 1] : NULL;
}

const struct lam_archived *lam_state_archived(const struct lam_state *state, uint32_t source, uint32_t life, uint32_t partition)
{
    const struct lam_state_life *found = lam_state_life(state, source, life);

    for (uint32_t i = 0; found && i < found->partition_count; i++)
        if (found->partitions[i].partition == partition)
            return &found->partitions[i];
    return NULL;
}

uint32_t lam_state_source_number(const struct lam_state *state, const char *name)
{
    for (uint32_t i = 0; i < state->source_count; i++)
        if (!strcmp(state->sources[i].name, name))
            return i + 1;
    return 0;
}

uint32_t lam_state_life_number(const struct lam_state *state, uint32_t source, const char *name)
{
    const struct lam_state_source *found = lam_state_source(state, source);

    for (uint32_t i = found ? found->life_count : 0; i > 0; i--) /* the newest is asked for most */
        if (!strcmp(found->lives[i - 1]->name, name))
            return i;
    return 0;
}

uint32_t lam_state_model_number(const struct lam_state *state, const char *name)
{
    for (uint32_t i = 0; i < state->model_count; i++)
        if (!strcmp(state->models[i].name, name))
            return i + 1;
    return 0;
}
