#include "ai_test.h"
#include "builtin/sentiment.h"

static float titled(const char *title, const char *text)
{
    struct lam_sentences sentences;
    struct lam_error err;
    struct reader reader;
    float score;

    reader_init(&reader);
    lam_sentences_init(&sentences);
    read_text(&reader, title, text);
    OK(lam_sentences_split(&sentences, &reader.tokens, &err));
    score = lam_sentiment_score(&reader.tokens, &sentences);
    lam_sentences_release(&sentences);
    reader_release(&reader);
    return score;
}

static float score(const char *text) { return titled("", text); }

static void words_have_a_side_and_neutral_text_has_none(void **state)
{
    (void)state;
    assert_true(score("The food was wonderful.") > 0.4f);
    assert_true(score("The food was horrible.") < -0.4f);
    assert_true(score("The food was on the table.") == 0);
    assert_true(titled("Horrible", "It stood there.") < 0);
}

static void a_negation_turns_the_side_and_weakens(void **state)
{
    (void)state;
    assert_true(score("This is not good.") < 0);
    assert_true(score("This is not bad.") > 0);
    assert_true(score("I don't love it.") < 0);
    assert_true(score("No, good work.") > 0); /* the comma ends its reach */
    assert_true(score("This is not good.") > score("This is horrible."));
    assert_true(score("Das ist nicht gut.") < 0);
}

static void intensifiers_capitals_and_marks_strengthen(void **state)
{
    (void)state;
    assert_true(score("It is very good.") > score("It is good."));
    assert_true(score("It is slightly good.") < score("It is good."));
    assert_true(score("It is GOOD.") > score("It is good."));
    assert_true(score("It is good!!!") > score("It is good."));
    assert_true(score("It is extremely bad.") < score("It is bad."));
}

static void what_follows_but_counts_more(void **state)
{
    (void)state;
    assert_true(score("The room was good but the service was bad.") < 0);
    assert_true(score("The room was bad but the service was good.") > 0);
}

static void comparison_is_not_praise(void **state)
{
    (void)state;
    assert_true(score("It looks like a box.") == 0);
    assert_true(score("I like it.") > 0);
}

static void emoji_and_other_languages_count(void **state)
{
    (void)state;
    assert_true(score("ok 😀") > 0);
    assert_true(score("Der Service ist furchtbar und ich bin enttäuscht.") < -0.4f);
    assert_true(score("Le service est très mauvais.") < 0);
    assert_true(score("El servicio es excelente.") > 0.3f);
}

static void the_value_stays_in_its_range(void **state)
{
    char text[8000] = "";

    (void)state;
    for (int i = 0; i < 700; i++)
        strcat(text, "excellent ");
    assert_true(score(text) > 0.99f && score(text) <= 1);
    for (int i = 0; i < 700; i++)
        memcpy(text + 10 * i, "horrible! ", 10);
    assert_true(score(text) >= -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_have_a_side_and_neutral_text_has_none),
                                       cmocka_unit_test(a_negation_turns_the_side_and_weakens),
                                       cmocka_unit_test(intensifiers_capitals_and_marks_strengthen),
                                       cmocka_unit_test(what_follows_but_counts_more),
                                       cmocka_unit_test(comparison_is_not_praise),
                                       cmocka_unit_test(emoji_and_other_languages_count),
                                       cmocka_unit_test(the_value_stays_in_its_range)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
