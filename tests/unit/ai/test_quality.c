/*
 * Quality on real data, where it lies beside the checkout (LAMINA_TEST_DATA names its folder): the figures of docs/analyzers.md hold.
 */
#include "ai_test.h"

#include <lamina/block.h>

#include "../../../benchmarks/labelled.h"
#include "builtin/train.h"

static const char *data_path(const char *name, char path[4096])
{
    const char *folder = getenv("LAMINA_TEST_DATA");
    FILE *file;

    snprintf(path, 4096, "%s/%s", folder ? folder : "", name);
    if (!folder || !(file = fopen(path, "rb"))) {
        print_message("skipped: %s is not here (LAMINA_TEST_DATA)\n", name);
        skip();
        return NULL;
    }
    fclose(file);
    return path;
}

static double accuracy(const struct labelled *data, const struct lam_builtin_model *model)
{
    struct lam_tasks tasks = {.wanted = LAM_TASK_CLASSIFY, .labels = data->names, .label_count = data->label_count};
    struct lam_block *block = lam_block_new(data->count, (size_t)256 << 20);
    struct lam_analyzer *analyzer;
    struct lam_error err;
    size_t right = 0;

    for (size_t i = 0; i < data->count; i++) {
        struct lam_row row = {.rec = {.title = data->titles[i], .text = data->texts[i]}};

        OK(lam_block_add_row(block, &row, &err));
    }
    OK(lam_builtin_open_with_model(&tasks, model, 1, &analyzer, &err));
    OK(lam_analyzer_builtin.submit(analyzer, block, 0, data->count, NULL, &err));
    for (size_t i = 0; i < data->count; i++)
        right += data->labels[i] >= 0 && lam_sv_eq(lam_block_row(block, i)->enr.category, data->names[data->labels[i]].name);
    lam_analyzer_builtin.close(analyzer);
    lam_block_free(block);
    return (double)right / (double)data->count;
}

static void check(struct labelled *data, double by_descriptions, double trained)
{
    struct lam_builtin_doc *docs = calloc(data->count, sizeof *docs);
    struct lam_tasks tasks = {.labels = data->names, .label_count = data->label_count};
    struct lam_builtin_model *model;
    struct lam_error err;
    double first, second;

    for (size_t i = 0; i < data->count; i++)
        docs[i] = (struct lam_builtin_doc){data->titles[i], data->texts[i], -1};
    first = accuracy(data, NULL);
    OK(lam_builtin_train(&tasks, docs, data->count, NULL, &model, NULL, &err));
    second = accuracy(data, model);
    print_message("by descriptions %.4f, trained %.4f\n", first, second);
    assert_true(first >= by_descriptions);
    assert_true(second >= trained);
    lam_builtin_model_free(model);
    for (size_t i = 0; i < data->count; i++) {
        free((void *)(uintptr_t)data->titles[i].ptr);
        free((void *)(uintptr_t)data->texts[i].ptr);
    }
    free((void *)(uintptr_t)data->names[0].name.ptr); /* the labels file: its first name is its first byte */
    free(data->titles);
    free(data->texts);
    free(data->labels);
    free(data->names);
    free(docs);
}

static void news_are_classified_without_an_example(void **state)
{
    struct labelled data = {0};
    char path[4096];

    (void)state;
    if (!data_path("news.jsonl", path))
        return;
    labelled_names(&data, LABELS "/news.txt");
    labelled_jsonl(&data, path);
    assert_int_equal(data.count, 5000);
    check(&data, 0.53, 0.84);
}

static void complaints_are_classified_without_an_example(void **state)
{
    struct labelled data = {0};
    char path[4096];

    (void)state;
    if (!data_path("complaints-answered.csv", path))
        return;
    labelled_names(&data, LABELS "/complaints.txt");
    labelled_csv(&data, path, "narrative", "product");
    assert_int_equal(data.count, 500);
    check(&data, 0.62, 0.70);
}

/* Of the labelled sentences (tests/data), the share whose side is told rightly: a floor, so that a change of the lists is seen. */
static void the_side_of_labelled_sentences_is_told(void **state)
{
    struct lam_tasks tasks = {.wanted = LAM_TASK_SENTIMENT};
    struct lam_block *block = lam_block_new(1000, (size_t)4 << 20);
    struct lam_analyzer *analyzer;
    struct lam_error err;
    size_t len, count = 0, right = 0;
    char *bytes = labelled_file(SENTENCES, &len), *save, *line;

    (void)state;
    OK(lam_analyzer_builtin.open(&tasks, &analyzer, &err));
    for (line = strtok_r(bytes, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct lam_row row = {.rec.text = lam_sv_of(line + 2)};
        float value;

        OK(lam_block_add_row(block, &row, &err));
        OK(lam_analyzer_builtin.submit(analyzer, block, count, 1, NULL, &err));
        value = lam_block_row(block, count++)->enr.sentiment;
        right += line[0] == (value > 0.05f ? '+' : value < -0.05f ? '-' : '0');
        OK(lam_analyzer_builtin.poll(analyzer, &(void *){NULL}, &err));
    }
    print_message("%zu of %zu sentences\n", right, count);
    assert_true(count >= 100 && right * 100 >= count * 63);
    lam_analyzer_builtin.close(analyzer);
    lam_block_free(block);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(news_are_classified_without_an_example),
                                       cmocka_unit_test(complaints_are_classified_without_an_example),
                                       cmocka_unit_test(the_side_of_labelled_sentences_is_told)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
