/* The recorder: a transport that gives its attempts to another one and writes down what came of each. */
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/utf8.h"

#define FILE_BYTES ((uint64_t)64 << 20)
#define FILES 16
#define WRITE_AT ((size_t)256 << 10) /* bytes that gather before a write, when the thread has no time to wait */

struct lam_llm_transport {
    const struct lam_llm_transport_ops *ops; /* of who carries the requests */
    struct lam_llm_transport *inner;
    struct lam_llm_sink sink;                /* of the client */
    struct lam_llm_record_options options;
    const struct lam_clock *clock;
    const struct lam_log *log;
    char folder[LAM_PATH_MAX], name[128];
    uint64_t first, number; /* of the oldest file that is kept, and of the one that is written to */
    int fd;                 /* -1: none */
    uint64_t at;
    bool failed;
    struct lam_buf lines; /* not written yet */
};

static int file_path(const struct lam_llm_transport *recorder, uint64_t number, char path[LAM_PATH_MAX])
{
    char name[192];

    snprintf(name, sizeof name, "%s-%06" PRIu64 LAM_RECORDING_SUFFIX, recorder->name, number);
    return lam_path_join(path, recorder->folder, name, NULL);
}

static void end_file(struct lam_llm_transport *recorder)
{
    if (recorder->fd >= 0)
        recorder->options.fs->ops->close(recorder->options.fs->arg, recorder->fd);
    recorder->fd = -1;
}

static int next_file(struct lam_llm_transport *recorder)
{
    const struct lam_fs *fs = recorder->options.fs;
    char path[LAM_PATH_MAX];
    int rc;

    end_file(recorder);
    recorder->number++;
    for (; recorder->number - recorder->first >= recorder->options.files; recorder->first++)
        if (!file_path(recorder, recorder->first, path))
            fs->ops->unlink(fs->arg, path);
    if ((rc = file_path(recorder, recorder->number, path)))
        return -ENAMETOOLONG;
    recorder->at = 0;
    return recorder->fd = fs->ops->open(fs->arg, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
}

static void give_up(struct lam_llm_transport *recorder, const char *why)
{
    if (recorder->log)
        lam_log_error(recorder->log, "ai", "requests are recorded no more: %s", why);
    end_file(recorder);
    recorder->failed = true;
}

/* Writes whole lines, each into one file. */
static void write_lines(struct lam_llm_transport *recorder)
{
    struct lam_error err;
    int fd = recorder->fd;

    if (!recorder->lines.len || recorder->failed)
        return;
    if ((fd < 0 || recorder->at >= recorder->options.file_bytes) && (fd = next_file(recorder)) < 0) {
        give_up(recorder, strerror(-fd));
        return;
    }
    if (lam_fs_write_at(recorder->options.fs, fd, recorder->lines.ptr, recorder->lines.len, (off_t)recorder->at, &err))
        give_up(recorder, err.text);
    recorder->at += recorder->lines.len;
    lam_buf_clear(&recorder->lines);
}

static int add_text(struct lam_buf *out, const char *name, struct lam_sv bytes, struct lam_error *err)
{
    int rc;

    if (lam_utf8_valid(bytes) == bytes.len)
        return (rc = lam_buf_addf(out, err, ",\"%s\":", name)) ? rc : lam_buf_add_json(out, bytes, err);
    return (rc = lam_buf_addf(out, err, ",\"%s_base64\":", name)) ? rc : lam_base64_add(out, bytes, err);
}

static int add_headers(struct lam_buf *out, const struct lam_llm_headers *headers, struct lam_error *err)
{
    const char *between = ",\"headers\":{";
    int rc = 0;

    for (size_t i = 0; i < LAM_LLM_HEADER_FIELDS && !rc; i++) {
        int64_t value;

        memcpy(&value, (const char *)headers + lam_llm_header_fields[i].offset, sizeof value);
        if (value == LAM_LLM_HEADER_NONE)
            continue;
        rc = lam_buf_addf(out, err, "%s\"%s\":%" PRId64, between, lam_llm_header_fields[i].name, value);
        between = ",";
    }
    if (!rc && headers->should_retry >= 0) {
        rc = lam_buf_addf(out, err, "%s\"should_retry\":%d", between, headers->should_retry);
        between = ",";
    }
    return rc || between[1] ? rc : lam_buf_addf(out, err, "}");
}

static int add_line(struct lam_llm_transport *recorder, const struct lam_llm_attempt *attempt, struct lam_error *err)
{
    struct lam_buf *out = &recorder->lines;
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"time\":%" PRId64 ",\"kind\":\"%s\",\"endpoint\":%zu,\"url\":", lam_wall_us(recorder->clock),
                           attempt->kind == LAM_LLM_CHAT ? "chat" : "embeddings", attempt->endpoint)) ||
        (rc = lam_buf_add_json(out, lam_sv_of(attempt->url), err)) ||
        (rc = lam_buf_addf(out, err, ",\"seconds\":%.6f,\"status\":%d", (double)(attempt->ended_us - attempt->started_us) * 1e-6, attempt->status)) ||
        (attempt->code != LAM_LLM_T_OK && (rc = lam_buf_addf(out, err, ",\"failure\":\"%s\"", lam_llm_transport_code_name(attempt->code)))) ||
        (rc = add_headers(out, &attempt->headers, err)) || (rc = add_text(out, "request", attempt->body, err)) ||
        (rc = add_text(out, "answer", lam_buf_sv(&attempt->answer), err)))
        return rc;
    return lam_buf_addf(out, err, "}\n");
}

static void on_done(void *arg, struct lam_llm_attempt *attempt)
{
    struct lam_llm_transport *recorder = arg;
    size_t before = recorder->lines.len;
    struct lam_error err;

    if (!recorder->failed && add_line(recorder, attempt, &err)) {
        recorder->lines.len = before;
        give_up(recorder, err.text);
    }
    if (recorder->lines.len >= WRITE_AT)
        write_lines(recorder);
    recorder->sink.done(recorder->sink.arg, attempt);
}

/* The numbers of the files that this name already has. */
static int look_at_folder(struct lam_llm_transport *recorder, struct lam_error *err)
{
    size_t len = strlen(recorder->name);
    struct lam_names names;
    int rc = lam_fs_list(recorder->options.fs, recorder->folder, &names, err);

    if (rc)
        return rc;
    recorder->first = 1;
    for (size_t i = 0; i < names.count; i++) {
        uint64_t number;

        if (strncmp(names.names[i], recorder->name, len) || names.names[i][len] != '-' || sscanf(names.names[i] + len + 1, "%" SCNu64 LAM_RECORDING_SUFFIX, &number) != 1)
            continue;
        if (!recorder->number || number < recorder->first)
            recorder->first = number;
        if (number > recorder->number)
            recorder->number = number;
    }
    lam_names_release(&names);
    return 0;
}

static void close_recorder(struct lam_llm_transport *recorder)
{
    if (!recorder)
        return;
    if (recorder->inner)
        recorder->ops->close(recorder->inner);
    write_lines(recorder);
    end_file(recorder);
    lam_buf_release(&recorder->lines);
    free(recorder);
}

static int open_recorder(const struct lam_llm_transport_init *init, struct lam_llm_transport **transport, struct lam_error *err)
{
    const struct lam_llm_record_options *options = init->arg;
    struct lam_llm_transport *recorder = calloc(1, sizeof *recorder);
    struct lam_llm_transport_init inner = *init;
    int rc;

    *transport = NULL;
    if (!recorder)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a recording");
    *recorder = (struct lam_llm_transport){.ops = options->inner ? options->inner : &lam_llm_transport_curl, .sink = init->sink, .options = *options,
                                           .clock = init->options->clock, .log = init->options->log, .fd = -1};
    recorder->options.fs = options->fs ? options->fs : &lam_fs_system;
    recorder->options.file_bytes = options->file_bytes ? options->file_bytes : FILE_BYTES;
    recorder->options.files = options->files ? options->files : FILES;
    lam_buf_init(&recorder->lines, 2 * LAM_RECORDING_LINE_MAX);
    inner.sink = (struct lam_llm_sink){on_done, recorder};
    inner.arg = options->inner_arg;
    if (snprintf(recorder->folder, sizeof recorder->folder, "%s", options->folder) >= (int)sizeof recorder->folder ||
        snprintf(recorder->name, sizeof recorder->name, "%s", options->name) >= (int)sizeof recorder->name)
        rc = LAM_FAIL(err, LAM_E_LIMIT, "the recording's path is too long: %.100s…", options->folder);
    else if (!(rc = lam_fs_mkdirs(recorder->options.fs, recorder->folder, err)) && !(rc = look_at_folder(recorder, err)))
        rc = recorder->ops->open(&inner, &recorder->inner, err);
    if (rc) {
        close_recorder(recorder);
        return rc;
    }
    *transport = recorder;
    return 0;
}

static int start(struct lam_llm_transport *recorder, struct lam_llm_attempt *attempt, struct lam_error *err)
{
    return recorder->ops->start(recorder->inner, attempt, err);
}

static void cancel(struct lam_llm_transport *recorder, struct lam_llm_attempt *attempt) { recorder->ops->cancel(recorder->inner, attempt); }

/* Lines are written before the thread waits: what was answered is in the file a moment later. */
static int run(struct lam_llm_transport *recorder, int64_t until_us, struct lam_error *err)
{
    write_lines(recorder);
    return recorder->ops->run(recorder->inner, until_us, err);
}

const struct lam_llm_transport_ops lam_llm_transport_record = {"record", open_recorder, start, cancel, run, close_recorder};
