/* The Prometheus text, read back by a small parser that knows the format's rules; and targets of requests. */
#include "metrics.h"
#include "prometheus_text.h"
#include "uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_is_written_is_the_format(void **state)
{
    const struct lam_metric_label labels[] = {{"a", LAM_SV("x\\y\"z\n")}, {"b", LAM_SV("")}};
    struct lam_histogram histogram = {0};
    struct lam_buf out;
    const char *problem;

    (void)state;
    lam_buf_init(&out, 1 << 20);
    lam_histogram_observe(&histogram, 0);
    lam_histogram_observe(&histogram, 50);
    lam_histogram_observe(&histogram, 51);
    lam_histogram_observe(&histogram, UINT32_MAX);
    assert_int_equal(lam_metrics_family(&out, "lamina_a_total", LAM_METRIC_COUNTER, "What \\ it is.", NULL), 0);
    assert_int_equal(lam_metrics_count(&out, "lamina_a_total", labels, 2, UINT64_MAX, NULL), 0);
    assert_int_equal(lam_metrics_family(&out, "lamina_b", LAM_METRIC_GAUGE, "Plain.", NULL), 0);
    assert_int_equal(lam_metrics_sample(&out, "lamina_b", NULL, 0, 0.1, NULL), 0);
    assert_int_equal(lam_metrics_family(&out, "lamina_c_seconds", LAM_METRIC_HISTOGRAM, "Times.", NULL), 0);
    assert_int_equal(lam_metrics_histogram(&out, "lamina_c_seconds", labels, 1, &histogram, NULL), 0);
    lam_buf_add(&out, "", 1, NULL);
    if ((problem = prometheus_check(out.ptr)))
        fail_msg("%s in:\n%s", problem, out.ptr);
    assert_non_null(strstr(out.ptr, "lamina_a_total{a=\"x\\\\y\\\"z\\n\",b=\"\"} 18446744073709551615\n"));
    assert_non_null(strstr(out.ptr, "lamina_c_seconds_bucket{a=\"x\\\\y\\\"z\\n\",le=\"5e-05\"} 2\n"));
    assert_non_null(strstr(out.ptr, "lamina_c_seconds_bucket{a=\"x\\\\y\\\"z\\n\",le=\"+Inf\"} 4\n"));
    lam_buf_release(&out);
}

static void the_parser_sees_mistakes(void **state)
{
    static const char *const wrong[] = {
        "a 1",                                                                      /* no newline at the end */
        "a 1\n",                                                                    /* no TYPE */
        "# TYPE a counter\na 1\n",                                                  /* no HELP */
        "# HELP a x\n# TYPE a counter\na{b=\"c} 1\n",                               /* label not closed */
        "# HELP a x\n# TYPE a counter\na one\n",                                    /* no number */
        "# HELP a x\n# TYPE a counter\na 1\n# HELP b x\n# TYPE b gauge\nb 1\na 2\n", /* not together */
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n", /* not cumulative */
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (!prometheus_check(wrong[i]))
            fail_msg("nothing seen in %s", wrong[i]);
}

static void memory_is_measured(void **state)
{
    struct lam_memory_use use;

    (void)state;
    lam_memory_use(&use);
    assert_true(use.rss_anon > 0);
}

static void targets_are_decoded_strictly(void **state)
{
    struct lam_uri uri;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_uri_parse(LAM_SV("/v1/records?a=b%20c&%2Frev.ge=1+2&&x&y=%00=z"), &uri, &err), 0);
    assert_true(lam_sv_eq(uri.path, LAM_SV("/v1/records")));
    assert_int_equal(uri.param_count, 4);
    assert_true(lam_sv_eq(uri.params[0].name, LAM_SV("a")) && lam_sv_eq(uri.params[0].value, LAM_SV("b c")));
    assert_true(lam_sv_eq(uri.params[1].name, LAM_SV("/rev.ge")) && lam_sv_eq(uri.params[1].value, LAM_SV("1 2")));
    assert_true(lam_sv_eq(uri.params[2].name, LAM_SV("x")) && uri.params[2].value.len == 0);
    assert_true(lam_sv_eq(uri.params[3].value, LAM_SV("\0=z")));
    lam_uri_release(&uri);
    assert_int_equal(lam_uri_parse(LAM_SV("/?a=%"), &uri, &err), LAM_E_INVALID);
    lam_uri_release(&uri);
    assert_int_equal(lam_uri_parse(LAM_SV("/?a=%2"), &uri, &err), LAM_E_INVALID);
    lam_uri_release(&uri);
    assert_int_equal(lam_uri_parse(LAM_SV("/?a=%g0"), &uri, &err), LAM_E_INVALID);
    lam_uri_release(&uri);
    assert_int_equal(lam_uri_parse(LAM_SV(""), &uri, &err), 0);
    lam_uri_release(&uri);
}

static void encoding_comes_back(void **state)
{
    char all[256];
    struct lam_buf text, back;

    (void)state;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    lam_buf_init(&text, 4096);
    lam_buf_init(&back, 4096);
    assert_int_equal(lam_uri_encode(lam_sv(all, 256), &text, NULL), 0);
    assert_int_equal(lam_uri_decode(lam_buf_sv(&text), true, &back, NULL), 0);
    assert_int_equal(back.len, 256);
    assert_memory_equal(back.ptr, all, 256);
    lam_buf_release(&text);
    lam_buf_release(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_the_format), cmocka_unit_test(the_parser_sees_mistakes),
        cmocka_unit_test(memory_is_measured),            cmocka_unit_test(targets_are_decoded_strictly),
        cmocka_unit_test(encoding_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
