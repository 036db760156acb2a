/* Titles for texts without one, and readability: what they say, and where in the record they go. */
#include "ai_test.h"

#include <lamina/block.h>

#include "builtin/readability.h"
#include "builtin/title.h"

#define CAT "The cat sat on the mat, and the dog lay by the door. "

struct fixture {
    struct lam_block *block;
    struct lam_analyzer *analyzer;
};

static const struct lam_tasks tasks = {.wanted = LAM_TASK_TITLE | LAM_TASK_READABILITY};

static void set_up(struct fixture *fix)
{
    struct lam_error err;

    fix->block = lam_block_new(100, (size_t)8 << 20);
    OK(lam_analyzer_builtin.open(&tasks, &fix->analyzer, &err));
}

static void tear_down(struct fixture *fix)
{
    lam_analyzer_builtin.close(fix->analyzer);
    lam_block_free(fix->block);
}

static struct lam_record *analyse(struct fixture *fix, struct lam_record rec)
{
    struct lam_row row = {.rec = rec};
    size_t at = lam_block_rows(fix->block);
    struct lam_error err;
    void *ticket;

    OK(lam_block_add_row(fix->block, &row, &err));
    OK(lam_analyzer_builtin.submit(fix->analyzer, fix->block, at, 1, NULL, &err));
    OK(lam_analyzer_builtin.poll(fix->analyzer, &ticket, &err));
    return &lam_block_row(fix->block, at)->rec;
}

static void check_title(struct fixture *fix, const char *text, const char *title)
{
    struct lam_record *rec = analyse(fix, (struct lam_record){.text = lam_sv_of(text)});

    if (!lam_sv_eq(rec->title, lam_sv_of(title)))
        fail_msg("\"%.*s\" instead of \"%s\"", LAM_SV_ARG(rec->title), title);
    assert_int_equal((rec->flags & LAM_ROW_TITLE_MADE) != 0, title[0] != '\0');
}

static void a_text_without_a_title_gets_one(void **state)
{
    struct fixture fix;

    (void)state;
    set_up(&fix);
    check_title(&fix, "Release notes of March\n\nThe parser is faster. Bugs were fixed.", "Release notes of March");
    check_title(&fix, "Wrong sum\n\nThe sum in the weekly report is wrong by exactly one day.", "Wrong sum");
    check_title(&fix, "Dear Sir or Madam,\n\nour client was charged twice in March.", "our client was charged twice in March");
    check_title(&fix, "Hi there. The payment gateway rejects every card since Monday. Please help. Thanks.",
                "The payment gateway rejects every card since Monday");
    check_title(&fix, "Der Server in Frankfurt ist seit Montag nicht erreichbar. Bitte helfen Sie uns.",
                "Der Server in Frankfurt ist seit Montag nicht erreichbar");
    check_title(&fix, "The city council of Springfield approved the new library building, which will cost three million dollars and open in autumn.",
                "The city council of Springfield approved the new library building");
    check_title(&fix, "Customers keep reporting that mobile banking transactions silently disappear whenever connections drop unexpectedly during confirmation.",
                "Customers keep reporting that mobile banking transactions silently disappear\xe2\x80\xa6");
    check_title(&fix, "12 34 56.", "");
    check_title(&fix, "and so on", "");
    tear_down(&fix);
}

static void a_given_title_stays(void **state)
{
    struct fixture fix;
    struct lam_record *rec;

    (void)state;
    set_up(&fix);
    rec = analyse(&fix, (struct lam_record){.title = LAM_SV("Mine"), .text = LAM_SV("The server in Frankfurt is down since Monday.")});
    assert_true(lam_sv_eq(rec->title, LAM_SV("Mine")));
    assert_false(rec->flags & LAM_ROW_TITLE_MADE);
    tear_down(&fix);
}

/* A row that comes back, from the store or to another analysis, is answered as the document that it was. */
static void a_made_title_is_made_again(void **state)
{
    struct fixture fix;
    struct lam_record *once, *twice;

    (void)state;
    set_up(&fix);
    once = analyse(&fix, (struct lam_record){.text = LAM_SV("The server in Frankfurt is down. " CAT)});
    twice = analyse(&fix, *once);
    assert_true(lam_sv_eq(once->title, twice->title));
    assert_true(twice->flags & LAM_ROW_TITLE_MADE);
    assert_true(lam_sv_eq(once->structure, twice->structure));
    tear_down(&fix);
}

static void titles_are_short_whatever_the_text(void **state)
{
    static const char *const parts[] = {"\xe6\x97\xa5\xe6\x9c\xac", "x", " ", ", ", ". ", "\n", "\xf0\x9f\x98\x80", "Word", "\xff", "longlonglonglong"};
    struct fixture fix;
    uint64_t seed = 7;
    char text[600];

    (void)state;
    set_up(&fix);
    for (int round = 0; round < 90; round++) {
        struct lam_record *rec;
        size_t len = 0;

        while (len < 560) {
            const char *part;

            seed = seed * 6364136223846793005u + 1442695040888963407u;
            part = parts[(seed >> 40) % 10];
            memcpy(text + len, part, strlen(part));
            len += strlen(part);
        }
        rec = analyse(&fix, (struct lam_record){.text = lam_sv(text, len)});
        assert_true(rec->title.len <= LAM_TITLE_BYTES);
        assert_null(memchr(rec->title.ptr, '\n', rec->title.len));
    }
    tear_down(&fix);
}

static void syllables_are_near_what_is_spoken(void **state)
{
    static const struct {
        const char *word;
        uint32_t count;
    } known[] = {{"cat", 1},    {"made", 1},  {"table", 2},  {"banana", 3}, {"hoped", 1}, {"wanted", 2},     {"boxes", 2},
                 {"makes", 1}, {"rhythm", 1}, {"the", 1},    {"analysis", 4}, {"tv", 1},    {"university", 5}, {"queue", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (lam_syllables(lam_sv_of(known[i].word)) != known[i].count)
            fail_msg("%s: %u", known[i].word, lam_syllables(lam_sv_of(known[i].word)));
}

static void readability_goes_to_the_front_of_the_structure(void **state)
{
    struct fixture fix;
    struct lam_record *rec;

    (void)state;
    set_up(&fix);
    /* 13 words, 13 syllables, a sentence: 206.835 - 13.195 - 84.6 = 109.04 */
    rec = analyse(&fix, (struct lam_record){.text = LAM_SV(CAT)});
    assert_true(lam_sv_eq(rec->structure, LAM_SV("{\"readability\":{\"measure\":\"flesch\",\"score\":109.0}}")));
    rec = analyse(&fix, (struct lam_record){.text = LAM_SV(CAT), .structure = LAM_SV("{\"headings\":[],\"links\":[]}")});
    assert_true(lam_sv_eq(rec->structure, LAM_SV("{\"readability\":{\"measure\":\"flesch\",\"score\":109.0},\"headings\":[],\"links\":[]}")));
    rec = analyse(&fix, (struct lam_record){.text = LAM_SV(CAT), .structure = rec->structure});
    assert_true(lam_sv_eq(rec->structure, LAM_SV("{\"readability\":{\"measure\":\"flesch\",\"score\":109.0},\"headings\":[],\"links\":[]}")));
    /* LIX: 12 words in one sentence, 4 of more than six letters: 12 + 33.3 */
    rec = analyse(&fix, (struct lam_record){
                            .text = LAM_SV("Die Datenbank ist seit gestern nicht erreichbar und die Kunden warten ungeduldig.")});
    assert_true(lam_sv_eq(rec->structure, LAM_SV("{\"readability\":{\"measure\":\"lix\",\"score\":45.3}}")));
    tear_down(&fix);
}

static void a_few_words_have_no_readability(void **state)
{
    struct fixture fix;

    (void)state;
    set_up(&fix);
    assert_int_equal(analyse(&fix, (struct lam_record){.text = LAM_SV("The cat sat.")})->structure.len, 0);
    assert_int_equal(analyse(&fix, (struct lam_record){.text = LAM_SV("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99\xe3\x80\x82"
                                                                     "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99")})
                         ->structure.len,
                     0);
    tear_down(&fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_text_without_a_title_gets_one),
                                       cmocka_unit_test(a_given_title_stays),
                                       cmocka_unit_test(a_made_title_is_made_again),
                                       cmocka_unit_test(titles_are_short_whatever_the_text),
                                       cmocka_unit_test(syllables_are_near_what_is_spoken),
                                       cmocka_unit_test(readability_goes_to_the_front_of_the_structure),
                                       cmocka_unit_test(a_few_words_have_no_readability)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
