/* Ranks that want the same answers, one cache between them: each is asked for once. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ai/cache.h"
#include "ai/cache/flight_comm.h"
#include "scratch.h"

enum { FLIGHT = 40, FOLDER = 50, ASKED, KEYS = 200 };

/* What one rank does about its questions. token: which key. */
struct asker {
    struct lam_flights *flights;
    struct lam_cache *cache;
    int asked, answered, total; /* model calls of this rank; keys that it has; at rank 0: calls of all */
    int reports;
    bool fail_first;            /* the first call of each key fails: another one must do it */
    bool failed[KEYS], have[KEYS];
};

static struct lam_digest key_of(uint64_t n) { return lam_hash128(&n, sizeof n); }

static void read_answer(struct asker *asker, uint64_t token)
{
    struct lam_error err;
    struct lam_buf value;

    lam_buf_init(&value, 1000);
    if (lam_cache_get_fresh(asker->cache, key_of(token), &value, NULL, &err))
        fail_msg("rank %d was told of answer %d, which is not there", rank, (int)token);
    assert_int_equal(value.len, 8);
    assert_memory_equal(value.ptr, &token, 8);
    lam_buf_release(&value);
    asker->answered += !asker->have[token];
    asker->have[token] = true;
}

static void on_heard(void *arg, uint64_t token, enum lam_flight_word word)
{
    struct asker *asker = arg;
    struct lam_error err;

    if (word == LAM_FLIGHT_FLUSHED) {
        read_answer(asker, token);
        return;
    }
    asker->asked++;
    if (asker->fail_first && !asker->failed[token] && rank == 0) {
        asker->failed[token] = true;
        assert_int_equal(lam_flights_done(asker->flights, key_of(token), false, &err), 0);
        assert_int_equal(lam_flights_ask(asker->flights, key_of(token), token, &err), 0);
        return;
    }
    assert_int_equal(lam_cache_put(asker->cache, key_of(token), lam_sv((const char *)&token, 8), NULL, NULL, NULL, &err), 0);
    assert_int_equal(lam_cache_flush(asker->cache, &err), 0);
    read_answer(asker, token);
    assert_int_equal(lam_flights_done(asker->flights, key_of(token), true, &err), 0);
}

static void on_asked(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct asker *asker = arg;
    int count;

    (void)src;
    (void)type;
    memcpy(&count, bytes.ptr, sizeof count);
    asker->total += count;
    asker->reports++;
}

static bool has_all(void *arg)
{
    struct asker *asker = arg;
    struct lam_error err;

    assert_int_equal(lam_flights_step(asker->flights, &err), 0);
    return asker->answered == KEYS;
}

static bool all_reported(void *arg)
{
    struct asker *asker = arg;
    struct lam_error err;

    assert_int_equal(lam_flights_step(asker->flights, &err), 0); /* others still ask this rank */
    return asker->reports == size;
}

static void on_folder(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    (void)src;
    (void)type;
    memcpy(arg, bytes.ptr, bytes.len);
}

static bool has_folder(void *arg) { return ((char *)arg)[0]; }

static void share_folder(char folder[SCRATCH_PATH])
{
    listen_to(FOLDER, on_folder, folder);
    if (rank == 0) {
        scratch_make(folder);
        assert_int_equal(lam_comm_send_all(world, FOLDER, lam_sv(folder, strlen(folder) + 1), NULL), 0);
    }
    poll_until(has_folder, folder);
    stop_listening(FOLDER);
}

/* first: the ranks before it own no keys. */
static void ask_all(bool fail_first, int first)
{
    struct asker asker = {.fail_first = fail_first};
    struct lam_flights_options options = {.first_type = FLIGHT, .first = first, .owners = first ? size - first : 0, .heard = on_heard, .arg = &asker};
    char folder[SCRATCH_PATH] = "";
    struct lam_error err;

    share_folder(folder);
    assert_int_equal(lam_cache_open(&asker.cache, folder, NULL, &err), 0);
    assert_int_equal(lam_flights_open(&asker.flights, world, &options, &err), 0);
    listen_to(ASKED, on_asked, &asker);
    for (uint64_t n = 0; n < KEYS; n++) /* each rank begins elsewhere, as real ones do */
        assert_int_equal(lam_flights_ask(asker.flights, key_of((n + (uint64_t)rank * 31) % KEYS), (n + (uint64_t)rank * 31) % KEYS, &err), 0);
    poll_until(has_all, &asker);
    send_surely(0, ASKED, lam_sv((const char *)&asker.asked, sizeof asker.asked));
    if (rank == 0) {
        poll_until(all_reported, &asker);
        assert_true(asker.total >= KEYS);
        assert_true(asker.total <= (fail_first ? 2 * KEYS : KEYS));
    }
    stop_listening(ASKED);
    lam_flights_close(asker.flights);
    lam_cache_close(asker.cache);
    meet();
    if (rank == 0)
        scratch_remove(folder);
}

static void an_answer_that_all_want_is_asked_for_once(void **state)
{
    (void)state;
    ask_all(false, 0);
}

static void where_one_fails_the_next_one_asks(void **state)
{
    (void)state;
    ask_all(true, 0);
}

static void some_ranks_may_own_all_keys(void **state)
{
    (void)state;
    ask_all(true, size > 1);
    ask_all(false, size - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_all_want_is_asked_for_once),
        cmocka_unit_test(where_one_fails_the_next_one_asks),
        cmocka_unit_test(some_ranks_may_own_all_keys),
    };

    return world_run("flight", tests, sizeof tests / sizeof *tests);
}
