/* The gazetteer: what it learns, that it is the same for the same documents, and that no foreign bytes make one. */
#include "ai_test.h"

#include "builtin/entities.h"
#include "builtin/gazetteer.h"
#include "builtin/train.h"

static struct lam_builtin_doc doc_of(const char *text) { return (struct lam_builtin_doc){.title = lam_sv("", 0), .text = lam_sv_of(text), .label = -1}; }

/* Zorbina is a person where a title says so, Quenlar a place behind "in", Vextron a company by its legal form. */
static const char *const texts[] = {"Mr. Zorbina said the deal is done.", "Later, Dr. Zorbina told reporters that Vextron Inc. paid.",
                                    "Shares of Vextron Corp. fell after Mr. Zorbina spoke in Quenlar.", "Rain fell in Quenlar, Texas, on the weekend.",
                                    "The mayor of a town in Quenlar, Texas, wrote to Vextron Inc. at once.", "Visitors in Quenlar, Texas, like the market.",
                                    "Prices rose, and prices fell. Prices are high when prices rise."};
#define TEXTS (sizeof texts / sizeof *texts)

static struct lam_gazetteer *learned(size_t repeat)
{
    struct lam_builtin_doc *docs = calloc(TEXTS * repeat, sizeof *docs);
    struct lam_gazetteer *gazetteer;
    struct lam_error err;

    for (size_t i = 0; i < TEXTS * repeat; i++)
        docs[i] = doc_of(texts[i % TEXTS]);
    OK(lam_gazetteer_learn(docs, TEXTS * repeat, NULL, NULL, &gazetteer, &err));
    free(docs);
    return gazetteer;
}

static int collect(void *arg, const struct lam_entity *entity, struct lam_error *err)
{
    char *out = arg;

    (void)err;
    snprintf(out + strlen(out), 1000 - strlen(out), "%s=%s|", entity->type, entity->value);
    return 0;
}

static void names_in(const struct lam_gazetteer *gazetteer, const char *text, const char *expected)
{
    struct lam_entity_options options = {.now_us = LAM_TIME_NONE, .gazetteer = gazetteer};
    struct lam_name_words words;
    char got[1000] = "";
    struct reader reader;
    struct lam_error err;

    reader_init(&reader);
    OK(lam_name_words_init(&words, &err));
    options.words = &words;
    read_text(&reader, "", text);
    OK(lam_entities_each(&reader.tokens, &options, collect, got, &err));
    assert_string_equal(got, expected);
    lam_name_words_release(&words);
    reader_release(&reader);
}

static void a_name_is_known_where_nothing_else_speaks_for_it(void **state)
{
    struct lam_gazetteer *gazetteer = learned(3);

    (void)state;
    names_in(NULL, "Then Zorbina left for Quenlar, and Vextron said so.", "");
    names_in(gazetteer, "Then Zorbina left for Quenlar, and Vextron said so.", "person=Zorbina|place=Quenlar|organization=Vextron|");
    assert_true(gazetteer->names >= 3);
    lam_gazetteer_free(gazetteer);
}

static void equal_documents_give_equal_bytes(void **state)
{
    struct lam_gazetteer *a = learned(2), *b = learned(2), *c;
    struct lam_buf x, y, z;
    struct lam_error err;

    (void)state;
    lam_buf_init(&x, 1 << 20);
    lam_buf_init(&y, 1 << 20);
    lam_buf_init(&z, 1 << 20);
    OK(lam_gazetteer_write(a, &x, &err));
    OK(lam_gazetteer_write(b, &y, &err));
    assert_true(lam_sv_eq(lam_buf_sv(&x), lam_buf_sv(&y)));
    OK(lam_gazetteer_read(lam_buf_sv(&x), &c, &err));
    OK(lam_gazetteer_write(c, &z, &err));
    assert_true(lam_sv_eq(lam_buf_sv(&x), lam_buf_sv(&z)));
    names_in(c, "Then Zorbina left.", "person=Zorbina|");
    lam_gazetteer_free(a);
    lam_gazetteer_free(b);
    lam_gazetteer_free(c);
    lam_buf_release(&x);
    lam_buf_release(&y);
    lam_buf_release(&z);
}

/* Any one byte changed: read says so, or it is another whole gazetteer; cut anywhere: never. */
static void foreign_bytes_make_none(void **state)
{
    struct lam_gazetteer *gazetteer = learned(2), *read;
    struct lam_error err;
    struct lam_buf buf;
    int rc;

    (void)state;
    lam_buf_init(&buf, 1 << 20);
    OK(lam_gazetteer_write(gazetteer, &buf, &err));
    for (size_t len = 0; len < buf.len; len++) {
        assert_int_equal(lam_gazetteer_read(lam_sv(buf.ptr, len), &read, &err), LAM_E_CORRUPT);
        assert_null(read);
    }
    for (size_t i = 0; i < buf.len; i++) {
        buf.ptr[i] ^= (char)0x80;
        rc = lam_gazetteer_read(lam_buf_sv(&buf), &read, &err);
        assert_true(rc == 0 || rc == LAM_E_CORRUPT);
        if (i < 16)
            assert_int_equal(rc, LAM_E_CORRUPT);
        if (!rc)
            names_in(read, "nothing in it", "");
        lam_gazetteer_free(read);
        buf.ptr[i] ^= (char)0x80;
    }
    lam_buf_release(&buf);
    lam_gazetteer_free(gazetteer);
}

static bool at_once(void *arg)
{
    (void)arg;
    return true;
}

static void poor_corpora_teach_little(void **state)
{
    struct lam_builtin_doc docs[] = {doc_of(""), doc_of("x"), doc_of("\xff\xfe\x80"), doc_of("MR. MR. MR."), doc_of("Inc. Inc. Inc.")};
    struct lam_gazetteer *gazetteer;
    struct lam_error err;

    (void)state;
    OK(lam_gazetteer_learn(NULL, 0, NULL, NULL, &gazetteer, &err));
    assert_int_equal(gazetteer->count, 0);
    assert_null(lam_gazetteer_find(gazetteer, 1));
    names_in(gazetteer, "Mr. Smith came.", "person=Smith|");
    lam_gazetteer_free(gazetteer);
    OK(lam_gazetteer_learn(docs, sizeof docs / sizeof *docs, NULL, NULL, &gazetteer, &err));
    lam_gazetteer_free(gazetteer);
    assert_int_equal(lam_gazetteer_learn(docs, 1, at_once, NULL, &gazetteer, &err), LAM_E_CANCELLED);
    assert_null(gazetteer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_name_is_known_where_nothing_else_speaks_for_it),
                                       cmocka_unit_test(equal_documents_give_equal_bytes), cmocka_unit_test(foreign_bytes_make_none),
                                       cmocka_unit_test(poor_corpora_teach_little)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
