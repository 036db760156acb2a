#include "redact_reader.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/random.h>

#define IDLE_MAX 16 /* redactors that are kept for the next snapshot */

/* What is masked and how: from the job, or where there is none, from what the store remembers of its last one. */
struct settings {
    struct lam_tasks tasks;
    const struct lam_sv *kinds;
    size_t kind_count;
    const char *secret_env;
    /* of a store without a job */
    json_t *analysis, *rest;
    struct lam_pattern *patterns;
    struct lam_sv *own_kinds;
};

struct lam_redact_reader {
    const struct lam_engine *engine;
    struct settings settings;
    uint8_t key[LAM_REDACT_KEY];
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

int lam_redact_make_salt(const struct lam_engine *engine, struct lam_error *err)
{
    uint8_t bytes[LAM_REDACT_KEY];
    char path[LAM_PATH_MAX];
    struct stat st;
    int rc;

    if (!engine->job->redact.kinds.count || engine->job->redact.secret_env)
        return 0;
    if ((rc = lam_path_join(path, engine->job->store.path, LAM_REDACT_SALT, err)) || !engine->fs->ops->stat(engine->fs->arg, path, &st))
        return rc;
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return LAM_FAIL(err, LAM_E_IO, "no random bytes: %s", strerror(errno));
    rc = lam_fs_publish(engine->fs, path, lam_sv((const char *)bytes, sizeof bytes), err);
    return rc == LAM_E_EXISTS ? 0 : rc; /* another job was first */
}

static int read_key(const struct lam_engine *engine, const char *name, uint8_t key[LAM_REDACT_KEY], struct lam_error *err)
{
    const char *secret = name ? getenv(name) : NULL;
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
    if (!(rc = lam_path_join(path, lam_commitlog_root(engine->commits), LAM_REDACT_SALT, err)) && !(rc = lam_fs_read_all(engine->fs, path, &salt, err))) {
        if (salt.len == LAM_REDACT_KEY)
            lam_redact_key(lam_buf_sv(&salt), key);
        else
            rc = LAM_FAIL(err, LAM_E_CORRUPT, "%s has %zu bytes, not %d", path, salt.len, LAM_REDACT_KEY);
    }
    lam_buf_release(&salt);
    return rc;
}

static struct lam_sv text_of(json_t *json)
{
    return json_is_string(json) ? lam_sv(json_string_value(json), json_string_length(json)) : lam_sv("", 0);
}

/* The settings in the parts of the job that the store remembers, as config/job.h describes them. */
static int remember(struct settings *settings, const struct lam_state_job *job, struct lam_error *err)
{
    json_t *entities, *patterns, *redact, *kinds, *member;
    const char *name;
    size_t i;

    settings->analysis = job->analysis ? json_loads(job->analysis, 0, NULL) : NULL;
    settings->rest = job->rest ? json_loads(job->rest, 0, NULL) : NULL;
    entities = json_object_get(json_object_get(settings->analysis, "tasks"), "entities");
    patterns = json_object_get(entities, "patterns");
    redact = json_object_get(json_object_get(settings->rest, "tasks"), "redact");
    kinds = json_object_get(redact, "kinds");
    settings->secret_env = json_string_value(json_object_get(redact, "secret_env"));
    settings->tasks.country = text_of(json_object_get(entities, "country"));
    settings->patterns = calloc(json_object_size(patterns) + 1, sizeof *settings->patterns);
    settings->own_kinds = calloc(json_array_size(kinds) + 1, sizeof *settings->own_kinds);
    if (!settings->patterns || !settings->own_kinds)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for what is masked");
    json_object_foreach(patterns, name, member)
        settings->patterns[settings->tasks.pattern_count++] = (struct lam_pattern){lam_sv_of(name), text_of(member)};
    json_array_foreach(kinds, i, member)
        settings->own_kinds[settings->kind_count++] = text_of(member);
    settings->tasks.patterns = settings->patterns;
    settings->kinds = settings->own_kinds;
    return 0;
}

static int read_settings(struct settings *settings, const struct lam_engine *engine, struct lam_error *err)
{
    *settings = (struct settings){0};
    if (!engine->job)
        return engine->state ? remember(settings, &engine->state->job, err) : 0;
    settings->tasks = engine->job->tasks;
    settings->kinds = engine->job->redact.kinds.items;
    settings->kind_count = engine->job->redact.kinds.count;
    settings->secret_env = engine->job->redact.secret_env;
    return 0;
}

static void release_settings(struct settings *settings)
{
    json_decref(settings->analysis);
    json_decref(settings->rest);
    free(settings->patterns);
    free(settings->own_kinds);
}

static int new_redactor(const struct settings *settings, const uint8_t key[LAM_REDACT_KEY], struct lam_redactor **redactor,
                        struct lam_error *err)
{
    struct lam_redact_options options = {.tasks = &settings->tasks, .kinds = settings->kinds, .kind_count = settings->kind_count};
    int rc;

    memcpy(options.key, key, sizeof options.key);
    return (rc = lam_redactor_new(&options, redactor, err)) ? LAM_PASS(err, rc, "/tasks/redact") : 0;
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
    if ((rc = read_key(engine, engine->job->redact.secret_env, options.key, err)) || (rc = lam_redactor_new(&options, redactor, err)))
        return LAM_PASS(err, rc, "/tasks/redact");
    return 0;
}

static int take(struct lam_redact_reader *reader, struct lam_redactor **redactor, struct lam_error *err)
{
    *redactor = NULL;
    pthread_mutex_lock(&reader->lock);
    if (reader->idle_count)
        *redactor = reader->idle[--reader->idle_count];
    pthread_mutex_unlock(&reader->lock);
    return *redactor ? 0 : new_redactor(&reader->settings, reader->key, redactor, err);
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

int lam_redact_reader_new(struct lam_redact_reader **out, const struct lam_engine *engine, struct lam_reader *reader, struct lam_error *err)
{
    static const struct lam_reader_ops ops = {
        .ready = ready, .pin = pin, .as_of = as_of, .get = get, .scan = scan, .stats = stats, .release = release};
    struct lam_redact_reader *made = calloc(1, sizeof *made);
    int rc;

    *out = NULL;
    if (!made)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a reader");
    pthread_mutex_init(&made->lock, NULL);
    made->engine = engine;
    made->below = *reader;
    if ((rc = read_settings(&made->settings, engine, err)) || !made->settings.kind_count)
        goto cleanup;
    if ((rc = read_key(engine, made->settings.secret_env, made->key, err)) ||
        (rc = new_redactor(&made->settings, made->key, &made->idle[0], err)))
        goto cleanup;
    made->idle_count = 1;
    *reader = (struct lam_reader){&ops, made};
    *out = made;
    return 0;
cleanup:
    lam_redact_reader_free(made);
    return rc;
}

void lam_redact_reader_free(struct lam_redact_reader *reader)
{
    if (!reader)
        return;
    while (reader->idle_count)
        lam_redactor_free(reader->idle[--reader->idle_count]);
    pthread_mutex_destroy(&reader->lock);
    release_settings(&reader->settings);
    free(reader);
}
