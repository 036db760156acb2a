/* The model artifact: its sections, what they change in the answers, and damaged bytes with a right checksum. */
#include "ai_test.h"

#include <lamina/block.h>

#include "base/hash.h"
#include "builtin/train.h"

#define DOCS 600
#define HEAD 32
#define ENTRY 24

static const struct lam_label labels[] = {{LAM_SV("food"), LAM_SV("soup bread")}, {LAM_SV("travel"), LAM_SV("train ticket")}};

struct corpus {
    struct lam_builtin_doc docs[DOCS];
    char texts[DOCS][160];
};

/* Sentences that say good or bad things; "wobbly" stands with the bad ones, "snug" with the good ones, "thing" with both. */
static struct corpus *make_corpus(void)
{
    static const char *const good[] = {"excellent", "wonderful", "great", "lovely"}, *const bad[] = {"terrible", "awful", "horrible", "bad"};
    static const char *const topic[2][4] = {{"soup", "bread", "pepper", "lunch"}, {"train", "ticket", "luggage", "station"}};
    struct corpus *corpus = calloc(1, sizeof *corpus);

    for (int d = 0; d < DOCS; d++) {
        bool is_good = d % 2;
        int len = snprintf(corpus->texts[d], sizeof corpus->texts[d], "Number %d has the %s thing with %s and %s. It was %s and %s.", d,
                           is_good ? "snug" : "wobbly", topic[d / 2 % 2][d / 4 % 4], topic[d / 2 % 2][d / 16 % 4],
                           (is_good ? good : bad)[d / 2 % 4], (is_good ? good : bad)[d / 8 % 4]);

        len += snprintf(corpus->texts[d] + len, sizeof corpus->texts[d] - (size_t)len, " A %s %s thing number %d.", is_good ? "snug" : "wobbly",
                        (is_good ? good : bad)[d / 32 % 4], d);
        corpus->docs[d] = (struct lam_builtin_doc){LAM_SV(""), lam_sv(corpus->texts[d], (size_t)len), -1};
    }
    return corpus;
}

static struct lam_builtin_model *train(const struct lam_tasks *tasks)
{
    struct corpus *corpus = make_corpus();
    struct lam_builtin_training_report report;
    struct lam_builtin_model *model;
    struct lam_error err;

    OK(lam_builtin_train(tasks, corpus->docs, DOCS, NULL, &model, &report, &err));
    assert_int_equal(report.words, model->corpus.count);
    free(corpus);
    return model;
}

static struct lam_buf bytes_of(const struct lam_builtin_model *model)
{
    struct lam_error err;
    struct lam_buf buf;

    lam_buf_init(&buf, LAM_BUILTIN_MODEL_MAX);
    OK(lam_builtin_model_write(model, &buf, &err));
    return buf;
}

static float sentiment_of(const struct lam_builtin_model *model, const char *text)
{
    struct lam_tasks tasks = {.wanted = LAM_TASK_SENTIMENT};
    struct lam_block *block = lam_block_new(1, (size_t)1 << 20);
    struct lam_row row = {.rec.text = lam_sv_of(text)};
    struct lam_analyzer *analyzer;
    struct lam_error err;
    float value;

    OK(lam_block_add_row(block, &row, &err));
    OK(lam_builtin_open_with_model(&tasks, model, 1, &analyzer, &err));
    OK(lam_analyzer_builtin.submit(analyzer, block, 0, 1, NULL, &err));
    value = lam_block_row(block, 0)->enr.sentiment;
    lam_analyzer_builtin.close(analyzer);
    lam_block_free(block);
    return value;
}

static void without_labels_there_is_no_classifier(void **state)
{
    struct lam_builtin_model *model = train(&(struct lam_tasks){0}), *back;
    struct lam_error err;
    struct lam_buf a = bytes_of(model), b;

    (void)state;
    assert_int_equal(model->label_count, 0);
    assert_true(model->corpus.count > 20);
    OK(lam_builtin_model_read(lam_buf_sv(&a), &back, &err));
    b = bytes_of(back);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
    assert_int_equal(back->document_count, DOCS);
    lam_buf_release(&a);
    lam_buf_release(&b);
    lam_builtin_model_free(back);
    lam_builtin_model_free(model);
}

static void words_take_the_side_of_their_company(void **state)
{
    struct lam_builtin_model *model = train(&(struct lam_tasks){0});
    const struct lam_corpus_word *wobbly = lam_corpus_find(&model->corpus, lam_hash64("wobbly", 6)),
                                 *snug = lam_corpus_find(&model->corpus, lam_hash64("snug", 4)),
                                 *thing = lam_corpus_find(&model->corpus, lam_hash64("thing", 5));

    (void)state;
    assert_non_null(wobbly);
    assert_non_null(snug);
    assert_non_null(thing);
    assert_true(wobbly->valence < 0 && snug->valence > 0 && thing->valence == 0);
    assert_true(sentiment_of(NULL, "It is a wobbly one.") == 0);
    assert_true(sentiment_of(model, "It is a wobbly one.") < 0);
    assert_true(sentiment_of(model, "It is not a wobbly one.") > 0);
    assert_true(sentiment_of(model, "It is a snug one.") > 0);
    assert_true(sentiment_of(model, "It is terrible.") == sentiment_of(NULL, "It is terrible.")); /* the lists come first */
    lam_builtin_model_free(model);
}

static void rare_words_have_the_larger_idf(void **state)
{
    struct lam_builtin_model *model = train(&(struct lam_tasks){0});
    const struct lam_corpus_word *number = lam_corpus_find(&model->corpus, lam_hash64("number", 6)),
                                 *soup = lam_corpus_find(&model->corpus, lam_hash64("soup", 4));

    (void)state;
    assert_true(fabsf(number->idf - 1) < 1e-5f); /* in every document */
    assert_true(soup->idf > number->idf && model->corpus.idf_max > soup->idf);
    assert_null(lam_corpus_find(&model->corpus, lam_hash64("nowhere", 7)));
    assert_true(lam_corpus_idf(&model->corpus, NULL) == (double)model->corpus.idf_max);
    assert_true(lam_corpus_idf(NULL, NULL) == 1);
    lam_builtin_model_free(model);
}

static void the_space_with_a_model_is_another_one(void **state)
{
    struct lam_tasks tasks = {.wanted = LAM_TASK_EMBED, .dim = 64};
    struct lam_builtin_model *model = train(&(struct lam_tasks){0});
    struct lam_block *block = lam_block_new(2, (size_t)1 << 20);
    struct lam_row row = {.rec.text = LAM_SV("The train with the luggage left the station, said nowhere man.")};
    struct lam_error err;
    double dot = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lam_analyzer *analyzer;

        OK(lam_block_add_row(block, &row, &err));
        OK(lam_builtin_open_with_model(&tasks, i ? model : NULL, 1, &analyzer, &err));
        OK(lam_analyzer_builtin.submit(analyzer, block, (size_t)i, 1, NULL, &err));
        lam_analyzer_builtin.close(analyzer);
    }
    for (uint32_t i = 0; i < 64; i++)
        dot += (double)lam_block_row(block, 0)->enr.embedding[i] * (double)lam_block_row(block, 1)->enr.embedding[i];
    assert_true(dot > 0.3 && dot < 0.9999);
    lam_block_free(block);
    lam_builtin_model_free(model);
}

static void put64(char *at, uint64_t value)
{
    for (int k = 0; k < 8; k++)
        at[k] = (char)(value >> 8 * k);
}

static uint64_t get64(const char *at)
{
    uint64_t value = 0;

    for (int k = 7; k >= 0; k--)
        value = value << 8 | (unsigned char)at[k];
    return value;
}

/* Reads a copy of good in which the eight bytes at `at` are value, with a right checksum. */
static int read_changed(const struct lam_buf *good, size_t at, uint64_t value)
{
    char *bytes = malloc(good->len);
    struct lam_builtin_model *model;
    struct lam_error err;
    uint32_t crc;
    int rc;

    memcpy(bytes, good->ptr, good->len);
    put64(bytes + at, value);
    crc = lam_crc32c(0, bytes, good->len - 4);
    for (int k = 0; k < 4; k++)
        bytes[good->len - 4 + (size_t)k] = (char)(crc >> 8 * k);
    rc = lam_builtin_model_read(lam_sv(bytes, good->len), &model, &err);
    lam_builtin_model_free(model);
    free(bytes);
    return rc;
}

static size_t section_at(const struct lam_buf *bytes, uint64_t kind, size_t *entry)
{
    for (*entry = HEAD; get64(bytes->ptr + *entry) != kind; *entry += ENTRY)
        assert_true(*entry + ENTRY < bytes->len);
    return get64(bytes->ptr + *entry + 8);
}

static void what_training_does_not_write_is_refused(void **state)
{
    struct lam_builtin_model *model = train(&(struct lam_tasks){.labels = labels, .label_count = 2});
    struct lam_buf good = bytes_of(model);
    size_t entry, words, sides, count;

    (void)state;
    OK(read_changed(&good, HEAD, get64(good.ptr + HEAD)));
    for (uint32_t i = 0; i < (uint32_t)good.ptr[12]; i++) { /* each number of the table */
        size_t at = HEAD + ENTRY * (size_t)i;

        for (size_t k = 0; k < 3; k++) {
            uint64_t right = get64(good.ptr + at + 8 * k);

            assert_int_equal(read_changed(&good, at + 8 * k, right + 1), LAM_E_CORRUPT);
            assert_int_equal(read_changed(&good, at + 8 * k, right - 1), LAM_E_CORRUPT);
            assert_int_equal(read_changed(&good, at + 8 * k, UINT64_MAX - 7), LAM_E_CORRUPT);
        }
    }
    words = section_at(&good, LAM_SECTION_WORDS, &entry);
    count = get64(good.ptr + words) & 0xffffffff;
    assert_int_equal(count, model->corpus.count);
    assert_int_equal(read_changed(&good, words, count - 1), LAM_E_CORRUPT);
    assert_int_equal(read_changed(&good, words, 0), LAM_E_CORRUPT);
    assert_int_equal(read_changed(&good, words + 8, UINT64_MAX), LAM_E_CORRUPT);                       /* not ascending */
    assert_int_equal(read_changed(&good, words + 8 + 8 * count, 0x7fc000007fc00000u), LAM_E_CORRUPT);  /* NaN */
    assert_int_equal(read_changed(&good, words + 8 + 8 * count, 0x4200000042000000u), LAM_E_CORRUPT);  /* 32: rarer than what no one has */
    sides = section_at(&good, LAM_SECTION_VALENCES, &entry);
    count = get64(good.ptr + sides) & 0xffffffff;
    assert_true(count >= 2);
    assert_int_equal(read_changed(&good, sides + 8, get64(good.ptr + sides + 8) - 1), LAM_E_CORRUPT); /* no word of the corpus */
    assert_int_equal(read_changed(&good, sides + 8 + 8 * count - 6, 0), LAM_E_CORRUPT);               /* no side, or another word */
    assert_int_equal(read_changed(&good, sides, count + 1), LAM_E_CORRUPT);
    lam_buf_release(&good);
    lam_builtin_model_free(model);
}

static void labels_that_died_out_are_known_by_name(void **state)
{
    struct lam_builtin_model *model = train(&(struct lam_tasks){.labels = labels, .label_count = 2}), *back;
    struct lam_error err;
    struct lam_buf bytes;

    (void)state;
    assert_true(model->matched[0] && model->matched[1] && model->given[0] && model->given[1]);
    assert_false(lam_builtin_model_died_out(model, 0) || lam_builtin_model_unseen(model, 1));
    model->given[1] = 0;
    model->matched[0] = 0;
    bytes = bytes_of(model);
    OK(lam_builtin_model_read(lam_buf_sv(&bytes), &back, &err));
    assert_true(lam_builtin_model_died_out(back, 1) && lam_builtin_model_unseen(back, 0));
    assert_false(lam_builtin_model_died_out(back, 0) || lam_builtin_model_unseen(back, 1));
    lam_buf_release(&bytes);
    lam_builtin_model_free(back);
    lam_builtin_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_labels_there_is_no_classifier),
                                       cmocka_unit_test(words_take_the_side_of_their_company),
                                       cmocka_unit_test(rare_words_have_the_larger_idf),
                                       cmocka_unit_test(the_space_with_a_model_is_another_one),
                                       cmocka_unit_test(what_training_does_not_write_is_refused),
                                       cmocka_unit_test(labels_that_died_out_are_known_by_name)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
