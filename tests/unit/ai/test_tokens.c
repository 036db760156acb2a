#include "ai_test.h"

static struct lam_sv term(struct reader *reader, size_t i)
{
    return lam_term_sv(&reader->tokens, &reader->tokens.terms[reader->tokens.tokens[i].term]);
}

#define TERM(i, text) assert_true(lam_sv_eq(term(&reader, i), lam_sv_of(text)))

static void words_are_folded_and_keep_their_place(void **state)
{
    struct reader reader;
    const struct lam_token *tokens;

    (void)state;
    reader_init(&reader);
    read_text(&reader, "A Title", "ÄRGER don’t  WARTEN\n\nΣΊΣΥΦΟΣ, Ещё");
    tokens = reader.tokens.tokens;
    assert_int_equal(reader.tokens.count, 7);
    assert_int_equal(reader.tokens.title_count, 2);
    TERM(1, "title");
    TERM(2, "ärger");
    TERM(3, "don't");
    TERM(4, "warten");
    TERM(5, "σίσυφοσ");
    TERM(6, "ещё");
    assert_true(tokens[1].flags & LAM_TOKEN_TITLE && !(tokens[2].flags & LAM_TOKEN_TITLE));
    assert_true(tokens[2].flags & LAM_TOKEN_CAPS);
    assert_false(tokens[3].flags & LAM_TOKEN_UPPER);
    assert_true(lam_sv_eq(lam_token_sv(&reader.tokens, 3), LAM_SV("don’t")));
    assert_true(tokens[5].gap & LAM_GAP_PARA);
    assert_true(tokens[6].gap & LAM_GAP_PUNCT);
    reader_release(&reader);
}

static void an_elided_article_is_a_word_of_its_own(void **state)
{
    struct reader reader;

    (void)state;
    reader_init(&reader);
    read_text(&reader, "", "l'homme qu'il d’un I'm it's o'clock");
    TERM(0, "l");
    TERM(1, "homme");
    TERM(2, "qu");
    TERM(3, "il");
    TERM(4, "d");
    TERM(5, "un");
    TERM(6, "i'm");
    TERM(7, "it's");
    TERM(8, "o'clock");
    assert_int_equal(reader.tokens.count, 9);
    reader_release(&reader);
}

static void equal_words_share_a_term_and_are_counted(void **state)
{
    struct reader reader;

    (void)state;
    reader_init(&reader);
    read_text(&reader, "Invoice", "the invoice, THE Invoice");
    assert_int_equal(reader.tokens.count, 5);
    assert_int_equal(reader.tokens.term_count, 2);
    assert_int_equal(reader.tokens.terms[0].count, 3);
    assert_int_equal(reader.tokens.terms[1].count, 2);
    reader_release(&reader);
}

static void ideographs_and_emoji_stand_alone(void **state)
{
    struct reader reader;

    (void)state;
    reader_init(&reader);
    read_text(&reader, "", "日本語 ok👍🏽ok ＡＢＣ１");
    assert_int_equal(reader.tokens.count, 7);
    assert_true(reader.tokens.tokens[0].flags & LAM_TOKEN_SIGN);
    TERM(3, "ok");
    assert_true(reader.tokens.tokens[4].flags & LAM_TOKEN_EMOJI);
    TERM(5, "ok");
    TERM(6, "abc1");
    reader_release(&reader);
}

static void a_long_run_of_letters_is_cut(void **state)
{
    struct reader reader;
    char *text = malloc(100001);

    (void)state;
    memset(text, 'x', 100000);
    text[100000] = '\0';
    reader_init(&reader);
    read_text(&reader, "", text);
    assert_int_equal(reader.tokens.count, (100000 + LAM_WORD_MAX - 1) / LAM_WORD_MAX);
    assert_int_equal(reader.tokens.term_count, 2);
    assert_true(reader.tokens.tokens[0].flags & LAM_TOKEN_CUT);
    assert_int_equal(reader.tokens.tokens[reader.tokens.count - 1].end, 100000);
    reader_release(&reader);
    free(text);
}

/* Against a naive reading: tokens cover exactly the letters and digits, in order, without overlap; random bytes never break them. */
static void tokens_never_overlap_whatever_the_bytes(void **state)
{
    static const char alphabet[] = "aZ9 .\n'\xe2\x80\x99\xc3\xa4\xf0\x9f\x98\x80-@";
    unsigned seed = 20261122;
    struct reader reader;
    struct lam_error err;
    char text[300];

    (void)state;
    reader_init(&reader);
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 3000; round++) {
        size_t len = (size_t)rand() % sizeof text, last = 0;

        for (size_t i = 0; i < len; i++)
            text[i] = (char)(rand() % 3 ? alphabet[rand() % (sizeof alphabet - 1)] : rand());
        OK(lam_tokens_read(&reader.tokens, lam_sv("", 0), lam_sv(text, len), &err));
        for (size_t i = 0; i < reader.tokens.count; i++) {
            assert_true(reader.tokens.tokens[i].start >= last);
            assert_true(reader.tokens.tokens[i].end > reader.tokens.tokens[i].start);
            last = reader.tokens.tokens[i].end;
        }
        assert_true(last <= len);
        for (size_t i = 0; i < len; i++) { /* no ASCII letter or digit is missed */
            bool covered = false;

            if ((unsigned char)text[i] >= 0x80 ||
                !((text[i] >= '0' && text[i] <= '9') || ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z')))
                continue;
            for (size_t k = 0; k < reader.tokens.count && !covered; k++)
                covered = reader.tokens.tokens[k].start <= i && i < reader.tokens.tokens[k].end;
            assert_true(covered);
        }
    }
    reader_release(&reader);
}

static void the_lexicon_knows_what_the_lists_say(void **state)
{
    struct reader reader;
    const struct lam_term *terms;

    (void)state;
    reader_init(&reader);
    read_text(&reader, "", "the excellent never but Dr März million zzyzx");
    terms = reader.tokens.terms;
    assert_true(terms[0].lex->langs & 1);
    assert_true(terms[1].lex->valence > 20);
    assert_true(terms[2].lex->flags & LAM_LEX_NEGATION);
    assert_true(terms[3].lex->flags & LAM_LEX_CONTRAST);
    assert_true(terms[4].lex->flags & LAM_LEX_ABBREVIATION);
    assert_true(terms[5].lex->flags & LAM_LEX_MONTH && terms[5].lex->value == 3);
    assert_true(terms[6].lex->flags & LAM_LEX_SCALE && terms[6].lex->value == 6);
    assert_null(terms[7].lex);
    assert_true(reader.lexicon.count > 3000);
    reader_release(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_folded_and_keep_their_place), cmocka_unit_test(an_elided_article_is_a_word_of_its_own),
        cmocka_unit_test(equal_words_share_a_term_and_are_counted), cmocka_unit_test(ideographs_and_emoji_stand_alone),
        cmocka_unit_test(a_long_run_of_letters_is_cut), cmocka_unit_test(tokens_never_overlap_whatever_the_bytes),
        cmocka_unit_test(the_lexicon_knows_what_the_lists_say)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
