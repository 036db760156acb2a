#include "faulty_fs.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* With the lock held. */
static int judge(struct faulty_fs *faulty, enum faulty_call call, const char *path)
{
    uint64_t n;

    if (faulty->crashed)
        return -EIO;
    if (faulty->before) {
        void (*before)(void *, enum faulty_call, const char *) = faulty->before;

        faulty->before = NULL; /* what it does itself is not watched */
        pthread_mutex_unlock(&faulty->lock);
        before(faulty->before_arg, call, path);
        pthread_mutex_lock(&faulty->lock);
        faulty->before = before;
    }
    faulty->counts[call]++;
    faulty->total++;
    n = faulty->call == FAULTY_ANY ? faulty->total : faulty->counts[call];
    if (!faulty->at || (faulty->call != FAULTY_ANY && faulty->call != (int)call) || n < faulty->at || n > faulty->last)
        return 0;
    faulty->hit = true;
    faulty->crashed = faulty->mode != FAULTY_FAIL && faulty->mode != FAULTY_DONE_FAIL;
    return faulty->mode == FAULTY_DONE_FAIL || faulty->mode == FAULTY_DONE_CRASH ? 1 : -faulty->error;
}

/* 0: the call is done as ever. 1: done, then `error` is answered. Negative: not done, this is answered. */
static int verdict(struct faulty_fs *faulty, enum faulty_call call, const char *path)
{
    int say;

    pthread_mutex_lock(&faulty->lock);
    say = judge(faulty, call, path);
    pthread_mutex_unlock(&faulty->lock);
    return say;
}

/* Is this the write that tears? */
static bool tears(struct faulty_fs *faulty)
{
    bool first;

    pthread_mutex_lock(&faulty->lock);
    first = faulty->mode == FAULTY_TEAR_CRASH && faulty->hit && !faulty->torn;
    faulty->torn |= first;
    pthread_mutex_unlock(&faulty->lock);
    return first;
}

#define REAL(faulty) ((faulty)->real->ops)
#define ARG(faulty) ((faulty)->real->arg)

static int faulty_open(void *arg, const char *path, int flags, mode_t mode)
{
    struct faulty_fs *faulty = arg;
    int say = verdict(faulty, FAULTY_OPEN, path), fd;

    if (say < 0)
        return say;
    fd = REAL(faulty)->open(ARG(faulty), path, flags, mode);
    if (say && fd >= 0) {
        REAL(faulty)->close(ARG(faulty), fd);
        return -faulty->error;
    }
    return fd;
}

static ssize_t faulty_pread(void *arg, int fd, void *bytes, size_t len, off_t offset)
{
    struct faulty_fs *faulty = arg;
    int say = verdict(faulty, FAULTY_PREAD, NULL);

    return say ? -faulty->error : REAL(faulty)->pread(ARG(faulty), fd, bytes, len, offset);
}

static ssize_t faulty_pwrite(void *arg, int fd, const void *bytes, size_t len, off_t offset)
{
    struct faulty_fs *faulty = arg;
    int say = verdict(faulty, FAULTY_PWRITE, NULL);
    ssize_t n;

    if (say < 0 && tears(faulty))
        REAL(faulty)->pwrite(ARG(faulty), fd, bytes, len / 2, offset);
    if (say < 0)
        return say;
    n = REAL(faulty)->pwrite(ARG(faulty), fd, bytes, len, offset);
    return say ? -faulty->error : n;
}

static int faulty_close(void *arg, int fd)
{
    struct faulty_fs *faulty = arg;
    int say = verdict(faulty, FAULTY_CLOSE, NULL);
    int rc = REAL(faulty)->close(ARG(faulty), fd); /* always: a descriptor is no file */

    return say ? -faulty->error : rc;
}

#define SPOILED(call, path, expression)                                                                                                              \
    struct faulty_fs *faulty = arg;                                                                                                                  \
    int say = verdict(faulty, call, path), rc;                                                                                                       \
                                                                                                                                                     \
    if (say < 0)                                                                                                                                     \
        return say;                                                                                                                                  \
    rc = (expression);                                                                                                                               \
    return say ? -faulty->error : rc

static int faulty_truncate(void *arg, int fd, off_t len) { SPOILED(FAULTY_TRUNCATE, NULL, REAL(faulty)->truncate(ARG(faulty), fd, len)); }
static int faulty_fsync(void *arg, int fd) { SPOILED(FAULTY_FSYNC, NULL, faulty->no_sync ? 0 : REAL(faulty)->fsync(ARG(faulty), fd)); }
static int faulty_stat(void *arg, const char *path, struct stat *st) { SPOILED(FAULTY_STAT, path, REAL(faulty)->stat(ARG(faulty), path, st)); }
static int faulty_link(void *arg, const char *from, const char *to) { SPOILED(FAULTY_LINK, to, REAL(faulty)->link(ARG(faulty), from, to)); }
static int faulty_rename(void *arg, const char *from, const char *to) { SPOILED(FAULTY_RENAME, to, REAL(faulty)->rename(ARG(faulty), from, to)); }
static int faulty_unlink(void *arg, const char *path) { SPOILED(FAULTY_UNLINK, path, REAL(faulty)->unlink(ARG(faulty), path)); }
static int faulty_mkdir(void *arg, const char *path, mode_t mode) { SPOILED(FAULTY_MKDIR, path, REAL(faulty)->mkdir(ARG(faulty), path, mode)); }
static int faulty_allocate(void *arg, int fd, off_t offset, off_t len) { SPOILED(FAULTY_ALLOCATE, NULL, REAL(faulty)->allocate(ARG(faulty), fd, offset, len)); }

static int faulty_map(void *arg, int fd, int protection, off_t offset, size_t len, void **bytes)
{
    struct faulty_fs *faulty = arg;
    int say = verdict(faulty, FAULTY_MAP, NULL);
    int rc = say < 0 ? say : REAL(faulty)->map(ARG(faulty), fd, protection, offset, len, bytes);

    if (!say || rc)
        return rc;
    munmap(*bytes, len);
    return -faulty->error;
}

static const struct lam_fs_ops faulty_ops = {
    .open = faulty_open,
    .pread = faulty_pread,
    .pwrite = faulty_pwrite,
    .truncate = faulty_truncate,
    .fsync = faulty_fsync,
    .close = faulty_close,
    .stat = faulty_stat,
    .link = faulty_link,
    .rename = faulty_rename,
    .unlink = faulty_unlink,
    .mkdir = faulty_mkdir,
    .allocate = faulty_allocate,
    .map = faulty_map,
};

void faulty_fs_init(struct faulty_fs *faulty, const struct lam_fs *real)
{
    memset(faulty, 0, sizeof *faulty);
    pthread_mutex_init(&faulty->lock, NULL);
    faulty->fs = (struct lam_fs){&faulty_ops, faulty};
    faulty->real = real;
}

void faulty_fs_mend(struct faulty_fs *faulty)
{
    memset(faulty->counts, 0, sizeof faulty->counts);
    faulty->total = 0;
    faulty->at = 0;
    faulty->crashed = faulty->hit = faulty->torn = false;
}

void faulty_fs_spoil(struct faulty_fs *faulty, int call, uint64_t n, enum faulty_mode mode, int error)
{
    faulty_fs_mend(faulty);
    faulty->call = call;
    faulty->at = faulty->last = n;
    faulty->mode = mode;
    faulty->error = error;
}

void faulty_fs_spoil_from(struct faulty_fs *faulty, int call, uint64_t n, enum faulty_mode mode, int error)
{
    faulty_fs_spoil(faulty, call, n, mode, error);
    faulty->last = UINT64_MAX;
}
