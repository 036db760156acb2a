/* What the tests of the log share: entries, commits and logs made in one line. Every failure ends the test that asked. */
#ifndef LAMINA_TESTS_LOG_FIXTURE_H
#define LAMINA_TESTS_LOG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "log.h"
#include "scratch.h"

/* The expression fills err where it fails. */
#define OK(expression)                                                                                                                               \
    do {                                                                                                                                             \
        int fixture_rc = (expression);                                                                                                               \
                                                                                                                                                     \
        if (fixture_rc)                                                                                                                              \
            fail_msg("%s: %s (%s)", #expression, lam_error_name(fixture_rc), err.text);                                                              \
    } while (0)

/* A clock that only the test moves. */
struct fixture_clock {
    int64_t wall_us, mono_us;
};

static inline int64_t fixture_wall(void *arg) { return ((struct fixture_clock *)arg)->wall_us; }
static inline int64_t fixture_mono(void *arg) { return ((struct fixture_clock *)arg)->mono_us; }

/* Sleeping is moving that clock. */
static inline int fixture_sleep(void *arg, int64_t us)
{
    struct fixture_clock *clock = arg;

    clock->wall_us += us;
    clock->mono_us += us;
    return 0;
}

static inline struct lam_segment_entry entry_of(const char *path, int kind)
{
    struct lam_segment_entry entry;

    lam_segment_entry_init(&entry);
    snprintf(entry.path, sizeof entry.path, "%s", path);
    entry.kind = (uint8_t)kind;
    entry.layout = 1;
    entry.rows = 10;
    entry.bytes = 4096;
    return entry;
}

static inline struct lam_segment_entry mask_of(const char *path, const char *masked)
{
    struct lam_segment_entry entry = entry_of(path, LAM_SEGMENT_MASK);

    snprintf(entry.masked, sizeof entry.masked, "%s", masked);
    return entry;
}

static inline struct lam_holder holder_of(const char *job, const char *run)
{
    struct lam_holder holder = {.pid = 7, .started = 8, .pid_namespace = 9};

    snprintf(holder.host, sizeof holder.host, "node1");
    snprintf(holder.boot, sizeof holder.boot, "boot-1");
    snprintf(holder.job, sizeof holder.job, "%s", job);
    snprintf(holder.run, sizeof holder.run, "%s", run);
    return holder;
}

/* An empty commit of a batch writer. */
static inline struct lam_commit commit_of(uint64_t base, uint64_t term)
{
    struct lam_commit commit;

    lam_commit_init(&commit, base);
    commit.terms[LAM_TERM_BATCH] = term;
    return commit;
}

static inline void add_path(struct lam_commit *commit, const char *path)
{
    struct lam_segment_entry entry = entry_of(path, LAM_SEGMENT_SILVER);
    struct lam_error err = {0};

    OK(lam_commit_add(commit, &entry, &err));
}

/* Folds and releases commit; was it void? */
static inline bool fold(struct lam_state *state, struct lam_commit *commit, int64_t time_us)
{
    struct lam_error err = {0};

    OK(lam_commit_seal(commit, time_us, &err));
    OK(lam_state_fold(state, commit, &err));
    lam_commit_release(commit);
    return state->last_void;
}

static inline uint64_t fold_term(struct lam_state *state, uint32_t layers, const char *job, int64_t time_us)
{
    struct lam_holder holder = holder_of(job, "r1");
    struct lam_error err = {0};
    struct lam_commit commit;

    lam_commit_init(&commit, 0);
    OK(lam_commit_term(&commit, layers, &holder, &err));
    assert_false(fold(state, &commit, time_us));
    return state->number;
}

static inline struct lam_commitlog *open_log(const char *root, const struct lam_fs *fs, struct fixture_clock *clock)
{
    static struct lam_clock clocks[8];
    static unsigned next;
    struct lam_clock *view = &clocks[next++ % 8];
    struct lam_commitlog_options options = {.fs = fs};
    struct lam_error err = {0};
    struct lam_commitlog *log;

    if (clock) {
        *view = (struct lam_clock){fixture_wall, fixture_mono, clock};
        options.clock = view;
        options.sleep = fixture_sleep;
        options.sleep_arg = clock;
    }
    OK(lam_commitlog_open(&log, root, &options, &err));
    return log;
}

/* Takes the term of some layers without looking at anybody. */
static inline uint64_t take_term(struct lam_commitlog *log, uint32_t layers, const char *job)
{
    struct lam_holder holder = holder_of(job, "r1");
    struct lam_error err = {0};
    struct lam_commit commit;
    uint64_t number;

    lam_commit_init(&commit, lam_commitlog_peek(log)->number);
    OK(lam_commit_term(&commit, layers, &holder, &err));
    OK(lam_commitlog_commit(log, &commit, &number, &err));
    lam_commit_release(&commit);
    return number;
}

/* Commits one new segment under a term of the batch layer. */
static inline int commit_path(struct lam_commitlog *log, uint64_t term, const char *path, uint64_t *number, struct lam_error *err)
{
    struct lam_commit commit = commit_of(lam_commitlog_peek(log)->number, term);
    int rc;

    add_path(&commit, path);
    rc = lam_commitlog_commit(log, &commit, number, err);
    lam_commit_release(&commit);
    return rc;
}

#endif
