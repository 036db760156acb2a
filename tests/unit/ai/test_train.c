#include "ai_test.h"

#include <lamina/block.h>

#include <pthread.h>

#include "base/hash.h"
#include "builtin/train.h"

#define DOCS 400
#define GOLDEN 0x637b96bcu

static const struct lam_label labels[] = {
    {LAM_SV("food"), LAM_SV("restaurant kitchen")}, {LAM_SV("travel"), LAM_SV("train airport")}, {LAM_SV("money"), LAM_SV("bank loan")}};
static const struct lam_tasks tasks = {.wanted = LAM_TASK_CLASSIFY, .labels = labels, .label_count = 3};

/* Words that go with each label; the first two stand in its description, and only every third document has one of these. */
static const char *const words[3][10] = {
    {"restaurant", "kitchen", "soup", "bread", "cheese", "salad", "cook", "pepper", "lunch", "plate"},
    {"train", "airport", "ticket", "luggage", "passport", "hotel", "journey", "station", "flight", "map"},
    {"bank", "loan", "interest", "savings", "account", "invest", "broker", "shares", "deposit", "tax"}};

struct corpus {
    struct lam_builtin_doc docs[DOCS];
    char texts[DOCS][200];
};

static uint32_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* Document d is of label d % 3. */
static struct corpus *make_corpus(void)
{
    struct corpus *corpus = calloc(1, sizeof *corpus);
    uint64_t seed = 99;

    for (int d = 0; d < DOCS; d++) {
        size_t len = 0;

        for (int w = 0; w < 8; w++) {
            bool common = next(&seed) % 3 == 0, named = d / 3 % 3 == 0 && w == 0;

            len += (size_t)snprintf(corpus->texts[d] + len, sizeof corpus->texts[d] - len, "%s%s", w ? " " : "",
                                    common && !named ? "thing" : words[d % 3][named ? next(&seed) % 2 : 2 + next(&seed) % 8]);
        }
        corpus->docs[d] = (struct lam_builtin_doc){LAM_SV(""), lam_sv(corpus->texts[d], len), -1};
    }
    return corpus;
}

/* The share of documents that model answers rightly. */
static double accuracy(const struct corpus *corpus, const struct lam_builtin_model *model)
{
    struct lam_block *block = lam_block_new(DOCS, (size_t)16 << 20);
    struct lam_analyzer *analyzer;
    struct lam_error err;
    size_t right = 0;

    OK(lam_builtin_open_with_model(&tasks, model, 7, &analyzer, &err));
    for (size_t d = 0; d < DOCS; d++) {
        struct lam_row row = {.rec.text = corpus->docs[d].text};

        OK(lam_block_add_row(block, &row, &err));
    }
    OK(lam_analyzer_builtin.submit(analyzer, block, 0, DOCS, NULL, &err));
    for (size_t d = 0; d < DOCS; d++) {
        right += lam_sv_eq(lam_block_row(block, d)->enr.category, labels[d % 3].name);
        assert_int_equal(lam_block_row(block, d)->enr.model, 7);
    }
    lam_analyzer_builtin.close(analyzer);
    lam_block_free(block);
    return (double)right / DOCS;
}

static struct lam_buf bytes_of(const struct lam_builtin_model *model)
{
    struct lam_error err;
    struct lam_buf buf;

    lam_buf_init(&buf, LAM_BUILTIN_MODEL_MAX);
    OK(lam_builtin_model_write(model, &buf, &err));
    return buf;
}

static void words_beyond_the_descriptions_are_learned(void **state)
{
    struct corpus *corpus = make_corpus();
    struct lam_builtin_training_report report;
    struct lam_builtin_model *model;
    struct lam_error err;

    (void)state;
    assert_true(accuracy(corpus, NULL) < 0.5);
    OK(lam_builtin_train(&tasks, corpus->docs, DOCS, NULL, &model, &report, &err));
    assert_true(accuracy(corpus, model) > 0.97);
    assert_int_equal(report.documents, DOCS);
    assert_int_equal(report.rounds, 8);
    assert_int_equal(report.died_out, 0);
    assert_int_equal(report.unseen, 0);
    assert_true(report.temperature > 0 && report.temperature < 10);
    lam_builtin_model_free(model);
    free(corpus);
}

/* The checksum was taken from one build; gcc and clang, with and without optimisation and sanitizers, agree on it. */
static void training_gives_the_same_bytes_everywhere(void **state)
{
    struct corpus *corpus = make_corpus();
    struct lam_builtin_model *one, *two;
    struct lam_error err;
    struct lam_buf a, b;

    (void)state;
    OK(lam_builtin_train(&tasks, corpus->docs, DOCS, NULL, &one, NULL, &err));
    OK(lam_builtin_train(&tasks, corpus->docs, DOCS, NULL, &two, NULL, &err));
    a = bytes_of(one);
    b = bytes_of(two);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
    print_message("checksum 0x%08x\n", lam_crc32c(0, a.ptr, a.len - 4));
    assert_int_equal(lam_crc32c(0, a.ptr, a.len - 4), GOLDEN);
    lam_buf_release(&a);
    lam_buf_release(&b);
    lam_builtin_model_free(one);
    lam_builtin_model_free(two);
    free(corpus);
}

static void a_model_comes_back_from_its_bytes(void **state)
{
    struct corpus *corpus = make_corpus();
    struct lam_builtin_model *model, *back;
    struct lam_error err;
    struct lam_buf a, b;

    (void)state;
    OK(lam_builtin_train(&tasks, corpus->docs, DOCS, NULL, &model, NULL, &err));
    a = bytes_of(model);
    OK(lam_builtin_model_read(lam_buf_sv(&a), &back, &err));
    b = bytes_of(back);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
    assert_true(accuracy(corpus, back) == accuracy(corpus, model));
    assert_true(back->tasks_digest == lam_builtin_tasks_digest(&tasks));
    for (size_t len = 0; len < a.len; len += len < 200 ? 1 : 997) { /* cut anywhere: refused */
        struct lam_builtin_model *none;

        assert_int_equal(lam_builtin_model_read(lam_sv(a.ptr, len), &none, &err), LAM_E_CORRUPT);
        assert_null(none);
    }
    for (size_t at = 0; at < a.len; at += at < 200 ? 1 : 997) { /* one bit wrong anywhere: refused */
        struct lam_builtin_model *none;

        a.ptr[at] ^= 4;
        assert_int_equal(lam_builtin_model_read(lam_buf_sv(&a), &none, &err), LAM_E_CORRUPT);
        a.ptr[at] ^= 4;
    }
    lam_buf_release(&a);
    lam_buf_release(&b);
    lam_builtin_model_free(model);
    lam_builtin_model_free(back);
    free(corpus);
}

static void known_labels_teach(void **state)
{
    struct corpus *corpus = make_corpus();
    static const struct lam_label bare[] = {{LAM_SV("zz1"), LAM_SV("")}, {LAM_SV("zz2"), LAM_SV("")}, {LAM_SV("zz3"), LAM_SV("")}};
    struct lam_tasks silent = tasks;
    struct lam_builtin_training_report report;
    struct lam_builtin_model *model;
    struct lam_error err;

    (void)state;
    silent.labels = bare;
    assert_int_equal(lam_builtin_train(&silent, corpus->docs, DOCS, NULL, &model, NULL, &err), LAM_E_NOT_FOUND);
    assert_null(model);
    for (int d = 0; d < 60; d++)
        corpus->docs[d].label = d % 3;
    OK(lam_builtin_train(&silent, corpus->docs, DOCS, NULL, &model, &report, &err));
    for (uint32_t k = 0; k < 3; k++) /* the names differ, the order is the same */
        model->labels[k] = labels[k].name;
    assert_true(accuracy(corpus, model) > 0.95);
    assert_int_equal(report.unseen, 3);
    lam_builtin_model_free(model);
    corpus->docs[3].label = 3;
    assert_int_equal(lam_builtin_train(&tasks, corpus->docs, DOCS, NULL, &model, NULL, &err), LAM_E_INVALID);
    free(corpus);
}

static void a_model_of_other_labels_is_refused(void **state)
{
    struct lam_label others[] = {labels[0], labels[2], labels[1]};
    struct corpus *corpus = make_corpus();
    struct lam_tasks changed = tasks;
    struct lam_builtin_model *model;
    struct lam_analyzer *analyzer;
    struct lam_error err;

    (void)state;
    OK(lam_builtin_train(&tasks, corpus->docs, DOCS, NULL, &model, NULL, &err));
    changed.labels = others;
    assert_int_equal(lam_builtin_open_with_model(&changed, model, 1, &analyzer, &err), LAM_E_INVALID);
    changed.label_count = 2;
    assert_int_equal(lam_builtin_open_with_model(&changed, model, 1, &analyzer, &err), LAM_E_INVALID);
    assert_true(lam_builtin_tasks_digest(&changed) != lam_builtin_tasks_digest(&tasks));
    lam_builtin_model_free(model);
    free(corpus);
}

struct shared {
    const struct corpus *corpus;
    const struct lam_builtin_model *model;
    double accuracy;
};

static void *judge(void *arg)
{
    struct shared *shared = arg;

    shared->accuracy = accuracy(shared->corpus, shared->model);
    return NULL;
}

static void handles_of_several_threads_share_a_model(void **state)
{
    struct corpus *corpus = make_corpus();
    struct lam_builtin_model *model;
    struct shared shared[4];
    pthread_t threads[4];
    struct lam_error err;

    (void)state;
    OK(lam_builtin_train(&tasks, corpus->docs, DOCS, NULL, &model, NULL, &err));
    for (int i = 0; i < 4; i++) {
        shared[i] = (struct shared){corpus, model, 0};
        OK(pthread_create(&threads[i], NULL, judge, &shared[i]));
    }
    for (int i = 0; i < 4; i++)
        OK(pthread_join(threads[i], NULL));
    for (int i = 0; i < 4; i++)
        assert_true(shared[i].accuracy == accuracy(corpus, model));
    lam_builtin_model_free(model);
    free(corpus);
}

static bool always(void *arg)
{
    ++*(int *)arg;
    return true;
}

static void odd_corpora_end_well(void **state)
{
    struct corpus *corpus = make_corpus();
    struct lam_builtin_training options = {0};
    struct lam_builtin_training_report report;
    struct lam_tasks one = tasks;
    struct lam_builtin_model *model;
    struct lam_error err;
    int asked = 0;

    (void)state;
    assert_int_equal(lam_builtin_train(&tasks, corpus->docs, 0, NULL, &model, NULL, &err), LAM_E_NOT_FOUND);
    OK(lam_builtin_train(&tasks, corpus->docs, 1, NULL, &model, &report, &err)); /* one document */
    assert_int_equal(report.unseen, 2);
    lam_builtin_model_free(model);
    for (int d = 1; d < DOCS; d++) /* equal documents, all of one class */
        corpus->docs[d].text = corpus->docs[0].text;
    OK(lam_builtin_train(&tasks, corpus->docs, DOCS, NULL, &model, &report, &err));
    lam_builtin_model_free(model);
    for (int d = 0; d < DOCS; d++)
        corpus->docs[d].text = LAM_SV("");
    assert_int_equal(lam_builtin_train(&tasks, corpus->docs, DOCS, NULL, &model, NULL, &err), LAM_E_NOT_FOUND);
    free(corpus);
    corpus = make_corpus();
    one.label_count = 1;
    OK(lam_builtin_train(&one, corpus->docs, DOCS, NULL, &model, NULL, &err));
    lam_builtin_model_free(model);
    one.label_count = 0; /* no labels: the words of the corpus alone */
    OK(lam_builtin_train(&one, corpus->docs, DOCS, NULL, &model, &report, &err));
    assert_int_equal(model->label_count, 0);
    assert_true(model->corpus.count >= 24 && report.words == model->corpus.count);
    lam_builtin_model_free(model);
    assert_int_equal(lam_builtin_train(&one, corpus->docs, 0, NULL, &model, NULL, &err), LAM_E_NOT_FOUND);
    options.stop = always;
    options.arg = &asked;
    assert_int_equal(lam_builtin_train(&tasks, corpus->docs, DOCS, &options, &model, NULL, &err), LAM_E_CANCELLED);
    assert_true(asked > 0);
    options = (struct lam_builtin_training){.max_features = 12, .max_entries = 500};
    OK(lam_builtin_train(&tasks, corpus->docs, DOCS, &options, &model, &report, &err));
    assert_int_equal(report.features, 12);
    assert_true(report.documents < DOCS);
    lam_builtin_model_free(model);
    free(corpus);
}

/* Trains on the corpus and answers all of it and texts that it has never seen: each answer is a label and a share, or none. */
static void check_answers(const struct corpus *corpus, size_t count, const struct lam_tasks *asked,
                          struct lam_builtin_training_report *report)
{
    static const char *const others[] = {"", "unheard of", "bank bank bank", "\xe6\x97\xa5\xe6\x9c\xac"};
    struct lam_block *block = lam_block_new(DOCS + 4, (size_t)16 << 20);
    struct lam_builtin_model *model;
    struct lam_analyzer *analyzer;
    struct lam_error err;

    OK(lam_builtin_train(asked, corpus->docs, count, NULL, &model, report, &err));
    OK(lam_builtin_open_with_model(asked, model, 1, &analyzer, &err));
    for (size_t d = 0; d < count + 4; d++) {
        struct lam_row row = {.rec.text = d < count ? corpus->docs[d].text : lam_sv_of(others[d - count])};

        OK(lam_block_add_row(block, &row, &err));
    }
    OK(lam_analyzer_builtin.submit(analyzer, block, 0, count + 4, NULL, &err));
    for (size_t d = 0; d < count + 4; d++) {
        const struct lam_enrichment *enr = &lam_block_row(block, d)->enr;

        assert_true(enr->confidence >= 0 && enr->confidence <= 1);
        assert_true((enr->category.len == 0) == (enr->confidence == 0));
    }
    lam_analyzer_builtin.close(analyzer);
    lam_block_free(block);
    lam_builtin_model_free(model);
}

static void odd_corpora_give_honest_answers(void **state)
{
    struct lam_builtin_training_report report;
    struct corpus *corpus = make_corpus();

    (void)state;
    for (int d = 0; d < DOCS; d++) /* all of one class */
        corpus->docs[d].text = corpus->docs[d / 3 * 3].text;
    check_answers(corpus, DOCS, &tasks, &report);
    assert_int_equal(report.unseen, 2);
    for (int d = 0; d < DOCS; d++) /* all equal */
        corpus->docs[d].text = corpus->docs[0].text;
    check_answers(corpus, DOCS, &tasks, &report);
    corpus->docs[1].text = LAM_SV("the train"); /* all equal but one */
    check_answers(corpus, DOCS, &tasks, &report);
    assert_int_equal(report.unseen, 1);
    free(corpus);
}

static void five_thousand_labels_are_trained(void **state)
{
    struct lam_label *many = calloc(5000, sizeof *many);
    struct lam_tasks asked = {.wanted = LAM_TASK_CLASSIFY, .labels = many, .label_count = 5000};
    struct lam_builtin_training_report report;
    struct corpus *corpus = make_corpus();
    char(*names)[16] = calloc(5000, sizeof *names);

    (void)state;
    for (int i = 0; i < 5000; i++) {
        int len = snprintf(names[i], sizeof names[i], "label%04d", i);

        many[i] = (struct lam_label){lam_sv(names[i], (size_t)len), i < 30 ? lam_sv_of(words[i / 10][i % 10]) : LAM_SV("")};
    }
    check_answers(corpus, 90, &asked, &report);
    assert_true(report.unseen >= 4970 && report.unseen < 5000);
    assert_true(report.documents > 0);
    free(names);
    free(many);
    free(corpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_beyond_the_descriptions_are_learned),
                                       cmocka_unit_test(training_gives_the_same_bytes_everywhere),
                                       cmocka_unit_test(a_model_comes_back_from_its_bytes),
                                       cmocka_unit_test(known_labels_teach),
                                       cmocka_unit_test(a_model_of_other_labels_is_refused),
                                       cmocka_unit_test(handles_of_several_threads_share_a_model),
                                       cmocka_unit_test(odd_corpora_end_well),
                                       cmocka_unit_test(odd_corpora_give_honest_answers),
                                       cmocka_unit_test(five_thousand_labels_are_trained)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
