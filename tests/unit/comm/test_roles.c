/* Roles: who serves, who is speed, who is batch, on any number of ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "roles.h"

static void assert_range(const struct lam_roles *roles, enum lam_role role, int first, int count)
{
    assert_int_equal(roles->first[role], first);
    assert_int_equal(roles->count[role], count);
}

static void one_rank_has_all_roles(void **state)
{
    struct lam_roles roles = lam_roles_run(1, 1);

    (void)state;
    for (int role = 0; role < LAM_ROLE_COUNT; role++) {
        assert_true(lam_roles_has(&roles, 0, (enum lam_role)role));
        assert_int_equal(lam_roles_rank(&roles, (enum lam_role)role, 0), 0);
    }
}

static void with_too_few_ranks_batch_comes_first_then_speed(void **state)
{
    struct lam_roles two = lam_roles_run(2, 1), three = lam_roles_run(3, 1), few = lam_roles_run(4, 10);

    (void)state;
    assert_range(&two, LAM_ROLE_BATCH, 1, 1);
    assert_range(&two, LAM_ROLE_SPEED, 0, 1); /* held by rank 0 */
    assert_range(&three, LAM_ROLE_SPEED, 1, 1);
    assert_range(&three, LAM_ROLE_BATCH, 2, 1);
    assert_range(&few, LAM_ROLE_SPEED, 1, 2);
    assert_range(&few, LAM_ROLE_BATCH, 3, 1);
}

static void rank_0_serves_the_next_are_speed_the_rest_batch(void **state)
{
    struct lam_roles roles = lam_roles_run(8, 3), none = lam_roles_run(8, 0);

    (void)state;
    assert_range(&roles, LAM_ROLE_SERVE, 0, 1);
    assert_range(&roles, LAM_ROLE_SPEED, 1, 3);
    assert_range(&roles, LAM_ROLE_BATCH, 4, 4);
    assert_range(&none, LAM_ROLE_SPEED, 0, 1);
    assert_range(&none, LAM_ROLE_BATCH, 1, 7);
}

static void every_role_is_held_and_index_and_rank_are_inverse(void **state)
{
    (void)state;
    for (int size = 1; size <= 20; size++)
        for (int speed = 0; speed <= 20; speed++) {
            struct lam_roles roles = lam_roles_run(size, speed);
            int held = 0;

            for (int role = 0; role < LAM_ROLE_COUNT; role++) {
                assert_true(roles.count[role] >= 1);
                for (int i = 0; i < roles.count[role]; i++)
                    assert_int_equal(lam_roles_index(&roles, (enum lam_role)role, lam_roles_rank(&roles, (enum lam_role)role, i)), i);
                assert_int_equal(lam_roles_rank(&roles, (enum lam_role)role, roles.count[role]), -1);
            }
            for (int rank = 0; rank < size; rank++) {
                int roles_of_rank = 0;

                for (int role = 0; role < LAM_ROLE_COUNT; role++)
                    roles_of_rank += lam_roles_has(&roles, rank, (enum lam_role)role);
                assert_true(rank == 0 || roles_of_rank == 1);
                held += roles_of_rank > 0;
            }
            assert_int_equal(held, size); /* nobody is idle */
        }
}

static void a_layer_alone_works_on_every_rank(void **state)
{
    struct lam_roles batch = lam_roles_single(5, LAM_ROLE_BATCH), serve = lam_roles_single(5, LAM_ROLE_SERVE);

    (void)state;
    assert_range(&batch, LAM_ROLE_BATCH, 0, 5);
    assert_range(&batch, LAM_ROLE_SPEED, 0, 0);
    assert_false(lam_roles_has(&batch, 0, LAM_ROLE_SERVE));
    assert_range(&serve, LAM_ROLE_SERVE, 0, 1);
    assert_string_equal(lam_role_name(LAM_ROLE_SPEED), "speed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rank_has_all_roles),
        cmocka_unit_test(with_too_few_ranks_batch_comes_first_then_speed),
        cmocka_unit_test(rank_0_serves_the_next_are_speed_the_rest_batch),
        cmocka_unit_test(every_role_is_held_and_index_and_rank_are_inverse),
        cmocka_unit_test(a_layer_alone_works_on_every_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
