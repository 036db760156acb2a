#include "ai_test.h"
#include "builtin/entities.h"

/* The entities of text as "type=value[the text]", parted by " | ". */
static void finds(const char *text, const char *expected)
{
    struct lam_error err;
    struct reader reader;
    struct lam_entity_options options = {.now_us = LAM_TIME_NONE};
    struct lam_buf json;
    char got[8192] = "";
    size_t len = 0;

    reader_init(&reader);
    lam_buf_init(&json, 1 << 20);
    read_text(&reader, "", text);
    OK(lam_entities_find(&reader.tokens, &options, &json, &err));
    OK(lam_buf_add(&json, "", 1, &err));
    for (char *p = json.ptr; (p = strstr(p, "{\"type\":\"")); p++) {
        const char *type = p + 9, *value = strstr(p, "\"value\":\"") + 9;
        unsigned start = 0, end = 0;

        assert_int_equal(sscanf(strstr(value, "\",\"start\":"), "\",\"start\":%u,\"end\":%u", &start, &end), 2);
        assert_true(start < end && end <= strlen(text));
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%.*s=%.*s[%.*s]", len ? " | " : "", (int)strcspn(type, "\""), type,
                                (int)(strstr(value, "\",\"start\"") - value), value, (int)(end - start), text + start);
    }
    assert_string_equal(got, expected);
    lam_buf_release(&json);
    reader_release(&reader);
}

static void dates_in_many_forms_become_iso(void **state)
{
    (void)state;
    finds("on 2024-02-29.", "date=2024-02-29[2024-02-29]");
    finds("2023-02-29 and 2024-13-01 are none", "");
    finds("2019/9/8 or 31.12.2023 or 25/12/2020", "date=2019-09-08[2019/9/8] | date=2023-12-31[31.12.2023] | date=2020-12-25[25/12/2020]");
    finds("March 12, 2024 and Sept. 11", "date=2024-03-12[March 12, 2024] | date=--09-11[Sept. 11]");
    finds(
        "12 March 2024, 3rd of May 2021, 1. März 2020, 5 mai 2019",
        "date=2024-03-12[12 March 2024] | date=2021-05-03[3rd of May 2021] | date=2020-03-01[1. März 2020] | date=2019-05-05[5 mai 2019]");
    finds("March 2024 was cold; we may 5 times march 3 miles", "date=2024-03[March 2024] | quantity=3 mi[3 miles]");
    finds("at 2024-01-02T10:00:00Z or 2024-01-02 10:00:30.5+02:00",
          "datetime=2024-01-02T10:00:00Z[2024-01-02T10:00:00Z] | datetime=2024-01-02T10:00:30+02:00[2024-01-02 10:00:30.5+02:00]");
}

static void times_are_of_24_hours(void **state)
{
    (void)state;
    finds("from 9:05 to 17:45:10, 5pm, 12:30 a.m. and 12 PM",
          "time=09:05[9:05] | time=17:45:10[17:45:10] | time=17:00[5pm] | time=00:30[12:30 a.m.] | time=12:00[12 PM]");
    finds("12:61, 25:00, a ratio of 16:9 and 1:100", "");
}

static void money_has_its_currency_and_amount(void **state)
{
    (void)state;
    finds("$1,250.50 and €3 million, EUR 1.200,50, 20 dollars",
          "money=USD 1250.50[$1,250.50] | money=EUR 3000000[€3 million] | money=EUR 1200.50[EUR 1.200,50] | money=USD 20[20 dollars]");
    finds(
        "1 234 and 99 £ or 5,5 Mio. Euro; US$ 3bn; $5k; 30 €.",
        "money=GBP 99[99 £] | money=EUR 5500000[5,5 Mio. Euro] | money=USD 3000000000[US$ 3bn] | money=USD 5000[$5k] | money=EUR 30[30 €]");
    finds("they won 3 games and try 4 more", "");
    finds("Costs USD 007.10 today", "money=USD 7.10[USD 007.10]");
}

static void percentages_may_be_negative(void **state)
{
    (void)state;
    finds("up 12.5%, down -3 %, 40 percent, 1,000% and 5 per cent",
          "percent=12.5[12.5%] | percent=-3[-3 %] | percent=40[40 percent] | percent=1000[1,000%] | percent=5[5 per cent]");
}

static void addresses_of_mail_and_web_end_where_they_should(void **state)
{
    (void)state;
    finds("Mail foo.bar+x@Example.COM, or a@b.", "email=foo.bar+x@example.com[foo.bar+x@Example.COM]");
    finds("See https://example.com/a_(b)?x=1&y=2. Or (http://x.org/z), www.example.org!",
          "url=https://example.com/a_(b)?x=1&y=2[https://example.com/a_(b)?x=1&y=2] | url=http://x.org/z[http://x.org/z] | "
          "url=www.example.org[www.example.org]");
    finds("foo://bar is none, http:// neither", "");
}

static void network_addresses_are_checked(void **state)
{
    (void)state;
    finds("10.0.0.1, 192.168.0.0/16:, 256.1.1.1, 1.2.3",
          "ip=10.0.0.1[10.0.0.1] | ip=192.168.0.0/16[192.168.0.0/16] | version=1.2.3[1.2.3]");
    finds("fe80::1 ::1 2001:0db8:0:0:0:0:0:1 12:30:45 a::b::c",
          "ip=fe80::1[fe80::1] | ip=::1[::1] | ip=2001:db8::1[2001:0db8:0:0:0:0:0:1] | time=12:30:45[12:30:45]");
}

static void versions_phones_and_cves(void **state)
{
    (void)state;
    finds("v2.1, version 3.2, 1.10.3-rc1, 3.14", "version=2.1[v2.1] | version=3.2[3.2] | version=1.10.3-rc1[1.10.3-rc1]");
    finds("+49 30 1234567, (555) 123-4567, 1-800-555-1234, 030 1234567",
          "phone=+49301234567[+49 30 1234567] | phone=5551234567[(555) 123-4567] | phone=+18005551234[1-800-555-1234] | "
          "phone=0301234567[030 1234567]");
    finds("order 1234567890 of 12 34", "");
    finds("CVE-2024-12345 and cve-2021-44228, not CVE-99-1", "cve=CVE-2024-12345[CVE-2024-12345] | cve=CVE-2021-44228[cve-2021-44228]");
}

static void paths_of_files(void **state)
{
    (void)state;
    finds(
        "see /usr/share/doc/a.txt, ~/x/y.c and ./run.sh or src/main.c.",
        "path=/usr/share/doc/a.txt[/usr/share/doc/a.txt] | path=~/x/y.c[~/x/y.c] | path=./run.sh[./run.sh] | path=src/main.c[src/main.c]");
    finds("and/or 24/7 km/h Sci/Tech example.com/x.html", "");
    finds("open C:\\Temp\\a.log now", "path=C:\\\\Temp\\\\a.log[C:\\Temp\\a.log]");
}

static void identifiers_are_verified(void **state)
{
    (void)state;
    finds("IBAN DE89 3704 0044 0532 0130 00, or GB82WEST12345698765432.",
          "iban=DE89370400440532013000[DE89 3704 0044 0532 0130 00] | iban=GB82WEST12345698765432[GB82WEST12345698765432]");
    finds("DE88 3704 0044 0532 0130 00 and AB12 are none", "");
    finds("card 4111 1111 1111 1111 or 4111-1111-1111-1112", "card=4111111111111111[4111 1111 1111 1111]");
    finds("ISBN 0-306-40615-2 and 978-0-306-40615-7, isbn-10: 080442957X, not 0-306-40615-3",
          "isbn=0306406152[0-306-40615-2] | isbn=9780306406157[978-0-306-40615-7] | isbn=080442957X[080442957X]");
    finds("see doi:10.1000/ABC.123, or (10.1145/1273496.1273521).",
          "doi=10.1000/abc.123[10.1000/ABC.123] | doi=10.1145/1273496.1273521[10.1145/1273496.1273521]");
    finds("SSN 123-45-6789, not 666-45-6789 or 123-45-67890", "ssn=123456789[123-45-6789]");
}

static void texts_made_of_triggers_are_bounded(void **state)
{
    static const char *const pieces[] = {"a@",  "1.",        "1:",   "/", "http://", "$",     "+1 ", "::",       "1,1", "May ",
                                         "v1.", "CVE-2024-", "C:\\", "(", "~/",      "DE89 ", "4 ",  "10.1000/", "978-"};
    struct lam_error err;
    struct reader reader;
    struct lam_entity_options options = {.now_us = 0};
    struct lam_buf json;
    char *text = malloc(400000);

    (void)state;
    reader_init(&reader);
    lam_buf_init(&json, 1 << 20);
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        size_t len = 0, each = strlen(pieces[p]);

        while (len + each < 400000) {
            memcpy(text + len, pieces[p], each);
            len += each;
        }
        text[len] = '\0';
        read_text(&reader, "", text);
        lam_buf_clear(&json);
        OK(lam_entities_find(&reader.tokens, &options, &json, &err));
        assert_true(json.len <= LAM_ENTITIES_JSON + 4);
        assert_true(json.ptr[0] == '[' && json.ptr[json.len - 1] == ']');
    }
    lam_buf_release(&json);
    reader_release(&reader);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dates_in_many_forms_become_iso),
                                       cmocka_unit_test(times_are_of_24_hours),
                                       cmocka_unit_test(money_has_its_currency_and_amount),
                                       cmocka_unit_test(percentages_may_be_negative),
                                       cmocka_unit_test(addresses_of_mail_and_web_end_where_they_should),
                                       cmocka_unit_test(network_addresses_are_checked),
                                       cmocka_unit_test(versions_phones_and_cves),
                                       cmocka_unit_test(paths_of_files), cmocka_unit_test(identifiers_are_verified),
                                       cmocka_unit_test(texts_made_of_triggers_are_bounded)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
