#include "ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema.h"

#define CHAT_TOKENS 24 /* roles and separators of a chat's two messages */
#define TEXT_MAX ((size_t)64 << 20)

static const struct {
    enum lam_task task;
    const char *name;
} chat_tasks[] = {{LAM_TASK_CLASSIFY, "classify"}, {LAM_TASK_SENTIMENT, "sentiment"}, {LAM_TASK_LANGUAGE, "language"}, {LAM_TASK_KEYWORDS, "keywords"},
                  {LAM_TASK_ENTITIES, "entities"}, {LAM_TASK_SUMMARIZE, "summarize"}, {LAM_TASK_CUSTOM, "custom"}};
#define TASKS (sizeof chat_tasks / sizeof *chat_tasks)

static bool serves(const struct lam_job_endpoint *endpoint, uint32_t tier, enum lam_job_endpoint_kind kind) { return endpoint->kind == kind && endpoint->tier == tier; }

int lam_asks_models(const struct lam_job *job, uint32_t tier, enum lam_job_endpoint_kind kind, struct lam_buf *out, struct lam_error *err)
{
    const char *last = NULL;
    int rc = 0;

    for (;;) { /* the least of those above the last: a handful of endpoints */
        const char *least = NULL;

        for (size_t i = 0; i < job->deep.endpoint_count; i++) {
            const struct lam_job_endpoint *endpoint = &job->deep.endpoints[i];

            if (serves(endpoint, tier, kind) && (!last || strcmp(endpoint->model, last) > 0) && (!least || strcmp(endpoint->model, least) < 0))
                least = endpoint->model;
        }
        if (!least || rc)
            return rc;
        rc = lam_buf_addf(out, err, "%s%s", last ? "|" : "", least);
        last = least;
    }
}

uint32_t lam_asks_context(const struct lam_job *job, uint32_t tier, enum lam_job_endpoint_kind kind)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < job->deep.endpoint_count; i++)
        if (serves(&job->deep.endpoints[i], tier, kind) && job->deep.endpoints[i].context < least)
            least = job->deep.endpoints[i].context;
    return least;
}

/* What answers to these tasks have, framed as JSON: seen with common models, generous. */
static uint32_t expected_tokens(const struct lam_tasks *tasks, uint32_t wanted)
{
    uint32_t tokens = 8;

    tokens += wanted & LAM_TASK_CLASSIFY ? 24 : 0;
    tokens += wanted & LAM_TASK_SENTIMENT ? 8 : 0;
    tokens += wanted & LAM_TASK_LANGUAGE ? 8 : 0;
    tokens += wanted & LAM_TASK_KEYWORDS ? 8 + 6 * tasks->max_keywords : 0;
    tokens += wanted & LAM_TASK_ENTITIES ? 120 : 0;
    tokens += wanted & LAM_TASK_SUMMARIZE ? 8 + 35 * tasks->sentences : 0;
    return tokens + (wanted & LAM_TASK_CUSTOM ? 150 : 0);
}

static int set_system(struct lam_ask *ask, int which, struct lam_sv text, struct lam_error *err)
{
    lam_buf_clear(&ask->system[which]);
    ask->guess[which] = lam_token_guess(text) + CHAT_TOKENS;
    ask->prefix[which] = lam_hash64(text.ptr, text.len) | 1;
    return lam_buf_add_json(&ask->system[which], text, err);
}

static int set_schema(struct lam_ask *ask, struct lam_error *err)
{
    int rc;

    if (!(ask->check = lam_json_new(TEXT_MAX, 64)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a schema");
    if ((rc = lam_json_parse(ask->check, lam_buf_sv(&ask->schema), err)))
        return LAM_PASS(err, rc, "the schema of an answer");
    if ((rc = lam_buf_addf(&ask->format, err, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"strict\":true,\"schema\":")) ||
        (rc = lam_buf_add_sv(&ask->format, lam_buf_sv(&ask->schema), err)))
        return rc;
    return lam_buf_addf(&ask->format, err, "}}");
}

static int set_scopes(struct lam_ask *ask, const struct lam_job *job, struct lam_error *err)
{
    struct lam_buf models;
    char parameters[64];
    int rc = 0;

    snprintf(parameters, sizeof parameters, "temperature=0;answer=%" PRIu32, ask->answer_tokens);
    lam_buf_init(&models, TEXT_MAX);
    for (uint32_t tier = 0; !rc && tier < job->deep.tiers; tier++) {
        lam_buf_clear(&models);
        if (!(rc = lam_asks_models(job, tier, LAM_JOB_CHAT, &models, err)))
            ask->scope[tier] = lam_cache_scope(lam_buf_sv(&models), lam_buf_sv(&ask->system[0]), lam_buf_sv(&ask->schema), lam_sv_of(parameters));
    }
    lam_buf_release(&models);
    return rc;
}

static void set_digest(struct lam_ask *ask)
{
    struct lam_digest parts[2] = {lam_hash128(ask->system[0].ptr, ask->system[0].len), lam_hash128(ask->schema.ptr, ask->schema.len)};

    lam_digest_hex(lam_hash128(parts, sizeof parts), ask->digest);
}

static struct lam_ask *add_ask(struct lam_asks *asks, const char *name)
{
    struct lam_ask *ask = &asks->items[asks->count++];

    ask->name = name;
    for (int i = 0; i < 2; i++)
        lam_buf_init(&ask->system[i], TEXT_MAX);
    lam_buf_init(&ask->schema, TEXT_MAX);
    lam_buf_init(&ask->format, TEXT_MAX);
    return ask;
}

static int open_ask(struct lam_asks *asks, const struct lam_job *job, const struct lam_llm_prompts *prompts, const char *name, uint32_t wanted, struct lam_error *err)
{
    struct lam_ask *ask = add_ask(asks, name);
    struct lam_buf text;
    int rc = 0;

    lam_buf_init(&text, TEXT_MAX);
    ask->tasks = wanted;
    ask->version = lam_llm_prompt_version(prompts, wanted);
    ask->answer_tokens = job->deep.answer_tokens;
    ask->expected_tokens = expected_tokens(&job->tasks, wanted);
    for (int packed = 0; !rc && packed < 2; packed++) {
        lam_buf_clear(&text);
        if (!(rc = lam_llm_prompt_system(prompts, &job->tasks, wanted, packed, &text, err)))
            rc = set_system(ask, packed, lam_buf_sv(&text), err);
    }
    lam_buf_release(&text);
    if (rc || (rc = lam_llm_schema_write(&job->tasks, wanted, job->deep.answer_tokens, &ask->schema, err)) || (rc = set_schema(ask, err)) || (rc = set_scopes(ask, job, err)))
        return rc;
    set_digest(ask);
    return 0;
}

/* Of a part of a long document: a summary of its own, longer than that of the whole. */
static int open_part(struct lam_asks *asks, const struct lam_job *job, const struct lam_llm_prompts *prompts, struct lam_error *err)
{
    static const char *const fills[] = {"sentences", NULL};
    struct lam_ask *ask = add_ask(asks, "part");
    uint32_t sentences = job->tasks.sentences + 2;
    char number[16];
    struct lam_sv value;
    struct lam_buf text;
    int rc;

    snprintf(number, sizeof number, "%" PRIu32, sentences);
    value = lam_sv_of(number);
    lam_buf_init(&text, TEXT_MAX);
    ask->version = lam_llm_prompt_version(prompts, 0);
    ask->answer_tokens = job->deep.answer_tokens;
    ask->expected_tokens = 16 + 35 * sentences;
    rc = lam_llm_prompt_fill(lam_llm_prompt_text(prompts, LAM_PROMPT_PART), fills, &value, &text, err);
    for (int which = 0; !rc && which < 2; which++)
        rc = set_system(ask, which, lam_buf_sv(&text), err);
    lam_buf_release(&text);
    if (rc || (rc = lam_buf_addf(&ask->schema, err,
                                 "{\"type\":\"object\",\"properties\":{\"summary\":{\"type\":\"string\",\"maxLength\":%" PRIu32
                                 "}},\"required\":[\"summary\"],\"additionalProperties\":false}",
                                 lam_llm_summary_text(sentences))) ||
        (rc = set_schema(ask, err)) || (rc = set_scopes(ask, job, err)))
        return rc;
    set_digest(ask);
    return 0;
}

/* Vectors: no prompt, no schema; what they are follows from the models and the dimension. */
static int open_embed(struct lam_asks *asks, const struct lam_job *job, struct lam_error *err)
{
    struct lam_ask *ask = add_ask(asks, "embed");
    struct lam_buf models;
    char parameters[32];
    int rc;

    lam_buf_init(&models, TEXT_MAX);
    ask->tasks = LAM_TASK_EMBED;
    snprintf(parameters, sizeof parameters, "embed=%" PRIu32, job->tasks.dim);
    if (!(rc = lam_asks_models(job, 0, LAM_JOB_EMBEDDINGS, &models, err)))
        ask->scope[0] = lam_cache_scope(lam_buf_sv(&models), LAM_SV("embeddings"), lam_sv("", 0), lam_sv_of(parameters));
    lam_buf_release(&models);
    set_digest(ask);
    return rc;
}

int lam_asks_open(const struct lam_job *job, const struct lam_llm_prompts *prompts, struct lam_asks *asks, struct lam_error *err)
{
    uint32_t chat = 0;
    int rc = 0;

    *asks = (struct lam_asks){.part = SIZE_MAX};
    for (size_t i = 0; i < TASKS; i++)
        chat |= job->tasks.wanted & chat_tasks[i].task;
    if (job->deep.request_mode == LAM_JOB_PER_TASK) {
        for (size_t i = 0; !rc && i < TASKS; i++)
            if (chat & chat_tasks[i].task)
                rc = open_ask(asks, job, prompts, chat_tasks[i].name, chat_tasks[i].task, err);
    } else if (chat) {
        rc = open_ask(asks, job, prompts, "combined", chat, err);
    }
    if (!rc && chat & LAM_TASK_SUMMARIZE) {
        asks->part = asks->count;
        rc = open_part(asks, job, prompts, err);
    }
    if (!rc && job->tasks.wanted & LAM_TASK_EMBED && lam_asks_context(job, 0, LAM_JOB_EMBEDDINGS) != UINT32_MAX)
        rc = open_embed(asks, job, err);
    return rc;
}

void lam_asks_release(struct lam_asks *asks)
{
    for (size_t i = 0; i < asks->count; i++) {
        struct lam_ask *ask = &asks->items[i];

        for (int which = 0; which < 2; which++)
            lam_buf_release(&ask->system[which]);
        lam_buf_release(&ask->schema);
        lam_buf_release(&ask->format);
        lam_json_free(ask->check);
    }
    *asks = (struct lam_asks){0};
}
