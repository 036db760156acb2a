/* The question that writer and reader ask alike: does a commit take effect on this state? */
#include "state.h"

#include <inttypes.h>
#include <stdlib.h>

/* Paths that the actions of one type name, sorted, for this commit alone. */
struct paths {
    const char **list;
    size_t count;
};

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static const char *path_of(const struct lam_action *action)
{
    return action->type == LAM_ACTION_ADD ? action->add.entry->path : action->type == LAM_ACTION_REMOVE ? action->remove.path : action->mask.path;
}

static int gather(const struct lam_commit *commit, enum lam_action_type type, struct paths *paths, struct lam_error *err)
{
    *paths = (struct paths){0};
    for (size_t i = 0; i < commit->action_count; i++)
        paths->count += commit->actions[i].type == type;
    if (!paths->count)
        return 0;
    if (!(paths->list = malloc(paths->count * sizeof *paths->list)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to check a commit");
    for (size_t i = 0, k = 0; i < commit->action_count; i++)
        if (commit->actions[i].type == type)
            paths->list[k++] = path_of(&commit->actions[i]);
    qsort(paths->list, paths->count, sizeof *paths->list, by_text);
    for (size_t i = 1; i < paths->count; i++)
        if (!strcmp(paths->list[i], paths->list[i - 1]))
            return LAM_FAIL(err, LAM_E_CONFLICT, "%s is named twice in one commit", paths->list[i]);
    return 0;
}

static bool among(const struct paths *paths, const char *path)
{
    return paths->count && bsearch(&path, paths->list, paths->count, sizeof *paths->list, by_text);
}

/* Live, and as the commit saw it? */
static int unchanged(const struct lam_state *state, const struct lam_commit *commit, const char *path, struct lam_error *err)
{
    const struct lam_state_segment *segment = lam_state_segment(state, path);

    if (!segment)
        return LAM_FAIL(err, LAM_E_CONFLICT, "%s is not live: it was removed", path);
    if (segment->touched > commit->base)
        return LAM_FAIL(err, LAM_E_CONFLICT, "%s was added or masked by commit %" PRIu64 ", after %" PRIu64 " that this was computed from", path, segment->touched,
                        commit->base);
    return 0;
}

static int admit_segments(const struct lam_state *state, const struct lam_commit *commit, struct lam_error *err)
{
    struct paths added = {0}, removed = {0}, masked = {0};
    int rc = gather(commit, LAM_ACTION_ADD, &added, err);

    if (!rc)
        rc = gather(commit, LAM_ACTION_REMOVE, &removed, err);
    if (!rc)
        rc = gather(commit, LAM_ACTION_MASK, &masked, err);
    for (size_t i = 0; !rc && i < commit->based_on_count; i++)
        rc = unchanged(state, commit, commit->based_on[i], err);
    for (size_t i = 0; !rc && i < added.count; i++)
        if (lam_state_segment(state, added.list[i]))
            rc = LAM_FAIL(err, LAM_E_CONFLICT, "%s is live already", added.list[i]);
    for (size_t i = 0; !rc && i < removed.count; i++)
        rc = unchanged(state, commit, removed.list[i], err);
    for (size_t i = 0; !rc && i < masked.count; i++) {
        if (among(&removed, masked.list[i]))
            rc = LAM_FAIL(err, LAM_E_CONFLICT, "%s is masked and removed in one commit", masked.list[i]);
        else if (!among(&added, masked.list[i]))
            rc = unchanged(state, commit, masked.list[i], err);
    }
    free(added.list);
    free(removed.list);
    free(masked.list);
    return rc;
}

static int known_life(const struct lam_state *state, uint32_t source, uint32_t life, struct lam_error *err)
{
    return lam_state_life(state, source, life) ? 0 : LAM_FAIL(err, LAM_E_CONFLICT, "source %u life %u was never given", source, life);
}

/* Was this source named before, in the log or by an action before this one? */
static int known_source(const struct lam_state *state, const struct lam_commit *commit, size_t at, struct lam_error *err)
{
    const char *name = commit->actions[at].life.source;

    if (lam_state_source_number(state, name))
        return 0;
    for (size_t i = 0; i < at; i++)
        if (commit->actions[i].type == LAM_ACTION_SOURCE && !strcmp(commit->actions[i].source.name, name))
            return 0;
    return LAM_FAIL(err, LAM_E_CONFLICT, "a life of source '%.100s', which was never named", name);
}

static int admit_archive(const struct lam_state *state, const struct lam_action *action, struct lam_error *err)
{
    int rc = known_life(state, action->archive.source, action->archive.life, err);

    for (uint32_t i = 0; !rc && i < action->archive.count; i++) {
        const struct lam_archived *to = &action->archive.partitions[i];
        const struct lam_archived *from = lam_state_archived(state, action->archive.source, action->archive.life, to->partition);

        if (from && to->next < from->next)
            rc = LAM_FAIL(err, LAM_E_CONFLICT, "archive position of source %u life %u partition %u would go back from %" PRIu64 " to %" PRIu64,
                          action->archive.source, action->archive.life, to->partition, from->next, to->next);
    }
    return rc;
}

static int admit_publish(const struct lam_state *state, const struct lam_action *action, struct lam_error *err)
{
    int rc = 0;

    if (action->publish.view <= state->view.number)
        rc = LAM_FAIL(err, LAM_E_CONFLICT, "view %" PRIu64 " is published, %" PRIu64 " cannot follow it", state->view.number, action->publish.view);
    for (uint32_t i = 0; !rc && i < action->publish.cutoff.count; i++)
        rc = known_life(state, action->publish.cutoff.sources[i].source, action->publish.cutoff.sources[i].life, err);
    for (uint32_t i = 0; !rc && i < action->publish.count; i++)
        rc = known_life(state, action->publish.counts[i].source, action->publish.counts[i].life, err);
    return rc;
}

static int admit_action(const struct lam_state *state, const struct lam_commit *commit, size_t at, struct lam_error *err)
{
    const struct lam_action *action = &commit->actions[at];

    switch (action->type) {
    case LAM_ACTION_LIFE:
        return known_source(state, commit, at, err);
    case LAM_ACTION_ARCHIVE:
        return admit_archive(state, action, err);
    case LAM_ACTION_PUBLISH:
        return admit_publish(state, action, err);
    default:
        return 0;
    }
}

int lam_state_admits(const struct lam_state *state, const struct lam_commit *commit, struct lam_error *err)
{
    int rc;

    for (int layer = 0; layer < LAM_TERMS; layer++) {
        const struct lam_state_term *newest = &state->terms[layer];

        if (commit->terms[layer] && commit->terms[layer] != newest->number)
            return LAM_FAIL(err, LAM_E_FENCED, "fenced by job '%s' on host %s, process %" PRIu64 ": it took term %" PRIu64 " of %s, this is term %" PRIu64,
                            newest->holder.job, newest->holder.host, newest->holder.pid, newest->number, lam_term_layer_name(layer), commit->terms[layer]);
    }
    rc = admit_segments(state, commit, err);
    for (size_t i = 0; !rc && i < commit->action_count; i++)
        rc = admit_action(state, commit, i, err);
    return rc;
}
