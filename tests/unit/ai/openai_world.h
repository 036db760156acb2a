/* A server that answers as its mode says, the analyzer that asks it, and rows to ask about: the world of test_openai.c. */
#ifndef LAMINA_TESTS_UNIT_AI_OPENAI_WORLD_H
#define LAMINA_TESTS_UNIT_AI_OPENAI_WORLD_H

#include <unistd.h>

#include "openai/prompt.h"
#include "openai_kit.h"
#include "scratch.h"

#define JOB                                                                                                                                        \
    "{\"name\":\"t\",\"store\":\"/nowhere\",\"sources\":[{\"type\":\"files\",\"path\":\"x/**\"}],"                                                   \
    "\"tasks\":{\"classify\":{\"labels\":{\"good\":\"fine things\",\"bad\":\"things that break\"}},\"summarize\":{\"sentences\":1}},"                  \
    "\"deep\":{\"analyzer\":\"openai\",%s\"endpoints\":[%s]%s}}"

/* What the scripted server does with the requests that it gets, and what it saw. */
struct script {
    const char *mode;
    struct llm_server *server, *second;
    char *bodies[4096];
    unsigned count;
    unsigned packs, largest, malformed; /* requests about several documents; documents of the largest; those without the schema of a pack */
    unsigned slow;            /* packs that it sat upon */
};

static char *keep(struct script *script, char *text)
{
    assert_true(script->count < 4096);
    return script->bodies[script->count++] = text;
}

static bool is(const struct script *script, const char *mode) { return !strcmp(script->mode, mode); }

/* A chat completion whose content is what stands in single quotes for double ones. */
static void say(struct script *script, struct llm_reply *reply, const char *finish, const char *content)
{
    char *text = malloc(2 * strlen(content) + 400), *out = text;

    out += sprintf(out, "{\"model\":\"served\",\"choices\":[{\"finish_reason\":\"%s\",\"message\":{\"content\":\"", finish);
    for (const char *c = content; *c; c++)
        out += *c == '\'' ? sprintf(out, "\\\"") : sprintf(out, "%c", *c);
    sprintf(out, "\"}}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20}}");
    reply->body = keep(script, text);
}

static unsigned documents(const char *body)
{
    unsigned count = 0;

    for (const char *at = body; (at = strstr(at, "</document ")); at++)
        count++;
    return count > 1 ? count - 1 : count; /* the prompt has one of its own */
}

#define GOOD "{'category': 'good', 'confidence': 9, 'summary': 's'}"
#define ANSWER "'category': 'good', 'confidence': 9, 'summary': 's%u'}"

/* The answers to a pack of so many, as a list; which: one that is left out, or doubled (negative). */
static void say_list(struct script *script, struct llm_reply *reply, const char *finish, unsigned count, int which)
{
    char content[16384] = "{'answers': [";

    for (unsigned i = 1; i <= count; i++)
        if ((int)i != which)
            sprintf(content + strlen(content), "%s{'id': 'd%u', " ANSWER, strlen(content) > 13 ? "," : "", (int)i == -which ? 1 : i, i);
    strcat(content, "]}");
    say(script, reply, finish, content);
}

/* The same as the schema has it: a field for each. */
static void say_fields(struct script *script, struct llm_reply *reply, const char *finish, unsigned count, int which)
{
    char content[16384] = "Here they are: {";

    for (unsigned i = 1; i <= count; i++)
        if ((int)i != which)
            sprintf(content + strlen(content), "%s'd%u': {" ANSWER, content[strlen(content) - 1] == '{' ? "" : ",", (int)i == -which ? count + 1 : i, i);
    strcat(content, "}");
    say(script, reply, finish, content);
}

/* What the server makes of a pack. */
static void choose_pack(struct script *script, const struct llm_request *request, struct llm_reply *reply, unsigned count)
{
    char last[64];

    snprintf(last, sizeof last, "\"required\":[\"d1\",\"d2\"%s", count == 2 ? "]" : ",");
    script->malformed += !strstr(request->body, last) || !strstr(request->body, "{\"$defs\":{\"answer\":{");
    script->packs++;
    script->largest = count > script->largest ? count : script->largest;
    if (is(script, "twos_mixed") && count > 2)
        say_list(script, reply, "stop", count, -2);
    else if (is(script, "twos_unknown") && count > 2)
        say_fields(script, reply, "stop", count, -2);
    else if (is(script, "list_misses_one"))
        say_list(script, reply, "stop", count, 2);
    else if (is(script, "misses_one"))
        say_fields(script, reply, "stop", count, 2);
    else if (is(script, "cuts_packs"))
        say_fields(script, reply, "length", count, 0);
    else if (is(script, "refuses_packs")) {
        reply->status = 400;
        reply->body = "{\"error\":{\"message\":\"too complex\"}}";
    } else if (is(script, "never_packed"))
        say(script, reply, "stop", GOOD);
    else if (is(script, "lists"))
        say_list(script, reply, "stop", count, 0);
    else {
        if ((is(script, "slow_packs") && count > 2) || (is(script, "one_hangs") && strstr(request->body, "\"cheap\""))) {
            reply->delay_us = 3000000;
            script->slow++;
        }
        say_fields(script, reply, "stop", count, 0);
    }
}

/* A vector of four for each text, as numbers or (mode base64) in that form, the last one first; mode three: of three. */
static void embed(struct script *script, const struct llm_request *request, struct llm_reply *reply)
{
    char *text = malloc(16384), *out = text;
    unsigned count = 1;

    for (const char *at = strstr(request->body, "\"input\":["); (at = strstr(at, "\",\"")); at++)
        count++;
    out += sprintf(out, "{\"model\":\"vectors\",\"usage\":{\"prompt_tokens\":%u},\"data\":[", 10 * count);
    for (unsigned i = count; i-- > 0;) /* 3, 4, 0, 0 in base64 */
        out += sprintf(out, "{\"index\":%u,\"embedding\":%s}%s", i, is(script, "base64") ? "\"AABAQAAAgEAAAAAAAAAAAA==\"" : is(script, "three") ? "[3,4,0]" : "[3,4,0,0]", i ? "," : "");
    sprintf(out, "]}");
    reply->body = keep(script, text);
}

static void choose(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct script *script = arg;
    bool again = strstr(request->body, "cannot be used") != NULL;

    if (strstr(request->path, "/embeddings")) {
        embed(script, request, reply);
    } else if (is(script, "wrong_once") && !again)
        say(script, reply, "stop", "{'category': 'weather', 'confidence': 9, 'summary': 's'}");
    else if (is(script, "always_wrong"))
        say(script, reply, "stop", "I would rather not.");
    else if (is(script, "always_cut"))
        say(script, reply, "length", GOOD);
    else if (is(script, "filtered"))
        say(script, reply, "content_filter", GOOD);
    else if (is(script, "unauthorized")) {
        reply->status = 401;
        reply->body = "{\"error\":{\"message\":\"bad key\"}}";
    } else if (is(script, "short_context") && request->body_len > 3500) {
        reply->status = 400;
        reply->body = "{\"error\":{\"code\":400,\"message\":\"too long\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":9000,\"n_ctx\":2048}}";
    } else if (is(script, "absurd_context") && request->body_len > 15000) {
        reply->status = 400;
        reply->body = "{\"error\":{\"message\":\"maximum context length is 8 k tokens\"}}";
    } else if (is(script, "slow")) {
        reply->delay_us = 4000000;
        say(script, reply, "stop", GOOD);
    } else if (documents(request->body) > 1)
        choose_pack(script, request, reply, documents(request->body));
    else if (is(script, "unsure") && strstr(request->body, "\"cheap\""))
        say(script, reply, "stop", "{'category': 'good', 'confidence': 3, 'summary': 's'}");
    else if (is(script, "unsure"))
        say(script, reply, "stop", "{'category': 'bad', 'confidence': 9, 'summary': 'strong'}");
    else
        say(script, reply, "stop", "Here you are:\\n```json\\n" GOOD "\\n```");
}

#define ROOM (16 << 20) /* bytes of strings of a block */

/* --- one job, one analyzer --- */

struct world {
    struct script script;
    struct lam_job *job;
    struct lam_openai *openai;
    struct lam_cache *cache;
    struct lam_wake wake;
    struct lam_log log;
    unsigned rejected;
    char reason[400], raw[400];
};

static void on_reject(void *arg, void *ticket, size_t row, struct lam_sv reason, struct lam_sv raw)
{
    struct world *world = arg;

    (void)ticket;
    (void)row;
    world->rejected++;
    snprintf(world->reason, sizeof world->reason, "%.*s", LAM_SV_ARG(reason));
    snprintf(world->raw, sizeof world->raw, "%.*s", LAM_SV_ARG(raw));
}

static void open_again(struct world *world, const char *store)
{
    struct lam_openai_options options = {.job = world->job, .log = &world->log, .clock = &lam_clock_system, .wake = &world->wake, .size = 1, .reject = on_reject, .arg = world};

    if (store && lam_cache_open(&world->cache, store, NULL, &err))
        fail_msg("%s", err.text);
    options.cache = world->cache;
    if (lam_openai_open(&world->openai, &options, &err))
        fail_msg("%s", err.text);
}

static void close_one(struct world *world)
{
    lam_openai_close(world->openai);
    lam_cache_close(world->cache);
    world->openai = NULL;
    world->cache = NULL;
}

/* deep: more of it, beginning with a comma. two: endpoints of the models cheap and strong at the same server. */
static struct world *begin(const char *mode, bool two, const char *deep, const char *store)
{
    struct world *world = calloc(1, sizeof *world);
    char endpoints[600], text[4000];

    world->log = (struct lam_log){.fd = -1, .level = LAM_LOG_ERROR};
    assert_int_equal(lam_wake_init(&world->wake, &err), 0);
    world->script.mode = mode;
    world->script.server = llm_server_start(choose, &world->script);
    snprintf(endpoints, sizeof endpoints, "{\"url\":\"%s\",\"model\":\"cheap\",\"price_in\":1,\"price_out\":2}", llm_server_url(world->script.server));
    if (two)
        snprintf(endpoints + strlen(endpoints), sizeof endpoints - strlen(endpoints), ",{\"url\":\"%s\",\"model\":\"strong\"}", llm_server_url(world->script.server));
    snprintf(text, sizeof text, JOB, strstr(deep, "\"timeout\"") ? "" : "\"timeout\":5,", endpoints, deep);
    if (lam_job_parse(lam_sv_of(text), "t.json", "/", NULL, 0, &world->job, NULL, &err))
        fail_msg("%s", err.text);
    open_again(world, store);
    return world;
}

static uint64_t end(struct world *world)
{
    struct llm_server_counts counts;
    uint64_t requests;

    close_one(world);
    llm_server_counts(world->script.server, &counts);
    requests = counts.requests;
    llm_server_stop(world->script.server);
    for (unsigned i = 0; i < world->script.count; i++)
        free(world->script.bodies[i]);
    lam_job_free(world->job);
    lam_wake_release(&world->wake);
    free(world);
    return requests;
}

#endif
