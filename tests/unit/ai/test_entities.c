#include "ai_test.h"
#include "builtin/entities.h"

#define NOW ((int64_t)1710331200 * 1000000) /* Wednesday, 13 March 2024, noon */

static const struct lam_pattern patterns[] = {{LAM_SV("order"), LAM_SV("\\bA-[0-9]{3,}\\b")}, {LAM_SV("part"), LAM_SV("[0-9]{4}-X")}};

/* The entities of text as "type=value[the text]", parted by " | ". */
static void finds_with(struct lam_entity_options options, const char *text, const char *expected)
{
    struct lam_error err;
    struct reader reader;
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

static void finds(const char *text, const char *expected)
{
    finds_with((struct lam_entity_options){.now_us = LAM_TIME_NONE}, text, expected);
}

static void finds_now(const char *text, const char *expected) { finds_with((struct lam_entity_options){.now_us = NOW}, text, expected); }

static void finds_names(const char *text, const char *expected)
{
    struct lam_entity_options options = {.now_us = LAM_TIME_NONE};
    struct lam_name_words words;
    struct lam_error err;

    OK(lam_name_words_init(&words, &err));
    options.words = &words;
    finds_with(options, text, expected);
    lam_name_words_release(&words);
}

static void relative_dates_are_told_from_the_records_time(void **state)
{
    (void)state;
    finds_now("Came yesterday, goes tomorrow; today's news.", "date=2024-03-12[yesterday] | date=2024-03-14[tomorrow] | date=2024-03-13[today]");
    finds_now("Last Tuesday, next Friday, on Monday, on Wednesday.",
              "date=2024-03-12[Last Tuesday] | date=2024-03-15[next Friday] | date=2024-03-11[Monday] | date=2024-03-13[Wednesday]");
    finds_now("last Wednesday and next Wednesday", "date=2024-03-06[last Wednesday] | date=2024-03-20[next Wednesday]");
    finds_now("It will end in 3 days. Done in 3 days.", "date=2024-03-16[in 3 days] | quantity=3 day[3 days]");
    finds_now("2 weeks ago, three months ago, a year ago, 20 minutes ago",
              "date=2024-02-28[2 weeks ago] | date=2023-12[three months ago] | date=2023[a year ago] | datetime=2024-03-13T11:40:00Z[20 minutes ago]");
    finds_now("next month, last year, this week, last quarter, two weeks from now",
              "date=2024-04[next month] | date=2023[last year] | date=2024-W11[this week] | date=2023-Q4[last quarter] | "
              "date=2024-03-27[two weeks from now]");
    finds_now("in August, since November, in 1999, until May", "date=2024-08[August] | date=2023-11[November] | date=1999[1999] | date=2024-05[May]");
    finds_now("the last time, next to it, this may be, in 2 of 3, monday", "");
    finds("yesterday and last week", ""); /* nobody knows when that was */
    finds_with((struct lam_entity_options){.now_us = (int64_t)951782400 * 1000000}, "tomorrow, a day ago", /* 29 February 2000 */
               "date=2000-03-01[tomorrow] | date=2000-02-28[a day ago]");
    finds_with((struct lam_entity_options){.now_us = (int64_t)1704067200 * 1000000}, "yesterday, last week", /* 1 January 2024 */
               "date=2023-12-31[yesterday] | date=2023-W52[last week]");
    finds_with((struct lam_entity_options){.now_us = -(int64_t)86400 * 1000000}, "3 days ago", "date=1969-12-28[3 days ago]");
    finds_with((struct lam_entity_options){.now_us = INT64_MAX}, "999 years ago", "quantity=999 year[999 years]");
}

static void quantities_have_their_units_symbol(void **state)
{
    (void)state;
    finds("12 kg, 5km, 1,200 miles, -4 °C, 3.5 GB and 64MB, 320 km/h",
          "quantity=12 kg[12 kg] | quantity=5 km[5km] | quantity=1200 mi[1,200 miles] | quantity=-4 °C[-4 °C] | quantity=3.5 GB[3.5 GB] | "
          "quantity=64 MB[64MB] | quantity=320 km/h[320 km/h]");
    finds("a 29-yard pass, 7-10 business days, six months, two-year bans",
          "quantity=29 yd[29-yard] | quantity=7-10 day[7-10 business days] | quantity=6 month[six months] | quantity=2 year[two-year]");
    finds("5 apples, 3 in a row, 5 a day, 100 mistakes, 4m", "");
}

static void hosts_and_names_of_files(void **state)
{
    (void)state;
    finds("db1.internal.example.com, srv-12.prod.example.net and Forbes.com.",
          "host=db1.internal.example.com[db1.internal.example.com] | host=srv-12.prod.example.net[srv-12.prod.example.net] | "
          "host=forbes.com[Forbes.com]");
    finds("open report.docx and setup.py", "path=report.docx[report.docx] | path=setup.py[setup.py]");
    finds("It ended.In the end.So be it. e.g. this, U.S. and a.m.", "");
}

static void phones_of_a_known_country_are_e164(void **state)
{
    struct lam_entity_options german = {.now_us = LAM_TIME_NONE, .country = LAM_SV("DE")}, american = german, italian = german;

    (void)state;
    american.country = LAM_SV("US");
    italian.country = LAM_SV("IT");
    finds_with(german, "030 1234567, 0049 30 1234567, +49 (0) 30 1234567",
               "phone=+49301234567[030 1234567] | phone=+49301234567[0049 30 1234567] | phone=+49301234567[+49 (0) 30 1234567]");
    finds_with(german, "(555) 123-4567", "phone=5551234567[(555) 123-4567]");
    finds_with(american, "(555) 123-4567 or 555-123-4567", "phone=+15551234567[(555) 123-4567] | phone=+15551234567[555-123-4567]");
    finds_with(italian, "06 1234567, 0612 34567", "phone=+39061234567[0612 34567]");
}

static void the_jobs_own_patterns_come_first(void **state)
{
    const struct lam_tasks tasks = {.patterns = patterns, .pattern_count = 2};
    struct lam_entity_options options = {.now_us = LAM_TIME_NONE};
    struct lam_error err;

    (void)state;
    OK(lam_patterns_new(&tasks, &options.patterns, &err));
    finds_with(options, "A-12 A-123, XA-123; 2024-X", "order=A-123[A-123] | part=2024-X[2024-X]");
    finds_with(options, "mail a@b.com A-1234-X", "email=a@b.com[a@b.com] | order=A-1234[A-1234]"); /* of two that overlap the first */
    finds_with(options, "on 2024-03-12 A-999", "date=2024-03-12[2024-03-12] | order=A-999[A-999]");
    lam_patterns_free(options.patterns);
}

static void people_organisations_and_places(void **state)
{
    (void)state;
    finds_names("Dr. Amelia Hartwell of the University of Leeds met J. R. Smith in New York.",
                "person=Amelia Hartwell[Amelia Hartwell] | organization=University of Leeds[University of Leeds] | "
                "person=J. R. Smith[J. R. Smith] | place=New York[New York]");
    finds_names("New York Attorney General Eliot Spitzer sued Google Inc. on Monday.",
                "place=New York[New York] | person=Eliot Spitzer[Eliot Spitzer] | organization=Google Inc.[Google Inc.]");
    finds_names("Osama bin Laden's deputy, al-Qaida, Rio de Janeiro",
                "person=Osama bin Laden[Osama bin Laden] | organization=al-Qaida[al-Qaida] | place=Rio de Janeiro[Rio de Janeiro]");
    finds_names("The Ankara-based firm told us; the US did not. Lake Como, Mount Kenya and Salem, Oregon.",
                "place=Ankara[Ankara] | place=US[US] | place=Lake Como[Lake Como] | place=Mount Kenya[Mount Kenya] | place=Salem[Salem] | "
                "place=Oregon[Oregon]");
    finds_names("Maria Lopez left. However, Lopez said nothing.", "person=Maria Lopez[Maria Lopez] | person=Lopez[Lopez]");
    finds_names("PLEASE REMOVE THIS ACCOUNT FROM MY FILE NOW. The Internet is Great.", "");
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
                                         "v1.", "CVE-2024-", "C:\\", "(", "~/",      "DE89 ", "4 ",  "10.1000/", "978-",
                                         "Mr. ", "A-", "New York ", "Jan von ", "University of ", "U.S.", "Bank of the ", "in 3 ", "last ", "2 weeks ", "a.b.",
                                         "Ann & ", "A-1", "five ", "Monday's ", "X", "Li\n", "al-", "ß", "İ"};
    struct lam_error err;
    struct reader reader;
    const struct lam_tasks tasks = {.patterns = patterns, .pattern_count = 2};
    struct lam_entity_options options = {.now_us = NOW};
    struct lam_name_words words;
    struct lam_buf json;
    char *text = malloc(400000);

    (void)state;
    OK(lam_name_words_init(&words, &err));
    OK(lam_patterns_new(&tasks, &options.patterns, &err));
    options.words = &words;
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
    lam_patterns_free(options.patterns);
    lam_name_words_release(&words);
    lam_buf_release(&json);
    reader_release(&reader);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(relative_dates_are_told_from_the_records_time),
                                       cmocka_unit_test(quantities_have_their_units_symbol),
                                       cmocka_unit_test(hosts_and_names_of_files),
                                       cmocka_unit_test(phones_of_a_known_country_are_e164),
                                       cmocka_unit_test(the_jobs_own_patterns_come_first),
                                       cmocka_unit_test(people_organisations_and_places),
                                       cmocka_unit_test(dates_in_many_forms_become_iso),
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
