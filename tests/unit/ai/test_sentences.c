#include "ai_test.h"
#include "builtin/sentences.h"

/* The sentences of text, one a line. */
static void splits(const char *text, const char *expected)
{
    struct lam_sentences sentences;
    struct lam_error err;
    struct reader reader;
    char got[4096];
    size_t len = 0;

    reader_init(&reader);
    lam_sentences_init(&sentences);
    read_text(&reader, "", text);
    OK(lam_sentences_split(&sentences, &reader.tokens, &err));
    for (size_t i = 0; i < sentences.count; i++)
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%.*s", i ? "|" : "",
                                (int)(sentences.items[i].end - sentences.items[i].start), text + sentences.items[i].start);
    got[len] = '\0';
    assert_string_equal(got, expected);
    lam_sentences_release(&sentences);
    reader_release(&reader);
}

static void a_full_stop_ends_a_sentence_and_an_abbreviation_does_not(void **state)
{
    (void)state;
    splits("It rained. We left. ", "It rained.|We left.");
    splits("Dr. Smith met Mr. J. Miller. They left.", "Dr. Smith met Mr. J. Miller.|They left.");
    splits("He lives in the U.S. and works. She does not.", "He lives in the U.S. and works.|She does not.");
    splits("Use e.g. this one, i.e. that. Done.", "Use e.g. this one, i.e. that.|Done.");
    splits("Siehe z.B. Seite 3 bzw. Seite 4. Danke.", "Siehe z.B. Seite 3 bzw. Seite 4.|Danke.");
}

static void numbers_keep_their_points(void **state)
{
    (void)state;
    splits("It costs 3.50 dollars. Version 2.1.0 works.", "It costs 3.50 dollars.|Version 2.1.0 works.");
    splits("It grew by 4.5. Then it fell.", "It grew by 4.5.|Then it fell.");
    splits("See example.com for more. Thanks.", "See example.com for more.|Thanks.");
}

static void quotes_and_brackets_belong_to_their_sentence(void **state)
{
    (void)state;
    splits("\"Was it good?\" she asked. \"Yes!\" He left.", "\"Was it good?\" she asked.|\"Yes!\"|He left.");
    splits("(It was late.) We slept.", "(It was late.)|We slept.");
    splits("Wait... what? Really?! Yes.", "Wait... what?|Really?!|Yes.");
}

static void headings_paragraphs_and_items_end_sentences(void **state)
{
    (void)state;
    splits("Summary\nThe system failed at night.", "Summary|The system failed at night.");
    splits("no stop here\n\nnext paragraph", "no stop here|next paragraph");
    splits("We need:\n- bread\n- milk\n1. First\n2. Second", "We need:|bread|milk|1. First|2. Second");
    splits("this line is wrapped at some column as mail programs do it\nand goes on here.",
           "this line is wrapped at some column as mail programs do it\nand goes on here.");
}

static void other_scripts_have_their_own_marks(void **state)
{
    (void)state;
    splits("これは文です。次の文です！", "これは文です。|次の文です！");
    splits("यह एक वाक्य है। यह दूसरा है।", "यह एक वाक्य है।|यह दूसरा है।");
    splits("هل هذا جيد؟ نعم.", "هل هذا جيد؟|نعم.");
    splits("Это первое. Это второе.", "Это первое.|Это второе.");
}

static void empty_and_odd_texts_give_none_or_one(void **state)
{
    (void)state;
    splits("", "");
    splits(" \n\n . ! ?", "");
    splits("word", "word");
    splits("\xff\xfe word \xc3", "word \xc3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_stop_ends_a_sentence_and_an_abbreviation_does_not), cmocka_unit_test(numbers_keep_their_points),
        cmocka_unit_test(quotes_and_brackets_belong_to_their_sentence), cmocka_unit_test(headings_paragraphs_and_items_end_sentences),
        cmocka_unit_test(other_scripts_have_their_own_marks), cmocka_unit_test(empty_and_odd_texts_give_none_or_one)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
