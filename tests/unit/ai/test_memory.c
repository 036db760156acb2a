/* Every allocation of the built-in analyzer and of its training failing in turn: an error, nothing leaked, and the next call works. */
#include "ai_test.h"

#include <lamina/block.h>

#include "builtin/train.h"
#include "failing_alloc.h"

static const struct lam_label labels[] = {{LAM_SV("food"), LAM_SV("soup bread")}, {LAM_SV("travel"), LAM_SV("train ticket")}};
static const struct lam_tasks tasks = {
    .wanted = ALL_TASKS, .labels = labels, .label_count = 2, .sentences = 1, .max_keywords = 4, .dim = 16};
static const char text[] = "The soup was good. The train to Rome left at 5pm. Bread and soup cost $5. We had no ticket "
                           "for the train, sadly.";

static void an_answer_survives_each_failed_allocation(void **state)
{
    int rc = 1;
    long n;

    (void)state;
    for (n = 0; rc; n++) {
        struct lam_row row = {.rec.text = lam_sv_of(text)};
        struct lam_block *block = lam_block_new(1, (size_t)1 << 20);
        struct lam_analyzer *analyzer;
        struct lam_error err;

        assert_true(n < 500);
        OK(lam_block_add_row(block, &row, &err));
        failing_alloc_after(n);
        rc = lam_analyzer_builtin.open(&tasks, &analyzer, &err);
        if (!rc) {
            rc = lam_analyzer_builtin.submit(analyzer, block, 0, 1, NULL, &err);
            failing_alloc_stop();
            if (rc) {
                assert_true(lam_block_row(block, 0)->rec.flags & LAM_ROW_PENDING);
                assert_int_equal(lam_block_row(block, 0)->enr.category.len, 0);
                OK(lam_analyzer_builtin.submit(analyzer, block, 0, 1, NULL, &err)); /* the handle still works */
            }
            assert_true(lam_block_row(block, 0)->enr.category.len > 0);
            lam_analyzer_builtin.close(analyzer);
        }
        failing_alloc_stop();
        assert_true(rc == 0 || rc == LAM_E_MEMORY || rc == LAM_E_LIMIT);
        lam_block_free(block);
    }
    print_message("%ld allocations\n", n);
    assert_true(n > 12); /* the allocations were counted at all */
}

static void training_survives_each_failed_allocation(void **state)
{
    const struct lam_builtin_doc docs[] = {{LAM_SV(""), LAM_SV("soup with pepper"), -1},   {LAM_SV(""), LAM_SV("bread and cheese"), -1},
                                           {LAM_SV(""), LAM_SV("train and luggage"), -1},  {LAM_SV(""), LAM_SV("a ticket to Rome"), -1},
                                           {LAM_SV(""), LAM_SV("luggage for Rome"), -1},   {LAM_SV(""), LAM_SV("cheese with pepper"), -1}};
    int rc = 1;
    long n;

    (void)state;
    for (n = 0; rc; n++) {
        struct lam_builtin_model *model, *back = NULL;
        struct lam_error err;
        struct lam_buf buf;

        assert_true(n < 500);
        lam_buf_init(&buf, 1 << 20);
        failing_alloc_after(n);
        rc = lam_builtin_train(&tasks, docs, 6, NULL, &model, NULL, &err);
        if (!rc && !(rc = lam_builtin_model_write(model, &buf, &err)))
            rc = lam_builtin_model_read(lam_buf_sv(&buf), &back, &err);
        failing_alloc_stop();
        assert_true(rc == 0 || rc == LAM_E_MEMORY);
        lam_buf_release(&buf);
        lam_builtin_model_free(model);
        lam_builtin_model_free(back);
    }
    print_message("%ld allocations\n", n);
    assert_true(n > 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_answer_survives_each_failed_allocation),
                                       cmocka_unit_test(training_survives_each_failed_allocation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
