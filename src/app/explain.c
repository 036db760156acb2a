#include "explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/json_text.h"

#define PROMPT_MAX ((size_t)16 << 20)

static int prompt_path(char path[LAM_PATH_MAX], const char *store, const char *digest)
{
    if (digest[strspn(digest, "0123456789abcdef")]) /* from a record's trace, which an import may have brought */
        return LAM_E_INVALID;
    return snprintf(path, LAM_PATH_MAX, "%s/prompts/%s.json", store, digest) < LAM_PATH_MAX ? 0 : LAM_E_LIMIT;
}

int lam_explain_keep(const struct lam_engine *engine, const struct lam_openai *openai, struct lam_error *err)
{
    const char *store = engine->job->store.path;
    char path[LAM_PATH_MAX];
    struct lam_buf json;
    int rc = snprintf(path, sizeof path, "%s/prompts", store) < (int)sizeof path ? lam_fs_mkdirs(engine->fs, path, err) : 0;

    lam_buf_init(&json, PROMPT_MAX);
    for (size_t i = 0; !rc && i < lam_openai_ask_count(openai); i++) {
        struct lam_openai_prompt prompt = lam_openai_prompt(openai, i);

        if (prompt_path(path, store, prompt.digest) || !access(path, F_OK))
            continue;
        lam_buf_clear(&json);
        if (!(rc = lam_buf_addf(&json, err, "{\"ask\":\"%s\",\"version\":%" PRIu32 ",\"system\":", lam_openai_ask_name(openai, i), prompt.version)) &&
            !(rc = lam_buf_add_sv(&json, prompt.system, err)) && !(rc = lam_buf_addf(&json, err, ",\"schema\":")) && !(rc = lam_buf_add_sv(&json, prompt.schema, err)) &&
            !(rc = lam_buf_addf(&json, err, "}\n")))
            rc = lam_fs_replace(engine->fs, path, lam_buf_sv(&json), err);
    }
    lam_buf_release(&json);
    return rc;
}

static json_int_t count_of(const json_t *object, const char *name) { return json_integer_value(json_object_get(object, name)); }

static void print_ask(const char *store, const json_t *ask)
{
    const json_t *seen = json_object_get(ask, "seen");
    char path[LAM_PATH_MAX];
    json_t *prompt;

    printf("  %s: answered by %s; prompt version %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT " requests, %" JSON_INTEGER_FORMAT
           " tokens in, %" JSON_INTEGER_FORMAT " out, cost %g\n",
           lam_json_text(ask, "ask"), lam_json_text(ask, "model"), count_of(ask, "version"), count_of(ask, "requests"), count_of(ask, "tokens_in"),
           count_of(ask, "tokens_out"), json_number_value(json_object_get(ask, "cost")));
    if (seen)
        printf("  it saw %" JSON_INTEGER_FORMAT " of the text's %" JSON_INTEGER_FORMAT " bytes\n", count_of(seen, "bytes"), count_of(seen, "of"));
    prompt = prompt_path(path, store, lam_json_text(ask, "prompt")) ? NULL : json_load_file(path, 0, NULL);
    if (prompt)
        printf("\n--- the prompt, %s; the text came after it ---\n%s---\n\n", lam_json_text(ask, "prompt"), lam_json_text(prompt, "system"));
    else
        printf("  the prompt %s is not in the store\n\n", lam_json_text(ask, "prompt"));
    json_decref(prompt);
}

static void print_step(size_t number, const json_t *step)
{
    const char *category = lam_json_text(step, "category");

    if (*category)
        printf("  step %zu: %s said %s, confidence %.2f\n", number, lam_json_text(step, "model"), category, json_number_value(json_object_get(step, "confidence")));
    else
        printf("  step %zu: %s gave no category\n", number, lam_json_text(step, "model"));
}

/* What query --audit shows step by step. */
static void print_agent(const json_t *trail)
{
    if (!trail)
        return;
    if (!strcmp(lam_json_text(trail, "outcome"), "pending"))
        printf("  agent: it has not answered yet\n");
    else
        printf("  agent: %s; %zu steps, %" JSON_INTEGER_FORMAT " tokens, beside those above\n", lam_json_text(trail, "outcome"), json_array_size(json_object_get(trail, "steps")),
               count_of(trail, "tokens"));
}

void lam_explain_print(const char *store, const json_t *record)
{
    const json_t *provenance = json_object_get(record, "provenance"), *enrichment = json_object_get(record, "enrichment"),
                 *trace = json_object_get(provenance, "trace"), *item;
    bool pending = json_is_true(json_object_get(record, "pending"));
    size_t i;

    printf("%s: %s%s", lam_json_text(record, "key"), *lam_json_text(enrichment, "category") ? lam_json_text(enrichment, "category") : "no category", pending ? ", pending" : "");
    if (json_is_number(json_object_get(enrichment, "confidence")))
        printf(", confidence %.2f", json_number_value(json_object_get(enrichment, "confidence")));
    if (*lam_json_text(provenance, "analyzer"))
        printf("; %s analysis by %s, %s, model artifact %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT " tokens\n", lam_json_text(provenance, "depth"),
               lam_json_text(provenance, "analyzer"), lam_json_text(provenance, "processed_at"), count_of(provenance, "model"), count_of(provenance, "tokens"));
    else
        printf("; %s\n", pending ? "no model has answered yet: the next batch asks again (why not is in the log of the run that asked)" : "nothing was asked about it");
    json_array_foreach(json_object_get(trace, "steps"), i, item) print_step(i + 1, item);
    json_array_foreach(json_object_get(trace, "asks"), i, item) print_ask(store, item);
    print_agent(json_object_get(trace, "agent"));
}
