/* What agents came to, in the cache: who finds it again, and who must ask. And agents at work with it: of equal records one is asked about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ai/agent/agents.h"
#include "llm_server.h"
#include "scratch.h"

#define MODEL LAM_SV("small")

static int no_call(void *arg, const struct lam_json *json, uint32_t arguments, unsigned left_ms, struct lam_buf *out, struct lam_error *err)
{
    (void)arg, (void)json, (void)arguments, (void)left_ms;
    return lam_buf_addf(out, err, "{}");
}

static struct lam_agent_tool tool = {"look", "Looks.", LAM_SV("{\"type\":\"object\"}"), no_call, NULL};

static struct lam_agent_options options_of(void)
{
    return (struct lam_agent_options){.tools = &tool, .tool_count = 1, .protocol = LAM_AGENT_CHOICE, .answer_tokens = 100, .clock = &lam_clock_system,
                                      .limits = {.steps = 3, .tokens = 50000, .time_us = 60000000, .result = 1000}, .question = LAM_SV("How many?"),
                                      .answer_schema = LAM_SV("{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}")};
}

static struct lam_cache *open_cache(const char *root)
{
    struct lam_cache *cache;
    struct lam_error err;

    assert_int_equal(lam_cache_open(&cache, root, NULL, &err), 0);
    return cache;
}

static struct lam_digest record(int n) { return lam_hash128(&n, sizeof n); }

static void keep(struct lam_cache *cache, const struct lam_agent_options *options, int n, bool answered)
{
    struct lam_agent_end end = {.answered = answered, .used = {70, 7}};
    struct lam_agent_kept kept;
    struct lam_error err;

    lam_buf_init(&end.result, 1000);
    lam_buf_init(&end.trail, 1000);
    assert_int_equal(lam_buf_addf(&end.trail, &err, "{\"outcome\":\"%s\",\"steps\":[]}", answered ? "answered" : "limit"), 0);
    if (answered)
        assert_int_equal(lam_buf_addf(&end.result, &err, "{\"n\":%d}", n), 0);
    assert_int_equal(lam_agent_kept_init(&kept, cache, options, MODEL, &err), 0);
    assert_int_equal(lam_agent_kept_put(&kept, record(n), &end, NULL, &err), 0);
    lam_agent_kept_release(&kept);
    lam_buf_release(&end.result);
    lam_buf_release(&end.trail);
}

/* 1: answered, 0: gave up, -1: nobody knows. */
static int found(struct lam_cache *cache, const struct lam_agent_options *options, struct lam_sv model, int n)
{
    struct lam_agent_end end = {0};
    struct lam_agent_kept kept;
    struct lam_error err;
    char want[40];
    int rc, answer;

    lam_buf_init(&end.result, 1000);
    lam_buf_init(&end.trail, 1000);
    assert_int_equal(lam_agent_kept_init(&kept, cache, options, model, &err), 0);
    rc = lam_agent_kept_get(&kept, record(n), &end, &err);
    lam_agent_kept_release(&kept);
    answer = rc == LAM_E_NOT_FOUND ? -1 : end.answered;
    if (rc) {
        assert_int_equal(rc, LAM_E_NOT_FOUND);
        assert_int_equal(end.result.len + end.trail.len, 0);
    } else {
        snprintf(want, sizeof want, "{\"n\":%d}", n);
        assert_true(lam_sv_eq(lam_buf_sv(&end.result), end.answered ? lam_sv_of(want) : LAM_SV("")));
        assert_true(end.trail.len > 10 && end.trail.ptr[0] == '{');
        assert_int_equal(end.used.in, 70);
        assert_int_equal(end.used.out, 7);
    }
    lam_buf_release(&end.result);
    lam_buf_release(&end.trail);
    return answer;
}

static void an_answer_belongs_to_what_was_asked_with_what(void **state)
{
    struct lam_cache *cache = open_cache(*state);
    struct lam_agent_options options = options_of(), other;
    struct lam_agent_tool changed = tool;

    keep(cache, &options, 1, true);
    assert_int_equal(found(cache, &options, MODEL, 1), 1);
    assert_int_equal(found(cache, &options, MODEL, 2), -1);
    assert_int_equal(found(cache, &options, LAM_SV("large"), 1), -1);
    other = options;
    other.question = LAM_SV("How many more?");
    assert_int_equal(found(cache, &other, MODEL, 1), -1);
    other = options;
    other.answer_schema = LAM_SV("{\"type\":\"object\"}");
    assert_int_equal(found(cache, &other, MODEL, 1), -1);
    other = options;
    other.tools = &changed;
    changed.arg = &changed; /* where it lives */
    assert_int_equal(found(cache, &other, MODEL, 1), 1);
    changed.description = "Looks well.";
    assert_int_equal(found(cache, &other, MODEL, 1), -1);
    other.tool_count = 0;
    assert_int_equal(found(cache, &other, MODEL, 1), -1);
    other = options;
    other.masked = LAM_SV("email;"); /* who saw less may answer otherwise */
    assert_int_equal(found(cache, &other, MODEL, 1), -1);
    other = options;
    other.limits.steps = 9; /* an answer is one under any limits */
    other.protocol = LAM_AGENT_TOOLS;
    assert_int_equal(found(cache, &other, MODEL, 1), 1);
    lam_cache_close(cache);
}

static void an_end_without_an_answer_belongs_to_its_limits_too(void **state)
{
    struct lam_cache *cache = open_cache(*state);
    struct lam_agent_options options = options_of(), other = options;

    keep(cache, &options, 1, false);
    assert_int_equal(found(cache, &options, MODEL, 1), 0);
    other.limits.steps++;
    assert_int_equal(found(cache, &other, MODEL, 1), -1);
    keep(cache, &other, 1, true); /* found at last: nobody needs the other one any more */
    assert_int_equal(found(cache, &options, MODEL, 1), 1);
    lam_cache_close(cache);
}

static void another_process_finds_it_and_damage_is_asked_again(void **state)
{
    struct lam_cache *cache = open_cache(*state), *second;
    struct lam_agent_options options = options_of();
    struct lam_agent_kept kept;
    struct lam_error err;

    keep(cache, &options, 1, true);
    second = open_cache(*state); /* while the first one has it open: put returns when it is durable */
    assert_int_equal(found(second, &options, MODEL, 1), 1);
    assert_int_equal(lam_agent_kept_init(&kept, cache, &options, MODEL, &err), 0);
    for (int i = 0; i < 4; i++) {
        static const char *const values[] = {"", "no JSON", "{\"outcome\":\"answered\",\"trail\":{\"a\":1}}", "{\"outcome\":\"answered\",\"result\":{}}"};
        struct lam_digest of = record(10 + i);

        assert_int_equal(lam_cache_put(cache, lam_cache_key(&kept.answers, lam_sv((const char *)of.bytes, sizeof of.bytes)), lam_sv_of(values[i]), NULL, NULL, NULL, &err), 0);
        assert_int_equal(lam_cache_flush(cache, &err), 0);
        assert_int_equal(found(cache, &options, MODEL, 10 + i), -1);
    }
    assert_int_equal(found(NULL, &options, MODEL, 1), -1);
    lam_agent_kept_release(&kept);
    lam_cache_close(second);
    lam_cache_close(cache);
}

/* --- agents at work --- */

struct world {
    atomic_uint asked;
    atomic_uint leave;    /* reservations that are granted */
    atomic_uint reserved, spent, tokens;
    atomic_int wait_us;  /* for a reservation */
    atomic_int delay_us; /* of answers about a text that says "slow" */
    struct llm_server *server;
    struct lam_llm_client *client;
    struct lam_cache *cache;
    struct lam_agents *agents;
};

static void answers_at_once(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct world *world = arg;

    atomic_fetch_add(&world->asked, 1);
    *reply = (struct llm_reply){.status = 200, .delay_us = strstr(request->body, "slow") ? atomic_load(&world->delay_us) : 0, .body = "{\"choices\":[{\"message\":{\"content\":\"{\\\"step\\\":{\\\"tool\\\":\\\"answer\\\",\\\"arguments\\\":{\\\"n\\\":5}}}\"},"
                                                       "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":4}}"};
}

static bool reserve(void *arg, struct lam_agent_usage most, bool first)
{
    struct world *world = arg;

    assert_true(first); /* each answers at once */
    if (atomic_load(&world->reserved) >= atomic_load(&world->leave))
        return false;
    assert_true(most.in > 0 && most.out == 100);
    atomic_fetch_add(&world->reserved, 1);
    usleep((useconds_t)atomic_load(&world->wait_us));
    return true;
}

static void spent(void *arg, struct lam_agent_usage most, struct lam_agent_usage used, size_t endpoint)
{
    struct world *world = arg;

    (void)most;
    assert_int_equal(endpoint, 0);
    atomic_fetch_add(&world->spent, 1);
    atomic_fetch_add(&world->tokens, (unsigned)(used.in + used.out));
}

static void world_open_on(struct world *world, const char *root, unsigned leave, const struct lam_fs *fs, int64_t time_us)
{
    const struct lam_cache_options of_cache = {.fs = fs};
    struct lam_llm_endpoint endpoint = {.model = "small", .limits = {.concurrency = 8}};
    struct lam_agents_options options = {.agent = options_of(), .parallel = 4, .max_open = 8, .model = MODEL, .reserve = reserve, .spent = spent, .arg = world};
    struct lam_llm_options client;
    struct lam_error err;

    options.agent.limits.time_us = time_us;
    lam_llm_options_init(&client);
    atomic_store(&world->leave, leave);
    world->server = llm_server_start(answers_at_once, world);
    endpoint.url = llm_server_url(world->server);
    client.endpoints = &endpoint;
    client.endpoint_count = 1;
    assert_int_equal(lam_llm_client_open(&client, &world->client, &err), 0);
    options.client = world->client;
    assert_int_equal(lam_cache_open(&world->cache, root, &of_cache, &err), 0);
    options.cache = world->cache;
    assert_int_equal(lam_agents_open(&world->agents, &options, &err), 0);
}

static void world_open(struct world *world, const char *root, unsigned leave) { world_open_on(world, root, leave, NULL, 60000000); }

static void world_close(struct world *world)
{
    lam_agents_close(world->agents);
    lam_llm_client_close(world->client);
    lam_cache_close(world->cache);
    llm_server_stop(world->server);
}

static struct lam_agent_task ask(struct world *world, int n)
{
    struct lam_agent_task task = {.key = LAM_SV("k"), .title = LAM_SV(""), .text = LAM_SV("text"), .record = record(n)};

    assert_true(lam_agents_submit(world->agents, &task));
    while (!lam_agents_poll(world->agents))
        usleep(1000);
    return task;
}

static void release(struct lam_agent_task *task)
{
    lam_buf_release(&task->result);
    lam_buf_release(&task->trail);
}

static void what_is_kept_is_not_asked_again_by_anybody(void **state)
{
    for (int run = 0; run < 2; run++) {
        struct world world = {0};

        world_open(&world, *state, 100);
        for (int i = 0; i < 3; i++) {
            struct lam_agent_task task = ask(&world, 1);

            assert_int_equal(task.outcome, LAM_AGENT_ANSWERED);
            assert_int_equal(task.found, run || i);
            assert_int_equal(task.used.in, 30);
            assert_int_equal(task.used.out, 4);
            assert_true(lam_sv_eq(lam_buf_sv(&task.result), LAM_SV("{\"n\":5}")));
            release(&task);
        }
        assert_int_equal(atomic_load(&world.asked), !run);
        assert_int_equal(atomic_load(&world.tokens), run ? 0 : 34);
        world_close(&world);
    }
}

static void of_equal_records_at_the_same_time_one_is_asked_about(void **state)
{
    struct lam_agent_task tasks[6];
    struct world world = {0};
    size_t found = 0;

    world_open(&world, *state, 100);
    for (size_t i = 0; i < 6; i++) {
        tasks[i] = (struct lam_agent_task){.key = LAM_SV("k"), .title = LAM_SV(""), .text = LAM_SV("text"), .record = record((int)i / 3)};
        assert_true(lam_agents_submit(world.agents, &tasks[i]));
    }
    for (size_t i = 0; i < 6;) {
        if (lam_agents_poll(world.agents))
            i++;
        else
            usleep(1000);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(tasks[i].outcome, LAM_AGENT_ANSWERED);
        found += tasks[i].found;
        release(&tasks[i]);
    }
    assert_int_equal(found, 4);
    assert_int_equal(atomic_load(&world.asked), 2);
    world_close(&world);
}

/* Threads are for records that can be worked on: those that wait for an equal one take none. */
static void equal_records_hold_up_no_other(void **state)
{
    struct lam_agent_task tasks[6], *first;
    struct world world = {0};
    size_t done = 1;

    world_open(&world, *state, 100);
    atomic_store(&world.delay_us, 2000000); /* the other one is kept by then, on a busy disk too */
    for (size_t i = 0; i < 6; i++) {
        tasks[i] = (struct lam_agent_task){.key = LAM_SV("k"), .title = LAM_SV(""), .text = i < 5 ? LAM_SV("slow") : LAM_SV("text"), .record = record(i == 5)};
        assert_true(lam_agents_submit(world.agents, &tasks[i]));
    }
    assert_int_equal(lam_agents_open_tasks(world.agents), 6);
    while (!(first = lam_agents_poll(world.agents)))
        usleep(1000);
    assert_ptr_equal(first, &tasks[5]);
    while (done < 6)
        done += lam_agents_poll(world.agents) != NULL;
    assert_int_equal(lam_agents_open_tasks(world.agents), 0);
    assert_int_equal(atomic_load(&world.asked), 2);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(tasks[i].outcome, LAM_AGENT_ANSWERED);
        assert_false(tasks[i].unkept);
        release(&tasks[i]);
    }
    world_close(&world);
}

/* A record that no request holds is found again as such, and is no mystery of the next run. */
static void a_record_that_is_too_long_ends_for_good(void **state)
{
    size_t len = LAM_AGENT_BODY_MAX + 1;
    char *text = malloc(len);

    assert_non_null(text);
    memset(text, 'w', len);
    for (int run = 0; run < 2; run++) {
        struct lam_agent_task task = {.key = LAM_SV("k"), .title = LAM_SV(""), .text = lam_sv(text, len), .record = record(1)};
        struct world world = {0};

        world_open(&world, *state, 100);
        assert_true(lam_agents_submit(world.agents, &task));
        while (!lam_agents_poll(world.agents))
            usleep(1000);
        assert_int_equal(task.outcome, LAM_AGENT_GAVE_UP);
        assert_int_equal(task.found, run);
        assert_false(task.broken);
        assert_non_null(memmem(task.trail.ptr, task.trail.len, "limit: the record is longer", 27));
        assert_int_equal(atomic_load(&world.asked), 0);
        release(&task);
        world_close(&world);
    }
    free(text);
}

static void without_leave_nothing_is_sent_and_all_that_was_reserved_is_told(void **state)
{
    struct world world = {0};

    world_open(&world, *state, 2);
    for (int i = 0; i < 4; i++) {
        struct lam_agent_task task = ask(&world, i);

        assert_int_equal(task.outcome, i < 2 ? LAM_AGENT_ANSWERED : LAM_AGENT_LATER);
        release(&task);
    }
    for (int i = 0; i < 2; i++) { /* what is kept needs no leave */
        struct lam_agent_task task = ask(&world, i);

        assert_int_equal(task.outcome, LAM_AGENT_ANSWERED);
        release(&task);
    }
    assert_int_equal(atomic_load(&world.asked), 2);
    assert_int_equal(atomic_load(&world.spent), 2);
    world_close(&world);
}

/* Waiting for leave takes of its time: what was reserved for a request that comes too late is given back, and the batch layer or the next run asks. */
static void who_waits_for_leave_until_its_time_is_up_asks_nobody(void **state)
{
    struct world world = {0};
    struct lam_agent_task task;

    world_open_on(&world, *state, 1, NULL, 200000);
    atomic_store(&world.wait_us, 250000);
    task = ask(&world, 1);
    assert_int_equal(task.outcome, LAM_AGENT_LATER);
    release(&task);
    assert_int_equal(atomic_load(&world.asked), 0);
    assert_int_equal(atomic_load(&world.reserved), 1);
    assert_int_equal(atomic_load(&world.spent), 1);
    assert_int_equal(atomic_load(&world.tokens), 0);
    world_close(&world);
}

/* An estimate looks into the cache as a run does, and asks nobody. */
static void what_is_kept_is_expected_to_take_nothing(void **state)
{
    struct lam_agent_task other = {.key = LAM_SV("k"), .title = LAM_SV(""), .text = LAM_SV("text"), .record = record(2)}, task;
    struct lam_agent_expected expected;
    struct world world = {0};
    struct lam_error err;
    bool kept;

    world_open(&world, *state, 100);
    task = ask(&world, 1);
    release(&task);
    assert_int_equal(lam_agents_expect(world.agents, &task, &kept, &expected, &err), 0);
    assert_true(kept && !expected.steps && !expected.used.in);
    assert_int_equal(lam_agents_expect(world.agents, &other, &kept, &expected, &err), 0);
    assert_true(!kept && expected.steps == 3 && expected.used.in > 0 && expected.used.out > 0);
    assert_int_equal(atomic_load(&world.asked), 1);
    world_close(&world);
}

/* --- a disk that hangs --- */

static atomic_bool hangs;
static atomic_uint synced;

static int sync_that_hangs(void *arg, int fd)
{
    while (atomic_load(&hangs))
        usleep(1000);
    atomic_fetch_add(&synced, 1);
    return lam_fs_system.ops->fsync(arg, fd);
}

static const struct lam_fs *disk_that_hangs(void)
{
    static struct lam_fs_ops ops;
    static struct lam_fs fs;

    ops = *lam_fs_system.ops;
    ops.fsync = sync_that_hangs;
    fs = (struct lam_fs){&ops, lam_fs_system.arg};
    atomic_store(&hangs, true);
    atomic_store(&synced, 0);
    return &fs;
}

/* Answers are shown, one after the other, though none can be kept; what was put is kept once the disk goes on. */
static void a_disk_that_hangs_holds_up_no_agent(void **state)
{
    struct world world = {0};

    world_open_on(&world, *state, 100, disk_that_hangs(), 50000);
    for (int i = 0; i < 6; i++) {
        struct lam_agent_task task = ask(&world, i);

        assert_int_equal(task.outcome, LAM_AGENT_ANSWERED);
        assert_true(task.unkept);
        assert_int_equal(task.err.code, LAM_E_TIMEOUT);
        assert_true(lam_sv_eq(lam_buf_sv(&task.result), LAM_SV("{\"n\":5}")));
        release(&task);
    }
    assert_int_equal(atomic_load(&synced), 0);
    atomic_store(&hangs, false);
    lam_cache_flush(world.cache, NULL);
    for (int i = 0; i < 7; i++) { /* the last is a new one: there is time again */
        struct lam_agent_task task = ask(&world, i);

        assert_int_equal(task.found, i < 6);
        assert_int_equal(task.unkept && task.err.code != LAM_E_TIMEOUT, 0); /* a sync may take longer than 50 ms here */
        release(&task);
    }
    assert_int_equal(atomic_load(&world.asked), 7);
    world_close(&world);
}

/* With an hour to wait, agents end at a stop all the same, while the disk still hangs. */
static void a_stop_waits_for_no_disk_that_hangs(void **state)
{
    struct lam_agent_task tasks[3];
    struct world world = {0};

    world_open_on(&world, *state, 100, disk_that_hangs(), (int64_t)3600 * 1000000);
    for (int i = 0; i < 3; i++) {
        tasks[i] = (struct lam_agent_task){.key = LAM_SV("k"), .title = LAM_SV(""), .text = LAM_SV("text"), .record = record(i)};
        assert_true(lam_agents_submit(world.agents, &tasks[i]));
    }
    while (atomic_load(&world.spent) < 3) /* answered: with the disk, or about to be */
        usleep(1000);
    assert_null(lam_agents_poll(world.agents));
    lam_agents_close(world.agents);
    assert_int_equal(atomic_load(&synced), 0);
    world.agents = NULL;
    atomic_store(&hangs, false); /* who is told now is gone */
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_belongs_to_what_was_asked_with_what, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(an_end_without_an_answer_belongs_to_its_limits_too, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(another_process_finds_it_and_damage_is_asked_again, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_is_kept_is_not_asked_again_by_anybody, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(of_equal_records_at_the_same_time_one_is_asked_about, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(equal_records_hold_up_no_other, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_record_that_is_too_long_ends_for_good, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(without_leave_nothing_is_sent_and_all_that_was_reserved_is_told, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_leave_until_its_time_is_up_asks_nobody, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_is_kept_is_expected_to_take_nothing, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_hangs_holds_up_no_agent, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_stop_waits_for_no_disk_that_hangs, scratch_setup, scratch_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
