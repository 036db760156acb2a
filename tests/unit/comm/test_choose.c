/* Which transport is chosen, from what the launcher left in the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm.h"

static int nothing_set(void **state)
{
    static const char *const names[] = {"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_ID"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    return 0;
}

static int choose(enum lam_comm_kind *kind)
{
    struct lam_error err;

    return lam_comm_choose(kind, &err);
}

static void without_a_launcher_a_process_is_alone(void **state)
{
    enum lam_comm_kind kind = LAM_COMM_MPI;

    (void)state;
    assert_int_equal(choose(&kind), 0);
    assert_int_equal(kind, LAM_COMM_SELF);
}

static void each_launcher_is_recognised(void **state)
{
    static const char *const names[] = {"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        enum lam_comm_kind kind = LAM_COMM_SELF;

        nothing_set(state);
        setenv(names[i], "0", 1);
        assert_int_equal(choose(&kind), 0);
        assert_int_equal(kind, LAM_COMM_MPI);
    }
}

static void tasks_of_srun_that_do_not_know_each_other_are_refused_with_advice(void **state)
{
    enum lam_comm_kind kind;
    struct lam_error err;
    struct lam_comm *comm;

    (void)state;
    setenv("SLURM_NTASKS", "4", 1);
    setenv("SLURM_PROCID", "1", 1);
    setenv("SLURM_STEP_ID", "0", 1);
    assert_int_equal(lam_comm_open(&comm, NULL, &err), LAM_E_INVALID);
    assert_null(comm);
    assert_non_null(strstr(err.text, "srun --mpi=pmix"));
    setenv("PMIX_RANK", "1", 1);
    assert_int_equal(choose(&kind), 0);
    assert_int_equal(kind, LAM_COMM_MPI);
}

static void one_task_or_the_script_of_a_batch_job_is_alone(void **state)
{
    enum lam_comm_kind kind;

    setenv("SLURM_NTASKS", "1", 1);
    setenv("SLURM_PROCID", "0", 1);
    setenv("SLURM_STEP_ID", "0", 1);
    assert_int_equal(choose(&kind), 0);
    assert_int_equal(kind, LAM_COMM_SELF);
    nothing_set(state);
    setenv("SLURM_NTASKS", "4", 1);
    setenv("SLURM_PROCID", "0", 1);
    assert_int_equal(choose(&kind), 0);
    assert_int_equal(kind, LAM_COMM_SELF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_launcher_a_process_is_alone, nothing_set),
        cmocka_unit_test_setup(each_launcher_is_recognised, nothing_set),
        cmocka_unit_test_setup(tasks_of_srun_that_do_not_know_each_other_are_refused_with_advice, nothing_set),
        cmocka_unit_test_setup(one_task_or_the_script_of_a_batch_job_is_alone, nothing_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
