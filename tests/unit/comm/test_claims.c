/* Claims: large first, again when overdue, each piece accepted exactly once, whatever the workers do. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "claims.h"

static struct lam_claims *table(int64_t overdue_us, size_t max_open)
{
    struct lam_claims_options options = {.overdue_us = overdue_us, .max_open = max_open, .max_returns = 2};
    struct lam_claims *claims = lam_claims_new(&options);

    assert_non_null(claims);
    return claims;
}

static void add(struct lam_claims *claims, uint64_t id, uint64_t size)
{
    struct lam_error err;

    assert_int_equal(lam_claims_add(claims, id, size, LAM_SV("payload"), &err), 0);
}

static struct lam_claim claim_for(struct lam_claims *claims, int rank, int64_t now)
{
    struct lam_claim claim;

    assert_int_equal(lam_claims_hand_out(claims, rank, now, &claim), 0);
    return claim;
}

static void large_ones_are_handed_out_first_and_the_end_is_told(void **state)
{
    static const uint64_t sizes[] = {5, 900, 1, 70, 900, 8, 8, 3};
    struct lam_claims *claims = table(100, 0);
    uint64_t before = UINT64_MAX, id_before = 0;
    struct lam_claim claim;

    (void)state;
    for (uint64_t i = 0; i < 8; i++)
        add(claims, i, sizes[i]);
    for (int i = 0; i < 8; i++) {
        claim = claim_for(claims, 1, 0);
        assert_true(claim.size <= before);
        if (claim.size == before)
            assert_true(claim.split > id_before);
        assert_true(lam_sv_eq(claim.payload, LAM_SV("payload")));
        before = claim.size;
        id_before = claim.split;
        assert_int_equal(lam_claims_offer(claims, claim.split, claim.attempt, 0, true, 1, 0, NULL), 0);
    }
    assert_int_equal(lam_claims_hand_out(claims, 1, 0, &claim), LAM_PENDING); /* more may come */
    lam_claims_finish(claims);
    assert_true(lam_claims_ended(claims));
    assert_int_equal(lam_claims_hand_out(claims, 1, 0, &claim), LAM_END);
    lam_claims_free(claims);
}

static void the_end_waits_for_what_runs(void **state)
{
    struct lam_claims *claims = table(100, 0);
    struct lam_claim claim, other;

    (void)state;
    add(claims, 7, 1);
    lam_claims_finish(claims);
    claim = claim_for(claims, 1, 0);
    assert_int_equal(lam_claims_hand_out(claims, 2, 0, &other), LAM_PENDING); /* it may still come back */
    assert_int_equal(lam_claims_give_back(claims, 7, claim.attempt, 1, NULL), 0);
    other = claim_for(claims, 2, 0);
    assert_int_equal(other.split, 7);
    assert_int_equal(lam_claims_offer(claims, 7, other.attempt, 0, true, 2, 0, NULL), 0);
    assert_int_equal(lam_claims_hand_out(claims, 1, 0, &claim), LAM_END);
    lam_claims_free(claims);
}

static void an_overdue_split_is_handed_to_another_rank_and_the_first_offer_wins(void **state)
{
    struct lam_claims *claims = table(100, 0);
    struct lam_claim slow, fast;
    struct lam_error err;

    (void)state;
    add(claims, 7, 1);
    slow = claim_for(claims, 1, 0);
    assert_int_equal(lam_claims_next_overdue_us(claims), 100);
    assert_int_equal(lam_claims_hand_out(claims, 2, 99, &fast), LAM_PENDING);
    assert_int_equal(lam_claims_hand_out(claims, 1, 100, &fast), LAM_PENDING); /* not to the one that has it */
    fast = claim_for(claims, 2, 100);
    assert_int_equal(fast.split, 7);
    assert_int_equal(fast.attempt, 2);
    assert_int_equal(lam_claims_offer(claims, 7, fast.attempt, 0, true, 1, 101, &err), LAM_E_INVALID); /* not its attempt */
    assert_int_equal(lam_claims_offer(claims, 7, slow.attempt, 0, true, 1, 101, &err), 0);
    assert_int_equal(lam_claims_offer(claims, 7, fast.attempt, 0, true, 2, 102, &err), LAM_E_EXISTS);
    assert_int_equal(lam_claims_progress(claims).again, 1);
    assert_int_equal(lam_claims_progress(claims).rejected, 1);
    lam_claims_free(claims);
}

static void pieces_are_accepted_once_each_and_in_order_from_whoever_brings_them(void **state)
{
    struct lam_claims *claims = table(100, 0);
    struct lam_claim a, b;
    struct lam_error err;

    (void)state;
    add(claims, 7, 1);
    a = claim_for(claims, 1, 0);
    assert_int_equal(lam_claims_offer(claims, 7, a.attempt, 1, false, 1, 0, &err), LAM_E_INVALID); /* piece 0 is missing */
    assert_int_equal(lam_claims_offer(claims, 7, a.attempt, 0, false, 1, 50, &err), 0);
    assert_int_equal(lam_claims_hand_out(claims, 2, 149, &b), LAM_PENDING); /* a piece is a sign of life */
    b = claim_for(claims, 2, 150);
    assert_int_equal(b.piece, 1); /* need not bring piece 0 */
    assert_int_equal(lam_claims_offer(claims, 7, b.attempt, 0, false, 2, 150, &err), LAM_E_EXISTS);
    assert_int_equal(lam_claims_offer(claims, 7, b.attempt, 1, false, 2, 150, &err), 0);
    assert_int_equal(lam_claims_offer(claims, 7, a.attempt, 1, false, 1, 150, &err), LAM_E_EXISTS);
    assert_int_equal(lam_claims_offer(claims, 7, a.attempt, 2, true, 1, 150, &err), 0);
    assert_int_equal(lam_claims_offer(claims, 7, b.attempt, 2, true, 2, 150, &err), LAM_E_EXISTS);
    assert_int_equal(lam_claims_progress(claims).accepted, 1);
    assert_int_equal(lam_claims_progress(claims).pieces, 3);
    lam_claims_free(claims);
}

static void a_failure_counts_when_nobody_else_is_at_work(void **state)
{
    struct lam_claims *claims = table(100, 0);
    struct lam_claim a, b;

    (void)state;
    add(claims, 7, 10);
    a = claim_for(claims, 1, 0);
    b = claim_for(claims, 2, 200);
    assert_int_equal(lam_claims_fail(claims, 7, a.attempt, 1, NULL), LAM_E_EXISTS);
    assert_int_equal(lam_claims_fail(claims, 7, a.attempt, 1, NULL), LAM_E_INVALID); /* its attempt is over */
    assert_int_equal(lam_claims_progress(claims).failed, 0);
    assert_int_equal(lam_claims_fail(claims, 7, b.attempt, 2, NULL), 0);
    assert_int_equal(lam_claims_progress(claims).failed, 1);
    assert_int_equal(lam_claims_fail(claims, 7, b.attempt, 2, NULL), LAM_E_EXISTS);
    assert_int_equal(lam_claims_progress(claims).ended_size, 10);
    lam_claims_free(claims);
}

static void given_back_too_often_is_failed(void **state)
{
    struct lam_claims *claims = table(100, 0);

    (void)state;
    add(claims, 7, 1);
    for (int i = 0; i < 3; i++) {
        struct lam_claim claim = claim_for(claims, 1, 0);

        assert_int_equal(lam_claims_give_back(claims, 7, claim.attempt, 1, NULL), i < 2 ? 0 : LAM_E_LIMIT);
    }
    assert_int_equal(lam_claims_progress(claims).failed, 1);
    assert_int_equal(lam_claims_progress(claims).returned, 3);
    lam_claims_free(claims);
}

static void a_full_table_asks_to_come_again(void **state)
{
    struct lam_claims *claims = table(100, 2);
    struct lam_error err;
    struct lam_claim claim;

    (void)state;
    add(claims, 1, 1);
    add(claims, 2, 1);
    assert_int_equal(lam_claims_add(claims, 1, 1, LAM_SV(""), &err), LAM_E_EXISTS);
    assert_int_equal(lam_claims_add(claims, 3, 1, LAM_SV(""), &err), LAM_PENDING);
    claim = claim_for(claims, 0, 0);
    assert_int_equal(lam_claims_add(claims, 3, 1, LAM_SV(""), &err), LAM_PENDING); /* handed out is still open */
    assert_int_equal(lam_claims_offer(claims, claim.split, claim.attempt, 0, true, 0, 0, NULL), 0);
    assert_int_equal(lam_claims_add(claims, 3, 1, LAM_SV(""), &err), 0);
    lam_claims_free(claims);
}

static uint64_t seed;

static unsigned dice(unsigned sides)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ z >> 31) % sides);
}

enum { SPLITS = 200, PIECES_MAX = 4, WORKERS = 7 };

struct attempt {
    uint64_t split;
    uint32_t attempt, piece;
    bool busy;
};

/* What a naive account says: how often each piece of each split was accepted, and whether the split has failed. */
struct account {
    int accepted[SPLITS][PIECES_MAX];
    bool failed[SPLITS];
    uint64_t pieces;
};

static uint32_t pieces_of(uint64_t split) { return 1 + (uint32_t)(split * 7 % PIECES_MAX); }

static void work(struct lam_claims *claims, struct attempt *attempt, int rank, int64_t now, struct account *account)
{
    struct lam_error err;
    int rc;

    switch (dice(12)) {
    case 0:
        rc = lam_claims_give_back(claims, attempt->split, attempt->attempt, rank, &err);
        if (rc == LAM_E_LIMIT)
            account->failed[attempt->split] = true;
        attempt->busy = false;
        break;
    case 1:
        rc = lam_claims_fail(claims, attempt->split, attempt->attempt, rank, &err);
        if (rc == 0)
            account->failed[attempt->split] = true;
        attempt->busy = false;
        break;
    case 2: /* dies without a word */
        attempt->busy = dice(4) != 0;
        return;
    default:
        rc = lam_claims_offer(claims, attempt->split, attempt->attempt, attempt->piece,
                              attempt->piece + 1 == pieces_of(attempt->split), rank, now, &err);
        if (rc == 0) {
            account->accepted[attempt->split][attempt->piece]++;
            account->pieces++;
        }
        attempt->busy = ++attempt->piece < pieces_of(attempt->split);
        break;
    }
    assert_true(rc == 0 || rc == LAM_E_EXISTS || rc == LAM_E_LIMIT);
}

/*
 * Workers that are slow, die silently, give back, fail: every split ends, and each of its pieces was accepted exactly
 * once, or it has failed.
 */
static void random_workers_end_every_split_exactly_once(void **state)
{
    uint64_t first = (uint64_t)time(NULL);

    (void)state;
    for (uint64_t run = 0; run < 200; run++) {
        struct lam_claims *claims = table(50, 1 + dice(60));
        struct attempt attempts[WORKERS] = {0};
        struct account *account = calloc(1, sizeof *account);
        struct lam_claims_progress progress;
        uint64_t added = 0;
        int64_t now = 0;

        seed = first + run;
        assert_non_null(account);
        while (!lam_claims_ended(claims)) {
            int rank = (int)dice(WORKERS);
            struct attempt *attempt = &attempts[rank];
            struct lam_claim claim;

            now += dice(10);
            if (added < SPLITS && dice(2) && lam_claims_add(claims, added, dice(1000), LAM_SV("x"), NULL) == 0 && ++added == SPLITS)
                lam_claims_finish(claims);
            if (attempt->busy)
                work(claims, attempt, rank, now, account);
            else if (lam_claims_hand_out(claims, rank, now, &claim) == 0)
                *attempt = (struct attempt){claim.split, claim.attempt, dice(2) ? claim.piece : 0, true};
            if (now > 10000000)
                fail_msg("no end in sight with seed %" PRIu64, first + run);
        }
        progress = lam_claims_progress(claims);
        for (uint64_t split = 0; split < SPLITS; split++)
            for (uint32_t piece = 0; piece < pieces_of(split); piece++)
                if (account->accepted[split][piece] != 1 && !(account->failed[split] && account->accepted[split][piece] == 0))
                    fail_msg("seed %" PRIu64 ": piece %u of split %" PRIu64 " accepted %d times", first + run, piece,
                             split, account->accepted[split][piece]);
        assert_int_equal(progress.accepted + progress.failed, SPLITS);
        assert_int_equal(progress.pieces, account->pieces);
        assert_int_equal(progress.waiting + progress.running, 0);
        assert_int_equal(progress.added_size, progress.ended_size);
        free(account);
        lam_claims_free(claims);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_ones_are_handed_out_first_and_the_end_is_told),
        cmocka_unit_test(the_end_waits_for_what_runs),
        cmocka_unit_test(an_overdue_split_is_handed_to_another_rank_and_the_first_offer_wins),
        cmocka_unit_test(pieces_are_accepted_once_each_and_in_order_from_whoever_brings_them),
        cmocka_unit_test(a_failure_counts_when_nobody_else_is_at_work),
        cmocka_unit_test(given_back_too_often_is_failed),
        cmocka_unit_test(a_full_table_asks_to_come_again),
        cmocka_unit_test(random_workers_end_every_split_exactly_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
