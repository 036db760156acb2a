/*
 * kill -9 of a process that puts answers, at random moments: what it was told as flushed is there, byte for byte, in the next one; and what it has put is, flushed or
 * not, as long as its file is not full.
 */
#include "cache_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 10 };

struct ticket {
    int fd;
    uint64_t n;
};

static void on_flushed(void *arg, int rc, const struct lam_error *err)
{
    struct ticket *ticket = arg;

    (void)err;
    if (!rc && write(ticket->fd, &ticket->n, sizeof ticket->n) != sizeof ticket->n)
        _exit(1);
    free(ticket);
}

/* Puts from `from` on until it is killed; each answer that is flushed is written to fd. */
static _Noreturn void put_for_ever(const char *root, uint64_t from, int fd)
{
    struct lam_cache_options options = {.file_bytes = 16384, .flush_us = 500, .max_keys = 200};
    struct lam_cache *cache;
    struct lam_error err;

    if (lam_cache_open(&cache, root, &options, &err))
        _exit(1);
    for (uint64_t n = from;; n++) {
        struct ticket *ticket = malloc(sizeof *ticket);
        struct lam_cache_meta meta = {0, (uint32_t)n, 1};
        char value[512];
        size_t len = value_of(value, n, 1);

        *ticket = (struct ticket){fd, n};
        while (lam_cache_put(cache, key_of(n), lam_sv(value, len), &meta, on_flushed, ticket, &err) == LAM_PENDING)
            lam_cache_flush(cache, &err);
        if (n % 64 == 63)
            nanosleep(&(struct timespec){0, 300000}, NULL);
    }
}

/* Puts from `from` on until it is killed, and flushes nothing but what begins the file; the number of each put that has returned is written to fd. */
static _Noreturn void put_unflushed(const char *root, uint64_t from, int fd)
{
    struct lam_cache_options options = {.flush_us = 3600 * SECOND, .flush_bytes = SIZE_MAX};
    struct lam_cache *cache;
    struct lam_error err;

    if (lam_cache_open(&cache, root, &options, &err))
        _exit(1);
    for (uint64_t n = from;; n++) {
        struct lam_cache_meta meta = {0, (uint32_t)n, 1};
        char value[512];
        size_t len = value_of(value, n, 1);

        if (lam_cache_put(cache, key_of(n), lam_sv(value, len), &meta, NULL, NULL, &err))
            _exit(1);
        if (write(fd, &n, sizeof n) != sizeof n)
            _exit(1);
    }
}

/* Ten processes, one after the other: whatever number came out of one of them is found after its end. */
static void kill_ten(const char *root, void (*child_main)(const char *root, uint64_t from, int fd), const char *what)
{
    unsigned seed = (unsigned)lam_wall_us(&lam_clock_system);
    static uint64_t told[1 << 20];
    size_t count = 0;

    print_message("seed %u\n", seed);
    srand(seed);
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        uint64_t number, from = (uint64_t)kill_number << 24;
        size_t before = count;
        struct lam_cache *cache;
        int fds[2];
        pid_t child;

        assert_int_equal(pipe(fds), 0);
        if (!(child = fork())) {
            close(fds[0]);
            child_main(root, from, fds[1]);
        }
        close(fds[1]);
        while (count < before + 1 + (size_t)rand() % 400 && read(fds[0], &number, sizeof number) == sizeof number)
            told[count++] = number;
        kill(child, SIGKILL);
        while (read(fds[0], &number, sizeof number) == sizeof number && count < sizeof told / sizeof *told)
            told[count++] = number;
        close(fds[0]);
        waitpid(child, NULL, 0);
        assert_true(count > before);
        cache = open_cache(root, NULL);
        for (size_t i = 0; i < count; i++)
            if (got(cache, told[i], false) != 1)
                fail_msg("answer %" PRIx64 " was %s before kill %d, and is lost", told[i], what, kill_number + 1);
        lam_cache_close(cache);
    }
}

static void what_was_told_survives_the_process(void **state) { kill_ten(*state, put_for_ever, "told as flushed"); }
static void what_was_put_survives_it_too(void **state) { kill_ten(*state, put_unflushed, "put"); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_told_survives_the_process, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_was_put_survives_it_too, scratch_setup, scratch_teardown),
    };

    return cmocka_run_group_tests_name("cache_kill", tests, NULL, NULL);
}
