#include "speed_commits.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

struct lam_speed_rolled {
    struct lam_speed_rolled *next;
    int rank;
    uint64_t number;
    json_t *note;
};

static struct lam_speed_commits *of_work(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_speed_commits, work)); }

static int add_entries(struct lam_commit *commit, const json_t *entries, uint64_t *records, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < json_array_size(entries); i++) {
        struct lam_segment_entry entry;
        char *text = json_dumps(json_array_get(entries, i), JSON_COMPACT);

        rc = text ? lam_segment_entry_read(lam_sv_of(text), &entry, err) : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a commit");
        free(text);
        if (rc)
            return rc;
        *records += entry.kind == LAM_SEGMENT_BRONZE_STREAM ? entry.rows : 0;
        rc = lam_commit_add(commit, &entry, err);
        lam_segment_entry_release(&entry);
    }
    return rc;
}

static void add_archived(struct lam_archived *archived, uint32_t *count, const json_t *item)
{
    uint32_t partition = (uint32_t)json_integer_value(json_array_get(item, 0)), at = 0;

    while (at < *count && archived[at].partition != partition)
        at++;
    if (at == *count)
        ++*count;
    archived[at] = (struct lam_archived){.partition = partition, .next = (uint64_t)json_integer_value(json_array_get(item, 1)), .has_witness = true,
                                         .witness = {(uint64_t)json_integer_value(json_array_get(item, 2)), json_integer_value(json_array_get(item, 3)),
                                                     (uint32_t)json_integer_value(json_array_get(item, 4))}};
}

static int by_partition(const void *a, const void *b)
{
    const struct lam_archived *x = a, *y = b;

    return (x->partition > y->partition) - (x->partition < y->partition);
}

/* The replayer's cursor for the archive as this commit leaves it. */
static int make_cursor(struct lam_speed_commits *c, const struct lam_archived *archived, uint32_t count, struct lam_buf *cursor, struct lam_error *err)
{
    const struct lam_state *state = lam_commitlog_peek(c->engine->commits);
    size_t partitions = c->begun->setup.start_count;
    uint64_t *next = calloc(partitions + 1, sizeof *next);
    int rc;

    if (!next)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a cursor");
    for (size_t i = 0; i < partitions; i++) {
        const struct lam_archived *before = lam_state_archived(state, c->begun->setup.source, c->begun->setup.life, (uint32_t)i);

        next[i] = before ? before->next : (uint64_t)c->begun->setup.starts[i].archive;
    }
    for (uint32_t i = 0; i < count; i++)
        if (archived[i].partition < partitions)
            next[archived[i].partition] = archived[i].next;
    rc = lam_replay_cursor(c->begun->replay, next, cursor, err);
    if (!rc)
        rc = lam_buf_add(cursor, "", 1, err);
    free(next);
    return rc;
}

static int commit_rolls(struct lam_speed_commits *c, struct lam_error *err)
{
    struct lam_archived *archived = calloc(c->begun->setup.start_count + 1, sizeof *archived);
    struct lam_commit commit;
    struct lam_buf cursor;
    uint64_t records = 0;
    uint32_t count = 0;
    int rc = archived ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a commit");

    lam_buf_init(&cursor, LAM_COMMIT_TEXT);
    lam_commit_init(&commit, lam_commitlog_peek(c->engine->commits)->number);
    lam_commit_set_term(&commit, LAM_TERM_SPEED, c->begun->term);
    for (struct lam_speed_rolled *rolled = c->committing; rolled && !rc; rolled = rolled->next) {
        const json_t *list = json_object_get(rolled->note, "archive");

        rc = add_entries(&commit, json_object_get(rolled->note, "entries"), &records, err);
        for (size_t i = 0; !rc && i < json_array_size(list); i++)
            add_archived(archived, &count, json_array_get(list, i));
    }
    qsort(archived, count, sizeof *archived, by_partition);
    if (!rc && c->begun->replay)
        rc = make_cursor(c, archived, count, &cursor, err);
    if (!rc)
        rc = lam_commit_archive(&commit, c->begun->setup.source, c->begun->setup.life, archived, count, c->begun->replay ? cursor.ptr : NULL, err);
    if (!rc && !(rc = lam_commitlog_commit(c->engine->commits, &commit, &c->number, err))) {
        lam_engine_share(c->engine);
        c->records = records;
        for (uint32_t i = 0; c->begun->replay && i < count; i++)
            lam_replay_archived(c->begun->replay, archived[i].partition, archived[i].next);
    }
    lam_commit_release(&commit);
    lam_buf_release(&cursor);
    free(archived);
    return rc;
}

static void commit_run(struct lam_work *work, unsigned worker)
{
    struct lam_speed_commits *c = of_work(work);

    (void)worker;
    c->rc = commit_rolls(c, &c->err);
}

static void commit_done(struct lam_work *work)
{
    struct lam_speed_commits *c = of_work(work);
    struct lam_error err;

    c->busy = false;
    if (c->rc && !c->failure.code)
        c->failure = c->err;
    if (!c->rc) {
        c->archived += c->records;
        c->committed = c->number;
    }
    while (c->committing) {
        struct lam_speed_rolled *rolled = c->committing;
        struct lam_speed_committed message = {rolled->number, c->committed};

        c->committing = rolled->next;
        if (!c->rc && lam_speed_tell(c->engine, rolled->rank, MSG_SPEED_COMMITTED, &message, sizeof message, &err) && !c->failure.code)
            c->failure = err;
        json_decref(rolled->note);
        free(rolled);
    }
    lam_wake_signal(&c->engine->wake);
}

void lam_speed_commits_step(struct lam_speed_commits *c, bool at_once)
{
    int64_t now = lam_mono_us(c->engine->clock);

    if (!c->queue || c->busy || c->failure.code || (now < c->next_us && !at_once))
        return;
    c->next_us = now + c->engine->job->commit_interval_us;
    c->committing = c->queue;
    c->queue = NULL;
    c->work = (struct lam_work){commit_run, commit_done};
    c->busy = lam_work_submit(c->engine->storage, &c->work);
    if (!c->busy)
        LAM_FAIL(&c->failure, LAM_E_LIMIT, "the storage thread has too many jobs");
}

bool lam_speed_commits_idle(const struct lam_speed_commits *c) { return !c->queue && !c->busy; }

int lam_speed_commits_take(struct lam_speed_commits *c, int rank, struct lam_sv note, struct lam_error *err)
{
    struct lam_speed_rolled *rolled = calloc(1, sizeof *rolled), **link;

    if (!rolled || !(rolled->note = json_loadb(note.ptr, note.len, 0, NULL))) {
        free(rolled);
        return LAM_FAIL(err, LAM_E_MEMORY, "rank %d rolled something that cannot be read", rank);
    }
    rolled->rank = rank;
    rolled->number = (uint64_t)json_integer_value(json_object_get(rolled->note, "roll"));
    for (link = &c->queue; *link; link = &(*link)->next)
        ;
    *link = rolled;
    return 0;
}

void lam_speed_commits_init(struct lam_speed_commits *c, struct lam_engine *engine, struct lam_speed_begun *begun)
{
    *c = (struct lam_speed_commits){.engine = engine, .begun = begun};
}

static void free_rolls(struct lam_speed_rolled *rolled)
{
    struct lam_speed_rolled *next;

    for (; rolled; rolled = next) {
        next = rolled->next;
        json_decref(rolled->note);
        free(rolled);
    }
}

void lam_speed_commits_release(struct lam_speed_commits *c)
{
    free_rolls(c->committing);
    free_rolls(c->queue);
}
