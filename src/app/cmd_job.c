/* lamina job: check a job file, print its JSON Schema, write a starting point. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define SCHEMA_MAX (4u << 20)

extern const struct lam_verb lam_verb_job; /* main.c lists it */

static void print_sources(const struct lam_job *job)
{
    for (size_t i = 0; i < job->source_count; i++)
        printf("source     %s: %s\n", job->sources[i].name, job->sources[i].path);
    if (job->stream)
        printf("stream     %s: topic %s at %s\n", job->stream->name, job->stream->topic,
               job->stream->local ? "a broker inside the job" : job->stream->brokers);
}

/* What is no error, and still may surprise whoever starts the job here. */
static json_t *notes_of(const struct lam_job *job)
{
    json_t *notes = json_array();

    if (job->serve.token_env && !getenv(job->serve.token_env))
        json_array_append_new(notes, json_sprintf("the environment variable %s (/serve/token_env) is not set here", job->serve.token_env));
    for (size_t i = 0; job->stream && i < job->stream->kafka_count; i++)
        if (job->stream->kafka[i].env && !getenv(job->stream->kafka[i].env))
            json_array_append_new(notes, json_sprintf("the environment variable %s (/stream/kafka/%s) is not set here",
                                                      job->stream->kafka[i].env, job->stream->kafka[i].name));
    if (job->stream && job->stream->local)
        json_array_append_new(notes, json_string("the broker inside the job forgets its topics when the job ends; what "
                                                 "was archived stays"));
    if (!job->tasks.wanted)
        json_array_append_new(notes, json_string("no tasks are asked for: records are kept as they are"));
    return notes;
}

static int print_good_json(const struct lam_cli *cli, const struct lam_job *job, json_t *notes)
{
    char identity[LAM_DIGEST_HEX], analysis[LAM_DIGEST_HEX];
    json_t *json;

    lam_digest_hex(job->identity_digest, identity);
    lam_digest_hex(job->analysis_digest, analysis);
    json = json_pack("{s:s, s:b, s:[], s:o, s:s, s:s, s:o, s:o, s:o}", "file", job->file, "ok", 1, "problems", "notes",
                     notes, "identity_digest", identity, "analysis_digest", analysis, "identity",
                     json_loadb(job->identity.ptr, job->identity.len, 0, NULL), "analysis",
                     json_loadb(job->analysis.ptr, job->analysis.len, 0, NULL), "job",
                     json_loadb(job->full.ptr, job->full.len, 0, NULL));
    if (!json) {
        struct lam_error err;

        LAM_FAIL(&err, LAM_E_MEMORY, "no memory for the result");
        return lam_cli_fail(cli, &err);
    }
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
    return LAM_EXIT_DONE;
}

static int check(const struct lam_cli *cli)
{
    struct lam_job *job;
    json_t *notes, *note;
    size_t i;
    int code;

    if (cli->arg_count != 2)
        return lam_cli_usage(cli, "check: expected one job file");
    if ((code = lam_cli_job(cli, cli->args[1], &job)))
        return code;
    notes = notes_of(job);
    if (cli->json) {
        code = print_good_json(cli, job, notes);
        goto cleanup;
    }
    printf("%s is good\n\nname       %s\nstore      %s\n", job->file, job->name, job->store.path);
    print_sources(job);
    printf("dataset    %s, ordered by %s\nroles      %u serve, %u speed, the rest batch\nserve      http://%s/\n",
           job->dataset.kind == LAM_JOB_APPEND ? "append" : "upsert", job->dataset.order_text.ptr, job->roles.serve,
           job->roles.speed, job->serve.listen);
    json_array_foreach(notes, i, note)
        printf("%snote       %s\n", i ? "" : "\n", json_string_value(note));
    json_decref(notes);
cleanup:
    lam_job_free(job);
    return code;
}

static int schema(const struct lam_cli *cli)
{
    struct lam_error err;
    struct lam_buf text;
    int code = LAM_EXIT_DONE;

    if (cli->arg_count != 1)
        return lam_cli_usage(cli, "schema: takes no argument");
    lam_buf_init(&text, SCHEMA_MAX);
    if (lam_job_schema(&text, &err))
        code = lam_cli_fail(cli, &err);
    else
        fwrite(text.ptr, 1, text.len, stdout);
    lam_buf_release(&text);
    return code;
}

/* The file's name without folder and ending, as far as a job's name may have its characters. */
static void name_of(const char *path, char name[65])
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t len = strcspn(base, "."), used = 0;

    for (size_t i = 0; i < len && used < 64; i++) {
        char c = base[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (plain || (used && (c == '_' || c == '-')))
            name[used++] = c;
    }
    name[used] = '\0';
    if (!used)
        strcpy(name, "lamina");
}

static int init(const struct lam_cli *cli)
{
    static const char format[] = "{\n"
                                 "  \"name\": \"%s\",\n"
                                 "  \"store\": \"out/%s\",\n"
                                 "  \"dataset\": { \"kind\": \"upsert\", \"key\": [\"/id\", \"$path\"], \"text\": "
                                 "[\"/title\", \"/text\"] },\n"
                                 "  \"sources\": [ { \"type\": \"files\", \"path\": \"data/**\" } ],\n"
                                 "  \"tasks\": {\n"
                                 "    \"classify\": {\n"
                                 "      \"labels\": {\n"
                                 "        \"question\": \"how what where which help question explain documentation\",\n"
                                 "        \"problem\": \"error fails broken crash bug wrong down slow cannot\",\n"
                                 "        \"request\": \"please add feature would like wish improve support\"\n"
                                 "      }\n"
                                 "    },\n"
                                 "    \"entities\": {},\n"
                                 "    \"summarize\": { \"sentences\": 2 },\n"
                                 "    \"sentiment\": {},\n"
                                 "    \"keywords\": { \"max\": 8 },\n"
                                 "    \"language\": {},\n"
                                 "    \"embed\": { \"dim\": 128 }\n"
                                 "  },\n"
                                 "  \"quarantine\": { \"max\": 0.01 },\n"
                                 "  \"serve\": { \"listen\": \"127.0.0.1:8080\" }\n"
                                 "}\n";
    const char *path = cli->arg_count > 1 ? cli->args[1] : "lamina.json";
    char name[65], text[sizeof format + 2 * sizeof name];
    struct lam_error err;
    int rc;

    if (cli->arg_count > 2)
        return lam_cli_usage(cli, "init: expected at most one file name");
    name_of(path, name);
    snprintf(text, sizeof text, format, name, name);
    rc = lam_fs_publish(&lam_fs_system, path, lam_sv_of(text), &err);
    if (rc == LAM_E_EXISTS)
        LAM_FAIL(&err, rc, "%s exists already, and is left as it is", path);
    if (rc)
        return lam_cli_fail(cli, &err);
    if (cli->json) {
        json_t *json = json_pack("{s:s}", "file", path);

        if (json)
            json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    } else {
        printf("%s is written. It reads the files in data/ beside it: let \"path\" and \"labels\" fit what you have, then\n"
               "  lamina job check %s\n  lamina run %s\n",
               path, path, path);
    }
    return LAM_EXIT_DONE;
}

static int run(struct lam_cli *cli)
{
    if (!strcmp(cli->args[0], "check"))
        return check(cli);
    if (!strcmp(cli->args[0], "schema"))
        return schema(cli);
    if (!strcmp(cli->args[0], "init"))
        return init(cli);
    return lam_cli_usage(cli, "expected check, schema or init; found \"%s\"", cli->args[0]);
}

const struct lam_verb lam_verb_job = {
    .name = "job",
    .arguments = "check|schema|init [FILE]",
    .summary = "check a job file; print the JSON Schema of job files; write a starting point",
    .details = "  check FILE    is the job file good? Tells everything that is wrong with it, up to 20 things at once\n"
               "  schema        the JSON Schema (draft 2020-12) of job files, for editors and other programs\n"
               "  init [FILE]   writes a job file to start from (lamina.json); never replaces one\n"
               "\n"
               "Paths in a job file, and in --set, are relative to the folder of the job file.\n"
               "FIELD of --set is dotted (sources.0.path) or a JSON pointer (/stream/kafka/security.protocol);\n"
               "VALUE is JSON where it parses, else a string; null takes a field away.\n"
               "\n"
               "examples:\n"
               "  lamina job check jobs/quickstart.json\n"
               "  lamina job check --set roles.speed=2 --set batch.split=\"16 MiB\" --json jobs/quickstart.json\n"
               "  lamina job schema > job.schema.json",
    .min_args = 1,
    .max_args = 2,
    .takes_job = true,
    .run = run,
};
