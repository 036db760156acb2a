/*
 * A batch run on one rank, whose callbacks do nothing but count: what the coordinator does with many ranges, with large messages, and with a storage thread that
 * takes no jobs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "comm/transport.h"
#include "work.h"

#define FOREIGN 0x7000 /* type of a message that only fills an outbox */
#define STEPS_MAX 2000000

struct world {
    struct lam_comm *comm;
    struct lam_pool *storage;
    struct lam_wake wake;
    struct lam_batch *batch;
    struct lam_roles roles;
    size_t range_count, plan_len;             /* what plan makes */
    size_t resolved, written, discarded, prepared_len, prepared; /* what came of it */
    bool published, crowd, crowded;
    unsigned write_us;
};

static struct lam_error err;

static int begin(void *arg, struct lam_buf *out, struct lam_error *why)
{
    (void)arg;
    return lam_buf_add(out, "x", 1, why);
}

static int list(void *arg, struct lam_batch_lister *lister, struct lam_error *why)
{
    (void)arg, (void)lister, (void)why;
    return 0;
}

static bool again(void *arg)
{
    (void)arg;
    return false;
}

static int sample(void *arg, struct lam_error *why)
{
    (void)arg, (void)why;
    return LAM_END;
}

static int plan(void *arg, struct lam_batch_lister *lister, struct lam_buf *out, struct lam_error *why)
{
    struct world *world = arg;
    int rc = lam_buf_reserve(out, world->plan_len, why);

    if (rc)
        return rc;
    memset(out->ptr, 'p', world->plan_len);
    out->len = world->plan_len;
    for (size_t i = 0; !rc && i < world->range_count; i++)
        rc = lam_batch_emit(lister, 1, LAM_SV("r"), why);
    return rc;
}

static int start(void *arg, struct lam_sv bytes, struct lam_error *why)
{
    (void)arg, (void)bytes, (void)why;
    return 0;
}

static int prepare(void *arg, struct lam_sv bytes, struct lam_error *why)
{
    struct world *world = arg;

    (void)why;
    world->prepared++;
    world->prepared_len = bytes.len;
    return 0;
}

static int resolve(void *arg, unsigned worker, struct lam_sv range, void **made, struct lam_error *why)
{
    (void)arg, (void)worker, (void)range;
    return (*made = malloc(1)) ? 0 : LAM_FAIL(why, LAM_E_MEMORY, "no memory");
}

static int write_range(void *arg, void *made, struct lam_buf *note, struct lam_error *why)
{
    struct world *world = arg;

    world->written++;
    free(made);
    if (world->write_us)
        usleep(world->write_us);
    return lam_buf_add(note, "n", 1, why);
}

static void discard(void *arg, void *made)
{
    ((struct world *)arg)->discarded++;
    free(made);
}

static void resolved(void *arg, int rank, struct lam_sv note)
{
    (void)rank, (void)note;
    ((struct world *)arg)->resolved++;
}

static int publish(void *arg, struct lam_error *why)
{
    (void)why;
    ((struct world *)arg)->published = true;
    return 0;
}

static void end(void *arg) { (void)arg; }

static const struct lam_batch_ops ops = {.begin = begin, .list = list, .again = again, .sample = sample, .plan = plan, .resolved = resolved, .publish = publish,
                                         .start = start, .prepare = prepare, .resolve = resolve, .write = write_range, .discard = discard, .end = end};

static void open_world(struct world *world, size_t max_ranges, size_t max_queued, size_t storage_jobs)
{
    const struct lam_comm_options comm = {.max_queued = max_queued};
    struct lam_batch_options options = {.ops = &ops, .arg = world, .wake = &world->wake, .workers = 2, .max_bytes = 1 << 20, .group_bytes = 1 << 18, .max_ranges = max_ranges};

    assert_int_equal(lam_comm_open_on(&world->comm, &lam_transport_self, &comm, &err), 0);
    assert_int_equal(lam_wake_init(&world->wake, &err), 0);
    assert_int_equal(lam_pool_new(&world->storage, "storage", 1, storage_jobs, &world->wake, &err), 0);
    world->roles = lam_roles_single(1, LAM_ROLE_BATCH);
    options.comm = world->comm;
    options.storage = world->storage;
    options.roles = world->roles;
    assert_int_equal(lam_batch_open(&world->batch, &options, &err), 0);
}

static void close_world(struct world *world)
{
    lam_batch_close(world->batch);
    lam_pool_free(world->storage);
    lam_wake_release(&world->wake);
    assert_int_equal(lam_comm_close(world->comm, 1000, &err), 0);
}

/* As the program's main loop. */
static int run(struct world *world)
{
    int rc = lam_batch_run(world->batch, &err);

    for (int i = 0; !rc || rc == LAM_PENDING; i++) {
        assert_true(i < STEPS_MAX);
        lam_comm_wait(world->comm, &world->wake, 100);
        assert_int_equal(lam_comm_poll(world->comm, NULL, NULL, &err), 0);
        if (world->crowd && lam_batch_progress(world->batch).state == LAM_BATCH_PLAN && !world->crowded) {
            world->crowded = true;
            assert_int_equal(lam_comm_send(world->comm, 0, FOREIGN, LAM_SV("in the way"), &err), 0);
        }
        lam_work_reap(world->storage);
        if (!(rc = lam_batch_step(world->batch, &err)))
            return 0;
    }
    return rc;
}

static void more_ranges_than_splits_that_may_be_open(void **state)
{
    struct world world = {.range_count = 70000, .plan_len = 10};

    (void)state;
    open_world(&world, 0, 0, 4096);
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.resolved, 70000);
    assert_int_equal(world.written, 70000);
    assert_true(world.published);
    close_world(&world);
}

/* Nothing is claimed before all are known: what does not fit then never will. */
static void too_many_ranges_end_the_run_and_say_so(void **state)
{
    struct world world = {.range_count = 5000, .plan_len = 10};

    (void)state;
    open_world(&world, 1000, 0, 4096);
    assert_int_equal(run(&world), LAM_E_LIMIT);
    assert_non_null(strstr(err.text, "a view of more than 1000 ranges"));
    assert_false(world.published);
    world.range_count = 1000; /* and another run may follow */
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.resolved, 1000);
    close_world(&world);
}

static void a_plan_that_fills_an_outbox_waits_for_room(void **state)
{
    struct world world = {.range_count = 3, .plan_len = 100000, .crowd = true};

    (void)state;
    open_world(&world, 0, 65536, 4096);
    assert_int_equal(run(&world), 0);
    assert_true(world.crowded);
    assert_int_equal(world.prepared, 1);
    assert_int_equal(world.prepared_len, 100000);
    assert_int_equal(world.resolved, 3);
    close_world(&world);
}

static void a_plan_that_no_message_holds_is_refused(void **state)
{
    struct world world = {.range_count = 3, .plan_len = LAM_COMM_MESSAGE_MAX + 1};

    (void)state;
    open_world(&world, 0, 0, 4096);
    assert_int_equal(run(&world), LAM_E_LIMIT);
    assert_int_equal(world.prepared, 0);
    world.plan_len = LAM_COMM_MESSAGE_MAX;
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.prepared_len, LAM_COMM_MESSAGE_MAX);
    close_world(&world);
}

/* What was made of a range is nobody's any more. */
static void a_storage_thread_that_takes_no_jobs_ends_the_run_and_nothing_leaks(void **state)
{
    struct world world = {.range_count = 200, .plan_len = 10, .write_us = 20000};

    (void)state;
    open_world(&world, 0, 0, 1);
    assert_int_equal(run(&world), LAM_E_LIMIT);
    assert_non_null(strstr(err.text, "the storage thread has too many jobs"));
    assert_true(world.discarded > 0);
    assert_false(world.published);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_ranges_than_splits_that_may_be_open),
        cmocka_unit_test(too_many_ranges_end_the_run_and_say_so),
        cmocka_unit_test(a_plan_that_fills_an_outbox_waits_for_room),
        cmocka_unit_test(a_plan_that_no_message_holds_is_refused),
        cmocka_unit_test(a_storage_thread_that_takes_no_jobs_ends_the_run_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
