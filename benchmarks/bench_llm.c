/*
 * The client of language-model servers against the best possible schedule: a scripted server, a process of its own, answers with latencies
 * that are known beforehand (lognormal, one in a hundred at 30 times the median), and the wall time is compared with list scheduling of
 * the same latencies at the same concurrency. And the client's CPU a request, parsing of the answer included: of the whole process, server
 * left out, beside that of a plain loop over libcurl's multi interface with the same requests.
 *
 *     bench_llm [requests a slot] [median ms] [C …]       defaults: 20, 400, 64 256 1000
 *     bench_llm only NAME …                               one row of the table: plain, full, hedged, finding; all: with RESULT lines
 *     bench_llm serve [median ms]                         the server alone, for the peers: writes its port (4 bytes), ends with standard input
 *     bench_llm ideal [median ms] requests C              seconds of the list schedule, whole and middle
 *
 * steady: the time in which the middle 60 % of the answers came, against the same of the list schedule. whole: first to last.
 */
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tests/support/llm_server.h"
#include "ai/openai/client.h"
#include "bench.h"
#include "model/json.h"
#include "plain_multi.h"

#define PROMPT 2048
#define STRAGGLERS 100 /* one in so many */
#define SLOW 30
#define SIGMA 0.4

/* Latency of request n in order of arrival: a pure function, so that server and schedule agree. */
static double latency_us(uint64_t n, double median_us)
{
    uint64_t seed = n * UINT64_C(0x2545f4914f6cdd1d) + 12345;
    double u = ((double)(bench_random(&seed) >> 11) + 0.5) * 0x1p-53, v = (double)(bench_random(&seed) >> 11) * 0x1p-53;

    if (bench_random(&seed) % STRAGGLERS == 0)
        return SLOW * median_us;
    return median_us * exp(SIGMA * sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

static void reply_later(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    reply->delay_us = (int64_t)latency_us(request->number, *(double *)arg);
    reply->close_after = strcasestr(request->head, "\r\nconnection: close") != NULL; /* one of the peers waits for it */
}

/* ---- the best schedule: each latency in turn to the slot that is free first ---- */

static void sift(double *heap, size_t count)
{
    size_t at = 0, child;
    double value = heap[0];

    for (; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= value)
            break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

/* ends: of all requests, sorted. */
static void list_schedule(size_t count, size_t slots, double median_us, double *ends)
{
    double *heap = bench_alloc(slots * sizeof *heap);

    for (size_t i = 0; i < count; i++) {
        ends[i] = heap[0] + latency_us(i, median_us);
        heap[0] = ends[i];
        sift(heap, slots);
    }
    free(heap);
    qsort(ends, count, sizeof *ends, bench_by_size);
}

/* ---- what is measured ---- */

struct run {
    struct lam_llm_client *client;
    struct lam_llm_request request;
    atomic_size_t sent; /* the first ones by main, each further one by the callback of another */
    struct lam_json *json;
    double *ends, start_us;
    size_t count;
    atomic_size_t done;
    sem_t end;
};

struct row {
    const char *name, *title, *target;
    bool plain, told; /* told: to start with C requests at once, else it finds out */
    double hedge;
};

static const struct row rows[] = {{"plain", "libcurl, plain loop", "", true, true, 0},
                                  {"full", "lamina", " target 1.01, 1.03, 100", false, true, 0},
                                  {"hedged", "lamina, hedged", "", false, true, 0.02},
                                  {"finding", "lamina, finding its limit", "", false, false, 0}};

static void submit(struct run *run)
{
    struct lam_error err;
    size_t number = atomic_fetch_add(&run->sent, 1) + 1;

    if (number > run->count)
        return;
    BENCH_OK(lam_llm_client_submit(run->client, &run->request, NULL, &err));
    if (number == run->count)
        lam_llm_client_drain(run->client, true);
}

/* What each answer needs at least: parsed, its content found, its usage read. */
static void check(void *arg, struct lam_sv answer)
{
    struct run *run = arg;
    struct lam_error err;

    BENCH_OK(lam_json_parse(run->json, answer, &err));
    if (lam_json_type(run->json, lam_json_find(run->json, LAM_JSON_ROOT, LAM_SV("/choices/0/message/content"))) != LAM_JSON_STRING ||
        lam_json_type(run->json, lam_json_find(run->json, LAM_JSON_ROOT, LAM_SV("/usage/total_tokens"))) != LAM_JSON_NUMBER)
        bench_die("answer", "no content");
    run->ends[atomic_load(&run->done)] = bench_us() - run->start_us;
    if (atomic_fetch_add(&run->done, 1) + 1 == run->count)
        sem_post(&run->end);
}

/* On the I/O thread. */
static void take(void *arg, const struct lam_llm_response *response)
{
    if (response->outcome != LAM_LLM_ANSWERED)
        bench_die("answer", response->reason);
    check(arg, response->body);
    submit(arg);
}

static void run_client(struct run *run, const struct row *row, const char *url, size_t slots, struct lam_sv messages)
{
    struct lam_llm_endpoint endpoint = {.url = url, .model = "scripted", .limits = {.concurrency = (uint32_t)slots}, .start = row->told ? (uint32_t)slots : 0};
    struct lam_llm_options options;
    struct lam_error err;

    lam_llm_options_init(&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.max_open = 2 * slots; /* as many again wait as are in flight */
    options.hedge_budget = row->hedge;
    BENCH_OK(lam_llm_client_open(&options, &run->client, &err));
    run->request = (struct lam_llm_request){.body = messages, .tokens = 500, .max_tokens = 100, .done = take, .arg = run};
    run->start_us = bench_us();
    for (size_t i = 0; i < options.max_open && i < run->count; i++)
        submit(run);
    while (sem_wait(&run->end)) /* asleep: looking now and then would cost a tenth of what is measured */
        ;
}

static void run_plain(struct run *run, const char *url, size_t slots, struct lam_sv messages)
{
    char body[PROMPT + 128], path[96];

    snprintf(path, sizeof path, "%s/chat/completions", url);
    snprintf(body, sizeof body, "{\"model\":\"scripted\",%.*s}", (int)messages.len, messages.ptr);
    run->start_us = bench_us();
    plain_multi(path, lam_sv_of(body), slots, run->count, check, run);
}

static bool results; /* RESULT lines too, for run.sh */

static void measure(const struct row *row, const char *url, size_t slots, size_t count, double median_us)
{
    struct run run = {.count = count};
    double *ideal = bench_alloc(count * sizeof *ideal), cpu_us, steady, whole;
    char messages[PROMPT + 64], prompt[PROMPT];
    uint64_t seed = 7;
    struct rusage usage;

    run.ends = bench_alloc(count * sizeof *run.ends);
    run.json = lam_json_new((size_t)1 << 20, 64);
    sem_init(&run.end, 0, 0);
    list_schedule(count, slots, median_us, ideal);
    snprintf(messages, sizeof messages, "\"messages\":[{\"role\":\"user\",\"content\":\"%.*s\"}]", (int)bench_text(prompt, sizeof prompt, &seed), prompt);
    cpu_us = bench_cpu_us();
    if (row->plain)
        run_plain(&run, url, slots, lam_sv_of(messages));
    else
        run_client(&run, row, url, slots, lam_sv_of(messages));
    cpu_us = bench_cpu_us() - cpu_us;
    getrusage(RUSAGE_SELF, &usage);
    steady = (run.ends[count * 8 / 10] - run.ends[count * 2 / 10]) / (ideal[count * 8 / 10] - ideal[count * 2 / 10]);
    whole = run.ends[count - 1] / ideal[count - 1];
    if (results)
        printf("RESULT llm_%s_%zu steady %.3f whole %.3f of the list schedule, %.0f us of CPU a request%s\n", row->name, slots, steady, whole,
               cpu_us / (double)count, row->target);
    printf("| %s | %zu | %zu | %.2f | %.3f | %.3f | %.0f | %.0f |\n", row->title, slots, count, run.ends[count - 1] / 1e6, steady, whole, cpu_us / (double)count,
           (double)usage.ru_maxrss / 1024);
    fflush(stdout);
    if (run.client)
        lam_llm_client_close(run.client);
    lam_json_free(run.json);
    sem_destroy(&run.end);
    free(run.ends);
    free(ideal);
}

/* The server in a process of its own. Its port comes through a pipe; it ends when we close the other one. */
static pid_t serve(double median_us, unsigned *port, int *stop_fd)
{
    int ports[2], stops[2];
    pid_t pid;

    if (pipe(ports) || pipe(stops) || (pid = fork()) < 0)
        bench_die("fork", "no process");
    if (pid == 0) {
        close(stops[1]);
        llm_server_run(reply_later, &median_us, stops[0], ports[1]);
        _exit(0);
    }
    close(stops[0]);
    if (read(ports[0], port, sizeof *port) != sizeof *port)
        bench_die("read", "no port");
    close(ports[0]);
    close(ports[1]);
    *stop_fd = stops[1];
    return pid;
}

/* Client and server in processes of their own, so that neither's memory is the other's. */
static void one(const struct row *row, size_t slots, size_t count, double median_us)
{
    char url[64];
    unsigned port;
    int stop_fd, status;
    pid_t server = serve(median_us, &port, &stop_fd), client = fork();

    if (client < 0)
        bench_die("fork", "no process");
    if (client == 0) {
        snprintf(url, sizeof url, "http://127.0.0.1:%u/v1", port);
        measure(row, url, slots, count, median_us);
        exit(0);
    }
    waitpid(client, &status, 0);
    close(stop_fd);
    waitpid(server, NULL, 0);
    if (status)
        exit(1);
}

/* Wall time of the list schedule, and of its middle, for programs that measure themselves. */
static int ideal_of(size_t count, size_t slots, double median_us)
{
    double *ends = bench_alloc(count * sizeof *ends);

    list_schedule(count, slots, median_us, ends);
    printf("%.6f %.6f\n", ends[count - 1] / 1e6, (ends[count * 8 / 10] - ends[count * 2 / 10]) / 1e6);
    free(ends);
    return 0;
}

int main(int argc, char **argv)
{
    size_t slots[16] = {64, 256, 1000}, slot_count = 3, each;
    const char *only = argc > 2 && !strcmp(argv[1], "only") ? argv[2] : NULL;
    double median_us;

    argv += only ? 2 : 0;
    argc -= only ? 2 : 0;
    results = only && !strcmp(only, "all");
    each = argc > 1 ? (size_t)atoi(argv[1]) : 0;
    median_us = (argc > 2 ? atof(argv[2]) : 400) * 1000;
    if (argc > 1 && !strcmp(argv[1], "serve")) {
        int ports[2];

        if (pipe(ports))
            bench_die("pipe", "none");
        dup2(1, ports[1]); /* the port as four bytes */
        llm_server_run(reply_later, &median_us, 0, ports[1]);
        return 0;
    }
    if (argc > 4 && !strcmp(argv[1], "ideal"))
        return ideal_of((size_t)atoi(argv[3]), (size_t)atoi(argv[4]), median_us);
    if (argc > 3)
        for (slot_count = 0; (int)slot_count + 3 < argc && slot_count < 16; slot_count++)
            slots[slot_count] = (size_t)atoi(argv[slot_count + 3]);
    each = each ? each : 20;
    printf("| client | C | requests | wall s | steady / ideal | whole / ideal | CPU us a request | peak RSS MiB |\n|---|---|---|---|---|---|---|---|\n");
    fflush(stdout);
    for (size_t i = 0; i < slot_count; i++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
            if (!only || results || !strcmp(only, rows[r].name))
                one(&rows[r], slots[i], each * slots[i], median_us);
    return 0;
}
