/* Scripted servers, a client of them, and what came of each request: the fixture of tests of the client of language-model servers. */
#ifndef LAMINA_TESTS_UNIT_AI_LLM_KIT_H
#define LAMINA_TESTS_UNIT_AI_LLM_KIT_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "llm_server.h"
#include "openai/client.h"

#define KIT_REQUESTS 2048

struct kit_result {
    atomic_uint calls;
    enum lam_llm_outcome outcome;
    int status;
    size_t endpoint, body_len;
    uint32_t dropped, context, prompt_tokens;
    unsigned attempts;
    bool hedged, timed_out, no_tools;
    int64_t total_us;
    char reason[LAM_LLM_REASON], body[512];
};

struct kit {
    struct llm_server *servers[2];
    struct lam_llm_endpoint endpoints[4];
    struct lam_llm_options options;
    struct lam_llm_client *client;
    struct kit_result results[KIT_REQUESTS];
    atomic_uint done;
    unsigned sent;
};

/* A server, and an endpoint there; short times, no hedging. */
static inline struct kit *kit_new(llm_choose *choose, void *arg)
{
    struct kit *kit = calloc(1, sizeof *kit);

    kit->servers[0] = llm_server_start(choose, arg);
    lam_llm_options_init(&kit->options);
    kit->endpoints[0] = (struct lam_llm_endpoint){.url = llm_server_url(kit->servers[0]), .model = "small", .limits = {.concurrency = 64}, .start = 64};
    kit->options.endpoints = kit->endpoints;
    kit->options.endpoint_count = 1;
    kit->options.hedge_budget = 0;
    kit->options.transport_retries = 1;
    kit->options.error_retries = 1;
    kit->options.rate_retries = 3;
    kit->options.give_up_ms = 20000;
    return kit;
}

/* A second server, with an endpoint that is as the first one by now. */
static inline void kit_add(struct kit *kit, llm_choose *choose, void *arg)
{
    kit->servers[1] = llm_server_start(choose, arg);
    kit->endpoints[1] = kit->endpoints[0];
    kit->endpoints[1].url = llm_server_url(kit->servers[1]);
    kit->options.endpoint_count = 2;
}

static inline void kit_open(struct kit *kit)
{
    struct lam_error err;

    if (lam_llm_client_open(&kit->options, &kit->client, &err))
        fail_msg("%s", err.text);
}

static inline void kit_done(void *arg, const struct lam_llm_response *response)
{
    struct kit_result *result = arg;
    struct kit *kit = *(struct kit **)(void *)result->body; /* put there by kit_send */
    size_t len = response->body.len < sizeof result->body - 1 ? response->body.len : sizeof result->body - 1;

    result->outcome = response->outcome;
    result->status = response->status;
    result->endpoint = response->endpoint;
    result->dropped = response->dropped;
    result->context = response->context;
    result->prompt_tokens = response->prompt_tokens;
    result->attempts = response->attempts;
    result->hedged = response->hedged;
    result->timed_out = response->timed_out;
    result->no_tools = response->no_tools;
    result->total_us = response->total_us;
    result->body_len = response->body.len;
    snprintf(result->reason, sizeof result->reason, "%s", response->reason);
    if (len)
        memcpy(result->body, response->body.ptr, len);
    result->body[len] = '\0';
    atomic_fetch_add(&result->calls, 1);
    atomic_fetch_add(&kit->done, 1);
}

/* Request number kit->sent, whose body has "n": that number. change, which may be NULL, is laid over it. Returns what submit did. */
static inline int kit_send_as(struct kit *kit, const struct lam_llm_request *change, uint64_t *id)
{
    struct lam_llm_request request = change ? *change : (struct lam_llm_request){.tokens = 10, .max_tokens = 20};
    struct kit_result *result = &kit->results[kit->sent];
    struct lam_error err;
    char body[64];
    int rc;

    snprintf(body, sizeof body, "\"messages\":[],\"n\":%u", kit->sent);
    memcpy(result->body, &kit, sizeof kit);
    request.body = lam_sv_of(body);
    request.done = kit_done;
    request.arg = result;
    rc = lam_llm_client_submit(kit->client, &request, id, &err);
    if (rc && rc != LAM_PENDING)
        print_message("%s\n", err.text);
    kit->sent += rc == 0;
    return rc;
}

static inline void kit_send(struct kit *kit, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(kit_send_as(kit, NULL, NULL), 0);
}

/* All that was sent has come back, once each. The limit of a minute is for what hangs. */
static inline void kit_wait(struct kit *kit)
{
    for (int i = 0; i < 60000 && lam_llm_client_open_requests(kit->client); i++)
        usleep(1000);
    assert_int_equal(lam_llm_client_open_requests(kit->client), 0);
    assert_int_equal(atomic_load(&kit->done), kit->sent);
    for (unsigned i = 0; i < kit->sent; i++)
        assert_int_equal(atomic_load(&kit->results[i].calls), 1);
}

static inline unsigned kit_count(const struct kit *kit, enum lam_llm_outcome outcome)
{
    unsigned count = 0;

    for (unsigned i = 0; i < kit->sent; i++)
        count += kit->results[i].outcome == outcome;
    return count;
}

static inline void kit_free(struct kit *kit)
{
    lam_llm_client_close(kit->client);
    for (int i = 0; i < 2; i++)
        if (kit->servers[i])
            llm_server_stop(kit->servers[i]);
    free(kit);
}

/* "n" of a request's body. */
static inline unsigned kit_number(const struct llm_request *request)
{
    const char *at = strstr(request->body, "\"n\":");

    return at ? (unsigned)strtoul(at + 4, NULL, 10) : 0;
}

/* One reply to all. */
static inline void kit_same(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)request;
    *reply = *(const struct llm_reply *)arg;
}

#endif
