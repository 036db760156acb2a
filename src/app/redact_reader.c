#include "redact_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define IDLE_MAX 16 /* redactors that are kept for the next snapshot */

struct lam_redact_reader {
    const struct lam_engine *engine;
    struct lam_reader below;
    pthread_mutex_t lock; /* guards idle */
    struct lam_redactor *idle[IDLE_MAX];
    size_t idle_count;
};

/* The one below's, with what masks its rows. */
struct lam_snapshot {
    struct lam_redact_reader *reader;
    struct lam_snapshot *below;
    struct lam_redactor *redactor;
};

/* The visit that is wrapped. */
struct masked {
    struct lam_redactor *redactor;
    lam_visit *visit;
    void *arg;
};

static int read_salt(const struct lam_engine *engine, const char *path, struct lam_buf *salt, struct lam_error *err)
{
    uint8_t bytes[LAM_REDACT_KEY];
    int rc = lam_fs_read_all(engine->fs, path, salt, err);

    if (rc != LAM_E_NOT_FOUND)
        return rc;
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return LAM_FAIL(err, LAM_E_IO, "no random bytes: %s", strerror(errno));
    rc = lam_fs_publish(engine->fs, path, lam_sv((const char *)bytes, sizeof bytes), err);
    if (rc && rc != LAM_E_EXISTS)
        return rc;
    return lam_fs_read_all(engine->fs, path, salt, err); /* ours, or that of whoever was first */
}

static int read_key(const struct lam_engine *engine, uint8_t key[LAM_REDACT_KEY], struct lam_error *err)
{
    const char *name = engine->job->redact.secret_env, *secret = name ? getenv(name) : NULL;
    char path[LAM_PATH_MAX];
    struct lam_buf salt;
    int rc;

    if (name && (!secret || !*secret))
        return LAM_FAIL(err, LAM_E_INVALID, "the environment variable %s, which /tasks/redact/secret_env names, is not set", name);
    if (secret) {
        lam_redact_key(lam_sv_of(secret), key);
        return 0;
    }
    lam_buf_init(&salt, 4096);
    if (!(rc = lam_path_join(path, engine->job->store.path, LAM_REDACT_SALT, err)) && !(rc = read_salt(engine, path, &salt, err))) {
        if (salt.len == LAM_REDACT_KEY)
            lam_redact_key(lam_buf_sv(&salt), key);
        else
            rc = LAM_FAIL(err, LAM_E_CORRUPT, "%s has %zu bytes, not %d", path, salt.len, LAM_REDACT_KEY);
    }
    lam_buf_release(&salt);
    return rc;
}

int lam_redactor_of_job(const struct lam_engine *engine, struct lam_redactor **redactor, struct lam_error *err)
{
    struct lam_redact_options options = {0};
    int rc;

    *redactor = NULL;
    if (!engine->job || !engine->job->redact.kinds.count)
        return 0;
    options.tasks = &engine->job->tasks;
    options.kinds = engine->job->redact.kinds.items;
    options.kind_count = engine->job->redact.kinds.count;
    if ((rc = read_key(engine, options.key, err)) || (rc = lam_redactor_new(&options, redactor, err)))
        return LAM_PASS(err, rc, "tasks.redact");
    return 0;
}

static int take(struct lam_redact_reader *reader, struct lam_redactor **redactor, struct lam_error *err)
{
    *redactor = NULL;
    pthread_mutex_lock(&reader->lock);
    if (reader->idle_count)
        *redactor = reader->idle[--reader->idle_count];
    pthread_mutex_unlock(&reader->lock);
    return *redactor ? 0 : lam_redactor_of_job(reader->engine, redactor, err);
}

static void give_back(struct lam_redact_reader *reader, struct lam_redactor *redactor)
{
    if (!redactor)
        return;
    pthread_mutex_lock(&reader->lock);
    if (reader->idle_count < IDLE_MAX) {
        reader->idle[reader->idle_count++] = redactor;
        redactor = NULL;
    }
    pthread_mutex_unlock(&reader->lock);
    lam_redactor_free(redactor);
}

static int ready(void *arg, struct lam_error *err)
{
    struct lam_redact_reader *reader = arg;

    return reader->below.ops->ready(reader->below.arg, err);
}

static void release(struct lam_snapshot *snapshot)
{
    if (!snapshot)
        return;
    snapshot->reader->below.ops->release(snapshot->below);
    give_back(snapshot->reader, snapshot->redactor);
    free(snapshot);
}

static int pin(void *arg, unsigned timeout_ms, struct lam_snapshot **snapshot, struct lam_error *err)
{
    struct lam_redact_reader *reader = arg;
    struct lam_snapshot *made = calloc(1, sizeof *made);
    int rc;

    *snapshot = NULL;
    if (!made)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a snapshot");
    made->reader = reader;
    if ((rc = take(reader, &made->redactor, err)) || (rc = reader->below.ops->pin(reader->below.arg, timeout_ms, &made->below, err))) {
        give_back(reader, made->redactor);
        free(made);
        return rc;
    }
    *snapshot = made;
    return 0;
}

static void as_of(struct lam_snapshot *snapshot, struct lam_as_of *told)
{
    snapshot->reader->below.ops->as_of(snapshot->below, told);
}

static int stats(struct lam_snapshot *snapshot, struct lam_reader_stats *told, struct lam_error *err)
{
    return snapshot->reader->below.ops->stats(snapshot->below, told, err);
}

static int mask(void *arg, const struct lam_hit *hit, struct lam_error *err)
{
    struct masked *masked = arg;
    struct lam_hit shown = *hit;
    int rc = lam_redact_row(masked->redactor, &hit->row, &shown.row, err);

    return rc ? rc : masked->visit(masked->arg, &shown, err);
}

/* Text and entities tell what is to be masked in all else. */
static uint32_t wanted(uint32_t wants)
{
    return wants & (LAM_WANT_TEXT | LAM_WANT_DOCUMENT | LAM_WANT_METADATA | LAM_WANT_DETAILS | LAM_WANT_PROVENANCE)
               ? wants | LAM_WANT_TEXT | LAM_WANT_DETAILS
               : wants;
}

static int get(struct lam_snapshot *snapshot, struct lam_sv key, uint32_t wants, lam_visit *visit, void *arg, struct lam_error *err)
{
    struct masked masked = {snapshot->redactor, visit, arg};

    return snapshot->reader->below.ops->get(snapshot->below, key, wanted(wants), mask, &masked, err);
}

static int scan(struct lam_snapshot *snapshot, const struct lam_cursor *from, uint32_t wants, lam_visit *visit, void *arg,
                struct lam_error *err)
{
    struct masked masked = {snapshot->redactor, visit, arg};

    return snapshot->reader->below.ops->scan(snapshot->below, from, wanted(wants), mask, &masked, err);
}

int lam_redact_reader_new(struct lam_redact_reader **made, const struct lam_engine *engine, struct lam_reader *reader, struct lam_error *err)
{
    static const struct lam_reader_ops ops = {
        .ready = ready, .pin = pin, .as_of = as_of, .get = get, .scan = scan, .stats = stats, .release = release};
    struct lam_redactor *first;
    int rc = lam_redactor_of_job(engine, &first, err);

    *made = NULL;
    if (rc || !first)
        return rc;
    if (!(*made = calloc(1, sizeof **made))) {
        lam_redactor_free(first);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a reader");
    }
    (*made)->engine = engine;
    (*made)->below = *reader;
    (*made)->idle[(*made)->idle_count++] = first;
    pthread_mutex_init(&(*made)->lock, NULL);
    *reader = (struct lam_reader){&ops, *made};
    return 0;
}

void lam_redact_reader_free(struct lam_redact_reader *reader)
{
    if (!reader)
        return;
    while (reader->idle_count)
        lam_redactor_free(reader->idle[--reader->idle_count]);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}
