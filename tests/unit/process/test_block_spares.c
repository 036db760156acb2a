/* Spare blocks: what is given is taken again, empty; what is kept is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block_spares.h"

#define MAX_HELD ((size_t)1 << 20)

static struct lam_block *filled(struct lam_block_spares *spares, size_t bytes)
{
    struct lam_block *block = lam_block_spares_take(spares, 100, 16 * MAX_HELD);
    struct lam_error err;

    assert_non_null(block);
    assert_int_equal(lam_block_rows(block), 0);
    assert_int_equal(lam_block_bytes(block), 0);
    assert_non_null(lam_block_alloc(block, bytes));
    assert_int_equal(lam_block_add_row(block, &(struct lam_row){.rec = {.key = LAM_SV("k")}}, &err), 0);
    assert_true(lam_block_held(block) >= bytes + sizeof(struct lam_row));
    return block;
}

static void test_a_given_block_is_taken_again_and_empty(void **state)
{
    struct lam_block_spares *spares = lam_block_spares_new(MAX_HELD);
    struct lam_block *first = filled(spares, 1000), *second = filled(spares, 1000);
    size_t held = lam_block_held(second);

    (void)state;
    lam_block_spares_give(spares, first);
    lam_block_spares_give(spares, second);
    lam_block_spares_give(spares, NULL);
    assert_ptr_equal(filled(spares, 1000), second); /* the last one given: warm */
    assert_int_equal(lam_block_held(second), held); /* no new memory for the same again */
    assert_ptr_equal(filled(spares, 1000), first);
    lam_block_free(first);
    lam_block_free(second);
    lam_block_spares_free(spares);
}

static void test_what_is_kept_is_bounded(void **state)
{
    struct lam_block_spares *spares = lam_block_spares_new(MAX_HELD);
    struct lam_block *small = filled(spares, 1000), *half = filled(spares, MAX_HELD / 4), *large = filled(spares, 2 * MAX_HELD), *other = filled(spares, MAX_HELD / 4);

    (void)state;
    assert_true(lam_block_held(half) > MAX_HELD / 2 && lam_block_held(half) < MAX_HELD - lam_block_held(small)); /* its arena doubles */
    lam_block_spares_give(spares, small);
    lam_block_spares_give(spares, half);
    lam_block_spares_give(spares, large); /* freed: ASan tells when it is not */
    lam_block_spares_give(spares, other);
    assert_ptr_equal(filled(spares, 1000), half);
    assert_ptr_equal(filled(spares, 1000), small);
    lam_block_spares_give(spares, half);
    lam_block_spares_drop(spares);
    lam_block_free(small);
    lam_block_spares_free(spares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_given_block_is_taken_again_and_empty),
        cmocka_unit_test(test_what_is_kept_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
