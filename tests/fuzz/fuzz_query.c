/*
 * Queries as clients write them. The first byte says what the rest is: 'f' a filter, 'a' an aggregate, 'u' the target of a request, 'c' a
 * cursor. Whatever is accepted is run over a few rows, and its answer must be JSON.
 */
#include "../unit/serve/memory_reader.h"
#include "model/json.h"
#include "serve/query.h"
#include "serve/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct memory_reader memory;
static struct lam_reader reader;

static void set_up(void)
{
    struct memory_dataset *dataset;
    struct lam_hit *hit;

    if (reader.ops)
        return;
    dataset = memory_dataset_new(8, false, 1);
    hit = memory_add(dataset, LAM_SV("INC-7"), "billing", "{\"revision\": 7, \"name\": \"Ann\\u00e9\", \"ok\": true, \"none\": null, \"tags\": [\"a\", 2, {\"b\": 1.5}]}");
    hit->row.rec.text = LAM_SV("charged \xf0\x9f\x98\x80 twice");
    hit->row.rec.event_time_us = INT64_C(1700000000000000);
    hit->row.enr.sentiment = -0.5f;
    memory_add(dataset, LAM_SV("bare"), "", "");
    memory_add(dataset, LAM_SV("big"), "outage", "{\"revision\": 9223372036854775807, \"x\": 1e308, \"y\": 1e999}");
    reader = memory_reader_init(&memory);
    memory_publish(&memory, dataset);
}

static void run(const struct lam_query *query)
{
    static const struct lam_query_limits limits = {10000, NULL, &lam_clock_system};
    struct lam_error err;
    struct lam_buf out;
    const char *what;

    lam_buf_init(&out, 1 << 22);
    if (!lam_query_run(query, &reader, &limits, &out, NULL, &err) && lam_json_locate(lam_buf_sv(&out), 100, &what) != out.len + 1)
        abort();
    lam_buf_release(&out);
}

static void run_filter(struct lam_sv text)
{
    struct lam_query query;

    lam_query_init(&query, LAM_QUERY_LIST, NULL);
    if (!lam_filter_add_json(query.filter, text, "/filter", NULL))
        run(&query);
    lam_query_release(&query);
}

static void run_aggregate(struct lam_sv text)
{
    struct lam_query query;

    lam_query_init(&query, LAM_QUERY_AGGREGATE, NULL);
    if (!lam_query_set_aggregate(&query, text, NULL))
        run(&query);
    lam_query_release(&query);
}

static void run_target(struct lam_sv text)
{
    struct lam_query query;
    struct lam_uri uri;
    int rc = lam_uri_parse(text, &uri, NULL);

    lam_query_init(&query, LAM_QUERY_LIST, NULL);
    for (size_t i = 0; i < uri.param_count && !rc; i++)
        rc = lam_query_param(&query, uri.params[i].name, uri.params[i].value, NULL);
    if (!rc)
        run(&query);
    lam_query_release(&query);
    lam_query_init(&query, LAM_QUERY_KEY, NULL);
    if (!lam_query_set_key(&query, uri.path, NULL))
        run(&query);
    lam_query_release(&query);
    lam_uri_release(&uri);
}

static void run_cursor(struct lam_sv text)
{
    struct lam_cursor cursor;
    struct lam_buf bytes;

    lam_buf_init(&bytes, 2 * LAM_CURSOR_TEXT);
    for (int append = 0; append < 2; append++)
        if (!lam_cursor_parse(text, append, &bytes, &cursor, NULL) && cursor.key.len > LAM_CURSOR_KEY_MAX)
            abort();
    lam_buf_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_sv text = lam_sv((const char *)data + 1, size ? size - 1 : 0);

    set_up();
    switch (size ? data[0] : 0) {
    case 'f':
        run_filter(text);
        break;
    case 'a':
        run_aggregate(text);
        break;
    case 'u':
        run_target(text);
        break;
    case 'c':
        run_cursor(text);
        break;
    }
    return 0;
}
