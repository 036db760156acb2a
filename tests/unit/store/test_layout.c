/* Layouts: the tables hold together. */
#include "segment_fixture.h"

static void datasets_of_all_columns_are_numbered_without_gaps(void **state)
{
    (void)state;
    for (uint32_t number = 1; number <= 5; number++) {
        const struct lam_layout *layout = lam_layout(number);
        uint32_t next = 0;

        assert_non_null(layout);
        assert_int_equal(layout->number, number);
        assert_true(layout->column_count <= LAM_LAYOUT_MAX_COLUMNS && layout->dataset_count <= LAM_LAYOUT_MAX_DATASETS);
        for (uint32_t column = 0; column < layout->column_count; column++) {
            assert_int_equal(lam_layout_dataset(layout, column), next);
            next += lam_column_datasets(layout->columns[column].type);
        }
        assert_int_equal(next, layout->dataset_count);
    }
    assert_null(lam_layout(0));
    assert_null(lam_layout(6));
}

static void a_dataset_knows_its_column_and_its_name(void **state)
{
    const struct lam_layout *layout = lam_layout(LAM_LAYOUT_ROWS);
    char name[LAM_DATASET_NAME];
    enum lam_dataset_part part;
    uint32_t dataset = lam_layout_dataset(layout, LAM_ROWS_TEXT);

    (void)state;
    assert_int_equal(lam_layout_column(layout, dataset, &part, name), LAM_ROWS_TEXT);
    assert_string_equal(name, "text_off");
    assert_int_equal(part, LAM_PART_OFFSETS);
    assert_int_equal(lam_layout_column(layout, dataset + 1, &part, name), LAM_ROWS_TEXT);
    assert_string_equal(name, "text_bytes");
    assert_int_equal(part, LAM_PART_BYTES);
    assert_int_equal(lam_layout_column(layout, lam_layout_dataset(layout, LAM_ROWS_EMBEDDING), &part, name), LAM_ROWS_EMBEDDING);
    assert_string_equal(name, "embedding");
    assert_int_equal(part, LAM_PART_ONLY);
}

static void names_of_datasets_are_unique(void **state)
{
    (void)state;
    for (uint32_t number = 1; number <= 5; number++) {
        const struct lam_layout *layout = lam_layout(number);

        for (uint32_t i = 0; i < layout->dataset_count; i++)
            for (uint32_t j = 0; j < i; j++) {
                char a[LAM_DATASET_NAME], b[LAM_DATASET_NAME];
                enum lam_dataset_part part;

                lam_layout_column(layout, i, &part, a);
                lam_layout_column(layout, j, &part, b);
                assert_string_not_equal(a, b);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datasets_of_all_columns_are_numbered_without_gaps),
        cmocka_unit_test(a_dataset_knows_its_column_and_its_name),
        cmocka_unit_test(names_of_datasets_are_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
