/* A server over rows in memory, on a free port; shared by the tests of HTTP. */
#ifndef LAMINA_TEST_HTTP_WORLD_H
#define LAMINA_TEST_HTTP_WORLD_H

#include "http.h"
#include "http_client.h"
#include "memory_reader.h"
#include "query.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

struct world {
    struct memory_reader memory;
    struct lam_http_config config;
    struct lam_http *http;
    unsigned port;
};

static inline struct memory_dataset *make_rows(int count, uint64_t view)
{
    struct memory_dataset *dataset = memory_dataset_new((size_t)count + 8, false, view);

    for (int i = 0; i < count; i++) {
        char key[64], metadata[64];

        snprintf(key, sizeof key, "doc/%d", i);
        snprintf(metadata, sizeof metadata, "{\"revision\": %d}", i);
        memory_add(dataset, lam_sv_of(key), i % 3 ? "billing" : "outage", metadata)
            ->row.rec.text = LAM_SV("a text of some length, as texts have");
    }
    return dataset;
}

static inline int world_set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    lam_http_config_init(&world->config);
    world->config.reader = memory_reader_init(&world->memory);
    world->config.listen = "127.0.0.1:0";
    *state = world;
    return 0;
}

static inline struct world *world_start(void **state)
{
    struct world *world = *state;
    struct lam_error err;

    if (lam_http_start(&world->config, &world->http, &err))
        fail_msg("%s", err.text);
    world->port = lam_http_port(world->http);
    return world;
}

static inline int world_tear_down(void **state)
{
    struct world *world = *state;

    lam_http_stop(world->http, 5000);
    assert_int_equal(atomic_load(&world->memory.held), 0);
    memory_reader_release(&world->memory);
    free(world);
    return 0;
}

/* An error is a problem+json that says its status; and the server still answers. */
static inline void assert_problem(struct world *world, struct answer *answer, unsigned status, const char *says)
{
    struct answer *alive = client_get(world->port, "/livez");
    json_t *json;

    assert_int_equal(alive->status, 200);
    answer_free(alive);
    if (answer->status != status)
        fail_msg("status %u, not %u: %s", answer->status, status, answer->body);
    assert_string_equal(answer_header(answer, "Content-Type"), "application/problem+json");
    json = json_loads(answer->body, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "status")), status);
    assert_true(json_string_length(json_object_get(json, "title")) > 0);
    if (!strstr(json_string_value(json_object_get(json, "detail")), says))
        fail_msg("\"%s\" says nothing of \"%s\"", answer->body, says);
    json_decref(json);
    answer_free(answer);
}

#endif
