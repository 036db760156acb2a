#include "parse_support.h"

#include "tree.h"

static void memory_keeps_its_bytes_however_it_grows(void **state)
{
    struct lam_tree tree;
    char *grown = NULL;
    size_t old = 0;

    (void)state;
    lam_tree_init(&tree, 1 << 20);
    for (size_t len = 1; len < 3000; len += 1 + len / 3) { /* also within the sixteen bytes that an allocation is rounded to */
        grown = lam_tree_realloc(&tree, grown, len);
        assert_int_equal((uintptr_t)grown % 16, 0);
        for (size_t i = 0; i < old; i++)
            assert_int_equal(grown[i], (char)(i % 100 + 1));
        for (size_t i = 0; i < len; i++)
            grown[i] = (char)(i % 100 + 1);
        memset(lam_tree_alloc(&tree, 100), 0xee, 100);
        old = len;
    }
    lam_tree_release(&tree);
}

static void a_realloc_in_place_counts_for_the_next_one(void **state)
{
    struct lam_tree tree;
    char *p;

    (void)state;
    lam_tree_init(&tree, 1 << 20);
    p = lam_tree_alloc(&tree, 3);
    memcpy(p, "abc", 3);
    p = lam_tree_realloc(&tree, p, 10);
    memcpy(p, "abcdefghij", 10);
    p = lam_tree_realloc(&tree, p, 4); /* smaller is no promise to forget */
    p = lam_tree_realloc(&tree, p, 500);
    assert_memory_equal(p, "abcdefghij", 10);
    lam_tree_release(&tree);
}

static void beyond_the_limit_it_jumps_and_after_a_reset_it_is_as_new(void **state)
{
    struct lam_tree tree;

    (void)state;
    lam_tree_init(&tree, 100000);
    for (int round = 0; round < 3; round++) {
        volatile int jumped = 0;

        if (setjmp(tree.full) == 0)
            for (;;)
                memset(lam_tree_alloc(&tree, 1000), 1, 1000);
        else
            jumped = 1;
        assert_int_equal(jumped, 1);
        assert_false(tree.no_memory);
        assert_true(tree.used > 98000 && tree.used <= 100000);
        lam_tree_reset(&tree);
        assert_int_equal(tree.used, 0);
        if (setjmp(tree.full) == 0) {
            lam_tree_alloc(&tree, SIZE_MAX - 4);
            fail();
        }
    }
    lam_tree_release(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_keeps_its_bytes_however_it_grows),
        cmocka_unit_test(a_realloc_in_place_counts_for_the_next_one),
        cmocka_unit_test(beyond_the_limit_it_jumps_and_after_a_reset_it_is_as_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
