/* Questions for the tail while the layer ends: who asks for what is archived by then gets it, who asks for an older commit is told to pin anew, and nobody waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "speed_asks.h"

#define OVER 7 /* the commit that has all */

struct asker {
    struct lam_speed_asks *asks;
    uint64_t commit;
    pthread_t thread;
    int rc;
    size_t rows;
    struct lam_error err;
};

static void *ask(void *arg)
{
    struct asker *asker = arg;
    struct lam_block *block = NULL;
    struct lam_buf speed;

    lam_buf_init(&speed, 4096);
    asker->rc = lam_speed_asks_fetch(asker->asks, asker->commit, lam_sv(NULL, 0), lam_mono_us(&lam_clock_system) + INT64_C(3600000000), &block, &speed, &asker->err);
    asker->rows = block ? lam_block_rows(block) : 99;
    lam_block_free(block);
    lam_buf_release(&speed);
    return NULL;
}

static void who_waits_when_the_layer_ends_is_let_go(void **state)
{
    static const char text[] = "{\"name\":\"t\",\"store\":\"s\",\"dataset\":{\"kind\":\"upsert\",\"key\":\"/id\",\"order_by\":\"position\"},"
                               "\"stream\":{\"name\":\"events\",\"brokers\":\"local\",\"topic\":\"in\"}}";
    struct lam_engine engine = {.clock = &lam_clock_system, .roles = {.count = {[LAM_ROLE_SPEED] = 2}}};
    struct asker askers[] = {{.commit = OVER - 1}, {.commit = OVER}, {.commit = OVER + 1}, {.commit = OVER - 3}};
    struct lam_speed_asks asks;
    struct lam_error err;
    struct lam_job *job;

    (void)state;
    if (lam_job_parse(LAM_SV(text), "job.json", "/tmp", NULL, 0, &job, NULL, &err) || lam_wake_init(&engine.wake, &err))
        fail_msg("%s", err.text);
    engine.job = job;
    lam_speed_asks_init(&asks, &engine);
    for (size_t i = 0; i < 4; i++) {
        askers[i].asks = &asks;
        if (i < 3)
            assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    usleep(20000); /* most wait by now; one that comes later is answered alike */
    lam_speed_asks_end(&asks, OVER);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
    ask(&askers[3]); /* who asks after it does not wait either */
    assert_int_equal(askers[0].rc, LAM_E_CONFLICT);
    assert_int_equal(askers[3].rc, LAM_E_CONFLICT);
    assert_int_equal(askers[1].rc, 0);
    assert_int_equal(askers[1].rows, 0);
    assert_int_equal(askers[2].rc, 0);
    assert_int_equal(askers[2].rows, 0);
    lam_speed_asks_release(&asks);
    lam_wake_release(&engine.wake);
    lam_job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_waits_when_the_layer_ends_is_let_go)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
