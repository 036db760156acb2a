#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shape.h"

#define ARENA_MAX (64u << 20) /* far more than a file of LAM_JOB_FILE_MAX can fill */

struct owner {
    struct lam_job job; /* first: lam_job_free gets back from it */
    struct lam_arena arena;
};

int lam_job_set_space(struct lam_job *job, const char *space, struct lam_error *err) { return lam_job_put_space(&((struct owner *)job)->arena, job, space, err); }

uint32_t lam_job_vector_dim(const struct lam_job *job) { return job->tasks.wanted & LAM_TASK_EMBED ? job->tasks.dim : 0; }

static const char *copy(struct lam_arena *arena, const char *text) { return lam_arena_string(arena, text, strlen(text)); }

/* folder "/" path, or path where it is absolute, without empty names, "." and ".."; NULL: no memory. */
static const char *clean_path(struct lam_arena *arena, const char *folder, const char *path, size_t path_len)
{
    bool absolute = path_len && path[0] == '/';
    char *clean = lam_arena_alloc(arena, strlen(folder) + path_len + 3);
    char *joined = lam_arena_alloc(arena, strlen(folder) + path_len + 3);
    size_t len = 0;

    if (!clean || !joined)
        return NULL;
    sprintf(joined, "%s/%.*s", absolute ? "" : folder, (int)path_len, path);
    for (char *save, *name = strtok_r(joined, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
        if (!strcmp(name, "."))
            continue;
        if (!strcmp(name, "..")) {
            while (len && clean[--len] != '/')
                ;
            continue;
        }
        clean[len++] = '/';
        memcpy(clean + len, name, strlen(name));
        len += strlen(name);
    }
    if (!len)
        clean[len++] = '/';
    clean[len] = '\0';
    return clean;
}

/* Names of a glob joined again without empty ones and "."; an empty one stays empty. */
static const char *clean_pattern(struct lam_arena *arena, const char *pattern)
{
    const char *clean = clean_path(arena, "", pattern, strlen(pattern));

    return clean ? clean + 1 : NULL;
}

static bool goes_up(const char *pattern)
{
    return strstr(pattern, "/../") || (strlen(pattern) > 2 && !strcmp(pattern + strlen(pattern) - 3, "/.."));
}

/* Cuts the path as written before the first name with a glob character, so that such characters in the folder's own name mean nothing. */
static int resolve_source(struct lam_checker *checker, struct lam_arena *arena, const char *folder, size_t index,
                          struct lam_job_source *source)
{
    const char *written = source->path, *glob = written + strcspn(written, "*?[");
    char pointer[LAM_POINTER_MAX];

    if (!*glob) {
        source->path = source->root = clean_path(arena, folder, written, strlen(written));
        return source->path ? 0 : LAM_E_MEMORY;
    }
    while (glob > written && glob[-1] != '/')
        glob--;
    if (goes_up(glob)) {
        snprintf(pointer, sizeof pointer, "/sources/%zu/path", index);
        lam_problem_add(checker, pointer, "\"..\" may not follow a glob; write the folder that is meant");
        return 0;
    }
    source->root = glob == written ? clean_path(arena, folder, "", 0) : clean_path(arena, folder, written, (size_t)(glob - written));
    source->pattern = clean_pattern(arena, glob);
    source->path = source->root && source->pattern ? clean_path(arena, source->root, source->pattern, strlen(source->pattern)) : NULL;
    return source->path ? 0 : LAM_E_MEMORY;
}

/* What a source does not say itself is the dataset's. */
static void resolve_mapping(const struct lam_job_mapping *dataset, struct lam_job_mapping *own)
{
    if (!own->key.count)
        own->key = dataset->key;
    if (!own->text.count)
        own->text = dataset->text;
    if (!own->event_time.len)
        own->event_time = dataset->event_time;
    if (!own->deleted.len)
        own->deleted = dataset->deleted;
}

static int resolve_sources(struct lam_checker *checker, struct lam_arena *arena, struct lam_job *job)
{
    struct lam_job_source *sources = (struct lam_job_source *)job->sources; /* ours until the job is handed out */

    for (size_t i = 0; i < job->source_count; i++) {
        const struct lam_sv *delimiter = &sources[i].csv.delimiter_text;

        resolve_mapping(&job->dataset.map, &sources[i].map);
        sources[i].csv.delimiter = delimiter->len == 1 ? delimiter->ptr[0] : '\0';
        if (resolve_source(checker, arena, job->folder, i, &sources[i]))
            return LAM_E_MEMORY;
    }
    return 0;
}

static int fill_kafka(struct lam_arena *arena, json_t *properties, struct lam_job_stream *stream)
{
    size_t count = json_object_size(properties), i = 0;
    struct lam_job_property *made = lam_arena_alloc(arena, count * sizeof *made + 1);
    const char *name;
    json_t *value;

    if (!made)
        return LAM_E_MEMORY;
    json_object_foreach(properties, name, value) {
        const char *env = json_string_value(json_object_get(value, "env"));

        made[i] = (struct lam_job_property){.name = copy(arena, name)};
        if (env)
            made[i].env = copy(arena, env);
        else
            made[i].value = copy(arena, json_string_value(value));
        if (!made[i].name || (!made[i].env && !made[i].value))
            return LAM_E_MEMORY;
        i++;
    }
    stream->kafka = made;
    stream->kafka_count = count;
    return 0;
}

static int resolve_stream(struct lam_arena *arena, json_t *whole, struct lam_job *job)
{
    struct lam_job_stream *stream = (struct lam_job_stream *)job->stream;

    if (!stream)
        return 0;
    resolve_mapping(&job->dataset.map, &stream->map);
    stream->local = !strcmp(stream->brokers, "local");
    if (stream->replay) {
        stream->replay->path = clean_path(arena, job->folder, stream->replay->path, strlen(stream->replay->path));
        if (!stream->replay->path)
            return LAM_E_MEMORY;
    }
    return fill_kafka(arena, json_object_get(json_object_get(whole, "stream"), "kafka"), stream);
}

static int by_name(const void *a, const void *b)
{
    return lam_sv_cmp(((const struct lam_label *)a)->name, ((const struct lam_label *)b)->name);
}

static int fill_labels(struct lam_arena *arena, json_t *json, struct lam_tasks *tasks)
{
    size_t count = json_object_size(json), i = 0;
    struct lam_label *labels = lam_arena_alloc(arena, count * sizeof *labels + 1);
    const char *name;
    json_t *description;

    if (!labels)
        return LAM_E_MEMORY;
    json_object_foreach(json, name, description) {
        labels[i].name = lam_sv(copy(arena, name), strlen(name));
        labels[i].description = lam_sv(copy(arena, json_string_value(description)), json_string_length(description));
        if (!labels[i].name.ptr || !labels[i].description.ptr)
            return LAM_E_MEMORY;
        i++;
    }
    qsort(labels, count, sizeof *labels, by_name);
    tasks->labels = labels;
    tasks->label_count = count;
    return 0;
}

static int by_pattern_name(const void *a, const void *b)
{
    return lam_sv_cmp(((const struct lam_pattern *)a)->name, ((const struct lam_pattern *)b)->name);
}

static int fill_patterns(struct lam_arena *arena, json_t *json, struct lam_tasks *tasks)
{
    size_t count = json_object_size(json), i = 0;
    struct lam_pattern *patterns = lam_arena_alloc(arena, count * sizeof *patterns + 1);
    const char *name;
    json_t *expression;

    if (!patterns)
        return LAM_E_MEMORY;
    json_object_foreach(json, name, expression) {
        patterns[i].name = lam_sv(copy(arena, name), strlen(name));
        patterns[i].expression = lam_sv(copy(arena, json_string_value(expression)), json_string_length(expression));
        if (!patterns[i].name.ptr || !patterns[i].expression.ptr)
            return LAM_E_MEMORY;
        i++;
    }
    qsort(patterns, count, sizeof *patterns, by_pattern_name);
    tasks->patterns = patterns;
    tasks->pattern_count = count;
    return 0;
}

static int fill_tasks(struct lam_arena *arena, json_t *json, struct lam_tasks *tasks)
{
    static const struct {
        const char *name;
        enum lam_task task;
    } known[] = {{"classify", LAM_TASK_CLASSIFY},   {"entities", LAM_TASK_ENTITIES}, {"summarize", LAM_TASK_SUMMARIZE},
                 {"sentiment", LAM_TASK_SENTIMENT}, {"keywords", LAM_TASK_KEYWORDS}, {"language", LAM_TASK_LANGUAGE},
                 {"embed", LAM_TASK_EMBED},         {"custom", LAM_TASK_CUSTOM},
                 {"title", LAM_TASK_TITLE},         {"readability", LAM_TASK_READABILITY}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (json_object_get(json, known[i].name))
            tasks->wanted |= known[i].task;
    if (fill_patterns(arena, json_object_get(json_object_get(json, "entities"), "patterns"), tasks))
        return LAM_E_MEMORY;
    return fill_labels(arena, json_object_get(json_object_get(json, "classify"), "labels"), tasks);
}

static int64_t every_us(json_t *every)
{
    double seconds = 60 * json_number_value(json_object_get(every, "minutes")) + json_number_value(json_object_get(every, "seconds"));

    return (int64_t)(seconds * 1e6 + 0.5);
}

static int resolve_listen(struct lam_arena *arena, struct lam_job *job)
{
    const char *listen = job->serve.listen, *colon = strrchr(listen, ':');
    bool brackets = listen[0] == '[';

    job->serve.port = (uint16_t)strtoul(colon + 1, NULL, 10);
    job->serve.host = lam_arena_string(arena, listen + brackets, (size_t)(colon - listen) - 2 * brackets);
    return job->serve.host ? 0 : LAM_E_MEMORY;
}

static int resolve_deep_paths(struct lam_arena *arena, struct lam_job *job)
{
    const char **paths[] = {&job->deep.record, &job->deep.ca_file, &job->deep.prompts, &job->embed.path, &job->embed.tokenizer, job->deep.replay ? &job->deep.replay->path : NULL};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i] && *paths[i] && !(*paths[i] = clean_path(arena, job->folder, *paths[i], strlen(*paths[i]))))
            return LAM_E_MEMORY;
    return 0;
}

/* What the table cannot say: from the strings of the file to what the engine uses. */
static int finish(struct lam_checker *checker, struct lam_arena *arena, json_t *whole, struct lam_job *job, struct lam_error *err)
{
    struct lam_sv order = job->dataset.order_text;

    if (order.len && order.ptr[0] == '/') {
        job->dataset.order_by = LAM_ORDER_FIELD;
        job->dataset.order_field = order;
    } else {
        job->dataset.order_by = lam_sv_eq(order, LAM_SV("event_time")) ? LAM_ORDER_TIME : LAM_ORDER_POSITION;
    }
    job->batch.every_us = every_us(json_object_get(json_object_get(whole, "batch"), "every"));
    job->store.path = clean_path(arena, job->folder, job->store.path, strlen(job->store.path));
    if (!job->store.path || resolve_sources(checker, arena, job) || resolve_stream(arena, whole, job) ||
        fill_tasks(arena, json_object_get(whole, "tasks"), &job->tasks) || resolve_listen(arena, job) ||
        lam_deep_fill(arena, whole, job) || resolve_deep_paths(arena, job))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the job");
    lam_job_check_paths(checker, job);
    return lam_job_fill_parts(arena, whole, job, err);
}

static int understand(struct lam_checker *checker, struct lam_arena *arena, json_t *whole, struct lam_job *job, struct lam_error *err)
{
    int rc;

    lam_job_complete(whole);
    lam_job_check_fields(checker, whole);
    rc = lam_shape_fill(arena, &lam_job_shape, whole, job, err);
    return rc ? rc : finish(checker, arena, whole, job, err);
}

static int fail_with_problems(const struct lam_problems *problems, const char *file, struct lam_error *err)
{
    const struct lam_problem *first = &problems->items[0];
    const char *between = first->pointer[0] ? ": " : "";

    if (problems->total == 1)
        return LAM_FAIL(err, LAM_E_INVALID, "%s: %s%s%s", file, first->pointer, between, first->text);
    return LAM_FAIL(err, LAM_E_INVALID, "%s: %s%s%s (and %u more)", file, first->pointer, between, first->text, problems->total - 1);
}

/* The document with its overrides, or NULL after a problem was told. */
static json_t *read_document(struct lam_checker *checker, struct lam_sv text)
{
    json_error_t error;
    json_t *document = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &error);

    if (!document) {
        lam_problem_add(checker, "", "line %d, column %d: %s", error.line, error.column, error.text);
        return NULL;
    }
    if (!json_is_object(document)) {
        lam_problem_expected(checker, "", document, "an object");
        json_decref(document);
        return NULL;
    }
    for (size_t i = 0; i < checker->set_count; i++)
        lam_set_apply(checker, &lam_job_shape, document, &checker->sets[i]);
    return document;
}

int lam_job_parse(struct lam_sv text, const char *file, const char *folder, const char *const *sets, size_t set_count, struct lam_job **out,
                  struct lam_problems *problems, struct lam_error *err)
{
    struct lam_problems *found = calloc(1, sizeof *found);
    struct owner *owner = calloc(1, sizeof *owner);
    struct lam_checker checker = {.problems = found, .sets = calloc(set_count + 1, sizeof(struct lam_set)), .set_count = set_count};
    json_t *document = NULL, *whole = NULL;
    int rc = 0;

    *out = NULL;
    if (problems)
        memset(problems, 0, sizeof *problems);
    if (!found || !owner || !checker.sets) {
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for the job");
        goto cleanup;
    }
    for (size_t i = 0; i < set_count; i++)
        checker.sets[i].text = sets[i];
    lam_arena_init(&owner->arena, ARENA_MAX);
    owner->job.file = copy(&owner->arena, file);
    owner->job.folder = clean_path(&owner->arena, folder, "", 0);
    document = read_document(&checker, text);
    if (document)
        whole = lam_shape_check(&checker, &lam_job_shape, document, "");
    if (!found->total) { /* every field is right by itself: now what they mean together */
        if (!whole || checker.memory || !owner->job.file || !owner->job.folder)
            rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for the job");
        else
            rc = understand(&checker, &owner->arena, whole, &owner->job, err);
    }
    if (!rc && found->total)
        rc = fail_with_problems(found, file, err);
    if (problems)
        *problems = *found;
    if (!rc) {
        *out = &owner->job;
        owner = NULL;
    }
cleanup:
    json_decref(document);
    json_decref(whole);
    lam_job_free(owner ? &owner->job : NULL);
    free(checker.sets);
    free(found);
    return rc;
}

int lam_job_load(const char *path, const char *const *sets, size_t set_count, struct lam_job **job,
                 struct lam_problems *problems, struct lam_error *err)
{
    const char *slash = strrchr(path, '/');
    char folder[LAM_PATH_MAX];
    struct lam_buf text;
    struct stat st;
    char *real;
    int rc;

    *job = NULL;
    if (problems)
        memset(problems, 0, sizeof *problems);
    lam_buf_init(&text, LAM_JOB_FILE_MAX);
    if (!lam_fs_system.ops->stat(lam_fs_system.arg, path, &st) && S_ISDIR(st.st_mode))
        rc = LAM_FAIL(err, LAM_E_NOT_FOUND, "%s is a folder", path);
    else
        rc = lam_fs_read_all(&lam_fs_system, path, &text, err);
    if (rc) {
        rc = LAM_PASS(err, rc, "job file");
        goto cleanup;
    }
    /* the real folder, so that ".." in paths means what it means to the system */
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    real = realpath(folder, NULL);
    if (!real) {
        rc = LAM_FAIL(err, LAM_E_IO, "folder of %s: %s", path, strerror(errno));
        goto cleanup;
    }
    rc = lam_job_parse(lam_buf_sv(&text), path, real, sets, set_count, job, problems, err);
    free(real);
cleanup:
    lam_buf_release(&text);
    return rc;
}

void lam_job_free(struct lam_job *job)
{
    struct owner *owner = (struct owner *)job;

    if (!owner)
        return;
    lam_arena_release(&owner->arena);
    free(owner);
}
