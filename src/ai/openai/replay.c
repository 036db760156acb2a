/*
 * The replay: a transport that asks nobody. What a recording holds is looked through once, at open: for each line its request's digest and
 * its place, 40 bytes. The line itself is read again when its answer is due.
 */
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINES_MAX ((size_t)1 << 28)
#define READ_STEP ((size_t)1 << 20)
#define DEPTH 64
#define NOT_RECORDED "{\"error\":{\"type\":\"not_recorded\",\"message\":\"this request is not in the recording\"}}"

/* A line, by its request. Lines with the same digest stand together in their order; `given` counts in the first of them. */
struct place {
    struct lam_digest digest;
    uint64_t offset;
    uint32_t len, file, order, given;
};

/* A line that answers whatever contains a text; several of one text are one after the other. */
struct rule {
    char *model, *contains;
    size_t contains_len;
    struct place place;
};

struct flying {
    struct lam_llm_attempt *attempt;
    int64_t due_us;
    size_t at;          /* in the heap */
    struct place place; /* len 0: it is not in the recording */
};

struct lam_llm_transport {
    struct lam_llm_sink sink;
    struct lam_wake *wake;
    const struct lam_clock *clock;
    const struct lam_fs *fs;
    double speed;
    char path[LAM_PATH_MAX];
    struct lam_names files; /* whole paths */
    struct place *places;
    size_t place_count, place_cap;
    struct rule *rules;
    size_t rule_count, rule_cap;
    struct flying **heap;   /* the next that is due first */
    size_t heap_count, heap_cap;
    struct lam_json *line, *body;
    struct lam_buf bytes;
};

static int grow(void **items, size_t *cap, size_t count, size_t size)
{
    size_t more = *cap ? 2 * *cap : 64;
    void *grown;

    if (count < *cap)
        return 0;
    if (count >= LINES_MAX || !(grown = realloc(*items, more * size)))
        return LAM_E_MEMORY;
    *items = grown;
    *cap = more;
    return 0;
}

static int add_rule(struct lam_llm_transport *replay, const struct lam_recorded *recorded, struct place place)
{
    struct rule rule = {.contains_len = recorded->contains.len, .place = place};

    if (grow((void **)&replay->rules, &replay->rule_cap, replay->rule_count, sizeof *replay->rules))
        return LAM_E_MEMORY;
    rule.contains = malloc(recorded->contains.len + 1);
    rule.model = strndup(recorded->model.len ? recorded->model.ptr : "", recorded->model.len);
    if (!rule.contains || !rule.model) {
        free(rule.contains);
        free(rule.model);
        return LAM_E_MEMORY;
    }
    memcpy(rule.contains, recorded->contains.ptr, recorded->contains.len);
    replay->rules[replay->rule_count++] = rule;
    return 0;
}

static int add_line(struct lam_llm_transport *replay, struct lam_sv line, struct place place, struct lam_error *err)
{
    struct lam_recorded recorded;
    int rc = lam_recorded_parse(replay->line, line, &recorded, err);

    if (rc)
        return rc;
    if (!recorded.request.len)
        return add_rule(replay, &recorded, place) ? LAM_FAIL(err, LAM_E_MEMORY, "no memory for a recording") : 0;
    if ((rc = lam_llm_request_digest(replay->body, recorded.request, &place.digest, err)))
        return LAM_PASS(err, rc, "its request");
    if (grow((void **)&replay->places, &replay->place_cap, replay->place_count, sizeof *replay->places))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a recording");
    replay->places[replay->place_count++] = place;
    return 0;
}

/* All whole lines of a file; a last one without an end was cut off by a killed recorder. */
static int read_file(struct lam_llm_transport *replay, uint32_t file, struct lam_error *err)
{
    const struct lam_fs *fs = replay->fs;
    int fd = fs->ops->open(fs->arg, replay->files.names[file], O_RDONLY, 0), rc = 0;
    uint64_t begin = 0; /* of bytes, in the file */
    uint32_t number = 0;

    if (fd < 0)
        return LAM_FAIL(err, fd == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "open %s: %s", replay->files.names[file], strerror(-fd));
    lam_buf_clear(&replay->bytes);
    while (!rc) {
        const char *end;
        size_t at = 0;
        ssize_t n;

        if ((rc = lam_buf_reserve(&replay->bytes, READ_STEP, err)))
            break;
        n = fs->ops->pread(fs->arg, fd, replay->bytes.ptr + replay->bytes.len, READ_STEP, (off_t)(begin + replay->bytes.len));
        if (n < 0)
            rc = LAM_FAIL(err, LAM_E_IO, "read: %s", strerror((int)-n));
        if (n <= 0)
            break;
        replay->bytes.len += (size_t)n;
        while (!rc && (end = memchr(replay->bytes.ptr + at, '\n', replay->bytes.len - at))) {
            size_t len = (size_t)(end - replay->bytes.ptr) - at;
            struct place place;

            number++;
            place = (struct place){.offset = begin + at, .len = (uint32_t)len, .file = file, .order = (uint32_t)replay->place_count};
            rc = len ? add_line(replay, lam_sv(replay->bytes.ptr + at, len), place, err) : 0;
            at += len + 1;
        }
        memmove(replay->bytes.ptr, replay->bytes.ptr + at, replay->bytes.len - at);
        replay->bytes.len -= at;
        begin += at;
    }
    fs->ops->close(fs->arg, fd);
    return rc ? LAM_PASS(err, rc, "%s, line %u", replay->files.names[file], (unsigned)number) : 0;
}

static int find_files(struct lam_llm_transport *replay, struct lam_error *err)
{
    struct lam_names names = {0};
    struct stat st;
    int rc = replay->fs->ops->stat(replay->fs->arg, replay->path, &st);
    bool folder = !rc && S_ISDIR(st.st_mode);

    if (rc)
        return LAM_FAIL(err, rc == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "%s: %s", replay->path, strerror(-rc));
    if (folder && (rc = lam_fs_list(replay->fs, replay->path, &names, err)))
        return rc;
    if (!(replay->files.names = calloc(names.count + 1, sizeof *replay->files.names)))
        rc = LAM_E_MEMORY;
    for (size_t i = 0; i < (folder ? names.count : 1) && !rc; i++) {
        size_t len = folder ? strlen(names.names[i]) : 0, suffix = sizeof LAM_RECORDING_SUFFIX - 1;
        char path[LAM_PATH_MAX];

        if (folder && (len < suffix || strcmp(names.names[i] + len - suffix, LAM_RECORDING_SUFFIX)))
            continue;
        if (folder && (rc = lam_path_join(path, replay->path, names.names[i], err)))
            break;
        if (!(replay->files.names[replay->files.count++] = strdup(folder ? path : replay->path)))
            rc = LAM_E_MEMORY;
    }
    lam_names_release(&names);
    return rc == LAM_E_MEMORY ? LAM_FAIL(err, rc, "no memory for a recording") : rc;
}

static int by_digest(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = memcmp(x->digest.bytes, y->digest.bytes, sizeof x->digest.bytes);

    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static void close_replay(struct lam_llm_transport *replay)
{
    if (!replay)
        return;
    for (size_t i = 0; i < replay->rule_count; i++) {
        free(replay->rules[i].model);
        free(replay->rules[i].contains);
    }
    for (size_t i = 0; i < replay->heap_count; i++)
        free(replay->heap[i]);
    free(replay->rules);
    free(replay->places);
    free(replay->heap);
    lam_names_release(&replay->files);
    lam_json_free(replay->line);
    lam_json_free(replay->body);
    lam_buf_release(&replay->bytes);
    free(replay);
}

static int open_replay(const struct lam_llm_transport_init *init, struct lam_llm_transport **transport, struct lam_error *err)
{
    const struct lam_llm_replay_options *options = init->arg;
    struct lam_llm_transport *replay = calloc(1, sizeof *replay);
    int rc = 0;

    *transport = NULL;
    if (replay)
        *replay = (struct lam_llm_transport){.sink = init->sink, .wake = init->wake, .clock = init->options->clock,
                                             .fs = options->fs ? options->fs : &lam_fs_system, .speed = options->speed,
                                             .line = lam_json_new(LAM_RECORDING_LINE_MAX, DEPTH), .body = lam_json_new(LAM_RECORDING_LINE_MAX, DEPTH)};
    if (!replay || !replay->line || !replay->body) {
        close_replay(replay);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a recording");
    }
    lam_buf_init(&replay->bytes, LAM_RECORDING_LINE_MAX + READ_STEP);
    if (snprintf(replay->path, sizeof replay->path, "%s", options->path) >= (int)sizeof replay->path)
        rc = LAM_FAIL(err, LAM_E_LIMIT, "the recording's path is too long: %.100s…", options->path);
    else
        rc = find_files(replay, err);
    for (uint32_t i = 0; i < replay->files.count && !rc; i++)
        rc = read_file(replay, i, err);
    if (rc) {
        close_replay(replay);
        return LAM_PASS(err, rc, "replay");
    }
    if (replay->place_count)
        qsort(replay->places, replay->place_count, sizeof *replay->places, by_digest);
    *transport = replay;
    return 0;
}

/* The next answer to a request that was recorded. NULL: there is none. */
static const struct place *find_place(struct lam_llm_transport *replay, const struct lam_digest *digest)
{
    size_t lo = 0, hi = replay->place_count, next;
    struct place *first;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (memcmp(replay->places[mid].digest.bytes, digest->bytes, sizeof digest->bytes) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == replay->place_count || !lam_digest_eq(replay->places[lo].digest, *digest))
        return NULL;
    first = &replay->places[lo];
    next = lo + first->given;
    if (next + 1 < replay->place_count && lam_digest_eq(replay->places[next + 1].digest, *digest))
        first->given++;
    return &replay->places[next];
}

static bool message_contains(const struct lam_json *json, const struct rule *rule)
{
    struct lam_json_iter iter = lam_json_iter(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("messages")));

    while (lam_json_next(&iter)) {
        struct lam_sv content = lam_json_string(json, lam_json_field(json, iter.value, LAM_SV("content")));

        if (content.len && memmem(content.ptr, content.len, rule->contains, rule->contains_len))
            return true;
    }
    return false;
}

/* The line whose text stands in the request that body holds: the first, and of several of the same text one after the other. */
static const struct place *find_rule(struct lam_llm_transport *replay)
{
    struct lam_sv model = lam_json_string(replay->body, lam_json_field(replay->body, LAM_JSON_ROOT, LAM_SV("model")));
    struct rule *first = NULL, *next = NULL;
    uint32_t same = 0;

    for (size_t i = 0; i < replay->rule_count; i++) {
        struct rule *rule = &replay->rules[i];

        if (rule->model[0] && !lam_sv_eq(lam_sv_of(rule->model), model))
            continue;
        if (first ? strcmp(first->model, rule->model) || first->contains_len != rule->contains_len || memcmp(first->contains, rule->contains, rule->contains_len)
                  : !message_contains(replay->body, rule))
            continue;
        first = first ? first : rule;
        if (same++ <= first->place.given)
            next = rule;
    }
    if (!first)
        return NULL;
    first->place.given++;
    return &next->place;
}

static void sift(struct lam_llm_transport *replay, size_t at)
{
    struct flying **heap = replay->heap, *moved = heap[at];

    while (at > 0 && heap[(at - 1) / 2]->due_us > moved->due_us) {
        heap[at] = heap[(at - 1) / 2];
        heap[at]->at = at;
        at = (at - 1) / 2;
    }
    for (size_t child; (child = 2 * at + 1) < replay->heap_count; at = child) {
        child += child + 1 < replay->heap_count && heap[child + 1]->due_us < heap[child]->due_us;
        if (heap[child]->due_us >= moved->due_us)
            break;
        heap[at] = heap[child];
        heap[at]->at = at;
    }
    heap[at] = moved;
    moved->at = at;
}

static void take_off(struct lam_llm_transport *replay, struct flying *flying)
{
    size_t at = flying->at;

    replay->heap[at] = replay->heap[--replay->heap_count];
    if (at < replay->heap_count)
        sift(replay, at);
    flying->attempt->impl = NULL;
    free(flying);
}

/* Reads the line of a place again. */
static int read_line(struct lam_llm_transport *replay, const struct place *place, struct lam_recorded *recorded, struct lam_error *err)
{
    const struct lam_fs *fs = replay->fs;
    int rc, fd;
    ssize_t n;

    lam_buf_clear(&replay->bytes);
    if ((rc = lam_buf_reserve(&replay->bytes, place->len, err)))
        return rc;
    if ((fd = fs->ops->open(fs->arg, replay->files.names[place->file], O_RDONLY, 0)) < 0)
        return LAM_FAIL(err, LAM_E_IO, "open %s: %s", replay->files.names[place->file], strerror(-fd));
    n = fs->ops->pread(fs->arg, fd, replay->bytes.ptr, place->len, (off_t)place->offset);
    fs->ops->close(fs->arg, fd);
    if (n != (ssize_t)place->len)
        return LAM_FAIL(err, LAM_E_IO, "%s changed while it is replayed", replay->files.names[place->file]);
    replay->bytes.len = place->len;
    return lam_recorded_parse(replay->line, lam_buf_sv(&replay->bytes), recorded, err);
}

static int start(struct lam_llm_transport *replay, struct lam_llm_attempt *attempt, struct lam_error *err)
{
    struct flying *flying = calloc(1, sizeof *flying);
    const struct place *place = NULL;
    struct lam_recorded recorded;
    struct lam_digest digest;
    double wait_us = 0;
    int rc;

    if (!flying || grow((void **)&replay->heap, &replay->heap_cap, replay->heap_count, sizeof(struct flying *))) {
        free(flying);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to replay a request");
    }
    if (!lam_llm_request_digest(replay->body, attempt->body, &digest, NULL) && !(place = find_place(replay, &digest)))
        place = find_rule(replay);
    if (place) {
        if ((rc = read_line(replay, place, &recorded, err))) {
            free(flying);
            return rc;
        }
        flying->place = *place;
        wait_us = replay->speed > 0 ? recorded.seconds * 1e6 / replay->speed : 0;
    }
    if (wait_us > attempt->timeout_ms * 1e3)
        wait_us = attempt->timeout_ms * 1e3;
    attempt->started_us = lam_mono_us(replay->clock);
    flying->attempt = attempt;
    flying->due_us = attempt->started_us + (int64_t)wait_us;
    flying->at = replay->heap_count;
    attempt->impl = flying;
    replay->heap[replay->heap_count++] = flying;
    sift(replay, flying->at);
    return 0;
}

static void cancel(struct lam_llm_transport *replay, struct lam_llm_attempt *attempt) { take_off(replay, attempt->impl); }

/* An answer to its attempt; what cannot be given is a transport's failure. */
static void fill(struct lam_llm_transport *replay, struct lam_llm_attempt *attempt, const struct place *place)
{
    struct lam_recorded recorded;
    struct lam_error err;
    int rc;

    attempt->code = LAM_LLM_T_OK;
    attempt->detail[0] = '\0';
    attempt->connected_anew = false;
    lam_llm_headers_init(&attempt->headers);
    lam_buf_clear(&attempt->answer);
    if (!place->len) {
        attempt->status = 400;
        rc = lam_buf_add_sv(&attempt->answer, LAM_SV(NOT_RECORDED), &err);
    } else if (!(rc = read_line(replay, place, &recorded, &err))) {
        attempt->code = recorded.code;
        attempt->status = recorded.status;
        attempt->headers = recorded.headers;
        rc = recorded.base64 ? lam_base64_undo(recorded.answer, &attempt->answer, &err) : lam_buf_add_sv(&attempt->answer, recorded.answer, &err);
        if (recorded.code != LAM_LLM_T_OK)
            snprintf(attempt->detail, sizeof attempt->detail, "as it was recorded: %s", lam_llm_transport_code_name(recorded.code));
        if (!rc && replay->speed > 0 && recorded.seconds * 1e3 / replay->speed > attempt->timeout_ms)
            attempt->code = LAM_LLM_T_TIMEOUT;
    }
    if (rc) {
        attempt->code = rc == LAM_E_LIMIT ? LAM_LLM_T_TOO_LARGE : LAM_LLM_T_OTHER;
        snprintf(attempt->detail, sizeof attempt->detail, "%.150s", err.text);
    }
    attempt->ended_us = lam_mono_us(replay->clock);
}

static int run(struct lam_llm_transport *replay, int64_t until_us, struct lam_error *err)
{
    int64_t now = lam_mono_us(replay->clock), next = replay->heap_count ? replay->heap[0]->due_us : INT64_MAX;

    (void)err;
    next = next < until_us ? next : until_us;
    if (next > now)
        lam_wake_wait(replay->wake, next == INT64_MAX ? -1 : next - now);
    now = lam_mono_us(replay->clock);
    while (replay->heap_count && replay->heap[0]->due_us <= now) {
        struct lam_llm_attempt *attempt = replay->heap[0]->attempt;
        struct place place = replay->heap[0]->place;

        take_off(replay, replay->heap[0]);
        fill(replay, attempt, &place);
        replay->sink.done(replay->sink.arg, attempt);
    }
    return 0;
}

const struct lam_llm_transport_ops lam_llm_transport_replay = {"replay", open_replay, start, cancel, run, close_replay};
