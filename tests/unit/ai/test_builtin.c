#include "ai_test.h"

#include <locale.h>

#include <lamina/block.h>

static const struct lam_label labels[] = {{LAM_SV("billing"), LAM_SV("invoices, charges, refunds, payment")},
                                          {LAM_SV("outage"), LAM_SV("server unreachable, errors, payment gateway")},
                                          {LAM_SV("bug_report"), LAM_SV("crash, exception")}};
static const struct lam_tasks tasks = {
    .wanted = ALL_TASKS, .labels = labels, .label_count = 3, .sentences = 2, .max_keywords = 8, .dim = 256};

struct fixture {
    struct lam_block *block;
    struct lam_analyzer *analyzer;
};

static void fixture_init(struct fixture *fix, const struct lam_tasks *with)
{
    struct lam_error err;

    fix->block = lam_block_new(1000, (size_t)64 << 20);
    OK(lam_analyzer_builtin.open(with, &fix->analyzer, &err));
}

static void fixture_release(struct fixture *fix)
{
    lam_analyzer_builtin.close(fix->analyzer);
    lam_block_free(fix->block);
}

static const struct lam_row *analyse(struct fixture *fix, struct lam_sv title, struct lam_sv text)
{
    struct lam_row row = {.rec = {.title = title, .text = text, .flags = LAM_ROW_PENDING}};
    size_t at = lam_block_rows(fix->block);
    struct lam_error err;
    void *ticket = NULL;

    OK(lam_block_add_row(fix->block, &row, &err));
    OK(lam_analyzer_builtin.submit(fix->analyzer, fix->block, at, 1, fix, &err));
    OK(lam_analyzer_builtin.poll(fix->analyzer, &ticket, &err));
    assert_ptr_equal(ticket, fix);
    return lam_block_row(fix->block, at);
}

static void check_sane(const struct lam_row *row)
{
    const struct lam_enrichment *enr = &row->enr;
    double norm = 0;

    assert_false(row->rec.flags & LAM_ROW_PENDING);
    assert_true(enr->confidence >= 0 && enr->confidence <= 1);
    assert_true((enr->category.len == 0) == (enr->confidence == 0));
    assert_true(enr->sentiment >= -1 && enr->sentiment <= 1);
    assert_true(enr->entities.len >= 2 && enr->entities.ptr[0] == '[' && enr->entities.ptr[enr->entities.len - 1] == ']');
    assert_true(enr->keywords.len >= 2 && enr->keywords.ptr[0] == '[' && enr->keywords.ptr[enr->keywords.len - 1] == ']');
    for (uint32_t i = 0; enr->embedding && i < enr->dim; i++) {
        assert_false(isnan(enr->embedding[i]));
        norm += (double)enr->embedding[i] * enr->embedding[i];
    }
    assert_true(!enr->embedding || fabs(norm - 1) < 1e-4);
}

static void all_tasks_are_answered_with_provenance(void **state)
{
    struct fixture fix;
    const struct lam_row *row;

    (void)state;
    fixture_init(&fix, &tasks);
    row = analyse(&fix, LAM_SV("Two invoices"),
                  LAM_SV("I was charged $20.50 twice on 2024-03-01. This is terrible. Please write to ann@example.com about the refund of "
                         "the second invoice."));
    check_sane(row);
    assert_true(lam_sv_eq(row->enr.category, LAM_SV("billing")));
    assert_true(row->enr.confidence > 0.5f);
    assert_true(row->enr.sentiment < 0);
    assert_true(lam_sv_eq(row->enr.language, LAM_SV("en")));
    assert_true(lam_sv_eq(row->enr.analyzer, LAM_SV("builtin")));
    assert_int_equal(row->enr.model, 0);
    assert_int_equal(row->enr.dim, 256);
    assert_non_null(memmem(row->enr.entities.ptr, row->enr.entities.len, "\"USD 20.50\"", 11));
    assert_non_null(memmem(row->enr.entities.ptr, row->enr.entities.len, "ann@example.com", 15));
    assert_non_null(memmem(row->enr.summary.ptr, row->enr.summary.len, "charged", 7));
    assert_true(row->enr.keywords.len > 10);
    fixture_release(&fix);
}

static void only_what_was_asked_for_is_answered(void **state)
{
    struct lam_tasks some = tasks;
    struct fixture fix;
    const struct lam_row *row;

    (void)state;
    some.wanted = LAM_TASK_LANGUAGE;
    fixture_init(&fix, &some);
    row = analyse(&fix, LAM_SV(""), LAM_SV("This is a terrible invoice and it is late."));
    assert_true(lam_sv_eq(row->enr.language, LAM_SV("en")));
    assert_int_equal(row->enr.category.len, 0);
    assert_int_equal(row->enr.entities.len, 0);
    assert_true(isnan(row->enr.sentiment));
    assert_null(row->enr.embedding);
    fixture_release(&fix);
}

static void a_row_without_text_says_so(void **state)
{
    struct fixture fix;
    const struct lam_row *row;

    (void)state;
    fixture_init(&fix, &tasks);
    row = analyse(&fix, LAM_SV(""), LAM_SV(""));
    assert_int_equal(row->rec.flags & (LAM_ROW_NO_TEXT | LAM_ROW_PENDING), LAM_ROW_NO_TEXT);
    assert_true(isnan(row->enr.sentiment));
    assert_int_equal(row->enr.category.len, 0);
    fixture_release(&fix);
}

static void no_word_of_any_label_gives_no_category(void **state)
{
    struct fixture fix;
    const struct lam_row *row;

    (void)state;
    fixture_init(&fix, &tasks);
    row = analyse(&fix, LAM_SV(""), LAM_SV("The weather is mild."));
    assert_int_equal(row->enr.category.len, 0);
    assert_true(row->enr.confidence == 0);
    fixture_release(&fix);
}

static void plural_name_and_shared_words_count(void **state)
{
    struct fixture fix;

    (void)state;
    fixture_init(&fix, &tasks);
    assert_true(lam_sv_eq(analyse(&fix, LAM_SV(""), LAM_SV("an invoice"))->enr.category, LAM_SV("billing")));
    assert_true(lam_sv_eq(analyse(&fix, LAM_SV(""), LAM_SV("SERVERS!"))->enr.category, LAM_SV("outage")));
    assert_true(lam_sv_eq(analyse(&fix, LAM_SV(""), LAM_SV("two bugs"))->enr.category, LAM_SV("bug_report")));
    assert_true(lam_sv_eq(analyse(&fix, LAM_SV(""), LAM_SV("crashes"))->enr.category, LAM_SV("bug_report")));
    /* payment is shared by two labels: it weighs less than a word of one */
    assert_true(analyse(&fix, LAM_SV(""), LAM_SV("payment"))->enr.confidence < analyse(&fix, LAM_SV(""), LAM_SV("refund"))->enr.confidence);
    assert_true(lam_sv_eq(analyse(&fix, LAM_SV(""), LAM_SV("payment failed on the server"))->enr.category, LAM_SV("outage")));
    fixture_release(&fix);
}

static void bad_label_sets_are_refused_by_name(void **state)
{
    const struct lam_label twice[] = {{LAM_SV("a"), LAM_SV("x")}, {LAM_SV("b"), LAM_SV("y")}, {LAM_SV("a"), LAM_SV("z")}};
    const struct lam_label unnamed[] = {{LAM_SV("a"), LAM_SV("x")}, {LAM_SV(""), LAM_SV("y")}};
    struct lam_tasks bad = tasks;
    struct lam_analyzer *analyzer;
    struct lam_error err;

    (void)state;
    bad.labels = twice;
    assert_int_equal(lam_analyzer_builtin.open(&bad, &analyzer, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "\"a\""));
    assert_null(analyzer);
    bad.labels = unnamed;
    bad.label_count = 2;
    assert_int_equal(lam_analyzer_builtin.open(&bad, &analyzer, &err), LAM_E_INVALID);
    bad = tasks;
    bad.dim = 0;
    assert_int_equal(lam_analyzer_builtin.open(&bad, &analyzer, &err), LAM_E_INVALID);
}

static void odd_label_sets_work(void **state)
{
    struct lam_label *many = calloc(5000, sizeof *many);
    struct lam_tasks odd = tasks;
    struct fixture fix;
    char name[24];

    (void)state;
    odd.label_count = 1;
    fixture_init(&fix, &odd);
    assert_true(lam_sv_eq(analyse(&fix, LAM_SV(""), LAM_SV("refund"))->enr.category, LAM_SV("billing")));
    fixture_release(&fix);
    odd.label_count = 0;
    fixture_init(&fix, &odd);
    assert_int_equal(analyse(&fix, LAM_SV(""), LAM_SV("refund"))->enr.category.len, 0);
    fixture_release(&fix);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "label%04d", i);
        many[i].name = lam_sv_of(strdup(name));
        many[i].description = lam_sv(NULL, 0);
    }
    odd.labels = many;
    odd.label_count = 5000;
    fixture_init(&fix, &odd);
    assert_true(lam_sv_eq(analyse(&fix, LAM_SV(""), LAM_SV("about label4711 here"))->enr.category, LAM_SV("label4711")));
    fixture_release(&fix);
    for (int i = 0; i < 5000; i++)
        free((void *)(uintptr_t)many[i].name.ptr);
    free(many);
}

static void hostile_texts_are_answered(void **state)
{
    static const char *const pieces[] = {"x",  "a ", "ab.",    "\xff", "日",       "\n",  "not very good but ", "\"",
                                         "א ", "😀", "a\nB\n", "$1,",  "invoice ", "A. ", "\xe2\x80\x8b",       "é"};
    size_t size = (size_t)3 << 20;
    char *text = malloc(size);
    struct lam_tasks wide = tasks;

    (void)state;
    wide.dim = 7;
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        size_t each = strlen(pieces[p]);
        struct fixture fix;

        fixture_init(&fix, &wide);
        for (size_t i = 0; i + each <= size; i += each)
            memcpy(text + i, pieces[p], each);
        check_sane(analyse(&fix, lam_sv(text, size / each * each), lam_sv(text, size / each * each)));
        check_sane(analyse(&fix, lam_sv(text, each), lam_sv(text, each)));
        assert_true(lam_block_bytes(fix.block) < 4 * size + 2 * lam_builtin_answer_max(&wide) + 4096);
        fixture_release(&fix);
    }
    free(text);
}

static void random_bytes_are_answered_within_the_stated_room(void **state)
{
    unsigned seed = 4711;
    struct fixture fix;
    char text[2000];

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    fixture_init(&fix, &tasks);
    for (int round = 0; round < 900; round++) {
        size_t len = 1 + (size_t)rand() % (sizeof text - 1), before;
        int kind = rand() % 3;

        for (size_t i = 0; i < len; i++)
            text[i] = (char)(kind == 0 ? rand() : kind == 1 ? 32 + rand() % 95 : " .,$@:/-\n0123456789abcMay%\"'("[rand() % 30]);
        before = lam_block_bytes(fix.block);
        check_sane(analyse(&fix, lam_sv("", 0), lam_sv(text, len)));
        assert_true(lam_block_bytes(fix.block) - before <= len + 16 * 14 + lam_builtin_answer_max(&tasks));
    }
    fixture_release(&fix);
}

static bool same(const struct lam_enrichment *a, const struct lam_enrichment *b)
{
    return lam_sv_eq(a->category, b->category) && lam_sv_eq(a->entities, b->entities) && lam_sv_eq(a->summary, b->summary) &&
           lam_sv_eq(a->language, b->language) && lam_sv_eq(a->keywords, b->keywords) && !memcmp(&a->confidence, &b->confidence, 4) &&
           !memcmp(&a->sentiment, &b->sentiment, 4) && a->dim == b->dim &&
           (!a->dim || !memcmp(a->embedding, b->embedding, a->dim * sizeof(float)));
}

/* Answers do not depend on what the handle saw before, on the handle, or on the locale. */
static void answers_are_a_function_of_the_text_alone(void **state)
{
    static const char *const texts[] = {
        "The invoice of 3 May 2021 over 1,5 Mio. Euro is wrong! Not good.\n\nServer errors again, and again a crash. We wait.",
        "Привет, это письмо о платеже. Сервер упал.",
        "一二三。四五六！",
        "a",
        "\xff\xfe",
        "I LOVE THIS! But the server is down, sadly."};
    size_t count = sizeof texts / sizeof *texts;
    struct fixture one, two;

    (void)state;
    fixture_init(&one, &tasks);
    for (size_t i = 0; i < count; i++)
        analyse(&one, LAM_SV("t"), lam_sv_of(texts[i]));
    setlocale(LC_ALL, "");
    for (size_t i = 0; i < count; i++) {
        fixture_init(&two, &tasks);
        assert_true(same(&analyse(&two, LAM_SV("t"), lam_sv_of(texts[i]))->enr, &lam_block_row(one.block, i)->enr));
        assert_true(same(&analyse(&one, LAM_SV("t"), lam_sv_of(texts[count - 1 - i]))->enr, &lam_block_row(one.block, count - 1 - i)->enr));
        fixture_release(&two);
    }
    setlocale(LC_ALL, "C");
    fixture_release(&one);
}

static void a_full_block_is_said_and_nothing_half_answered_stays(void **state)
{
    struct lam_row row = {.rec = {.text = LAM_SV("The invoice of 3 May 2021 is wrong.")}};
    struct lam_analyzer *analyzer;
    struct lam_block *block = lam_block_new(4, 1400); /* room for one answer with its embedding */
    struct lam_error err;
    void *ticket;

    (void)state;
    OK(lam_analyzer_builtin.open(&tasks, &analyzer, &err));
    OK(lam_block_add_row(block, &row, &err));
    OK(lam_block_add_row(block, &row, &err));
    assert_int_equal(lam_analyzer_builtin.submit(analyzer, block, 0, 2, NULL, &err), LAM_E_LIMIT);
    assert_true(lam_block_row(block, 1)->rec.flags & LAM_ROW_PENDING);
    assert_null(lam_block_row(block, 1)->enr.embedding);
    assert_int_equal(lam_block_row(block, 1)->enr.category.len, 0);
    assert_int_equal(lam_analyzer_builtin.poll(analyzer, &ticket, &err), LAM_END);
    lam_analyzer_builtin.close(analyzer);
    lam_block_free(block);
}

static void tickets_come_back_in_order_and_are_bounded(void **state)
{
    struct fixture fix;
    struct lam_error err;
    int marks[100];
    size_t given = 0;
    void *ticket;

    (void)state;
    fixture_init(&fix, &tasks);
    while (given < 100 && lam_analyzer_builtin.submit(fix.analyzer, fix.block, 0, 0, &marks[given], &err) == 0)
        given++;
    assert_in_range(given, 1, 99);
    for (size_t i = 0; i < given; i++) {
        OK(lam_analyzer_builtin.poll(fix.analyzer, &ticket, &err));
        assert_ptr_equal(ticket, &marks[i]);
    }
    assert_int_equal(lam_analyzer_builtin.poll(fix.analyzer, &ticket, &err), LAM_END);
    fixture_release(&fix);
}

static void near_texts_are_near_in_the_space(void **state)
{
    static const char *const texts[] = {"The server crashed after the update of the database.",
                                        "After a database update the servers crash.", "We enjoyed the sunny beach and the music."};
    const float *a, *b, *c;
    double near = 0, far = 0;
    struct fixture fix;
    char space[LAM_BUILTIN_SPACE_TEXT];

    (void)state;
    fixture_init(&fix, &tasks);
    for (int i = 0; i < 3; i++)
        analyse(&fix, LAM_SV(""), lam_sv_of(texts[i]));
    a = lam_block_row(fix.block, 0)->enr.embedding;
    b = lam_block_row(fix.block, 1)->enr.embedding;
    c = lam_block_row(fix.block, 2)->enr.embedding;
    for (int i = 0; i < 256; i++) {
        near += a[i] * b[i];
        far += a[i] * c[i];
    }
    assert_true(near > 0.5 && near > far + 0.3);
    lam_builtin_space(256, space);
    assert_string_equal(space, "hash-256/2");
    lam_builtin_space_of(256, &(struct lam_builtin_model){.corpus.count = 1}, 7, space);
    assert_string_equal(space, "hash-256/2+m7");
    lam_builtin_space_of(256, &(struct lam_builtin_model){0}, 7, space); /* no words in it: the space is that without a model */
    assert_string_equal(space, "hash-256/2");
    fixture_release(&fix);
}

static void a_summary_takes_the_central_sentences_in_their_order(void **state)
{
    struct fixture fix;
    struct lam_sv summary;

    (void)state;
    fixture_init(&fix, &tasks);
    summary = analyse(&fix, LAM_SV("Database migration fails"),
                      LAM_SV("Hello all. The database migration failed on the second node because the disk was full. I had coffee. "
                             "After the disk was cleaned, the database migration ran on both nodes. Bye."))
                  ->enr.summary;
    assert_true(lam_sv_eq(summary, LAM_SV("The database migration failed on the second node because the disk was full. "
                                          "After the disk was cleaned, the database migration ran on both nodes.")));
    summary = analyse(&fix, LAM_SV(""), LAM_SV("Wrong sum\n\nThe sum in the weekly report is wrong."))->enr.summary;
    assert_true(lam_sv_eq(summary, LAM_SV("The sum in the weekly report is wrong."))); /* headings are for titles */
    summary = analyse(&fix, LAM_SV(""), LAM_SV("The server is down. Please help us"))->enr.summary;
    assert_true(lam_sv_eq(summary, LAM_SV("The server is down. Please help us")));
    summary = analyse(&fix, LAM_SV(""), LAM_SV("Wrong sum"))->enr.summary;
    assert_true(lam_sv_eq(summary, LAM_SV("Wrong sum")));
    fixture_release(&fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_tasks_are_answered_with_provenance),
                                       cmocka_unit_test(only_what_was_asked_for_is_answered),
                                       cmocka_unit_test(a_row_without_text_says_so),
                                       cmocka_unit_test(no_word_of_any_label_gives_no_category),
                                       cmocka_unit_test(plural_name_and_shared_words_count),
                                       cmocka_unit_test(bad_label_sets_are_refused_by_name),
                                       cmocka_unit_test(odd_label_sets_work),
                                       cmocka_unit_test(hostile_texts_are_answered),
                                       cmocka_unit_test(random_bytes_are_answered_within_the_stated_room),
                                       cmocka_unit_test(answers_are_a_function_of_the_text_alone),
                                       cmocka_unit_test(a_full_block_is_said_and_nothing_half_answered_stays),
                                       cmocka_unit_test(tickets_come_back_in_order_and_are_bounded),
                                       cmocka_unit_test(near_texts_are_near_in_the_space),
                                       cmocka_unit_test(a_summary_takes_the_central_sentences_in_their_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
