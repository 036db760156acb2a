#include "commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/utf8.h"

static const char *const layers[LAM_TERMS] = {[LAM_TERM_BATCH] = "batch", [LAM_TERM_SPEED] = "speed", [LAM_TERM_UPKEEP] = "upkeep"};

static const char *const actions[LAM_ACTIONS] = {
    [LAM_ACTION_TERM] = "term",       [LAM_ACTION_SOURCE] = "source", [LAM_ACTION_LIFE] = "life",       [LAM_ACTION_JOB] = "job",
    [LAM_ACTION_ADD] = "add",         [LAM_ACTION_REMOVE] = "remove", [LAM_ACTION_MASK] = "mask",       [LAM_ACTION_ARCHIVE] = "archive",
    [LAM_ACTION_MODEL] = "model",     [LAM_ACTION_PUBLISH] = "publish", [LAM_ACTION_HORIZON] = "horizon",
};

const char *lam_term_layer_name(int layer) { return layer >= 0 && layer < LAM_TERMS ? layers[layer] : NULL; }
const char *lam_action_name(int type) { return type >= 0 && type < LAM_ACTIONS ? actions[type] : NULL; }

int lam_random_id(char id[LAM_RUN_ID], struct lam_error *err)
{
    uint64_t bits[2];

    if (getrandom(bits, sizeof bits, 0) != sizeof bits)
        return LAM_FAIL(err, LAM_E_IO, "no random bytes: %s", strerror(errno));
    snprintf(id, LAM_RUN_ID, "%016llx%016llx", (unsigned long long)bits[0], (unsigned long long)bits[1]);
    return 0;
}

bool lam_id_valid(const char *id) { return strnlen(id, LAM_RUN_ID) == LAM_RUN_ID - 1 && strspn(id, "0123456789abcdef") == LAM_RUN_ID - 1; }

void lam_commit_init(struct lam_commit *commit, uint64_t base) { *commit = (struct lam_commit){.base = base}; }

static void action_release(struct lam_action *action)
{
    switch (action->type) {
    case LAM_ACTION_TERM:
        free(action->term.holder);
        break;
    case LAM_ACTION_SOURCE:
        free(action->source.name);
        break;
    case LAM_ACTION_LIFE:
        free(action->life.source);
        free(action->life.name);
        break;
    case LAM_ACTION_JOB:
        free(action->job.identity);
        free(action->job.analysis);
        free(action->job.rest);
        break;
    case LAM_ACTION_ADD:
        lam_segment_entry_unref(action->add.entry);
        break;
    case LAM_ACTION_REMOVE:
        free(action->remove.path);
        break;
    case LAM_ACTION_MASK:
        free(action->mask.path);
        lam_segment_entry_unref(action->mask.entry);
        break;
    case LAM_ACTION_ARCHIVE:
        free(action->archive.partitions);
        free(action->archive.cursor);
        break;
    case LAM_ACTION_MODEL:
        free(action->model.name);
        free(action->model.kind);
        free(action->model.path);
        free(action->model.info);
        break;
    case LAM_ACTION_PUBLISH:
        lam_cutoff_release(&action->publish.cutoff);
        free(action->publish.counts);
        break;
    case LAM_ACTION_HORIZON:
        free(action->horizon.value);
        break;
    case LAM_ACTIONS:
        break;
    }
}

void lam_commit_release(struct lam_commit *commit)
{
    for (size_t i = 0; i < commit->action_count; i++)
        action_release(&commit->actions[i]);
    for (size_t i = 0; i < commit->based_on_count; i++)
        free(commit->based_on[i]);
    free(commit->actions);
    free(commit->based_on);
    lam_commit_init(commit, 0);
}

void lam_commit_set_term(struct lam_commit *commit, enum lam_term_layer layer, uint64_t term) { commit->terms[layer] = term; }

/* All of the union is zero: whichever part is released, what was not filled is NULL. */
static struct lam_action action_of(enum lam_action_type type)
{
    struct lam_action action;

    memset(&action, 0, sizeof action);
    action.type = type;
    return action;
}

/* A checked copy of text. */
static int copy_text(char **copy, const char *text, const char *what, size_t least, size_t most, struct lam_error *err)
{
    size_t len = strlen(text);

    if (len < least || len > most || lam_utf8_valid(lam_sv(text, len)) != len)
        return LAM_FAIL(err, LAM_E_INVALID, "%s '%.60s' must be UTF-8 of %zu to %zu bytes", what, text, least, most);
    *copy = strdup(text);
    return *copy ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for %s", what);
}

static int copy_path(char **copy, const char *path, struct lam_error *err)
{
    if (!lam_segment_path_valid(path))
        return LAM_FAIL(err, LAM_E_INVALID, "'%.60s' is no path of a segment", path);
    *copy = strdup(path);
    return *copy ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a path");
}

/* Ends every builder: takes action over where rc is 0, else releases it. */
static int add(struct lam_commit *commit, struct lam_action *action, int rc, struct lam_error *err)
{
    if (!rc && commit->action_count == commit->action_cap) {
        size_t cap = commit->action_cap ? 2 * commit->action_cap : 8;
        struct lam_action *grown = realloc(commit->actions, cap * sizeof *grown);

        if (grown) {
            commit->actions = grown;
            commit->action_cap = cap;
        } else {
            rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a commit");
        }
    }
    if (rc) {
        action_release(action);
        return LAM_PASS(err, rc, "%s", actions[action->type]);
    }
    commit->actions[commit->action_count++] = *action;
    return 0;
}

int lam_commit_based_on(struct lam_commit *commit, const char *path, struct lam_error *err)
{
    char *copy;
    int rc;

    if (commit->based_on_count == commit->based_on_cap) {
        size_t cap = commit->based_on_cap ? 2 * commit->based_on_cap : 8;
        char **grown = realloc(commit->based_on, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a commit");
        commit->based_on = grown;
        commit->based_on_cap = cap;
    }
    if ((rc = copy_path(&copy, path, err)))
        return LAM_PASS(err, rc, "based_on");
    commit->based_on[commit->based_on_count++] = copy;
    return 0;
}

static int check_holder(const struct lam_holder *holder, struct lam_error *err)
{
    const struct { const char *name, *text; size_t size; } texts[] = {
        {"host", holder->host, sizeof holder->host}, {"boot", holder->boot, sizeof holder->boot},
        {"job", holder->job, sizeof holder->job}, {"run", holder->run, sizeof holder->run},
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t len = strnlen(texts[i].text, texts[i].size);

        if (len == texts[i].size || lam_utf8_valid(lam_sv(texts[i].text, len)) != len)
            return LAM_FAIL(err, LAM_E_INVALID, "holder's %s is not UTF-8", texts[i].name);
    }
    if (!lam_segment_path_valid(holder->run) || strchr(holder->run, '/'))
        return LAM_FAIL(err, LAM_E_INVALID, "holder's run must be an id");
    if (holder->pid > INT64_MAX || holder->started > INT64_MAX || holder->pid_namespace > INT64_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "holder's process is out of range");
    return 0;
}

int lam_commit_term(struct lam_commit *commit, uint32_t mask, const struct lam_holder *holder, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_TERM);
    int rc = check_holder(holder, err);

    action.term.layers = mask;
    if (!rc && (mask == 0 || mask >= 1u << LAM_TERMS))
        rc = LAM_FAIL(err, LAM_E_INVALID, "layers must be some of batch, speed and upkeep");
    if (!rc && !(action.term.holder = malloc(sizeof *holder)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a holder");
    if (!rc)
        *action.term.holder = *holder;
    return add(commit, &action, rc, err);
}

int lam_commit_source(struct lam_commit *commit, const char *name, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_SOURCE);

    return add(commit, &action, copy_text(&action.source.name, name, "name", 1, LAM_COMMIT_NAME, err), err);
}

int lam_commit_life(struct lam_commit *commit, const char *source, const char *name, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_LIFE);
    int rc = copy_text(&action.life.source, source, "source", 1, LAM_COMMIT_NAME, err);

    if (!rc)
        rc = copy_text(&action.life.name, name, "name", 1, LAM_COMMIT_NAME, err);
    return add(commit, &action, rc, err);
}

int lam_commit_job(struct lam_commit *commit, const char *identity, const char *analysis, const char *rest, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_JOB);
    int rc = copy_text(&action.job.identity, identity, "identity", 0, LAM_COMMIT_TEXT, err);

    if (!rc)
        rc = copy_text(&action.job.analysis, analysis, "analysis", 0, LAM_COMMIT_TEXT, err);
    if (!rc)
        rc = copy_text(&action.job.rest, rest, "rest", 0, LAM_COMMIT_TEXT, err);
    return add(commit, &action, rc, err);
}

int lam_commit_add(struct lam_commit *commit, const struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_ADD);
    int rc = entry->kind == LAM_SEGMENT_MASK ? LAM_FAIL(err, LAM_E_INVALID, "%s is a mask: only `mask` adds one", entry->path)
                                             : lam_segment_entry_new(entry, &action.add.entry, err);

    return add(commit, &action, rc, err);
}

int lam_commit_remove(struct lam_commit *commit, const char *path, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_REMOVE);

    return add(commit, &action, copy_path(&action.remove.path, path, err), err);
}

int lam_commit_mask(struct lam_commit *commit, const char *path, const struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_MASK);
    int rc = copy_path(&action.mask.path, path, err);

    if (!rc && entry && (entry->kind != LAM_SEGMENT_MASK || strcmp(entry->masked, path)))
        rc = LAM_FAIL(err, LAM_E_INVALID, "%s is no mask of %s", entry->path, path);
    if (!rc && entry)
        rc = lam_segment_entry_new(entry, &action.mask.entry, err);
    return add(commit, &action, rc, err);
}

int lam_commit_archive(struct lam_commit *commit, uint32_t source, uint32_t life, const struct lam_archived *partitions, uint32_t count,
                       const char *cursor, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_ARCHIVE);
    int rc = count > LAM_ENTRY_OFFSETS ? LAM_FAIL(err, LAM_E_LIMIT, "more than %d partitions", LAM_ENTRY_OFFSETS) : 0;

    action.archive.source = source;
    action.archive.life = life;
    action.archive.count = count;
    for (uint32_t i = 0; !rc && i < count; i++)
        if (partitions[i].next > INT64_MAX || (i && partitions[i].partition <= partitions[i - 1].partition) ||
            (partitions[i].has_witness && partitions[i].witness.offset >= partitions[i].next))
            rc = LAM_FAIL(err, LAM_E_INVALID, "partition %u: out of order or range, or its witness is not below its position", partitions[i].partition);
    if (!rc && count && !(action.archive.partitions = malloc(count * sizeof *partitions)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for positions");
    if (!rc && count)
        memcpy(action.archive.partitions, partitions, count * sizeof *partitions);
    for (uint32_t i = 0; !rc && i < count; i++)
        if (!partitions[i].has_witness) /* what is not said is zero, so that states and checkpoints are equal */
            action.archive.partitions[i].witness = (struct lam_witness){0};
    if (!rc && cursor)
        rc = copy_text(&action.archive.cursor, cursor, "cursor", 0, LAM_COMMIT_TEXT, err);
    return add(commit, &action, rc, err);
}

int lam_commit_model(struct lam_commit *commit, const char *name, const char *kind, const char *path, const char *info, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_MODEL);
    int rc = copy_text(&action.model.name, name, "name", 1, LAM_COMMIT_NAME, err);

    if (!rc)
        rc = copy_text(&action.model.kind, kind, "kind", 1, LAM_COMMIT_NAME, err);
    if (!rc)
        rc = copy_path(&action.model.path, path, err);
    if (!rc)
        rc = copy_text(&action.model.info, info ? info : "", "info", 0, LAM_COMMIT_TEXT, err);
    return add(commit, &action, rc, err);
}

static int check_counts(const struct lam_life_counts *item, struct lam_error *err)
{
    const struct lam_counts *c = &item->counts;
    const int64_t all[] = {c->read, c->live, c->superseded, c->deleted, c->quarantined, c->filtered, c->pending, c->unavailable};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] > INT64_MAX / 1024 || all[i] < -(INT64_MAX / 1024)) /* sums stay far from overflow */
            return LAM_FAIL(err, LAM_E_INVALID, "a count of source %u is out of range", item->source);
    if (c->read != c->live + c->superseded + c->deleted + c->quarantined + c->filtered)
        return LAM_FAIL(err, LAM_E_INVALID, "counts of source %u life %u do not balance: read %lld, all outcomes together %lld", item->source, item->life,
                        (long long)c->read, (long long)(c->live + c->superseded + c->deleted + c->quarantined + c->filtered));
    return 0;
}

int lam_commit_publish(struct lam_commit *commit, uint64_t view, const char *run, uint32_t range_bits, const struct lam_cutoff *cutoff,
                       const struct lam_life_counts *counts, uint32_t count, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_PUBLISH);
    int rc = 0;

    action.publish.view = view;
    action.publish.range_bits = range_bits;
    action.publish.count = count;
    if (view == 0 || view > INT64_MAX || range_bits > LAM_RANGE_BITS_MAX || strlen(run) >= LAM_RUN_ID || lam_utf8_valid(lam_sv_of(run)) != strlen(run))
        rc = LAM_FAIL(err, LAM_E_INVALID, "view, range_bits or run is out of range");
    for (uint32_t i = 0; !rc && i < cutoff->count; i++)
        for (uint32_t p = 0; !rc && p < cutoff->sources[i].count; p++)
            if (cutoff->sources[i].partitions[p].next > INT64_MAX)
                rc = LAM_FAIL(err, LAM_E_INVALID, "the cutoff of source %u is out of range", cutoff->sources[i].source);
    for (uint32_t i = 0; !rc && i < count; i++)
        rc = check_counts(&counts[i], err);
    if (!rc)
        rc = lam_cutoff_copy(&action.publish.cutoff, cutoff, err);
    if (!rc && count && !(action.publish.counts = malloc(count * sizeof *counts)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
    if (!rc) {
        memcpy(action.publish.run, run, strlen(run) + 1);
        if (count)
            memcpy(action.publish.counts, counts, count * sizeof *counts);
    }
    return add(commit, &action, rc, err);
}

int lam_commit_horizon(struct lam_commit *commit, struct lam_sv value, struct lam_error *err)
{
    struct lam_action action = action_of(LAM_ACTION_HORIZON);
    int rc = value.len == 0 || value.len > LAM_COMMIT_VALUE ? LAM_FAIL(err, LAM_E_INVALID, "an order value has 1 to %zu bytes", LAM_COMMIT_VALUE) : 0;

    action.horizon.len = (uint32_t)value.len;
    if (!rc && !(action.horizon.value = malloc(value.len)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a horizon");
    if (!rc)
        memcpy(action.horizon.value, value.ptr, value.len);
    return add(commit, &action, rc, err);
}

int lam_commit_seal(struct lam_commit *commit, int64_t time_us, struct lam_error *err)
{
    commit->time_us = time_us;
    return lam_random_id(commit->id, err);
}

int lam_commit_check(const struct lam_commit *commit, struct lam_error *err)
{
    bool acts = false, takes = false;
    size_t publishes = 0;

    if (!lam_id_valid(commit->id) || commit->base > INT64_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "a commit without its id, or with an impossible base");
    for (int layer = 0; layer < LAM_TERMS; layer++) {
        acts = acts || commit->terms[layer];
        if (commit->terms[layer] > INT64_MAX)
            return LAM_FAIL(err, LAM_E_INVALID, "a commit with an impossible term");
    }
    for (size_t i = 0; i < commit->action_count; i++) {
        takes = takes || commit->actions[i].type == LAM_ACTION_TERM;
        publishes += commit->actions[i].type == LAM_ACTION_PUBLISH;
    }
    if (publishes > 1)
        return LAM_FAIL(err, LAM_E_INVALID, "a commit publishes at most one view");
    if (takes && (acts || commit->action_count != 1 || commit->based_on_count))
        return LAM_FAIL(err, LAM_E_INVALID, "a `term` stands alone in its commit");
    if (!takes && !acts)
        return LAM_FAIL(err, LAM_E_INVALID, "a commit needs the term of each layer that it acts for");
    if (!commit->action_count)
        return LAM_FAIL(err, LAM_E_INVALID, "a commit without actions");
    return 0;
}
