/* Each allocation of the openai analyzer's thread failing in turn: every block that it took comes back, with an error first or without one, and no row is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FAILING_ALLOC_OF_THREAD
#include "failing_alloc.h"
#include "llm_server.h"
#include "openai/analyzer.h"
#include "scratch.h"

enum { ROWS = 6, LONG = 24000, FAILURES_MAX = 4000, TURNS_MAX = 4000, HEARD_MAX = 256 };

/* --- a server that needs no memory --- */

#define CHAT(content) "{\"model\":\"m\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"" content "\"}}],\"usage\":{\"prompt_tokens\":90,\"completion_tokens\":9}}"
#define ONE "\\\"category\\\":\\\"good\\\",\\\"confidence\\\":3,\\\"entities\\\":[],\\\"summary\\\":\\\"s\\\"}"

static void choose(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    if (strstr(request->path, "/embeddings"))
        reply->body = strstr(strstr(request->body, "\"input\":["), "\",\"") ? "{\"model\":\"v\",\"data\":[{\"index\":0,\"embedding\":[3,4,0,0]},{\"index\":1,\"embedding\":[3,4,0,0]}]}"
                                                    : "{\"model\":\"v\",\"data\":[{\"index\":0,\"embedding\":[3,4,0,0]}]}";
    else if (strstr(request->body, "id=\\\"d2\\\"")) /* a pack: its second document is missed */
        reply->body = CHAT("{\\\"answers\\\":[{\\\"id\\\":\\\"d1\\\"," ONE "]}");
    else if (strstr(request->body, "text 1") && !strstr(request->body, "cannot be used"))
        reply->body = CHAT("what?");
    else if (strstr(request->body, "text 2")) /* never */
        reply->body = CHAT("no.");
    else if (!strstr(request->body, "category")) /* a part of a long document */
        reply->body = CHAT("{\\\"summary\\\":\\\"s\\\"}");
    else
        reply->body = CHAT("{" ONE);
}

/* --- one way to ask --- */

struct way {
    const char *tasks, *deep; /* members, beginning with a comma */
    const char *endpoints;    /* more of them */
    bool masked, flights, kept;
};

struct world {
    const struct way *way;
    struct llm_server *server;
    struct lam_job *job;
    struct lam_openai *openai;
    struct lam_redactor *redactor;
    struct lam_cache *cache;
    struct lam_wake wake;
    struct lam_log log;
    uint64_t heard[HEARD_MAX]; /* tokens that asked for leave */
    size_t heard_count, told;
    unsigned rejected, wrongly; /* the latter: of those that a model answers well */
};

static struct lam_error err;

static void on_reject(void *arg, void *ticket, size_t row, struct lam_sv reason, struct lam_sv raw)
{
    (void)ticket;
    (void)reason;
    (void)raw;
    ((struct world *)arg)->rejected++;
    ((struct world *)arg)->wrongly += row != 2;
}

static int ask_leave(void *arg, struct lam_digest key, uint64_t token, struct lam_error *why)
{
    struct world *world = arg;

    (void)key;
    (void)why;
    assert_true(world->heard_count < HEARD_MAX);
    world->heard[world->heard_count++] = token;
    return 0;
}

static int leave_done(void *arg, struct lam_digest key, bool flushed, struct lam_error *why)
{
    (void)arg;
    (void)key;
    (void)flushed;
    (void)why;
    return 0;
}

/* Every third is first told that another rank has asked, and finds nothing in the cache. */
static void tell_leave(struct world *world)
{
    for (; world->told < world->heard_count; world->told++)
        lam_openai_heard(world->openai, world->heard[world->told], world->told % 3 != 0);
}

static void open_job(struct world *world, const struct way *way)
{
    char text[3000];

    snprintf(text, sizeof text,
             "{\"name\":\"t\",\"store\":\"/nowhere\",\"sources\":[{\"type\":\"files\",\"path\":\"x/**\"}],\"tasks\":{%s},"
             "\"deep\":{\"analyzer\":\"openai\",\"answer_tokens\":64,\"endpoints\":[{\"url\":\"%s\",\"model\":\"cheap\",\"context\":2048}%s]%s}}",
             way->tasks, llm_server_url(world->server), way->endpoints, way->deep);
    for (char *at; (at = strstr(text, "$URL"));) { /* the same server */
        char rest[3000];

        snprintf(rest, sizeof rest, "%s", at + 4);
        snprintf(at, sizeof text - (size_t)(at - text), "%s%s", llm_server_url(world->server), rest);
    }
    if (lam_job_parse(lam_sv_of(text), "t.json", "/", NULL, 0, &world->job, NULL, &err))
        fail_msg("%s", err.text);
    world->way = way;
    if (world->job->tasks.wanted & LAM_TASK_EMBED)
        world->job->tasks.dim = 4;
}

static void open_analyzer(struct world *world, const char *store)
{
    static const struct lam_sv kinds[] = {{"email", 5}};
    struct lam_redact_options redact = {.tasks = &world->job->tasks, .kinds = kinds, .kind_count = 1};
    struct lam_openai_options options = {.job = world->job, .log = &world->log, .clock = &lam_clock_system, .wake = &world->wake, .size = 1, .reject = on_reject, .arg = world};

    if (world->way->masked)
        assert_int_equal(lam_redactor_new(&redact, &world->redactor, &err), 0);
    if (world->way->kept)
        assert_int_equal(lam_cache_open(&world->cache, store, NULL, &err), 0);
    options.redactor = world->redactor;
    options.cache = world->cache;
    if (world->way->flights) {
        options.ask_leave = ask_leave;
        options.leave_done = leave_done;
    }
    if (lam_openai_open(&world->openai, &options, &err))
        fail_msg("%s", err.text);
    world->heard_count = world->told = 0;
    world->rejected = world->wrongly = 0;
}

static void close_analyzer(struct world *world)
{
    lam_openai_close(world->openai);
    lam_cache_close(world->cache);
    lam_redactor_free(world->redactor);
    world->redactor = NULL;
    world->cache = NULL;
}

/* Short texts, two of them equal, and a long one. */
static struct lam_block *rows(const char *long_text)
{
    struct lam_block *block = lam_block_new(ROWS, 16 << 20);

    for (unsigned i = 0; i < ROWS; i++) {
        struct lam_row row = {.rec.flags = LAM_ROW_PENDING, .enr = {.category = LAM_SV("bad"), .confidence = i == 3 ? 0.95f : 0.2f}};
        char text[80];

        snprintf(text, sizeof text, "text %u of ann@example.com", i == 5 ? 0 : i);
        row.rec.title = LAM_SV("a title");
        row.rec.text = i == 4 ? lam_sv(long_text, LONG) : lam_sv_of(text);
        assert_int_equal(lam_block_add_row(block, &row, &err), 0);
    }
    return block;
}

/* Until the block is back; after an error all is cancelled, as at the end of a run. Returns the error. */
static int run(struct world *world, struct lam_block *block)
{
    void *ticket = NULL;
    int rc = lam_openai_submit(world->openai, block, block, &err), failed = rc;

    if (rc)
        return rc; /* it was not taken */
    lam_openai_drain(world->openai, true);
    for (unsigned turn = 0;; turn++) {
        if (turn == TURNS_MAX)
            fail_msg("a block does not come back after %d %s", failed, failed ? err.text : "");
        rc = lam_openai_poll(world->openai, &ticket, &err);
        if (!rc)
            break;
        assert_int_not_equal(rc, LAM_END);
        if (rc == LAM_PENDING) {
            tell_leave(world);
            lam_openai_step(world->openai, &err);
            lam_wake_wait(&world->wake, 5000);
            continue;
        }
        failing_alloc_stop();
        failed = failed ? failed : rc;
        lam_openai_cancel(world->openai);
    }
    assert_ptr_equal(ticket, block);
    assert_int_equal(lam_openai_poll(world->openai, &ticket, &err), LAM_END);
    return failed;
}

static void check_rows(const struct world *world, struct lam_block *block, int failed)
{
    struct lam_openai_stats stats;
    unsigned pending = 0;

    for (size_t i = 0; i < ROWS; i++)
        pending += (lam_block_row(block, i)->rec.flags & LAM_ROW_PENDING) != 0;
    lam_openai_stats(world->openai, &stats);
    assert_int_equal(stats.answered + stats.pending + stats.rejected, stats.rows);
    assert_int_equal(stats.rows, failed && !stats.rows ? 0 : ROWS); /* 0: the block was not taken */
    assert_int_equal(ROWS - stats.answered, pending); /* what is rejected has no answer either */
    assert_int_equal(stats.rejected, world->rejected);
    assert_int_equal(world->wrongly, 0); /* a want of memory is nobody's fault */
    assert_int_equal(stats.reserved_tokens, 0);
    if (!failed)
        assert_true(stats.answered + stats.rejected > 0);
}

static void fail_each(const struct way *way, long least)
{
    struct world world = {.log = {.fd = -1, .level = LAM_LOG_ERROR}};
    char *long_text = malloc(LONG);
    bool spent = true;
    long n, errors = 0;

    for (int i = 0; i < LONG; i++)
        long_text[i] = i % 5 ? (char)('a' + (uint32_t)(i / 5) * 2654435761u / 256 % 26) : i % 400 == 0 ? '\n' : ' ';
    assert_int_equal(lam_wake_init(&world.wake, &err), 0);
    world.server = llm_server_start(choose, NULL);
    open_job(&world, way);
    for (n = 0; spent; n++) {
        struct lam_block *block = rows(long_text);
        char store[SCRATCH_PATH];
        int failed;

        assert_true(n < FAILURES_MAX);
        scratch_make(store);
        open_analyzer(&world, store);
        failing_alloc_after(n);
        failed = run(&world, block);
        spent = failing_alloc_stop() < 0;
        assert_true(failed == 0 || failed == LAM_E_MEMORY || failed == LAM_E_LIMIT);
        errors += failed != 0;
        check_rows(&world, block, failed);
        close_analyzer(&world);
        scratch_remove(store);
        lam_block_free(block);
    }
    print_message("%ld allocations, %ld errors\n", n, errors);
    assert_true(errors >= least); /* else the allocations were not those of the analyzer */
    llm_server_stop(world.server);
    lam_job_free(world.job);
    lam_wake_release(&world.wake);
    free(long_text);
}

#define CLASSIFY "\"classify\":{\"labels\":{\"good\":\"fine things\",\"bad\":\"things that break\"}},\"entities\":{},\"summarize\":{\"sentences\":1}"

static void every_row_comes_back_from_a_cascade(void **state)
{
    const struct way way = {.tasks = CLASSIFY, .deep = ",\"cascade\":[{\"model\":\"builtin\",\"accept\":0.9},{\"model\":\"cheap\",\"accept\":0.8},\"strong\"]",
                            .endpoints = ",{\"url\":\"$URL\",\"model\":\"strong\",\"context\":2048}", .masked = true};

    (void)state;
    fail_each(&way, 20);
}

static void every_row_comes_back_while_ranks_share_answers(void **state)
{
    const struct way way = {.tasks = CLASSIFY, .deep = "", .endpoints = "", .flights = true, .kept = true};

    (void)state;
    fail_each(&way, 20);
}

static void every_row_comes_back_from_packs(void **state)
{
    const struct way way = {.tasks = CLASSIFY, .deep = ",\"request_mode\":\"packed\"", .endpoints = ""};

    (void)state;
    fail_each(&way, 20);
}

static void every_row_comes_back_from_embeddings(void **state)
{
    const struct way way = {.tasks = "\"embed\":{\"dim\":8}", .deep = "", .endpoints = ",{\"url\":\"$URL\",\"model\":\"v\",\"kind\":\"embeddings\"}"};

    (void)state;
    fail_each(&way, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_comes_back_from_a_cascade),
        cmocka_unit_test(every_row_comes_back_while_ranks_share_answers),
        cmocka_unit_test(every_row_comes_back_from_packs),
        cmocka_unit_test(every_row_comes_back_from_embeddings),
    };

    return cmocka_run_group_tests_name("openai_memory", tests, NULL, NULL);
}
