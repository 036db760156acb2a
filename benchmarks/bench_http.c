/*
 * What HTTP costs: lookups by key over kept connections, a page of rows, an aggregate; over rows in memory, so that the store is not
 * part of it. usage: bench_http [rows] [seconds]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../tests/unit/serve/http_client.h"
#include "../tests/unit/serve/memory_reader.h"
#include "serve/http.h"
#include "serve/query.h"

#define LATENCIES 1000000

struct client {
    pthread_t thread;
    unsigned port;
    int rows;
    int64_t until_us;
    uint64_t count;
    uint32_t *latencies_us;
};

static int64_t now_us(void) { return lam_mono_us(&lam_clock_system); }

static void *ask(void *arg)
{
    struct client *client = arg;
    int fd = client_connect(client->port);
    unsigned seed = client->port + (unsigned)(uintptr_t)client;
    int64_t before = now_us();

    while (before < client->until_us && client->count < LATENCIES) {
        char request[128];
        struct answer *answer;
        int64_t after;

        snprintf(request, sizeof request, "GET /v1/records/doc/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", rand_r(&seed) % client->rows);
        client_send(fd, request, strlen(request));
        answer = client_receive(fd, false);
        if (answer->status != 200)
            exit(1);
        answer_free(answer);
        after = now_us();
        client->latencies_us[client->count++] = (uint32_t)(after - before);
        before = after;
    }
    close(fd);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void bench_lookups(unsigned port, int rows, int seconds, int clients)
{
    struct client *all = calloc((size_t)clients, sizeof *all);
    uint32_t *merged = malloc((size_t)clients * LATENCIES * sizeof *merged);
    int64_t start_us = now_us();
    uint64_t count = 0;
    double elapsed;

    for (int i = 0; i < clients; i++) {
        all[i] = (struct client){.port = port, .rows = rows, .until_us = start_us + seconds * INT64_C(1000000), .latencies_us = malloc(LATENCIES * 4)};
        pthread_create(&all[i].thread, NULL, ask, &all[i]);
    }
    for (int i = 0; i < clients; i++) {
        pthread_join(all[i].thread, NULL);
        memcpy(merged + count, all[i].latencies_us, all[i].count * 4);
        count += all[i].count;
        free(all[i].latencies_us);
    }
    elapsed = (double)(now_us() - start_us) / 1e6;
    qsort(merged, count, 4, by_size);
    printf("lookups, %d connections: %.0f/s, p50 %" PRIu32 " us, p99 %" PRIu32 " us\n", clients, (double)count / elapsed, merged[count / 2], merged[count * 99 / 100]);
    free(merged);
    free(all);
}

static void bench_query(const struct lam_reader *reader, enum lam_query_kind kind, const char *what, const char *body, size_t limit)
{
    const struct lam_query_limits limits = {60000, NULL, &lam_clock_system};
    struct lam_query_info info;
    struct lam_query query;
    struct lam_error err;
    struct lam_buf out;
    int64_t best_us = INT64_MAX;

    lam_query_init(&query, kind, NULL);
    query.limit = limit;
    if (kind == LAM_QUERY_KEY)
        lam_query_set_key(&query, LAM_SV("doc/7"), NULL);
    if (*body && lam_query_set_aggregate(&query, lam_sv_of(body), &err))
        exit(1);
    lam_buf_init(&out, LAM_QUERY_ANSWER_MAX);
    for (int i = 0; i < 5; i++) {
        int64_t start_us = now_us();

        lam_buf_clear(&out);
        if (lam_query_run(&query, reader, &limits, &out, &info, &err)) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        best_us = now_us() - start_us < best_us ? now_us() - start_us : best_us;
    }
    printf("%s: %" PRIu64 " rows, %.3f us a row, %.1f ms\n", what, info.rows_seen, (double)best_us / (double)(info.rows_seen ? info.rows_seen : 1), (double)best_us / 1e3);
    lam_buf_release(&out);
    lam_query_release(&query);
}

int main(int argc, char **argv)
{
    int rows = argc > 1 ? atoi(argv[1]) : 100000, seconds = argc > 2 ? atoi(argv[2]) : 3;
    struct memory_dataset *dataset = memory_dataset_new((size_t)rows, false, 1);
    struct memory_reader memory;
    struct lam_http_config config;
    struct lam_http *http;
    struct lam_error err;

    for (int i = 0; i < rows; i++) {
        char key[64], metadata[160];

        snprintf(key, sizeof key, "doc/%d", i);
        snprintf(metadata, sizeof metadata, "{\"id\": \"doc/%d\", \"subject\": \"the printer does not answer\", \"revision\": %d, \"priority\": \"high\"}", i, i % 100);
        memory_add(dataset, lam_sv_of(key), i % 3 ? "billing" : "outage", metadata)->row.rec.text = LAM_SV("Since this morning the printer on the second floor does not answer.");
    }
    lam_http_config_init(&config);
    config.listen = "127.0.0.1:0";
    config.reader = memory_reader_init(&memory);
    memory_publish(&memory, dataset);
    if (lam_http_start(&config, &http, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    bench_lookups(lam_http_port(http), rows, seconds, 1);
    bench_lookups(lam_http_port(http), rows, seconds, 4);
    bench_query(&config.reader, LAM_QUERY_KEY, "one row, without HTTP", "", 1);
    bench_query(&config.reader, LAM_QUERY_LIST, "a page, without HTTP", "", 10000);
    bench_query(&config.reader, LAM_QUERY_AGGREGATE, "count by category", "{\"group_by\": [\"category\"]}", 1);
    bench_query(&config.reader, LAM_QUERY_AGGREGATE, "sum of /revision by category", "{\"metrics\": [{\"op\": \"sum\", \"field\": \"/revision\"}], \"group_by\": [\"category\"]}", 1);
    lam_http_stop(http, 1000);
    memory_reader_release(&memory);
    return 0;
}
