/*
 * lamina export: the records of a store as JSON lines or CSV.
 *
 *     scan ──> filter ──> line ──> output                                as it comes
 *                            └──> chunk ──sort──> spill ──merge──> output     --sort, in SORT_MEMORY whatever their number
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "export_sort.h"
#include "serve/filter.h"
#include "serve/json_row.h"
#include "redact_reader.h"
#include "store_reader.h"

#define TIMEOUT_MS 86400000
#define LINE_MAX_BYTES ((size_t)1 << 30)

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"format", '\0', "FORMAT", "jsonl (one JSON object a line) or csv; jsonl where it is not given"},
    {"filter", 'f', "FILTER", "records that match: field=value, /pointer.ge=2, or JSON; may be repeated"},
    {"sort", 's', NULL, "by the bytes of the key"},
    {"output", 'o', "FILE", "write FILE, which appears when it is whole; standard output where it is not given"},
    {"embedding", '\0', NULL, "with the embeddings (jsonl)"},
};

extern const struct lam_verb lam_verb_export;
const struct lam_verb lam_verb_export = {
    .name = "export",
    .arguments = "STORE",
    .summary = "the records as JSON lines or CSV, streaming; --sort by key",
    .details = "Records are those that queries see: the newest version of each key, without the deleted.\n\n"
               "  lamina export out/tickets > tickets.jsonl\n"
               "  lamina export out/tickets --format csv --sort --filter category=outage --output outages.csv\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

struct export {
    bool csv, sort;
    unsigned flags;
    struct lam_filter *filter;
    struct lam_field_reader *fields;
    struct lam_export_sort *sorter;
    struct lam_buf line;
    FILE *out;
    uint64_t rows;
};

/* --- CSV --- */

static int add_cell(struct lam_buf *line, struct lam_sv text, struct lam_error *err)
{
    bool quote = false;
    int rc;

    for (size_t i = 0; i < text.len && !quote; i++)
        quote = strchr(",\"\r\n", text.ptr[i]) && text.ptr[i];
    if (!quote)
        return lam_buf_add_sv(line, text, err);
    if ((rc = lam_buf_add(line, "\"", 1, err)))
        return rc;
    for (size_t i = 0; i < text.len; i++)
        if ((rc = lam_buf_add(line, "\"\"", text.ptr[i] == '"' ? 2 : 0, err)) ||
            (text.ptr[i] != '"' && (rc = lam_buf_add(line, &text.ptr[i], 1, err))))
            return rc;
    return lam_buf_add(line, "\"", 1, err);
}

static int add_text(struct lam_buf *line, struct lam_sv text, struct lam_error *err)
{
    int rc = lam_buf_add(line, ",", 1, err);

    return rc ? rc : add_cell(line, text, err);
}

static int add_time(struct lam_buf *line, int64_t time_us, struct lam_error *err)
{
    char text[LAM_TIME_TEXT] = "";

    if (time_us != LAM_TIME_NONE)
        lam_time_format(time_us, text);
    return add_text(line, lam_sv_of(text), err);
}

/* Absent: an empty cell. */
static int add_float(struct lam_buf *line, float value, bool present, struct lam_error *err)
{
    int rc = lam_buf_add(line, ",", 1, err);

    return rc || !present || value != value ? rc : lam_json_add_float(line, value, err);
}

static const char csv_header[] = "key,source,layer,view,event_time,arrival,media_type,title,text,category,confidence,"
                                 "sentiment,language,summary,keywords,entities,"
                                 "structure,metadata,pending,analyzer,depth,processed_at\r\n";

static int add_csv(struct lam_buf *line, const struct lam_hit *hit, struct lam_error *err)
{
    const struct lam_record *rec = &hit->row.rec;
    const struct lam_enrichment *enr = &hit->row.enr;
    char view[24] = "";
    int rc;

    if (hit->view)
        snprintf(view, sizeof view, "%" PRIu64, hit->view);
    if ((rc = add_cell(line, rec->key, err)) || (rc = add_text(line, hit->source, err)) ||
        (rc = add_text(line, lam_sv_of(lam_layer_name(enr->layer)), err)) ||
        (rc = add_text(line, lam_sv_of(view), err)) || (rc = add_time(line, rec->event_time_us, err)) ||
        (rc = add_time(line, rec->arrival_us, err)) || (rc = add_text(line, rec->media_type, err)) ||
        (rc = add_text(line, rec->title, err)) || (rc = add_text(line, rec->text, err)) ||
        (rc = add_text(line, enr->category, err)) ||
        (rc = add_float(line, enr->confidence, enr->category.len > 0, err)) ||
        (rc = add_float(line, enr->sentiment, true, err)) || (rc = add_text(line, enr->language, err)) ||
        (rc = add_text(line, enr->summary, err)) || (rc = add_text(line, enr->keywords, err)) ||
        (rc = add_text(line, enr->entities, err)) || (rc = add_text(line, rec->structure, err)) ||
        (rc = add_text(line, rec->metadata, err)) ||
        (rc = add_text(line, rec->flags & LAM_ROW_PENDING ? LAM_SV("true") : LAM_SV("false"), err)) ||
        (rc = add_text(line, enr->analyzer, err)) ||
        (rc = add_text(line, lam_sv_of(lam_depth_name(enr->depth)), err)) ||
        (rc = add_time(line, enr->processed_us, err)))
        return rc;
    return lam_buf_add(line, "\r\n", 2, err);
}

/* --- the scan --- */

static int put(void *arg, struct lam_sv line, struct lam_error *err)
{
    struct export *export = arg;

    if (fwrite(line.ptr, 1, line.len, export->out) != line.len)
        return LAM_FAIL(err, LAM_E_IO, "write the records: %s", strerror(errno));
    return 0;
}

static int visit(void *arg, const struct lam_hit *hit, struct lam_error *err)
{
    struct export *export = arg;
    int rc;

    lam_field_reader_row(export->fields, hit);
    if (!lam_filter_match(export->filter, export->fields))
        return lam_field_reader_check(export->fields, err);
    lam_buf_clear(&export->line);
    if (export->csv)
        rc = add_csv(&export->line, hit, err);
    else if (!(rc = lam_json_row_add(&export->line, hit, export->flags, err)))
        rc = lam_buf_add(&export->line, "\n", 1, err);
    if (rc)
        return rc;
    export->rows++;
    return export->sort ? lam_export_sort_add(export->sorter, hit->row.rec.key, lam_buf_sv(&export->line), err)
                        : put(export, lam_buf_sv(&export->line), err);
}

static int write_all(struct export *export, struct lam_engine *engine, struct lam_error *err)
{
    struct lam_redact_reader *redact = NULL;
    struct lam_store_reader *store;
    struct lam_snapshot *snapshot = NULL;
    struct lam_reader reader;
    int rc = lam_store_reader_new(&store, engine, NULL, true, err);

    if (rc)
        return rc;
    reader = lam_store_reader(store);
    if (!(rc = lam_redact_reader_new(&redact, engine, &reader, err)) &&
        !(rc = reader.ops->pin(reader.arg, TIMEOUT_MS, &snapshot, err)) && export->csv)
        rc = put(export, lam_sv_of(csv_header), err);
    if (!rc)
        rc = reader.ops->scan(snapshot, NULL,
                              export->flags & LAM_JSON_ROW_EMBEDDING ? LAM_WANT_ALL
                                                                     : LAM_WANT_ALL & ~(uint32_t)LAM_WANT_EMBEDDING,
                              visit, export, err);
    if (!rc && export->sort)
        rc = lam_export_sort_end(export->sorter, put, export, err);
    reader.ops->release(snapshot);
    lam_redact_reader_free(redact);
    lam_store_reader_free(store);
    return rc;
}

/* Writes all and closes. */
static int fill(struct export *export, struct lam_engine *engine, const char *path, bool sync, struct lam_error *err)
{
    int rc = write_all(export, engine, err);

    if (!rc && (fflush(export->out) || (sync && fsync(fileno(export->out)))))
        rc = LAM_FAIL(err, LAM_E_IO, "%s: %s", path, strerror(errno));
    if (fclose(export->out) && !rc)
        rc = LAM_FAIL(err, LAM_E_IO, "%s: %s", path, strerror(errno));
    return rc;
}

/* To a temporary file beside it, then under its name. */
static int replace_file(struct export *export, struct lam_engine *engine, const char *path, struct lam_error *err)
{
    char tmp[LAM_PATH_MAX];
    int rc = lam_fs_temporary(tmp, path, err);

    if (rc)
        return rc;
    if (!(export->out = fopen(tmp, "wbxe")))
        return LAM_FAIL(err, LAM_E_IO, "%s: %s", tmp, strerror(errno));
    rc = fill(export, engine, tmp, true, err);
    if (!rc && rename(tmp, path))
        rc = LAM_FAIL(err, LAM_E_IO, "%s: %s", path, strerror(errno));
    if (rc)
        unlink(tmp);
    return rc;
}

/* What is there and is no file, a device or a pipe, is written to as it is; of a symbolic link the file that it leads to is replaced. */
static int write_file(struct export *export, struct lam_engine *engine, const char *path, struct lam_error *err)
{
    char *target = NULL;
    struct stat found;
    int rc;

    if (!stat(path, &found) && !S_ISREG(found.st_mode)) {
        if (!(export->out = fopen(path, "wbe")))
            return LAM_FAIL(err, LAM_E_IO, "%s: %s", path, strerror(errno));
        return fill(export, engine, path, false, err);
    }
    target = realpath(path, NULL);
    if (!target && !lstat(path, &found) && S_ISLNK(found.st_mode))
        return LAM_FAIL(err, LAM_E_IO, "%s: a symbolic link that leads nowhere", path);
    rc = replace_file(export, engine, target ? target : path, err);
    free(target);
    return rc;
}

static int add_filters(const struct lam_cli *cli, struct lam_filter *filter, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < cli->given_count; i++) {
        const char *text = cli->given[i].value, *equals = strchr(text, '=');

        if (strcmp(cli->given[i].option->name, "filter"))
            continue;
        if (text[0] == '{')
            rc = lam_filter_add_json(filter, lam_sv_of(text), "", err);
        else if (!equals || equals == text)
            rc = LAM_FAIL(err, LAM_E_INVALID, "--filter %s: expected field=value, such as category=outage, or JSON", text);
        else
            rc = lam_filter_add_param(filter, lam_sv(text, (size_t)(equals - text)), lam_sv_of(equals + 1), err);
    }
    return rc;
}

static int set_up(struct export *export, const struct lam_cli *cli, struct lam_error *err)
{
    const char *format = lam_cli_option(cli, "format");

    lam_buf_init(&export->line, LINE_MAX_BYTES);
    if (format && strcmp(format, "csv") && strcmp(format, "jsonl"))
        return LAM_FAIL(err, LAM_E_INVALID, "--format: expected jsonl or csv; found \"%s\"", format);
    export->csv = format && !strcmp(format, "csv");
    export->sort = lam_cli_option(cli, "sort");
    export->flags = lam_cli_option(cli, "embedding") ? LAM_JSON_ROW_EMBEDDING : 0;
    export->out = stdout;
    export->filter = lam_filter_new();
    export->fields = lam_field_reader_new();
    if (!export->filter || !export->fields)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an export");
    return add_filters(cli, export->filter, err);
}

static int export_all(struct export *export, const struct lam_cli *cli, struct lam_engine *engine)
{
    const char *output = lam_cli_option(cli, "output");
    struct lam_error err;

    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error to be told */
    if ((export->sort && lam_export_sort_new(&export->sorter, &err)) || (output ? write_file(export, engine, output, &err) : write_all(export, engine, &err)))
        return lam_cli_fail(cli, &err);
    if (output && cli->json)
        printf("{\"rows\":%" PRIu64 "}\n", export->rows);
    else if (output)
        fprintf(stderr, "%" PRIu64 " records written to %s\n", export->rows, output);
    return LAM_EXIT_DONE;
}

static int run(struct lam_cli *cli)
{
    struct export export = {0};
    struct lam_engine engine = {0};
    struct lam_error err;
    int rc = set_up(&export, cli, &err), code;

    if (rc)
        code = rc == LAM_E_INVALID || rc == LAM_E_LIMIT ? lam_cli_usage(cli, "%s", err.text) : lam_cli_fail(cli, &err);
    else if (!(code = lam_cli_store(cli, cli->args[0], &engine)))
        code = export_all(&export, cli, &engine);
    lam_export_sort_free(export.sorter);
    lam_filter_free(export.filter);
    lam_field_reader_free(export.fields);
    lam_buf_release(&export.line);
    if (engine.fs)
        lam_engine_close(&engine);
    return code;
}
