/* Redaction: nothing of a masked value is left in a row, the same value has the same pseudonym, and offsets fit the masked text. */
#include "ai_test.h"

#include "base/utf8.h"
#include "redact/redact.h"
#include "redact/siphash.h"

static const struct lam_pattern patterns[] = {{LAM_SV("ticket"), LAM_SV("\\b[A-Z]{3}-[0-9]{4}\\b")}};
static const struct lam_tasks tasks = {.wanted = LAM_TASK_ENTITIES, .patterns = patterns, .pattern_count = 1, .country = LAM_SV("DE")};
static const struct lam_sv kinds[] = {LAM_SV("email"), LAM_SV("phone"), LAM_SV("person"), LAM_SV("ticket"), LAM_SV("card")};

static struct lam_redactor *redactor_with(const char *secret)
{
    struct lam_redact_options options = {.tasks = &tasks, .kinds = kinds, .kind_count = sizeof kinds / sizeof *kinds};
    struct lam_redactor *redactor;
    struct lam_error err;

    lam_redact_key(lam_sv_of(secret), options.key);
    OK(lam_redactor_new(&options, &redactor, &err));
    return redactor;
}

static bool holds(struct lam_sv text, const char *part) { return part[0] && memmem(text.ptr, text.len, part, strlen(part)) != NULL; }

/* The pseudonym that begins with head, "" where there is none. */
static const char *tag_in(struct lam_sv text, const char *head)
{
    static char tags[4][80];
    static int next;
    const char *at = text.len ? memmem(text.ptr, text.len, head, strlen(head)) : NULL, *end;
    char *tag = tags[next++ % 4];

    tag[0] = '\0';
    if (at && (end = memchr(at, ']', (size_t)(text.ptr + text.len - at))))
        snprintf(tag, 80, "%.*s", (int)(end + 1 - at), at);
    return tag;
}

static void siphash_gives_its_published_values(void **state)
{
    static const uint64_t expected[] = {0x726fdb47dd0e0e31u, 0x74f839c593dc67fdu, 0x0d6c8009d9a94f5au, 0x85676696d7fb7e2du,
                                        0xcf2794e0277187b7u, 0x18765564cd99a68du, 0xcbc9466e58fee3ceu, 0xab0200f58b01d137u,
                                        0x93f5f5799a932462u};
    uint8_t key[16], bytes[8];

    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 8; i++)
        bytes[i] = i;
    for (size_t len = 0; len <= 8; len++)
        assert_int_equal(lam_siphash(key, bytes, len), expected[len]);
}

static void a_text_is_masked_by_what_is_found_in_it(void **state)
{
    struct lam_redactor *redactor = redactor_with("secret");
    struct lam_error err;
    struct lam_sv out;
    char first[80];

    (void)state;
    OK(lam_redact_text(redactor, LAM_SV("Write to Ann.Lee@Example.com or call 030 1234567, about ABC-1234."), lam_sv("", 0), &out, &err));
    assert_true(holds(out, "Write to [MAIL-") && holds(out, "] or call [PHONE-") && holds(out, ", about [TICKET-"));
    assert_false(holds(out, "Lee") || holds(out, "1234"));
    snprintf(first, sizeof first, "%s", tag_in(out, "[PHONE-"));
    OK(lam_redact_text(redactor, LAM_SV("Tel. +49 30 1234567"), lam_sv("", 0), &out, &err)); /* the same number, written otherwise */
    assert_string_equal(tag_in(out, "[PHONE-"), first);
    OK(lam_redact_text(redactor, LAM_SV("Tel. +49 30 1234568"), lam_sv("", 0), &out, &err));
    assert_string_not_equal(tag_in(out, "[PHONE-"), first);
    OK(lam_redact_text(redactor, LAM_SV("nothing here"), lam_sv("", 0), &out, &err));
    assert_true(lam_sv_eq(out, LAM_SV("nothing here")));
    OK(lam_redact_text(redactor, lam_sv("", 0), lam_sv("", 0), &out, &err));
    assert_int_equal(out.len, 0);
    lam_redactor_free(redactor);
}

static void another_secret_gives_other_pseudonyms(void **state)
{
    struct lam_redactor *a = redactor_with("one"), *b = redactor_with("two");
    struct lam_sv first, second;
    struct lam_error err;

    (void)state;
    OK(lam_redact_text(a, LAM_SV("ann@example.com"), lam_sv("", 0), &first, &err));
    OK(lam_redact_text(b, LAM_SV("ann@example.com"), lam_sv("", 0), &second, &err));
    assert_false(lam_sv_eq(first, second));
    lam_redactor_free(a);
    lam_redactor_free(b);
}

static const char entities[] = "[{\"type\":\"person\",\"text\":\"Ann Lee\",\"value\":\"Ann Lee\",\"start\":5,\"end\":12},"
                               "{\"type\":\"place\",\"text\":\"Bergen\",\"value\":\"Bergen\",\"start\":22,\"end\":28},"
                               "{\"type\":\"email\",\"text\":\"al@b.com\",\"value\":\"al@b.com\",\"start\":33,\"end\":41}]";

static void a_row_holds_nothing_of_what_is_masked(void **state)
{
    struct lam_row row = {.rec = {.key = LAM_SV("k"),
                                  .title = LAM_SV("A note of Lee"),
                                  .text = LAM_SV("Dear Ann Lee, see you Bergen  or  al@b.com. Yours, Ann"),
                                  .metadata = LAM_SV("{\"from\":\"Al@B.com\",\"n\":{\"card\":4111111111111111,\"age\":41},\"al@b.com\":[true,null]}"),
                                  .structure = LAM_SV("{\"headings\":[\"To \\u0041nn Lee\"]}")},
                          .enr = {.entities = lam_sv_of(entities),
                                  .summary = LAM_SV("Ann Lee is asked."),
                                  .keywords = LAM_SV("[\"ann lee\",\"bergen\",\"com\"]"),
                                  .custom = LAM_SV("not JSON al@b.com")}};
    struct lam_redactor *redactor = redactor_with("secret");
    struct lam_row out;
    struct lam_error err;
    const char *person, *place;
    struct lam_sv shown;
    unsigned start, end;

    (void)state;
    OK(lam_redact_row(redactor, &row, &out, &err));
    assert_true(lam_sv_eq(row.rec.text, LAM_SV("Dear Ann Lee, see you Bergen  or  al@b.com. Yours, Ann"))); /* what is stored is untouched */
    person = tag_in(out.rec.text, "[PERSON-");
    assert_true(person[0]);
    assert_false(holds(out.rec.text, "Ann") || holds(out.rec.text, "Lee") || holds(out.rec.text, "al@b"));
    assert_false(holds(out.rec.title, "Lee"));
    assert_true(holds(out.rec.title, person));
    assert_true(holds(out.enr.summary, person) && !holds(out.enr.summary, "Ann"));
    assert_true(holds(out.enr.keywords, person) && holds(out.enr.keywords, "\"bergen\"") && !holds(out.enr.keywords, "ann") && !holds(out.enr.keywords, "\"com\""));
    assert_true(holds(out.rec.structure, person) && !holds(out.rec.structure, "Lee") && !holds(out.rec.structure, "nn "));
    assert_true(holds(out.rec.metadata, "\"from\":\"[MAIL-") && holds(out.rec.metadata, "\"card\":\"[CARD-") && holds(out.rec.metadata, "\"age\":41"));
    assert_true(holds(out.rec.metadata, "\"al@b.com\":[true,null]")); /* names of fields stay */
    assert_true(lam_sv_eq(out.enr.custom, LAM_SV("null")));
    assert_false(holds(out.enr.entities, "Ann") || holds(out.enr.entities, "al@b"));
    shown = out.enr.entities;
    place = memmem(shown.ptr, shown.len, "\"value\":\"Bergen\"", 16);
    assert_non_null(place);
    assert_int_equal(sscanf(place, "\"value\":\"Bergen\",\"start\":%u,\"end\":%u", &start, &end), 2);
    assert_true(end <= out.rec.text.len && end - start == 6 && !memcmp(out.rec.text.ptr + start, "Bergen", 6));
    assert_int_equal(sscanf(memmem(shown.ptr, shown.len, "\"start\":", 8), "\"start\":%u,\"end\":%u", &start, &end), 2);
    assert_int_equal(end - start, strlen(person)); /* as long as the pseudonym, not as the name */
    lam_redactor_free(redactor);
}

/* Entities of a foreign analyzer may have any offsets: none is believed, none is shown. */
static void wrong_offsets_harm_nobody(void **state)
{
    static const char *const wrong[] = {"[{\"type\":\"person\",\"text\":\"X\",\"value\":\"X\",\"start\":5,\"end\":900}]",
                                        "[{\"type\":\"person\",\"text\":\"X\",\"value\":\"X\",\"start\":-1,\"end\":3}]",
                                        "[{\"type\":\"person\",\"text\":\"\",\"value\":\"X\",\"start\":9,\"end\":3}]",
                                        "[{\"type\":\"place\",\"text\":\"M\",\"value\":\"M\",\"start\":1,\"end\":2}]",
                                        "[{\"type\":\"person\"},7,null,[],{}]", "{\"a\":1}", "[", "7"};
    struct lam_redactor *redactor = redactor_with("secret");
    struct lam_row row = {.rec.text = LAM_SV("\xc3\x84rzte und M\xc3\xbcller")}, out;
    struct lam_error err;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        row.enr.entities = lam_sv_of(wrong[i]);
        OK(lam_redact_row(redactor, &row, &out, &err));
        assert_true(lam_utf8_valid(out.rec.text) == out.rec.text.len);
        assert_true(lam_sv_eq(out.enr.entities, LAM_SV("[]")));
    }
    lam_redactor_free(redactor);
}

static void a_long_text_is_masked_to_its_end(void **state)
{
    size_t each = strlen("mail number 1234567@example.com is it\n"), count = 40000;
    struct lam_redactor *redactor = redactor_with("secret");
    char *text = malloc(each * count + 1);
    struct lam_error err;
    struct lam_sv out;

    (void)state;
    for (size_t i = 0; i < count; i++)
        snprintf(text + i * each, each + 1, "mail number %07zu@example.com is it\n", i);
    OK(lam_redact_text(redactor, lam_sv(text, each * count), lam_sv("", 0), &out, &err));
    assert_false(holds(out, "@") || holds(out, "example"));
    free(text);
    lam_redactor_free(redactor);
}

/* Ten megabytes without a blank, and the masked words of a row in each of them. */
static void one_huge_word_is_bounded(void **state)
{
    size_t len = (size_t)10 << 20;
    struct lam_redactor *redactor = redactor_with("secret");
    char *text = malloc(len);
    struct lam_error err;
    struct lam_sv out;

    (void)state;
    memset(text, 'a', len);
    OK(lam_redact_text(redactor, lam_sv(text, len), lam_sv("", 0), &out, &err));
    assert_int_equal(out.len, len);
    memset(text, '\xc3', len); /* no UTF-8 either */
    OK(lam_redact_text(redactor, lam_sv(text, len), lam_sv("", 0), &out, &err));
    assert_int_equal(out.len, len);
    free(text);
    lam_redactor_free(redactor);
}

static void kinds_are_checked(void **state)
{
    static const struct lam_sv unknown[] = {LAM_SV("shoe_size")};
    struct lam_redact_options options = {.tasks = &tasks, .kinds = unknown, .kind_count = 1};
    struct lam_redactor *redactor;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_redactor_new(&options, &redactor, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "shoe_size"));
    assert_null(redactor);
    lam_redactor_free(NULL);
}

static void what_a_model_was_not_shown_stays_masked(void **state)
{
    struct lam_sv before = LAM_SV("[{\"type\":\"person\",\"text\":\"zorblatt\",\"value\":\"zorblatt\",\"start\":4,\"end\":12},{\"type\":\"place\",\"text\":\"here\",\"value\":\"here\","
                                  "\"start\":17,\"end\":21}]");
    struct lam_sv after = LAM_SV("[{\"type\":\"product\",\"text\":\"blatt is\",\"value\":\"x\",\"start\":7,\"end\":15},{\"type\":\"org\",\"text\":\"at\",\"value\":\"at\",\"start\":22,\"end\":24}]");
    struct lam_sv text = LAM_SV("but zorblatt is, here at last"), out, kind = LAM_SV("organization");
    struct lam_redactor *redactor = redactor_with("secret");
    struct lam_redact_options options = {.tasks = &tasks, .kinds = &kind, .kind_count = 1};
    struct lam_error err;
    struct lam_buf all;

    (void)state;
    lam_buf_init(&all, 4096);
    OK(lam_redact_keep(redactor, before, after, &all, &err));
    assert_true(holds(lam_buf_sv(&all), "zorblatt") && holds(lam_buf_sv(&all), "},{\"type\":\"org\""));
    assert_false(holds(lam_buf_sv(&all), "place") || holds(lam_buf_sv(&all), "product"));
    OK(lam_redact_text(redactor, text, after, &out, &err));
    assert_true(holds(out, "zorblatt"));
    OK(lam_redact_text(redactor, text, lam_buf_sv(&all), &out, &err));
    assert_false(holds(out, "zorblatt"));
    lam_redactor_free(redactor);
    OK(lam_redactor_new(&options, &redactor, &err));
    OK(lam_redact_text(redactor, text, after, &out, &err)); /* models say org, and mean organizations */
    assert_true(holds(out, "here [ORG-"));
    lam_redactor_free(redactor);
    lam_buf_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_its_published_values), cmocka_unit_test(a_text_is_masked_by_what_is_found_in_it),
        cmocka_unit_test(another_secret_gives_other_pseudonyms), cmocka_unit_test(a_row_holds_nothing_of_what_is_masked),
        cmocka_unit_test(wrong_offsets_harm_nobody), cmocka_unit_test(a_long_text_is_masked_to_its_end), cmocka_unit_test(one_huge_word_is_bounded),
        cmocka_unit_test(kinds_are_checked), cmocka_unit_test(what_a_model_was_not_shown_stays_masked)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
