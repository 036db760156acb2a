/* The replayer: every line once, never further ahead than the archive allows, and after a restart exactly what was not archived. */
#include "kafka_local.h"

#include <time.h>

#include "replay.h"
#include "replay_line.h"

#define PARTITIONS 4

static char folder[] = "/tmp/test_replay.XXXXXX", path[64];

static int setup(void **state)
{
    if (kit_setup(state) || !mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/events.jsonl", folder);
    return 0;
}

static int teardown(void **state)
{
    unlink(path);
    rmdir(folder);
    return kit_teardown(state);
}

/* count lines {"id":"key<i % 13>","n":i,…}, with empty ones between, some without a key, one that is no JSON. */
static void write_events(int count, size_t padding)
{
    FILE *file = fopen(path, "w");

    for (int i = 1; i <= count; i++) {
        if (i % 7 == 0)
            fprintf(file, i % 2 ? "\n" : "  \r\n");
        if (i == 5)
            fprintf(file, "this is no JSON 5\n");
        else if (i % 11 == 0)
            fprintf(file, "{\"n\":%d,\"time\":\"2026-01-01T00:00:%02dZ\"}\n", i, i % 60);
        else
            fprintf(file, "{\"id\":\"key%d\",\"n\":%d,\"time\":%d,\"gone\":%s,\"pad\":\"%*s\"}%s", i % 13, i,
                    1767225600 + i, i % 50 == 1 ? "true" : "false", (int)padding, "", i == count ? "" : "\n");
    }
    fclose(file);
}

static struct lam_replay_options options_for(const char *topic)
{
    return (struct lam_replay_options){.path = path,
                                       .brokers = kit_bootstrap,
                                       .topic = topic,
                                       .partitions = PARTITIONS,
                                       .key = LAM_SV("/id"),
                                       .time = LAM_SV("/time"),
                                       .deleted = LAM_SV("/gone")};
}

static struct lam_replay *start(const struct lam_replay_options *options)
{
    struct lam_replay *replay;
    struct lam_error err;

    if (lam_replay_start(&replay, options, &err))
        fail_msg("%s", err.text);
    return replay;
}

static void nap(void) { usleep(5000); }

static void wait_until_done(struct lam_replay *replay)
{
    int64_t deadline = lam_mono_us(&lam_clock_system) + PATIENCE_US;

    while (!lam_replay_progress(replay).done) {
        struct lam_error err;

        if (lam_replay_progress(replay).rc) {
            lam_replay_error(replay, &err);
            fail_msg("%s", err.text);
        }
        assert_true(lam_mono_us(&lam_clock_system) < deadline);
        nap();
    }
}

struct read {
    int n[2000], tombstones, count;
};

static void note(void *arg, const struct lam_kafka_event *event)
{
    struct read *read = arg;
    const char *at = memmem(event->value.ptr, event->value.len, "\"n\":", 4);

    read->count++;
    if (event->null_value)
        read->tombstones++;
    else
        read->n[at ? atoi(at + 4) : 5]++;
    if (event->has_key)
        assert_int_equal(event->partition, lam_producer_partition(event->key, PARTITIONS));
    if (at && event->has_key)
        assert_int_equal(event->timestamp_us, INT64_C(1000000) * (1767225600 + atoi(at + 4)));
}

static void read_topic(const char *topic, struct read *read)
{
    struct lam_kafka_offset starts[PARTITIONS];
    struct lam_kafka *kafka = kit_consumer(topic);

    for (uint32_t p = 0; p < PARTITIONS; p++)
        starts[p] = (struct lam_kafka_offset){p, 0};
    assert_int_equal(lam_kafka_assign(kafka, starts, PARTITIONS, NULL), 0);
    kit_read_to_end(kafka, PARTITIONS, note, read);
    lam_kafka_close(kafka);
}

static void every_line_is_sent_once_with_its_key_time_and_deletes(void **state)
{
    static struct read read;
    struct lam_replay_options options;
    struct lam_replay_progress progress;
    struct lam_replay *replay;
    char topic[64];
    uint64_t ends = 0;

    (void)state;
    write_events(500, 0);
    kit_fresh_topic(topic, PARTITIONS);
    options = options_for(topic);
    replay = start(&options);
    wait_until_done(replay);
    progress = lam_replay_progress(replay);
    assert_true(progress.total == 500 && progress.sent == 500 && progress.delivered == 500 && progress.archived == 0 &&
                progress.resumed == 0);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        ends += lam_replay_end(replay, p);
    assert_int_equal(ends, 500);
    lam_replay_stop(replay);
    read_topic(topic, &read);
    assert_int_equal(read.count, 500);
    assert_int_equal(read.tombstones, 9); /* 1, 51, … 451; 451 = 11 · 41 has no key, and so no delete */
    for (int i = 1; i <= 500; i++)
        assert_int_equal(read.n[i], i % 50 != 1 || i % 11 == 0);
}

static void it_never_runs_further_ahead_than_the_archive(void **state)
{
    struct lam_replay_options options;
    struct lam_replay_progress progress;
    struct lam_replay *replay;
    char topic[64];

    (void)state;
    write_events(400, 1000);
    kit_fresh_topic(topic, PARTITIONS);
    options = options_for(topic);
    options.keep = 20000;
    replay = start(&options);
    do
        nap();
    while (!(progress = lam_replay_progress(replay)).held || progress.delivered < progress.sent);
    for (int i = 0; i < 20; i++)
        nap();
    assert_int_equal(lam_replay_progress(replay).sent, progress.sent); /* it stays where it is */
    assert_in_range(progress.sent, 17, 4 * 20);                        /* at most 20000 bytes a partition, some full first */
    while (!(progress = lam_replay_progress(replay)).done) {
        for (uint32_t p = 0; p < PARTITIONS; p++)
            lam_replay_archived(replay, p, lam_replay_end(replay, p));
        assert_true(progress.sent - progress.archived <= 4 * 20);
        nap();
    }
    lam_replay_stop(replay);
}

/* Kills and resumes at random places, with partitions archived unevenly: each line is archived exactly once over all lives. */
static void a_resumed_replay_sends_exactly_what_was_not_archived(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    static int archived[1001];
    char cursor[400] = "";
    int lives = 0;

    (void)state;
    print_message("seed %u\n", seed);
    srandom(seed);
    memset(archived, 0, sizeof archived);
    write_events(1000, 0);
    for (bool done = false; !done; lives++) {
        struct lam_kafka_offset starts[PARTITIONS];
        uint64_t next[PARTITIONS] = {0};
        struct lam_replay_options options;
        struct lam_replay *replay;
        struct lam_kafka *kafka;
        struct lam_buf buf;
        char topic[64];
        int rounds = (int)(random() % 12);

        kit_fresh_topic(topic, PARTITIONS); /* each life of the local broker begins empty */
        kafka = kit_consumer(topic);
        for (uint32_t p = 0; p < PARTITIONS; p++)
            starts[p] = (struct lam_kafka_offset){p, 0};
        assert_int_equal(lam_kafka_assign(kafka, starts, PARTITIONS, NULL), 0);
        options = options_for(topic);
        options.deleted = lam_sv("", 0);
        options.cursor = lam_sv_of(cursor);
        options.keep = 3000;
        replay = start(&options);
        while (rounds-- > 0 && !done) {
            const struct lam_kafka_event *events;
            size_t count;

            assert_int_equal(lam_kafka_poll(kafka, (size_t)(1 + random() % 40), 200, &events, &count, NULL), 0);
            for (size_t i = 0; i < count; i++) {
                const char *at;

                if (events[i].kind != LAM_KAFKA_MESSAGE)
                    continue;
                at = memmem(events[i].value.ptr, events[i].value.len, "\"n\":", 4);
                archived[at ? atoi(at + 4) : 5]++;
                next[events[i].partition] = (uint64_t)events[i].offset + 1;
            }
            lam_buf_init(&buf, sizeof cursor - 1); /* "the commit": the cursor belongs to these positions */
            assert_int_equal(lam_replay_cursor(replay, next, &buf, NULL), 0);
            snprintf(cursor, sizeof cursor, "%.*s", (int)buf.len, buf.ptr);
            lam_buf_release(&buf);
            for (uint32_t p = 0; p < PARTITIONS; p++)
                lam_replay_archived(replay, p, next[p]);
            struct lam_replay_progress progress = lam_replay_progress(replay);
            done = progress.done && progress.archived == progress.delivered;
            if (done)
                assert_int_equal(progress.resumed + progress.archived, 1000);
        }
        lam_replay_stop(replay);
        lam_kafka_close(kafka);
        assert_true(lives < 1000);
    }
    print_message("%d lives, cursor %s\n", lives, cursor);
    for (int i = 1; i <= 1000; i++)
        if (archived[i] != 1)
            fail_msg("line %d was archived %d times", i, archived[i]);
}

static void a_set_rate_is_not_exceeded(void **state)
{
    struct lam_replay_options options;
    struct lam_replay *replay;
    char topic[64];
    int64_t begin;

    (void)state;
    write_events(100, 0);
    kit_fresh_topic(topic, PARTITIONS);
    options = options_for(topic);
    options.rate = 200;
    begin = lam_mono_us(&lam_clock_system);
    replay = start(&options);
    wait_until_done(replay);
    assert_true(lam_mono_us(&lam_clock_system) - begin >= 495000); /* the last of 100 is due after 99/200 s */
    lam_replay_stop(replay);
}

static void a_stop_does_not_wait_for_the_end(void **state)
{
    struct lam_replay_options options;
    struct lam_replay *replay;
    char topic[64];

    (void)state;
    write_events(500, 0);
    kit_fresh_topic(topic, PARTITIONS);
    options = options_for(topic);
    options.rate = 0.5;
    replay = start(&options);
    lam_replay_stop(replay); /* 1,000 s early */
}

static void a_cursor_that_does_not_fit_is_refused(void **state)
{
    static const char *const bad[] = {"{}",
                                      "x",
                                      "{\"lines\":[1,2,3],\"line\":1,\"byte\":0}",
                                      "{\"lines\":[1,2,3,4,5],\"line\":1,\"byte\":0}",
                                      "{\"lines\":[1,2,3,-4],\"line\":1,\"byte\":0}",
                                      "{\"lines\":[0,0,0,0],\"line\":2,\"byte\":3}",
                                      "{\"lines\":[0,0,0,0],\"line\":2,\"byte\":30000000}"};
    struct lam_replay_options options = options_for("docs");
    struct lam_replay *replay;
    struct lam_error err;

    (void)state;
    write_events(100, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.cursor = lam_sv_of(bad[i]);
        assert_int_equal(lam_replay_start(&replay, &options, &err), LAM_E_INVALID);
        assert_null(replay);
    }
    options.cursor = lam_sv("", 0);
    options.path = "/nowhere/at/all";
    assert_int_equal(lam_replay_start(&replay, &options, &err), LAM_E_NOT_FOUND);
}

static void two_lives_of_the_broker_have_two_names(void **state)
{
    struct lam_broker *other;

    (void)state;
    assert_int_equal(lam_broker_open(&other, NULL), 0);
    assert_string_not_equal(lam_broker_id(broker), lam_broker_id(other));
    assert_string_not_equal(lam_broker_bootstrap(broker), lam_broker_bootstrap(other));
    assert_int_equal(lam_broker_topic(other, "docs", 3, NULL), 0);
    assert_int_equal(lam_broker_topic(other, "docs", 3, NULL), LAM_E_EXISTS);
    lam_broker_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_sent_once_with_its_key_time_and_deletes),
        cmocka_unit_test(it_never_runs_further_ahead_than_the_archive),
        cmocka_unit_test(a_resumed_replay_sends_exactly_what_was_not_archived),
        cmocka_unit_test(a_set_rate_is_not_exceeded),
        cmocka_unit_test(a_stop_does_not_wait_for_the_end),
        cmocka_unit_test(a_cursor_that_does_not_fit_is_refused),
        cmocka_unit_test(two_lives_of_the_broker_have_two_names),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
