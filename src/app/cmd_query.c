/* lamina query: one question to a store, offline, with the answer that its server would give. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "explain.h"
#include "print_audit.h"
#include "serve/query.h"
#include "redact_reader.h"
#include "store_reader.h"

#define TIMEOUT_MS 86400000 /* nobody waits for us but who asked */

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"key", 'k', "KEY", "the record with this key"},
    {"audit", '\0', "KEY", "what an agent did for the record with this key, step by step"},
    {"filter", 'f', "FILTER", "records that match: field=value, /pointer.ge=2, or JSON; may be repeated"},
    {"aggregate", 'a', "JSON", "groups and metrics, as POST /v1/aggregate takes them"},
    {"status", 's', NULL, "counts by source, view and cutoff"},
    {"limit", 'n', "N", "records of a page, 100 where it is not given"},
    {"cursor", 'c', "CURSOR", "go on where a page ended"},
    {"explain", '\0', NULL, "with --key: how its answer came about: models, steps, tokens, and the prompt that was sent"},
    {"embedding", '\0', NULL, "with the embeddings"},
};

extern const struct lam_verb lam_verb_query;
const struct lam_verb lam_verb_query = {
    .name = "query",
    .arguments = "STORE",
    .summary = "a key, a filter or an aggregate: offline, the answer of the server",
    .details = "STORE is the store's folder; no job file is needed, and nothing is written.\n\n"
               "  lamina query out/tickets --key INC-7\n"
               "  lamina query out/tickets --filter category=outage --filter /revision.ge=2 --limit 20\n"
               "  lamina query out/tickets --aggregate '{\"metrics\":[{\"op\":\"count\"}],\"group_by\":[\"category\"]}' --json\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

/* "field=value" is a query parameter, anything that begins with { is JSON. */
static int add_filter(struct lam_query *query, const char *text, struct lam_error *err)
{
    const char *equals = strchr(text, '=');

    if (text[0] == '{')
        return query->kind == LAM_QUERY_LIST ? lam_query_param(query, LAM_SV("filter"), lam_sv_of(text), err)
                                             : lam_filter_add_json(lam_aggregate_filter(query->aggregate), lam_sv_of(text), "", err);
    if (!equals || equals == text)
        return LAM_FAIL(err, LAM_E_INVALID, "--filter %s: expected field=value, such as category=outage, or JSON", text);
    return lam_query_param(query, lam_sv(text, (size_t)(equals - text)), lam_sv_of(equals + 1), err);
}

static int add_filters(const struct lam_cli *cli, struct lam_query *query, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < cli->given_count; i++)
        if (!strcmp(cli->given[i].option->name, "filter"))
            rc = add_filter(query, cli->given[i].value, err);
    return rc;
}

static int build(const struct lam_cli *cli, struct lam_query *query, struct lam_error *err)
{
    const char *audit = lam_cli_option(cli, "audit"), *key = audit ? audit : lam_cli_option(cli, "key"), *aggregate = lam_cli_option(cli, "aggregate"), *value;
    bool status = lam_cli_option(cli, "status"), filtered = lam_cli_option(cli, "filter"),
         paged = lam_cli_option(cli, "limit") || lam_cli_option(cli, "cursor");
    int rc;

    if (!!key + !!aggregate + status > 1 || (key && (filtered || paged)) || (status && (filtered || paged)) || (aggregate && paged)) {
        lam_query_init(query, LAM_QUERY_STATUS, err);
        return LAM_FAIL(err, LAM_E_INVALID,
                        "--key, --aggregate and --status are questions of their own; --filter goes with records and "
                        "aggregates, --limit and --cursor with records");
    }
    if ((rc = lam_query_init(query,
                             key         ? LAM_QUERY_KEY
                             : aggregate ? LAM_QUERY_AGGREGATE
                             : status    ? LAM_QUERY_STATUS
                                         : LAM_QUERY_LIST,
                             err)))
        return rc;
    if ((key && (rc = lam_query_set_key(query, lam_sv_of(key), err))) ||
        (aggregate && (rc = lam_query_set_aggregate(query, lam_sv_of(aggregate), err))) ||
        (rc = add_filters(cli, query, err)) ||
        ((value = lam_cli_option(cli, "limit")) &&
         (rc = lam_query_param(query, LAM_SV("limit"), lam_sv_of(value), err))) ||
        ((value = lam_cli_option(cli, "cursor")) &&
         (rc = lam_query_param(query, LAM_SV("cursor"), lam_sv_of(value), err))))
        return rc;
    return lam_cli_option(cli, "embedding") && (query->kind == LAM_QUERY_KEY || query->kind == LAM_QUERY_LIST)
               ? lam_query_param(query, LAM_SV("embedding"), LAM_SV("true"), err)
               : 0;
}

/* --- for people --- */

static void print_value(const char *name, const json_t *value)
{
    char *text;

    if (!value || json_is_null(value))
        return;
    if (json_is_string(value)) {
        printf("  %-12s %s\n", name, json_string_value(value));
        return;
    }
    text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(7));
    printf("  %-12s %s\n", name, text ? text : "?");
    free(text);
}

static void print_record(const json_t *record)
{
    static const char *const first[] = {"source", "layer", "view", "event_time", "title", "text"};
    const json_t *enrichment = json_object_get(record, "enrichment");
    const char *name;
    json_t *value;

    printf("%s\n", json_string_value(json_object_get(record, "key")));
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        print_value(first[i], json_object_get(record, first[i]));
    json_object_foreach((json_t *)(uintptr_t)enrichment, name, value)
        print_value(name, value);
    print_value("metadata", json_object_get(record, "metadata"));
    print_value("provenance", json_object_get(record, "provenance"));
}

/* The first characters of a text, on one line. */
static void print_start(const char *text, int max)
{
    for (int shown = 0; text && *text && shown < max; text++) {
        shown += ((unsigned char)*text & 0xc0) != 0x80;
        if (shown < max || ((unsigned char)*text & 0xc0) == 0x80)
            putchar(*text == '\n' || *text == '\t' || *text == '\r' ? ' ' : *text);
    }
}

static void print_list(const json_t *root)
{
    const json_t *records = json_object_get(root, "records");
    const char *cursor = json_string_value(json_object_get(root, "next_cursor"));
    json_t *record;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)records, i, record)
    {
        const json_t *enrichment = json_object_get(record, "enrichment");
        const char *category = json_string_value(json_object_get(enrichment, "category")),
                   *summary = json_string_value(json_object_get(enrichment, "summary"));
        const char *title = json_string_value(json_object_get(record, "title")), *text = json_string_value(json_object_get(record, "text"));

        printf("%-24s %-14s %-2s ", json_string_value(json_object_get(record, "key")), category ? category : "-",
               json_is_string(json_object_get(enrichment, "language")) ? json_string_value(json_object_get(enrichment, "language")) : "-");
        print_start(title ? title : summary ? summary : text, 90);
        putchar('\n');
    }
    printf("\n%zu records%s%s\n", json_array_size(records), cursor ? "; more: --cursor " : "", cursor ? cursor : "");
}

static void print_groups(const json_t *root)
{
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(root, "groups"), i, group)
    {
        char *by = json_dumps(json_object_get(group, "by"), JSON_COMPACT),
             *metrics = json_dumps(json_object_get(group, "metrics"), JSON_COMPACT);

        printf("%10" JSON_INTEGER_FORMAT "  %-40s %s\n", json_integer_value(json_object_get(group, "count")),
               by ? by : "?", metrics ? metrics : "?");
        free(by);
        free(metrics);
    }
    printf("\n%" JSON_INTEGER_FORMAT " records, %" JSON_INTEGER_FORMAT " groups\n", json_integer_value(json_object_get(root, "rows")),
           json_integer_value(json_object_get(root, "groups_total")));
}

static void print_status(const json_t *root)
{
    json_int_t pending = 0;
    json_t *source;
    size_t i;

    printf("%-28s %5s %10s %10s %10s %10s %11s %9s\n", "source", "life", "read", "live", "superseded", "deleted",
           "quarantined", "filtered");
    json_array_foreach(json_object_get(root, "sources"), i, source)
    {
        printf("%-28s %5" JSON_INTEGER_FORMAT, json_string_value(json_object_get(source, "name")),
               json_integer_value(json_object_get(source, "life")));
        printf(" %10" JSON_INTEGER_FORMAT " %10" JSON_INTEGER_FORMAT " %10" JSON_INTEGER_FORMAT,
               json_integer_value(json_object_get(source, "read")), json_integer_value(json_object_get(source, "live")),
               json_integer_value(json_object_get(source, "superseded")));
        printf(" %10" JSON_INTEGER_FORMAT " %11" JSON_INTEGER_FORMAT " %9" JSON_INTEGER_FORMAT "\n",
               json_integer_value(json_object_get(source, "deleted")),
               json_integer_value(json_object_get(source, "quarantined")),
               json_integer_value(json_object_get(source, "filtered")));
        pending += json_integer_value(json_object_get(source, "pending"));
    }
    if (pending)
        printf("of those that are live, %" JSON_INTEGER_FORMAT " are pending: no model has answered yet\n", pending);
}

static void print_answer(const struct lam_cli *cli, const struct lam_query *query, struct lam_sv answer)
{
    json_t *root = json_loadb(answer.ptr, answer.len, 0, NULL);
    const json_t *as_of = json_object_get(root, "as_of"), *note = json_object_get(as_of, "note");

    if (!root) { /* jansson is stricter than we are (a NUL in a string): as it is */
        fwrite(answer.ptr, 1, answer.len, stdout);
        putchar('\n');
        return;
    }
    if (lam_cli_option(cli, "audit"))
        lam_print_audit(json_object_get(root, "record"));
    else if (lam_cli_option(cli, "explain") && query->kind == LAM_QUERY_KEY)
        lam_explain_print(cli->args[0], json_object_get(root, "record"));
    else if (query->kind == LAM_QUERY_KEY)
        print_record(json_object_get(root, "record"));
    else if (query->kind == LAM_QUERY_LIST)
        print_list(root);
    else if (query->kind == LAM_QUERY_AGGREGATE)
        print_groups(root);
    else
        print_status(root);
    printf("\nview %" JSON_INTEGER_FORMAT ", commit %" JSON_INTEGER_FORMAT "%s%s\n", json_integer_value(json_object_get(as_of, "view")),
           json_integer_value(json_object_get(as_of, "commit")), note ? "; " : "", note ? json_string_value(note) : "");
    json_decref(root);
}

static int ask(const struct lam_cli *cli, const struct lam_query *query, struct lam_engine *engine, struct lam_error *err)
{
    struct lam_query_limits limits = {.timeout_ms = TIMEOUT_MS, .clock = &lam_clock_system};
    struct lam_redact_reader *redact;
    struct lam_store_reader *store;
    struct lam_reader reader;
    struct lam_buf answer;
    int rc = lam_store_reader_new(&store, engine, NULL, true, err);

    if (rc)
        return rc;
    reader = lam_store_reader(store);
    lam_buf_init(&answer, LAM_QUERY_ANSWER_MAX);
    if (!(rc = lam_redact_reader_new(&redact, engine, &reader, err)) &&
        !(rc = lam_query_run(query, &reader, &limits, &answer, NULL, err))) {
        if (cli->json) {
            fwrite(answer.ptr, 1, answer.len, stdout);
            putchar('\n');
        } else {
            print_answer(cli, query, lam_buf_sv(&answer));
        }
    }
    lam_buf_release(&answer);
    lam_redact_reader_free(redact);
    lam_store_reader_free(store);
    return rc;
}

static int run(struct lam_cli *cli)
{
    struct lam_engine engine = {0};
    struct lam_query query;
    struct lam_error err;
    int rc, code;

    if ((rc = build(cli, &query, &err))) {
        lam_query_release(&query);
        return rc == LAM_E_INVALID || rc == LAM_E_LIMIT ? lam_cli_usage(cli, "%s", err.text) : lam_cli_fail(cli, &err);
    }
    if (!(code = lam_cli_store(cli, cli->args[0], &engine)) && (rc = ask(cli, &query, &engine, &err)))
        code = rc == LAM_E_INVALID ? lam_cli_usage(cli, "%s", err.text) : lam_cli_fail(cli, &err);
    lam_engine_close(&engine);
    lam_query_release(&query);
    return code;
}
