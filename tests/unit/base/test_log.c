/* The log: one line a message, whole, with quotes escaped and line breaks gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

static size_t read_all(int fd, char *bytes, size_t cap)
{
    size_t len = 0;
    ssize_t n;

    while (len < cap - 1 && (n = read(fd, bytes + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    bytes[len] = '\0';
    return len;
}

static void a_line_has_level_rank_area_and_quoted_text(void **state)
{
    char line[8192];
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct lam_log log = {.fd = ends[1], .rank = 3, .level = LAM_LOG_INFO};

    lam_log_info(&log, "store", "published \"view %d\"\nback\\slash", 2);
    lam_log_debug(&log, "store", "not wanted");
    close(ends[1]);
    read_all(ends[0], line, sizeof line);
    close(ends[0]);
    assert_non_null(strstr(line, " level=info rank=3 area=store msg=\"published \\\"view 2\\\" back\\\\slash\"\n"));
    assert_null(strstr(line, "not wanted"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void no_log_is_no_crash_and_long_text_is_one_line(void **state)
{
    char line[8192], text[5000];
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct lam_log log = {.fd = ends[1], .rank = -1, .level = LAM_LOG_INFO}, nowhere = {.fd = -1};

    memset(text, '"', sizeof text);
    text[sizeof text - 1] = '\0';
    lam_log_error(NULL, "x", "nobody");
    lam_log_error(&nowhere, "x", "nobody");
    lam_log_error(&log, "x", "%s", text);
    close(ends[1]);
    read_all(ends[0], line, sizeof line);
    close(ends[0]);
    assert_null(strstr(line, "rank="));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_int_equal(strcmp(line + strlen(line) - 2, "\"\n"), 0);
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        lam_log_info(arg, "test", "the quick brown fox jumps over line %d of them", i);
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    pthread_t threads[THREADS];
    FILE *file = tmpfile();
    char line[512];
    int lines = 0;

    (void)state;
    assert_non_null(file);
    struct lam_log log = {.fd = fileno(file), .rank = 0, .level = LAM_LOG_INFO};

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &log), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    rewind(file);
    while (fgets(line, sizeof line, file)) {
        int number;

        assert_non_null(strstr(line, "msg="));
        assert_int_equal(sscanf(strstr(line, "msg="), "msg=\"the quick brown fox jumps over line %d of them\"", &number), 1);
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_level_rank_area_and_quoted_text),
        cmocka_unit_test(no_log_is_no_crash_and_long_text_is_one_line),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
