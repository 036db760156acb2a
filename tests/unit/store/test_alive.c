/* Alive: a counter that moves, and what is known of a process. */
#include <sys/wait.h>
#include <unistd.h>

#include "alive.h"
#include "faulty_fs.h"
#include "log_fixture.h"

#define RUN "0123456789abcdef0123456789abcdef"

static void a_counter_moves_with_each_tick_and_is_gone_after_the_stop(void **state)
{
    struct lam_error err = {0};
    struct lam_alive alive;
    uint64_t first, second;

    assert_int_equal(lam_alive_read(&lam_fs_system, *state, RUN, &first, &err), LAM_E_NOT_FOUND);
    OK(lam_alive_start(&alive, &lam_fs_system, *state, RUN, &err));
    OK(lam_alive_read(&lam_fs_system, *state, RUN, &first, &err));
    OK(lam_alive_read(&lam_fs_system, *state, RUN, &second, &err));
    assert_true(first == second);
    OK(lam_alive_raise(&alive, &err));
    OK(lam_alive_read(&lam_fs_system, *state, RUN, &second, &err));
    assert_true(first != second);
    lam_alive_stop(&alive);
    lam_alive_stop(&alive);
    assert_int_equal(lam_alive_read(&lam_fs_system, *state, RUN, &first, &err), LAM_E_NOT_FOUND);
    assert_int_equal(access(scratch_join(*state, "runs/" RUN), F_OK), 0);
}

static void a_run_that_is_no_name_is_refused(void **state)
{
    struct lam_error err = {0};
    struct lam_alive alive;

    assert_int_equal(lam_alive_start(&alive, &lam_fs_system, *state, "../x", &err), LAM_E_INVALID);
    lam_alive_stop(&alive);
    assert_int_equal(lam_alive_start(&alive, &lam_fs_system, *state, "", &err), LAM_E_INVALID);
}

static void each_failing_call_is_reported_and_leaves_nothing_open(void **state)
{
    for (uint64_t n = 1;; n++) {
        struct lam_error err = {0};
        struct faulty_fs faulty;
        struct lam_alive alive;

        faulty_fs_init(&faulty, &lam_fs_system);
        faulty_fs_spoil(&faulty, FAULTY_ANY, n, FAULTY_FAIL, 5);
        if (lam_alive_start(&alive, &faulty.fs, *state, RUN, &err) == 0)
            lam_alive_stop(&alive);
        else
            assert_true(faulty.hit && alive.fd == -1);
        if (!faulty.hit)
            break;
    }
}

static void this_process_runs_and_an_ended_one_is_gone(void **unused)
{
    struct lam_holder self, other;
    struct lam_error err = {0};
    pid_t child;

    (void)unused;
    OK(lam_holder_self(&self, "job", RUN, &err));
    assert_int_equal(self.pid, getpid());
    assert_true(self.started > 0);
    other = self;
    assert_int_equal(lam_holder_process(&other, &self), LAM_PROCESS_RUNS);
    other.started++; /* the number was given to another process since */
    assert_int_equal(lam_holder_process(&other, &self), LAM_PROCESS_GONE);
    child = fork();
    if (child == 0)
        _exit(0);
    other = self;
    other.pid = (uint64_t)child;
    waitpid(child, NULL, 0);
    assert_int_equal(lam_holder_process(&other, &self), LAM_PROCESS_GONE);
}

static void of_another_host_boot_or_namespace_only_the_counter_can_tell(void **unused)
{
    struct lam_holder self, other;
    struct lam_error err = {0};

    (void)unused;
    OK(lam_holder_self(&self, "job", RUN, &err));
    other = self;
    other.host[0] ^= 1;
    assert_int_equal(lam_holder_process(&other, &self), LAM_PROCESS_FOREIGN);
    other = self;
    other.boot[0] ^= 1;
    assert_int_equal(lam_holder_process(&other, &self), LAM_PROCESS_FOREIGN);
    other = self;
    other.pid_namespace++;
    assert_int_equal(lam_holder_process(&other, &self), LAM_PROCESS_FOREIGN);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_counter_moves_with_each_tick_and_is_gone_after_the_stop),
        WITH_FOLDER(a_run_that_is_no_name_is_refused),
        WITH_FOLDER(each_failing_call_is_reported_and_leaves_nothing_open),
        cmocka_unit_test(this_process_runs_and_an_ended_one_is_gone),
        cmocka_unit_test(of_another_host_boot_or_namespace_only_the_counter_can_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
