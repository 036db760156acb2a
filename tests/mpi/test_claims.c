/* Claims over messages: random workers on every rank, splits added while they work; each piece is accepted exactly once. */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "comm/claim_messages.h"

enum { SPLITS = 300, PIECES_MAX = 3, CHANNEL = 3, AT_ONCE = 2 };

static uint32_t pieces_of(uint64_t split) { return 1 + (uint32_t)(split % PIECES_MAX); }

struct account {
    int accepted[SPLITS][PIECES_MAX], failed[SPLITS];
};

static void on_accepted(void *arg, uint64_t split, uint32_t piece, bool last, int from, struct lam_sv note)
{
    struct account *account = arg;
    char want[64];

    snprintf(want, sizeof want, "rows of %" PRIu64 ".%u by %d", split, piece, from);
    assert_true(lam_sv_eq(note, lam_sv_of(want)));
    assert_int_equal(last, piece + 1 == pieces_of(split));
    account->accepted[split][piece]++;
}

static void on_failed(void *arg, uint64_t split, int from, const struct lam_error *why)
{
    struct account *account = arg;

    assert_int_equal(why->rank, from);
    assert_int_equal(why->code, LAM_E_CORRUPT);
    assert_non_null(strstr(why->text, "damaged"));
    account->failed[split]++;
}

struct task {
    struct lam_claim claim;
    int64_t ready_ms;
    bool busy, offered;
};

struct worker {
    struct lam_claimer *claimer;
    struct task tasks[AT_ONCE];
    uint64_t seed;
    bool ended;
    int accepted, rejected;
};

static struct task *task_of(struct worker *worker, uint64_t split, uint32_t attempt)
{
    for (int i = 0; i < AT_ONCE; i++)
        if (worker->tasks[i].busy && worker->tasks[i].claim.split == split && worker->tasks[i].claim.attempt == attempt)
            return &worker->tasks[i];
    return NULL;
}

static void offer(struct worker *worker, struct task *task)
{
    const struct lam_claim *claim = &task->claim;
    struct lam_error why, err;
    char note[64];
    int rc;

    if (claim->split % 50 == 13 && claim->piece == 0) { /* bytes that nobody can read */
        LAM_FAIL(&why, LAM_E_CORRUPT, "split %" PRIu64 " is damaged", claim->split);
        assert_int_equal(lam_claimer_fail(worker->claimer, claim->split, claim->attempt, &why, &err), 0);
        task->busy = false;
        return;
    }
    if (random_next(&worker->seed) % 40 == 0) { /* max_returns is far above what this comes to */
        LAM_FAIL(&why, LAM_E_MEMORY, "not now");
        assert_int_equal(lam_claimer_give_back(worker->claimer, claim->split, claim->attempt, &why, &err), 0);
        task->busy = false;
        return;
    }
    snprintf(note, sizeof note, "rows of %" PRIu64 ".%u by %d", claim->split, claim->piece, rank);
    rc = lam_claimer_offer(worker->claimer, claim->split, claim->attempt, claim->piece, claim->piece + 1 == pieces_of(claim->split), lam_sv_of(note), &err);
    assert_true(rc == 0 || rc == LAM_PENDING);
    task->offered = rc == 0;
}

static void step(struct worker *worker)
{
    struct lam_verdict verdict;
    struct lam_error err;
    struct lam_claim claim;
    int idle = 0, rc = LAM_PENDING;

    while (lam_claimer_verdict(worker->claimer, &verdict) == 0) {
        struct task *task = task_of(worker, verdict.split, verdict.attempt);

        assert_non_null(task);
        assert_int_equal(verdict.piece, task->claim.piece);
        *(verdict.accepted ? &worker->accepted : &worker->rejected) += 1;
        task->offered = false;
        task->busy = ++task->claim.piece < pieces_of(verdict.split);
    }
    for (int i = 0; i < AT_ONCE; i++) {
        struct task *task = &worker->tasks[i];

        if (task->busy && !task->offered && now_ms() >= task->ready_ms)
            offer(worker, task);
        if (!task->busy && (rc = lam_claimer_next(worker->claimer, &claim)) == 0) {
            assert_true(claim.payload.len == sizeof(uint64_t) && memcmp(claim.payload.ptr, &claim.split, sizeof claim.split) == 0);
            *task = (struct task){.claim = claim, .busy = true, .ready_ms = now_ms() + (random_next(&worker->seed) % 20 ? 0 : 40)}; /* some are overdue */
        }
        idle += !task->busy;
    }
    assert_true(rc == 0 || rc == LAM_PENDING || rc == LAM_END);
    if (rc != LAM_END && (int)lam_claimer_asked(worker->claimer) < idle)
        assert_int_equal(lam_claimer_ask(worker->claimer, (unsigned)idle - lam_claimer_asked(worker->claimer), &err), 0);
    worker->ended = rc == LAM_END && idle == AT_ONCE;
}

static void random_workers_on_all_ranks_accept_each_piece_once(void **state)
{
    struct lam_claims_options options = {.overdue_us = 20000, .max_open = 50, .max_returns = 1000};
    struct account *account = calloc(1, sizeof *account);
    struct lam_claim_events events = {on_accepted, on_failed, account};
    struct worker worker = {.seed = (uint64_t)time(NULL) + (uint64_t)rank};
    struct lam_claims *claims = rank ? NULL : lam_claims_new(&options);
    struct lam_claim_host *host = NULL;
    struct lam_error err;
    uint64_t added = 0, first_seed = worker.seed;
    int64_t end = now_ms() + LIMIT_MS;

    (void)state;
    assert_non_null(account);
    if (rank == 0) {
        sleep_ms(30); /* requests come before the table is open */
        assert_int_equal(lam_claim_host_open(&host, world, CHANNEL, claims, &events, &err), 0);
    }
    assert_int_equal(lam_claimer_open(&worker.claimer, world, CHANNEL, 0, &err), 0);
    while (!worker.ended || (rank == 0 && !lam_claims_ended(claims))) {
        for (int i = 0; rank == 0 && i < 5 && added < SPLITS; i++) {
            if (lam_claims_add(claims, added, added * 37 % 1000, lam_sv((const char *)&added, sizeof added), &err))
                break;
            if (++added == SPLITS)
                lam_claims_finish(claims);
        }
        if (rank == 0)
            assert_int_equal(lam_claim_host_step(host, &err), 0);
        step(&worker);
        lam_comm_wait(world, NULL, 5);
        assert_int_equal(lam_comm_poll(world, NULL, NULL, &err), 0);
        if (now_ms() > end)
            fail_msg("rank %d, seed %" PRIu64 ": no end", rank, first_seed);
    }
    meet();
    if (rank == 0) {
        struct lam_claims_progress progress = lam_claims_progress(claims);

        for (uint64_t split = 0; split < SPLITS; split++)
            for (uint32_t piece = 0; piece < pieces_of(split); piece++)
                if (account->accepted[split][piece] != (split % 50 == 13 ? 0 : 1))
                    fail_msg("seed %" PRIu64 ": piece %u of split %" PRIu64 " accepted %d times", first_seed, piece, split, account->accepted[split][piece]);
        for (uint64_t split = 0; split < SPLITS; split++)
            assert_int_equal(account->failed[split], split % 50 == 13);
        assert_int_equal(progress.accepted, SPLITS - SPLITS / 50);
        assert_int_equal(progress.failed, SPLITS / 50);
        assert_int_equal(lam_claim_host_waiting(host), 0);
    }
    lam_claimer_close(worker.claimer);
    lam_claim_host_close(host);
    lam_claims_free(claims);
    free(account);
    meet();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_workers_on_all_ranks_accept_each_piece_once),
        cmocka_unit_test(random_workers_on_all_ranks_accept_each_piece_once), /* the channel can be used again */
    };

    return world_run("claims", tests, sizeof tests / sizeof *tests);
}
