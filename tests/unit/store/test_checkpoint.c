/* Checkpoints: a function of the commits, everything of the state in them, and no byte of a foreign one is trusted. */
#include <endian.h>

#include "base/hash.h"

#include "log_fixture.h"

/* 200 commits that use every action. */
static struct lam_state *long_state(void)
{
    struct lam_state *state = lam_state_new();
    uint64_t term = fold_term(state, 7, "job", 1);
    struct lam_error err = {0};

    while (state->number < 200) {
        struct lam_commit commit = commit_of(state->number, term);
        unsigned n = (unsigned)state->number;
        char path[64], name[64];

        snprintf(path, sizeof path, "silver/%u.h5", n * 7 % 199);
        snprintf(name, sizeof name, "scan-%u", n);
        add_path(&commit, path);
        if (n == 1) {
            OK(lam_commit_source(&commit, "tickets", &err));
            OK(lam_commit_source(&commit, "events", &err));
            OK(lam_commit_job(&commit, "identity", "analysis", "rest", &err));
            OK(lam_commit_model(&commit, "m", "builtin", "models/1", "{}", &err));
        } else if (n % 10 == 2) {
            OK(lam_commit_life(&commit, n % 20 == 2 ? "tickets" : "events", name, &err));
        } else if (n % 10 == 3 && n > 20) {
            struct lam_archived at[] = {{.partition = 1, .next = n}, {.partition = n, .next = n, .has_witness = true, .witness = {n - 1, -1, n}}};

            OK(lam_commit_archive(&commit, 2, 1, at, 2, name, &err));
        } else if (n % 10 == 4) {
            struct lam_segment_entry mask;

            snprintf(path, sizeof path, "silver/%u.h5", (n - 2) * 7 % 199);
            mask = mask_of(name, path);
            OK(lam_commit_mask(&commit, path, &mask, &err));
        } else if (n % 10 == 5) {
            snprintf(path, sizeof path, "silver/%u.h5", (n - 4) * 7 % 199);
            OK(lam_commit_remove(&commit, path, &err));
        } else if (n % 10 == 6) {
            struct lam_life_counts counts = {1, 1, {n, n, 0, 0, 0, 0, 0, 0}};
            struct lam_cutoff cutoff = {0};

            OK(lam_cutoff_set_corpus(&cutoff, 1, 1, &err));
            if (n > 20)
                OK(lam_cutoff_set_partition(&cutoff, 2, 1, 3, n, &err));
            OK(lam_commit_publish(&commit, n, "run", 2, &cutoff, &counts, 1, &err));
            lam_cutoff_release(&cutoff);
        } else if (n % 10 == 7) {
            OK(lam_commit_horizon(&commit, lam_sv((const char *)&n, 1), &err));
        } else if (n % 50 == 9) {
            commit.terms[LAM_TERM_BATCH] = 77; /* void */
        }
        if (fold(state, &commit, 1000 + n) != (n % 50 == 9))
            fail_msg("commit %u is%s void", n + 1, state->last_void ? "" : " not");
    }
    return state;
}

static struct lam_buf bytes_of(const struct lam_state *state)
{
    struct lam_error err = {0};
    struct lam_buf bytes;

    lam_buf_init(&bytes, LAM_CHECKPOINT_BYTES);
    OK(lam_checkpoint_write(state, &bytes, &err));
    return bytes;
}

static void a_state_comes_back_whole_and_is_written_as_the_same_bytes(void **unused)
{
    struct lam_state *state = long_state(), *again;
    struct lam_buf bytes = bytes_of(state), more;
    struct lam_error err = {0};
    uint64_t number, log_from;

    (void)unused;
    OK(lam_checkpoint_head(lam_buf_sv(&bytes), &number, &log_from, &err));
    assert_int_equal(number, 200);
    assert_int_equal(log_from, 1);
    OK(lam_checkpoint_read(lam_buf_sv(&bytes), &again, &err));
    more = bytes_of(again);
    assert_int_equal(bytes.len, more.len);
    assert_memory_equal(bytes.ptr, more.ptr, bytes.len);
    assert_int_equal(again->number, 200);
    assert_int_equal(again->voids, state->voids);
    assert_memory_equal(&again->totals, &state->totals, sizeof again->totals);
    assert_int_equal(again->segment_count, state->segment_count);
    assert_true(lam_digest_eq(again->job.analysis_digest, state->job.analysis_digest));
    assert_string_equal(again->terms[LAM_TERM_SPEED].holder.job, "job");
    assert_int_equal(again->horizon_len, 1);
    lam_state_unref(state);
    lam_state_unref(again);
    lam_buf_release(&bytes);
    lam_buf_release(&more);
}

static void a_reader_that_goes_on_from_it_ends_with_the_same_bytes(void **unused)
{
    struct lam_state *state = long_state(), *again;
    struct lam_buf bytes = bytes_of(state), more;
    struct lam_error err = {0};

    (void)unused;
    OK(lam_checkpoint_read(lam_buf_sv(&bytes), &again, &err));
    while (state->number < 300) {
        struct lam_commit commit = commit_of(state->number, 1);
        char path[64];

        snprintf(path, sizeof path, "later/%u", (unsigned)state->number * 31 % 100);
        add_path(&commit, path);
        OK(lam_commit_seal(&commit, 5000, &err));
        OK(lam_state_fold(state, &commit, &err));
        OK(lam_state_fold(again, &commit, &err));
        lam_commit_release(&commit);
    }
    lam_buf_release(&bytes);
    bytes = bytes_of(state);
    more = bytes_of(again);
    assert_int_equal(bytes.len, more.len);
    assert_memory_equal(bytes.ptr, more.ptr, bytes.len);
    lam_state_unref(state);
    lam_state_unref(again);
    lam_buf_release(&bytes);
    lam_buf_release(&more);
}

static void every_flipped_bit_and_every_missing_byte_is_noticed(void **unused)
{
    struct lam_state *state = long_state(), *again;
    struct lam_buf bytes = bytes_of(state);
    struct lam_error err = {0};

    (void)unused;
    for (size_t at = 0; at < bytes.len; at += at < 200 ? 1 : 37) {
        bytes.ptr[at] ^= (char)(1 << at % 8);
        if (lam_checkpoint_read(lam_buf_sv(&bytes), &again, &err) == 0)
            fail_msg("a flipped bit of byte %zu was not noticed", at);
        assert_null(again);
        bytes.ptr[at] ^= (char)(1 << at % 8);
        if (lam_checkpoint_read(lam_sv(bytes.ptr, at), &again, &err) == 0)
            fail_msg("%zu bytes were taken for whole", at);
    }
    lam_state_unref(state);
    lam_buf_release(&bytes);
}

/* The crc does not protect against whoever can compute it: with a right one, any byte may still be anything. */
static void damage_under_a_right_crc_is_survived(void **unused)
{
    struct lam_state *state = long_state(), *again;
    struct lam_buf bytes = bytes_of(state);
    struct lam_error err = {0};
    unsigned seed = 20261122;
    int taken = 0;

    (void)unused;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 5000; i++) {
        char *copy = malloc(bytes.len);
        size_t len = bytes.len;
        uint32_t crc;
        uint64_t body;

        assert_non_null(copy);
        memcpy(copy, bytes.ptr, len);
        for (int flips = 1 + rand_r(&seed) % 3; flips > 0; flips--)
            copy[LAM_CHECKPOINT_HEADER + (size_t)rand_r(&seed) % (len - LAM_CHECKPOINT_HEADER)] = (char)(rand_r(&seed) % 3 ? rand_r(&seed) : 255);
        if (i % 5 == 0)
            len = LAM_CHECKPOINT_HEADER + (size_t)rand_r(&seed) % (len - LAM_CHECKPOINT_HEADER);
        body = htole64(len - LAM_CHECKPOINT_HEADER);
        memcpy(copy + 32, &body, sizeof body);
        crc = htole32(lam_crc32c(0, copy + LAM_CHECKPOINT_HEADER, len - LAM_CHECKPOINT_HEADER));
        memcpy(copy + 40, &crc, sizeof crc);
        crc = htole32(lam_crc32c(0, copy + 16, LAM_CHECKPOINT_HEADER - 16));
        memcpy(copy + 12, &crc, sizeof crc);
        if (lam_checkpoint_read(lam_sv(copy, len), &again, &err) == 0) {
            taken++;
            lam_state_unref(again);
        }
        free(copy);
    }
    assert_in_range(taken, 1, 4999); /* a changed number passes, a changed length does not */
    lam_state_unref(state);
    lam_buf_release(&bytes);
}

static void a_newer_format_is_named(void **unused)
{
    struct lam_state *state = long_state(), *again;
    struct lam_buf bytes = bytes_of(state);
    struct lam_error err = {0};

    (void)unused;
    bytes.ptr[8] = 9;
    assert_int_equal(lam_checkpoint_read(lam_buf_sv(&bytes), &again, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "newer"));
    lam_state_unref(state);
    lam_buf_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_comes_back_whole_and_is_written_as_the_same_bytes),
        cmocka_unit_test(a_reader_that_goes_on_from_it_ends_with_the_same_bytes),
        cmocka_unit_test(every_flipped_bit_and_every_missing_byte_is_noticed),
        cmocka_unit_test(damage_under_a_right_crc_is_survived),
        cmocka_unit_test(a_newer_format_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
