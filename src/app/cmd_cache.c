/* lamina cache: the answers of models that a job's store keeps: how many, fewer, out into a file, in from one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ai/cache.h"
#include "ai/openai/batch_file.h"
#include "base/log.h"
#include "cli.h"

#define LINE_MAX_BYTES (2 * LAM_BATCH_LINE_MAX)
#define DEPTH 64

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"format", '\0', "FORMAT", "export: lines (all there is; the default) or batch (as the batch API returns answers)"},
    {"output", 'o', "FILE", "export: write FILE, which appears when it is whole; else standard output"},
    {"max-bytes", '\0', "N", "prune: what the cache may take; else the job's deep.cache.size"},
    {"max-age", '\0', "SECONDS", "prune: how old answers may be; else the job's deep.cache.age"},
};

extern const struct lam_verb lam_verb_cache;
const struct lam_verb lam_verb_cache = {
    .name = "cache",
    .arguments = "stat|prune|export|import JOB [FILE]",
    .summary = "the models' answers that a job's store keeps: count, prune, export, import",
    .details = "  stat           answers, files, bytes, and the tokens that they cost\n"
               "  prune          removes answers, the oldest first, until the rest fits, and makes one file of small ones.\n"
               "                 Files that a running job may write to are left alone\n"
               "  export         one JSON object a line\n"
               "  import FILE    lines of export, or a file of answers of the OpenAI batch API, whose custom_id\n"
               "                 are those of lamina batch --write-requests\n\n"
               "  lamina cache stat tickets.json\n"
               "  lamina cache export tickets.json --output answers.jsonl\n"
               "  lamina cache import tickets.json batch_output.jsonl\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .min_args = 2,
    .max_args = 3,
    .takes_job = true,
    .run = run,
};

/* --- stat --- */

struct totals {
    uint64_t answers, bytes, tokens_in, tokens_out;
    int64_t oldest_us, newest_us;
};

static int add_up(void *arg, const struct lam_cache_entry *entry, struct lam_error *err)
{
    struct totals *totals = arg;

    (void)err;
    if (!totals->answers++ || entry->meta.time_us < totals->oldest_us)
        totals->oldest_us = entry->meta.time_us;
    if (entry->meta.time_us > totals->newest_us)
        totals->newest_us = entry->meta.time_us;
    totals->bytes += entry->value.len;
    totals->tokens_in += entry->meta.tokens_in;
    totals->tokens_out += entry->meta.tokens_out;
    return 0;
}

static int show_stat(const struct lam_cli *cli, struct lam_cache *cache, struct lam_error *err)
{
    char oldest[LAM_TIME_TEXT] = "", newest[LAM_TIME_TEXT] = "";
    struct lam_cache_counts counts;
    struct totals totals = {0};
    int rc = lam_cache_walk(cache, add_up, &totals, err);
    uint64_t replaced;

    if (rc)
        return rc;
    lam_cache_counts(cache, &counts);
    replaced = counts.whole > totals.answers ? counts.whole - totals.answers : 0;
    if (totals.answers) {
        lam_time_format(totals.oldest_us, oldest);
        lam_time_format(totals.newest_us, newest);
    }
    if (cli->json)
        printf("{\"answers\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"files\":%" PRIu64 ",\"indexes\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"answer_bytes\":%" PRIu64
               ",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64 ",\"replaced\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"damaged_bytes\":%" PRIu64
               ",\"oldest\":\"%s\",\"newest\":\"%s\"}\n",
               totals.answers, counts.entries, counts.files, counts.indexes, counts.bytes, totals.bytes, totals.tokens_in, totals.tokens_out, replaced, counts.damaged,
               counts.damaged_bytes, oldest, newest);
    else
        printf("answers   %" PRIu64 "%s%s%s%s\ntokens    %" PRIu64 " in, %" PRIu64 " out\nfiles     %" PRIu64 ", and %" PRIu64 " indexes, %" PRIu64
               " bytes\nreplaced  %" PRIu64 " older answers that prune may remove\n",
               totals.answers, totals.answers ? ", from " : "", oldest, totals.answers ? " to " : "", newest, totals.tokens_in, totals.tokens_out, counts.files,
               counts.indexes, counts.bytes, replaced);
    if (!cli->json && counts.damaged)
        printf("damaged   %" PRIu64 " places of %" PRIu64 " bytes: the answers that stood there are lost, and asked again\n", counts.damaged, counts.damaged_bytes);
    return 0;
}

/* --- prune --- */

static int prune(const struct lam_cli *cli, const struct lam_job *job, struct lam_cache *cache, struct lam_error *err)
{
    long long bytes = (long long)job->deep.cache.size, age = job->deep.cache.age_us / 1000000;
    struct lam_cache_pruned pruned;
    int rc;

    if (lam_cli_number(cli, "max-bytes", 0, INT64_MAX, bytes, &bytes) || lam_cli_number(cli, "max-age", 0, INT64_MAX / 1000000, age, &age))
        return LAM_END; /* told already */
    if ((rc = lam_cache_prune(cache, (uint64_t)bytes, age * 1000000, &pruned, err)))
        return rc;
    if (cli->json) {
        printf("{\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"answers\":%" PRIu64 ",\"rewritten\":%" PRIu64 ",\"in_use\":%" PRIu64 ",\"in_use_bytes\":%" PRIu64 "}\n",
               pruned.files, pruned.bytes, pruned.answers, pruned.rewritten, pruned.in_use, pruned.in_use_bytes);
        return 0;
    }
    printf("removed %" PRIu64 " answers; %" PRIu64 " files of %" PRIu64 " bytes went, and %" PRIu64 " answers in them that stay were copied into a new one\n", pruned.answers,
           pruned.files, pruned.bytes, pruned.rewritten);
    if (pruned.in_use)
        printf("%" PRIu64 " files of %" PRIu64 " bytes are left alone: no index says that they are complete, and they were changed within the last hour, so a job may "
               "still write to them\n", pruned.in_use, pruned.in_use_bytes);
    return 0;
}

/* --- export --- */

struct export {
    struct lam_json *json;
    struct lam_buf line;
    FILE *out;
    bool batch;
    uint64_t written, left_out;
};

static int export_entry(void *arg, const struct lam_cache_entry *entry, struct lam_error *err)
{
    struct export *export = arg;
    int rc;

    lam_buf_clear(&export->line);
    rc = (export->batch ? lam_batch_export_answer : lam_batch_export_own)(export->json, entry, &export->line, err);
    if (rc == LAM_E_INVALID) { /* what the tools of agents gave, and the like */
        export->left_out++;
        return 0;
    }
    if (rc)
        return rc;
    export->written++;
    if (fwrite(export->line.ptr, 1, export->line.len, export->out) != export->line.len)
        return LAM_FAIL(err, LAM_E_IO, "write: %s", strerror(errno));
    return 0;
}

static int export_all(struct export *export, struct lam_cache *cache, const char *path, struct lam_error *err)
{
    char tmp[LAM_PATH_MAX];
    int rc;

    if (!path) {
        export->out = stdout;
        return lam_cache_walk(cache, export_entry, export, err);
    }
    if ((rc = lam_fs_temporary(tmp, path, err)))
        return rc;
    if (!(export->out = fopen(tmp, "w")))
        return LAM_FAIL(err, LAM_E_IO, "create %s: %s", path, strerror(errno));
    rc = lam_cache_walk(cache, export_entry, export, err);
    if (!rc && (fflush(export->out) || fsync(fileno(export->out))))
        rc = LAM_FAIL(err, LAM_E_IO, "write %s: %s", path, strerror(errno));
    if (fclose(export->out) && !rc)
        rc = LAM_FAIL(err, LAM_E_IO, "close %s: %s", path, strerror(errno));
    if (!rc && rename(tmp, path))
        rc = LAM_FAIL(err, LAM_E_IO, "rename to %s: %s", path, strerror(errno));
    if (rc)
        unlink(tmp);
    return rc;
}

static int export_cache(const struct lam_cli *cli, struct lam_cache *cache, struct lam_error *err)
{
    const char *format = lam_cli_option(cli, "format");
    struct export export = {.json = lam_json_new(LAM_CACHE_VALUE_MAX, DEPTH), .batch = format && !strcmp(format, "batch")};
    int rc;

    lam_buf_init(&export.line, LINE_MAX_BYTES);
    rc = export.json ? export_all(&export, cache, lam_cli_option(cli, "output"), err) : LAM_FAIL(err, LAM_E_MEMORY, "no memory to export the cache");
    if (!rc)
        fprintf(stderr, "%" PRIu64 " answers written%s", export.written, export.left_out ? "" : "\n");
    if (!rc && export.left_out)
        fprintf(stderr, ", %" PRIu64 " left out that are no answers of models\n", export.left_out);
    lam_json_free(export.json);
    lam_buf_release(&export.line);
    return rc;
}

/* --- import --- */

static int import(const struct lam_cli *cli, const struct lam_job *job, struct lam_cache *cache, const struct lam_log *log, struct lam_error *err)
{
    struct lam_batch_source source = {.path = cli->args[2], .dim = lam_job_vector_dim(job), .log = log};
    struct lam_batch_counts counts;
    struct lam_buf first;
    int rc = lam_batch_import(cache, &source, &counts, err);

    if (rc)
        return rc;
    lam_buf_init(&first, 8 * sizeof counts.first);
    if (cli->json && !(rc = lam_buf_add_json(&first, lam_sv_of(counts.first), err)))
        printf("{\"lines\":%" PRIu64 ",\"taken\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"unusable\":%" PRIu64 ",\"first_problem\":%.*s}\n", counts.lines, counts.taken,
               counts.failed, counts.unusable, (int)first.len, first.ptr);
    else if (!cli->json)
        printf("%" PRIu64 " lines: %" PRIu64 " answers taken, %" PRIu64 " requests had failed, %" PRIu64 " lines are unusable%s%s\n", counts.lines,
               counts.taken, counts.failed, counts.unusable, counts.first[0] ? "; the first of these: " : "", counts.first);
    lam_buf_release(&first);
    return rc || counts.taken ? rc : LAM_FAIL(err, LAM_E_CORRUPT, "no line of %s is an answer that could be taken", cli->args[2]);
}

static int act(const struct lam_cli *cli, const struct lam_job *job, struct lam_cache *cache, const struct lam_log *log, struct lam_error *err)
{
    switch (cli->args[0][0]) {
    case 's':
        return show_stat(cli, cache, err);
    case 'p':
        return prune(cli, job, cache, err);
    case 'e':
        return export_cache(cli, cache, err);
    default:
        return import(cli, job, cache, log, err);
    }
}

/* What is wrong with the words, or NULL. */
static const char *wrong_words(const struct lam_cli *cli)
{
    const char *what = cli->args[0], *format = lam_cli_option(cli, "format");

    if (strcmp(what, "stat") && strcmp(what, "prune") && strcmp(what, "export") && strcmp(what, "import"))
        return "expected stat, prune, export or import";
    if (!strcmp(what, "import") != (cli->arg_count == 3))
        return strcmp(what, "import") ? "a FILE is for import alone" : "import needs a FILE";
    if (format && strcmp(format, "lines") && strcmp(format, "batch"))
        return "--format is lines or batch";
    return NULL;
}

static int run(struct lam_cli *cli)
{
    struct lam_log log = {.fd = 2, .rank = -1, .level = LAM_LOG_WARN};
    struct lam_cache_options cache_options = {.log = &log};
    const char *wrong = wrong_words(cli);
    struct lam_cache *cache = NULL;
    struct lam_job *job;
    struct lam_error err;
    int code, rc;

    if (wrong)
        return lam_cli_usage(cli, "%s", wrong);
    if ((code = lam_cli_job(cli, cli->args[1], &job)))
        return code;
    if ((rc = lam_cache_open(&cache, job->store.path, &cache_options, &err)) || (rc = act(cli, job, cache, &log, &err)))
        code = rc == LAM_END ? LAM_EXIT_USAGE : lam_cli_fail(cli, &err);
    lam_cache_close(cache);
    lam_job_free(job);
    return lam_cli_end(cli, code);
}
