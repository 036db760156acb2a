/*
 * A file layer that counts its calls and spoils one of them: it fails, or it is done and then said to have failed, or everything
 * stops there as if the process had been killed. Around any other layer. Any thread calls; one prepares.
 *
 *     struct faulty_fs faulty;
 *     faulty_fs_init(&faulty, &lam_fs_system);
 *     faulty_fs_spoil(&faulty, FAULTY_ANY, 7, FAULTY_FAIL, EIO);
 *     lam_commitlog_open(…, .fs = &faulty.fs, …);
 */
#ifndef LAMINA_TESTS_FAULTY_FS_H
#define LAMINA_TESTS_FAULTY_FS_H

#include <pthread.h>

#include "base/fs.h"

enum faulty_call {
    FAULTY_OPEN,
    FAULTY_PREAD,
    FAULTY_PWRITE,
    FAULTY_TRUNCATE,
    FAULTY_FSYNC,
    FAULTY_CLOSE,
    FAULTY_STAT,
    FAULTY_LINK,
    FAULTY_RENAME,
    FAULTY_UNLINK,
    FAULTY_MKDIR,
    FAULTY_ALLOCATE,
    FAULTY_MAP,
    FAULTY_CALLS,
    FAULTY_ANY = FAULTY_CALLS
};

enum faulty_mode {
    FAULTY_FAIL,        /* not done, an error answered */
    FAULTY_DONE_FAIL,   /* done, an error answered */
    FAULTY_CRASH,       /* not done, and every later call fails with EIO */
    FAULTY_DONE_CRASH,  /* done, and every later call fails */
    FAULTY_TEAR_CRASH,  /* a pwrite writes half of its bytes; then as CRASH */
};

struct faulty_fs {
    struct lam_fs fs; /* give this to the code under test */
    const struct lam_fs *real;
    pthread_mutex_t lock; /* guards the rest against calls at once; not held while `before` is at work */
    uint64_t counts[FAULTY_CALLS], total;
    int call;         /* enum faulty_call that is spoiled, FAULTY_ANY: any */
    uint64_t at, last; /* the at-th to last-th of it, from 1; 0: none */
    enum faulty_mode mode;
    int error;
    bool crashed, hit, torn; /* hit: the spoiled call came */
    bool no_sync;     /* fsync is counted and not done: for tests that are about other things and write thousands of files */
    void (*before)(void *arg, enum faulty_call call, const char *path); /* what others do meanwhile; NULL: nothing */
    void *before_arg;
};

void faulty_fs_init(struct faulty_fs *faulty, const struct lam_fs *real);

/* Spoils the n-th of these calls from now on (counts begin anew). errno is positive. */
void faulty_fs_spoil(struct faulty_fs *faulty, int call, uint64_t n, enum faulty_mode mode, int error);

/* The same for the n-th and all later ones. */
void faulty_fs_spoil_from(struct faulty_fs *faulty, int call, uint64_t n, enum faulty_mode mode, int error);

/* Nothing is spoiled any more; counts begin anew. */
void faulty_fs_mend(struct faulty_fs *faulty);

#endif
