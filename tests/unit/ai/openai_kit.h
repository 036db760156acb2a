/* A scripted server, an analyzer that asks it, and rows to ask about: the fixture of tests of the openai analyzer. */
#ifndef LAMINA_TESTS_UNIT_AI_OPENAI_KIT_H
#define LAMINA_TESTS_UNIT_AI_OPENAI_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "llm_server.h"
#include "openai/analyzer.h"

struct openai_kit {
    struct llm_server *server;
    struct lam_job *job;
    struct lam_openai *openai;
    struct lam_cache *cache;
    struct lam_wake wake;
    struct lam_log log;
    unsigned rejected;
    char reason[400], raw[400]; /* of the last one that was */
};

static struct lam_error err;

static inline void kit_reject(void *arg, void *ticket, size_t row, struct lam_sv reason, struct lam_sv raw)
{
    struct openai_kit *kit = arg;

    (void)ticket;
    (void)row;
    kit->rejected++;
    snprintf(kit->reason, sizeof kit->reason, "%.*s", LAM_SV_ARG(reason));
    snprintf(kit->raw, sizeof kit->raw, "%.*s", LAM_SV_ARG(raw));
}

/* tasks and deep: members of the job; $URL in deep is the server's. dim: of vectors, where it is not 0. cache: a store's folder, or NULL. */
static inline struct openai_kit *kit_begin(llm_choose *choose, void *arg, const char *tasks, const char *deep, uint32_t dim, const char *cache)
{
    struct openai_kit *kit = calloc(1, sizeof *kit);
    struct lam_openai_options options = {.log = &kit->log, .clock = &lam_clock_system, .wake = &kit->wake, .size = 1, .reject = kit_reject, .arg = kit};
    char text[4000], rest[4000];

    kit->log = (struct lam_log){.fd = -1, .level = LAM_LOG_ERROR};
    assert_int_equal(lam_wake_init(&kit->wake, &err), 0);
    kit->server = llm_server_start(choose, arg);
    snprintf(text, sizeof text, "{\"name\":\"t\",\"store\":\"/nowhere\",\"sources\":[{\"type\":\"files\",\"path\":\"x/**\"}],\"tasks\":{%s},\"deep\":{\"analyzer\":\"openai\",%s}}", tasks,
             deep);
    for (char *at; (at = strstr(text, "$URL"));) {
        snprintf(rest, sizeof rest, "%s", at + 4);
        snprintf(at, sizeof text - (size_t)(at - text), "%s%s", llm_server_url(kit->server), rest);
    }
    if (lam_job_parse(lam_sv_of(text), "t.json", "/", NULL, 0, &kit->job, NULL, &err))
        fail_msg("%s", err.text);
    if (dim)
        kit->job->tasks.dim = dim; /* fewer than a job may have */
    if (cache && lam_cache_open(&kit->cache, cache, NULL, &err))
        fail_msg("%s", err.text);
    options.job = kit->job;
    options.cache = kit->cache;
    if (lam_openai_open(&kit->openai, &options, &err))
        fail_msg("%s", err.text);
    return kit;
}

/* Returns how many requests there were. */
static inline uint64_t kit_end(struct openai_kit *kit)
{
    struct llm_server_counts counts;

    lam_openai_close(kit->openai);
    lam_cache_close(kit->cache);
    llm_server_counts(kit->server, &counts);
    llm_server_stop(kit->server);
    lam_job_free(kit->job);
    lam_wake_release(&kit->wake);
    free(kit);
    return counts.requests;
}

/* So many pending rows in a block of so many bytes; format has a place for the row's number. */
static inline struct lam_block *kit_rows(unsigned count, const char *format, size_t bytes)
{
    struct lam_block *block = lam_block_new(count + 1, bytes);

    for (unsigned i = 0; i < count; i++) {
        struct lam_row row = {.rec.flags = LAM_ROW_PENDING};
        char text[200];

        snprintf(text, sizeof text, format, i);
        row.rec.text = lam_sv_of(text);
        assert_int_equal(lam_block_add_row(block, &row, &err), 0);
    }
    return block;
}

/* Submits and polls until it is back; the code that ended it. */
static inline int kit_run(struct lam_openai *openai, struct lam_wake *wake, struct lam_block *block)
{
    void *ticket = NULL;
    int rc = lam_openai_submit(openai, block, block, &err);

    lam_openai_drain(openai, true);
    while (!rc && (rc = lam_openai_poll(openai, &ticket, &err)) == LAM_PENDING) {
        lam_wake_wait(wake, 50000);
        rc = 0;
    }
    if (!rc)
        assert_ptr_equal(ticket, block);
    return rc;
}

static inline unsigned kit_pending(struct lam_block *block)
{
    unsigned count = 0;

    for (size_t i = 0; i < lam_block_rows(block); i++)
        count += (lam_block_row(block, i)->rec.flags & LAM_ROW_PENDING) != 0;
    return count;
}

static inline struct lam_openai_stats kit_stats(struct lam_openai *openai)
{
    struct lam_openai_stats stats;

    lam_openai_stats(openai, &stats);
    return stats;
}

#endif
