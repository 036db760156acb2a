/* mpirun's alarm about exit codes goes, every other byte stays, wherever writes are cut. */
#include "abort_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define RULE "--------------------------------------------------------------------------\n"
#define PRIMARY                                                              \
    RULE "Primary job  terminated normally, but 1 process returned\n"        \
         "a non-zero exit code. Per user-direction, the job has been aborted.\n" RULE
#define DETECTED                                                                                       \
    RULE "mpirun detected that one or more processes exited with non-zero status, thus causing\n"      \
         "the job to be terminated. The first process to do so was:\n\n  Process name: [[1,1],0]\n  Exit code:    3\n" RULE
#define NOTICED RULE "mpirun noticed that process rank 1 with PID 0 on node a exited on signal 9 (Killed).\n" RULE

static const struct {
    const char *in, *out;
} cases[] = {
    {"", ""},
    {"text\n", "text\n"},
    {"no end", "no end"},
    {PRIMARY, ""},
    {PRIMARY DETECTED, ""},
    {"a\n" PRIMARY "b\n" DETECTED "c", "a\nb\nc"},
    {"progress 50 %" PRIMARY "more", "progress 50 %more"},
    {"\rprogress -- " PRIMARY, "\rprogress -- "},
    {NOTICED, NOTICED},
    {NOTICED PRIMARY, NOTICED},
    {PRIMARY NOTICED "x", NOTICED "x"},
    {RULE "mine\n" RULE "after\n", RULE "mine\n" RULE "after\n"},
    {RULE, RULE},
    {RULE "mine", RULE "mine"},
    {"-" RULE "mine\n", "-" RULE "mine\n"},
    {"-- a -- b --\n---\n", "-- a -- b --\n---\n"},
    {"mpirun: Forwarding signal 10 to job\nx", "x"},
    {"a mmpirun: Forwarding signal 10 to job\nb\n", "a mb\n"},
    {"mpirun: something else\nmpi", "mpirun: something else\nmpi"},
    {"mpirun: Forwarding signal 10 to job\n" PRIMARY, ""},
};

static size_t read_all(int fd, char *out, size_t cap)
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(fd, out + len, cap - len)) > 0)
        len += (size_t)n;
    return len;
}

/* Cut at random where pieces is 0, else into pieces of this many bytes; flushed at the end. */
static void assert_filtered(const char *in, const char *want, size_t pieces)
{
    struct lam_abort_filter filter;
    char out[8192];
    int fds[2];
    size_t len;

    assert_int_equal(pipe(fds), 0);
    lam_abort_filter_init(&filter, fds[1]);
    for (size_t at = 0, n; at < strlen(in); at += n) {
        n = pieces ? pieces : 1 + (size_t)rand() % 100;
        n = n < strlen(in) - at ? n : strlen(in) - at;
        lam_abort_filter_write(&filter, in + at, n);
    }
    lam_abort_filter_flush(&filter);
    close(fds[1]);
    len = read_all(fds[0], out, sizeof out - 1);
    close(fds[0]);
    out[len] = '\0';
    assert_string_equal(out, want);
}

static void only_the_alarm_goes_wherever_writes_are_cut(void **state)
{
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t pieces = 1; pieces < 80; pieces++)
            assert_filtered(cases[i].in, cases[i].out, pieces);
        for (int round = 0; round < 50; round++)
            assert_filtered(cases[i].in, cases[i].out, 0);
    }
}

static void what_is_held_back_is_shown_after_a_silence(void **state)
{
    static const char rule[] = "--------------------------------------------------------------------------\nstill";
    struct lam_abort_filter filter;
    char out[256] = "";
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    lam_abort_filter_init(&filter, fds[1]);
    lam_abort_filter_write(&filter, "x ---", 5);
    lam_abort_filter_flush(&filter);
    assert_int_equal(read(fds[0], out, sizeof out), 5);
    lam_abort_filter_write(&filter, rule + 3, sizeof rule - 4); /* the rule's rest: shown, like its beginning */
    assert_int_equal(read(fds[0], out, sizeof out), sizeof rule - 4);
    lam_abort_filter_write(&filter, "\n", 1);
    assert_int_equal(read(fds[0], out, sizeof out), 1);
    lam_abort_filter_write(&filter, rule, sizeof rule - 1);
    lam_abort_filter_flush(&filter);
    assert_int_equal(read(fds[0], out, sizeof out), sizeof rule - 1);
    close(fds[0]);
    close(fds[1]);
}

static void lines_of_any_length_pass(void **state)
{
    char *in = malloc(5000);

    (void)state;
    assert_non_null(in);
    for (size_t len = 900; len < 4500; len += 37) {
        memset(in, 'x', len);
        in[len] = '\0';
        assert_filtered(in, in, 0);
        memcpy(in, RULE, sizeof RULE - 1);
        assert_filtered(in, in, 0);
        memset(in, '-', len);
        assert_filtered(in, in, 0);
        memset(in, 'm', len);
        assert_filtered(in, in, 0);
    }
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_alarm_goes_wherever_writes_are_cut),
        cmocka_unit_test(what_is_held_back_is_shown_after_a_silence),
        cmocka_unit_test(lines_of_any_length_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
