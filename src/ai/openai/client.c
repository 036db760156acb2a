#include "client_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "mask.h"
#include "model/json.h"

#define DEFAULT_CONCURRENCY 64
#define KEY_MAX 4096

void lam_llm_options_init(struct lam_llm_options *options)
{
    static const struct lam_log nowhere = {.fd = -1, .rank = -1};

    *options = (struct lam_llm_options){
        .max_open = 1024,
        .max_answer = (size_t)16 << 20,
        .attempt_timeout_ms = 300000,
        .connect_timeout_ms = 10000,
        .stall_timeout_ms = 60000,
        .deadline_ms = 900000,
        .give_up_ms = 120000,
        .transport_retries = 5,
        .rate_retries = 30,
        .error_retries = 3,
        .hedge_budget = 0.02,
        .hedge_factor = 2,
        .hedge_min_ms = 1000,
        .user_agent = "lamina/" LAMINA_VERSION,
        .clock = &lam_clock_system,
        .log = &nowhere,
    };
}

double lam_llm_random(struct lam_llm_client *client)
{
    client->random ^= client->random << 13; /* xorshift: jitter needs no better one */
    client->random ^= client->random >> 7;
    client->random ^= client->random << 17;
    return (double)(client->random >> 11) * 0x1p-53;
}

/* ---- opening ---- */

static int check_url(const char *url, struct lam_error *err)
{
    const char *host = url ? strstr(url, "://") : NULL;
    size_t len;

    if (!host || (strncasecmp(url, "http://", 7) && strncasecmp(url, "https://", 8)))
        return LAM_FAIL(err, LAM_E_INVALID, "endpoint url \"%s\": expected http:// or https://", url ? url : "");
    host += 3;
    len = strcspn(host, "/?#");
    if (!len)
        return LAM_FAIL(err, LAM_E_INVALID, "endpoint url \"%s\" names no host", url);
    if (memchr(host, '@', len)) /* would end up in logs */
        return LAM_FAIL(err, LAM_E_INVALID, "an endpoint's url holds a user name or password: name an environment variable with key_env instead");
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ')
            return LAM_FAIL(err, LAM_E_INVALID, "endpoint url \"%s\" holds a blank or control character", url);
    return 0;
}

const char *lam_llm_url_keep(struct endpoint *endpoint, const char *text)
{
    size_t len = strlen(text) + 1;
    struct url *url;

    for (url = endpoint->all_urls; url; url = url->next)
        if (!strcmp(url->text, text))
            return url->text;
    if (endpoint->url_count == URLS_MAX || !(url = malloc(sizeof *url + len)))
        return NULL;
    endpoint->url_count++;
    url->next = endpoint->all_urls;
    endpoint->all_urls = url;
    return memcpy(url->text, text, len);
}

/* base + "/chat/completions", in front of a query if there is one. */
static const char *join_url(struct endpoint *endpoint, const char *base, const char *path)
{
    size_t len = strcspn(base, "?"), cap = strlen(base) + strlen(path) + 1;
    const char *query = base + len, *kept;
    char *url = malloc(cap);

    while (len && base[len - 1] == '/')
        len--;
    if (!url)
        return NULL;
    snprintf(url, cap, "%.*s%s%s", (int)len, base, path, query);
    kept = lam_llm_url_keep(endpoint, url);
    free(url);
    return kept;
}

static int read_key(struct lam_llm_client *client, size_t e, const struct lam_llm_endpoint *given, struct lam_error *err)
{
    const char *key;
    size_t cap;

    if (!given->key_env || !*given->key_env)
        return 0;
    key = getenv(given->key_env);
    if (!key || !*key)
        return LAM_FAIL(err, LAM_E_INVALID, "endpoint %s: the environment variable %s is not set", given->url, given->key_env);
    for (const char *c = key; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c == 0x7f || c - key >= KEY_MAX)
            return LAM_FAIL(err, LAM_E_INVALID, "endpoint %s: what the environment variable %s holds cannot be a key (a blank, a line end, or too long)",
                            given->url, given->key_env);
    cap = strlen(key) + sizeof LAM_LLM_BEARER;
    if (!(client->authorization[e] = malloc(cap)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an endpoint");
    snprintf(client->authorization[e], cap, "%s%s", LAM_LLM_BEARER, key);
    if (!strncasecmp(given->url, "http://", 7) && strncmp(given->url + 7, "127.", 4) && strncmp(given->url + 7, "localhost", 9) && strncmp(given->url + 7, "[::1]", 5))
        lam_log_warn(client->options.log, "ai", "the key for %s travels unencrypted: https:// would hide it", given->url);
    return 0;
}

static int endpoint_open(struct lam_llm_client *client, size_t e, const struct lam_llm_endpoint *given, struct lam_error *err)
{
    static const char *const paths[LAM_LLM_KINDS] = {"/chat/completions", "/embeddings"};
    struct endpoint *endpoint = &client->endpoints[e];
    struct lam_llm_limits limits = given->limits;
    struct lam_llm_share share;
    int rc;

    if ((rc = check_url(given->url, err)) || (rc = read_key(client, e, given, err)))
        return rc;
    if (!given->model || strlen(given->model) >= sizeof endpoint->model)
        return LAM_FAIL(err, LAM_E_INVALID, "endpoint %s: the model's name is missing or longer than %zu bytes", given->url, sizeof endpoint->model - 1);
    snprintf(endpoint->model, sizeof endpoint->model, "%s", given->model);
    endpoint->kinds = given->kinds ? given->kinds : (1u << LAM_LLM_KINDS) - 1;
    endpoint->tier = given->tier;
    endpoint->stream = given->stream;
    endpoint->weight = given->weight > 0 ? given->weight : 1;
    limits.concurrency = limits.concurrency ? limits.concurrency : DEFAULT_CONCURRENCY;
    lam_llm_share_even(&limits, 0, 1, &share);
    lam_llm_flow_init(&endpoint->flow, &share, given->start, client->now_us);
    endpoint->base = strdup(given->url);
    for (int kind = 0; kind < LAM_LLM_KINDS; kind++)
        endpoint->home[kind] = endpoint->urls[kind] = join_url(endpoint, given->url, paths[kind]);
    return endpoint->base && endpoint->urls[0] && endpoint->urls[1] ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for an endpoint");
}

static int lanes_open(struct lam_llm_client *client, struct lam_error *err)
{
    for (size_t e = 0; e < client->endpoint_count; e++)
        for (int kind = 0; kind < LAM_LLM_KINDS; kind++) {
            struct endpoint *endpoint = &client->endpoints[e];
            struct lane *lane;
            int rc;

            if (!(endpoint->kinds >> kind & 1))
                continue;
            if (!(lane = lam_llm_lane_of(client, endpoint->tier, (enum lam_llm_kind)kind))) {
                lane = &client->lanes[client->lane_count++];
                lane->tier = endpoint->tier;
                lane->kind = (enum lam_llm_kind)kind;
                if ((rc = lam_llm_queue_init(&lane->queue, client->options.max_open, err)))
                    return rc;
            }
            lane->members |= 1u << e;
        }
    return 0;
}

static int tables_open(struct lam_llm_client *client, struct lam_error *err)
{
    size_t count = client->options.max_open;

    client->jobs = calloc(count, sizeof(struct job *));
    client->generations = calloc(count, sizeof *client->generations);
    client->cancels = calloc(count, sizeof *client->cancels);
    client->submitted = lam_ring_new(sizeof(struct job *), count);
    client->slots = lam_ring_new(sizeof(uint32_t), count);
    client->json = lam_json_new(client->options.max_answer, LAM_LLM_DEPTH);
    if (!client->jobs || !client->generations || !client->cancels || !client->submitted || !client->slots || !client->json)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu requests", count);
    for (uint32_t slot = 0; slot < count; slot++)
        lam_ring_push(client->slots, &slot);
    return 0;
}

static int transport_open(struct lam_llm_client *client, const struct lam_llm_options *options, struct lam_error *err)
{
    struct lam_llm_transport_init init = {.options = options,
                                          .authorization = (const char *const *)client->authorization,
                                          .wake = &client->wake,
                                          .sink = {lam_llm_ended, client},
                                          .arg = options->transport_arg};

    client->ops = options->transport ? options->transport : &lam_llm_transport_curl;
    return client->ops->open(&init, &client->transport, err);
}

static int thread_start(struct lam_llm_client *client, struct lam_error *err)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals go to the main thread */
    rc = pthread_create(&client->thread, NULL, lam_llm_client_loop, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return LAM_FAIL(err, LAM_E_MEMORY, "no thread for model requests: %s", strerror(rc));
    pthread_setname_np(client->thread, "llm-io");
    return 0;
}

static void client_free(struct lam_llm_client *client)
{
    if (client->transport)
        client->ops->close(client->transport);
    for (struct attempt *attempt; (attempt = client->free_attempts);) {
        client->free_attempts = attempt->next;
        lam_buf_release(&attempt->body);
        lam_buf_release(&attempt->wire.answer);
        free(attempt);
    }
    for (size_t e = 0; e < LAM_LLM_ENDPOINTS; e++) {
        struct endpoint *endpoint = &client->endpoints[e];

        for (struct url *url; (url = endpoint->all_urls);) {
            endpoint->all_urls = url->next;
            free(url);
        }
        free(endpoint->base);
        if (client->authorization[e])
            explicit_bzero(client->authorization[e], strlen(client->authorization[e]));
        free(client->authorization[e]);
    }
    for (size_t i = 0; i < client->lane_count; i++)
        lam_llm_queue_release(&client->lanes[i].queue);
    lam_wake_release(&client->wake);
    lam_buf_release(&client->joined);
    lam_ring_free(client->submitted);
    lam_ring_free(client->slots);
    lam_json_free(client->json);
    pthread_mutex_destroy(&client->lock);
    free(client->jobs);
    free(client->generations);
    free((void *)client->cancels);
    free(client);
}

static int check_options(const struct lam_llm_options *options, struct lam_error *err)
{
    if (options->endpoint_count < 1 || options->endpoint_count > LAM_LLM_ENDPOINTS)
        return LAM_FAIL(err, LAM_E_INVALID, "%zu endpoints: expected 1 to %d", options->endpoint_count, LAM_LLM_ENDPOINTS);
    if (!options->max_open || options->max_open > UINT32_MAX / 2 || !options->max_answer || !options->attempt_timeout_ms || !options->deadline_ms)
        return LAM_FAIL(err, LAM_E_INVALID, "a bound of the model client is 0: requests in flight, answer bytes, timeouts");
    if (options->ca_file && access(options->ca_file, R_OK)) /* else each request would fail, and its record wait for the next run */
        return LAM_FAIL(err, LAM_E_INVALID, "deep.ca_file: %s cannot be read: %s", options->ca_file, strerror(errno));
    return 0;
}

int lam_llm_client_open(const struct lam_llm_options *options, struct lam_llm_client **out, struct lam_error *err)
{
    struct lam_llm_client *client;
    int rc = check_options(options, err);

    if (rc)
        return rc;
    if (!(client = calloc(1, sizeof *client)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the model client");
    client->options = *options;
    client->endpoint_count = options->endpoint_count;
    client->wake.fd = -1;
    lam_buf_init(&client->joined, options->max_answer);
    client->now_us = lam_mono_us(options->clock);
    client->random = options->seed ? options->seed : (uint64_t)lam_wall_us(options->clock) | 1;
    pthread_mutex_init(&client->lock, NULL);
    rc = lam_wake_init(&client->wake, err);
    for (size_t e = 0; !rc && e < client->endpoint_count; e++)
        rc = endpoint_open(client, e, &options->endpoints[e], err);
    rc = rc ? rc : lanes_open(client, err);
    rc = rc ? rc : tables_open(client, err);
    rc = rc ? rc : transport_open(client, options, err);
    rc = rc ? rc : thread_start(client, err);
    if (rc) {
        client_free(client);
        return rc;
    }
    *out = client;
    return 0;
}

void lam_llm_client_close(struct lam_llm_client *client)
{
    if (!client)
        return;
    atomic_store(&client->stop, true);
    lam_wake_signal(&client->wake);
    pthread_join(client->thread, NULL);
    client_free(client);
}

/* ---- requests ---- */

/* The job with copies of all that the request points to, in one piece. */
static struct job *job_new(const struct lam_llm_request *request)
{
    size_t len = request->body.len, at = 0;
    struct job *job;

    for (size_t i = 0; i < request->option_count; i++)
        len += request->options[i].value.len;
    if (!(job = malloc(sizeof *job + len)))
        return NULL;
    memset(job, 0, sizeof *job);
    job->request = *request;
    job->request.options = NULL;
    for (size_t i = 0; i < request->option_count; i++) {
        struct lam_sv value = request->options[i].value;

        job->options[i] = request->options[i];
        job->options[i].value = lam_sv(job->body + at, value.len);
        if (value.len)
            memcpy(job->body + at, value.ptr, value.len);
        at += value.len;
    }
    if (request->body.len)
        memcpy(job->body + at, request->body.ptr, request->body.len);
    job->request.body = lam_sv(job->body + at, request->body.len);
    job->wait.prefix = request->prefix;
    job->wait.size = (uint64_t)request->tokens / 8 + request->max_tokens; /* a token read costs a server a fraction of one written */
    job->wait.avoid = request->avoid;
    job->wait.deadline_us = INT64_MAX;
    return job;
}

static int check_request(struct lam_llm_client *client, const struct lam_llm_request *request, struct lam_error *err)
{
    size_t len = request->body.len;

    if (request->kind >= LAM_LLM_KINDS || !lam_llm_lane_of(client, request->tier, request->kind))
        return LAM_FAIL(err, LAM_E_INVALID, "no endpoint of step %u takes requests of kind %d", request->tier, (int)request->kind);
    if (request->option_count > LAM_LLM_OPTIONS)
        return LAM_FAIL(err, LAM_E_INVALID, "%zu options: at most %d", request->option_count, LAM_LLM_OPTIONS);
    for (size_t i = 0; i < request->option_count; i++)
        len += request->options[i].value.len;
    if (len > BODY_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "a request of %zu bytes: at most %zu", len, BODY_MAX);
    return 0;
}

int lam_llm_client_submit(struct lam_llm_client *client, const struct lam_llm_request *request, uint64_t *id, struct lam_error *err)
{
    int rc = check_request(client, request, err);
    struct job *job;
    uint32_t slot;

    if (rc)
        return rc;
    atomic_fetch_add(&client->open, 1); /* before the look at stop: the thread waits for what is open */
    if (atomic_load(&client->stop)) {
        atomic_fetch_sub(&client->open, 1);
        return LAM_FAIL(err, LAM_E_CANCELLED, "the model client is closing");
    }
    if (!lam_ring_pop(client->slots, &slot)) {
        atomic_fetch_sub(&client->open, 1);
        return LAM_PENDING;
    }
    if (!(job = job_new(request))) {
        lam_ring_push(client->slots, &slot);
        atomic_fetch_sub(&client->open, 1);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a request");
    }
    job->slot = slot;
    job->generation = ++client->generations[slot];
    job->submitted_us = lam_mono_us(client->options.clock);
    if (id)
        *id = (uint64_t)job->generation << 32 | slot;
    atomic_fetch_add(&client->busy, 1);
    lam_ring_push(client->submitted, &job); /* has room for every slot */
    if (!pthread_equal(pthread_self(), client->thread)) /* a callback's are seen when it is back */
        lam_wake_signal(&client->wake);
    return 0;
}

void lam_llm_client_cancel(struct lam_llm_client *client, uint64_t id)
{
    uint32_t slot = (uint32_t)id;

    if (slot >= client->options.max_open)
        return;
    atomic_store(&client->cancels[slot], (uint32_t)(id >> 32));
    atomic_store(&client->cancel_some, true);
    lam_wake_signal(&client->wake);
}

void lam_llm_client_cancel_all(struct lam_llm_client *client)
{
    atomic_store(&client->cancel_all, true);
    lam_wake_signal(&client->wake);
}

void lam_llm_client_drain(struct lam_llm_client *client, bool draining)
{
    atomic_store(&client->drain, draining);
    lam_wake_signal(&client->wake);
}

size_t lam_llm_client_open_requests(const struct lam_llm_client *client) { return atomic_load(&client->open); }

/* ---- numbers ---- */

#define SEEN(what) atomic_load_explicit(&client->endpoints[e].seen.what, memory_order_relaxed)

void lam_llm_client_counters(const struct lam_llm_client *client, size_t e, struct lam_llm_counters *counters)
{
    *counters = (struct lam_llm_counters){
        .requests = SEEN(requests),
        .answered = SEEN(answered),
        .rate_limited = SEEN(rate_limited),
        .server_errors = SEEN(server_errors),
        .client_errors = SEEN(client_errors),
        .transport_errors = SEEN(transport_errors),
        .retries = SEEN(retries),
        .hedges = SEEN(hedges),
        .hedges_won = SEEN(hedges_won),
        .cancelled = SEEN(cancelled),
        .unseen = SEEN(unseen),
        .unseen_tokens = SEEN(unseen_tokens),
        .lost = SEEN(lost),
        .lost_in = SEEN(lost_in),
        .lost_out = SEEN(lost_out),
        .trials = SEEN(trials),
        .trial_in = SEEN(trial_in),
        .trial_out = SEEN(trial_out),
        .bytes_out = SEEN(bytes_out),
        .bytes_in = SEEN(bytes_in),
        .connections = SEEN(connections),
        .open = SEEN(open),
        .limit = SEEN(limit),
        .latency_p50_ms = SEEN(p50_ms),
        .latency_p95_ms = SEEN(p95_ms),
        .health = SEEN(health),
        .dropped = SEEN(dropped),
    };
}

void lam_llm_client_demand(const struct lam_llm_client *client, size_t e, struct lam_llm_demand *demand)
{
    uint32_t number = atomic_load_explicit(&client->endpoints[e].seen.share_number, memory_order_acquire); /* first: what was spent under it is newer */

    *demand = (struct lam_llm_demand){
        .number = number,
        .open = SEEN(open),
        .waiting = SEEN(waiting),
        .wanted = SEEN(wanted),
        .minute_requests = SEEN(minute_requests),
        .minute_tokens = SEEN(minute_tokens),
        .requests = SEEN(requests),
        .request_tokens = SEEN(request_tokens),
        .pause_ms = SEEN(pause_ms),
        .refused = SEEN(refused),
    };
    if (!atomic_load(&client->busy)) /* what was shown last is from before the last answer, and who has no more work looks no more */
        demand->open = demand->waiting = demand->wanted = demand->pause_ms = 0;
}

void lam_llm_client_set_share(struct lam_llm_client *client, size_t e, const struct lam_llm_share *share)
{
    pthread_mutex_lock(&client->lock);
    client->shares[e] = *share;
    client->share_new[e] = true;
    pthread_mutex_unlock(&client->lock);
    atomic_store(&client->news, true);
    lam_wake_signal(&client->wake);
}
