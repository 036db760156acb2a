#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define READ_STEP ((size_t)256 << 10)

static int result(int rc) { return rc < 0 ? -errno : rc; }
static int sys_open(void *arg, const char *path, int flags, mode_t mode) { return (void)arg, result(open(path, flags | O_CLOEXEC, mode)); }
static int sys_truncate(void *arg, int fd, off_t len) { return (void)arg, result(ftruncate(fd, len)); }
static int sys_fsync(void *arg, int fd) { return (void)arg, result(fsync(fd)); }
static int sys_close(void *arg, int fd) { return (void)arg, result(close(fd)); }
static int sys_stat(void *arg, const char *path, struct stat *st) { return (void)arg, result(stat(path, st)); }
static int sys_link(void *arg, const char *from, const char *to) { return (void)arg, result(link(from, to)); }
static int sys_rename(void *arg, const char *from, const char *to) { return (void)arg, result(rename(from, to)); }
static int sys_unlink(void *arg, const char *path) { return (void)arg, result(unlink(path)); }
static int sys_mkdir(void *arg, const char *path, mode_t mode) { return (void)arg, result(mkdir(path, mode)); }

static ssize_t sys_pread(void *arg, int fd, void *bytes, size_t len, off_t offset)
{
    ssize_t n;

    (void)arg;
    do
        n = pread(fd, bytes, len, offset);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t sys_pwrite(void *arg, int fd, const void *bytes, size_t len, off_t offset)
{
    ssize_t n;

    (void)arg;
    do
        n = pwrite(fd, bytes, len, offset);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static int sys_allocate(void *arg, int fd, off_t offset, off_t len)
{
    int reason;

    (void)arg;
    do
        reason = posix_fallocate(fd, offset, len);
    while (reason == EINTR);
    return -reason;
}

static int sys_map(void *arg, int fd, int protection, off_t offset, size_t len, void **bytes)
{
    (void)arg;
    *bytes = mmap(NULL, len, protection, MAP_SHARED, fd, offset);
    return *bytes == MAP_FAILED ? -errno : 0;
}

static const struct lam_fs_ops system_ops = {sys_open, sys_pread,  sys_pwrite, sys_truncate, sys_fsync,    sys_close, sys_stat,
                                             sys_link, sys_rename, sys_unlink, sys_mkdir,    sys_allocate, sys_map};
const struct lam_fs lam_fs_system = {&system_ops, NULL};

int lam_path_join(char path[LAM_PATH_MAX], const char *dir, const char *name, struct lam_error *err)
{
    int len = snprintf(path, LAM_PATH_MAX, "%s/%s", dir, name);

    if (len >= LAM_PATH_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "path longer than %d bytes: %.100s…", LAM_PATH_MAX - 1, path);
    return 0;
}

int lam_fs_temporary(char tmp[LAM_PATH_MAX], const char *path, struct lam_error *err)
{
    uint64_t id;

    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return LAM_FAIL(err, LAM_E_IO, "no random bytes: %s", strerror(errno));
    if (snprintf(tmp, LAM_PATH_MAX, "%s" LAM_TMP_MARK "%016llx", path, (unsigned long long)id) >= LAM_PATH_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "path too long: %.100s…", path);
    return 0;
}

int lam_fs_write_at(const struct lam_fs *fs, int fd, const void *bytes, size_t len, off_t offset, struct lam_error *err)
{
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = fs->ops->pwrite(fs->arg, fd, p, len, offset);

        if (n < 0)
            return LAM_FAIL(err, LAM_E_IO, "write %zu bytes at %lld: %s", len, (long long)offset, strerror((int)-n));
        if (n == 0)
            return LAM_FAIL(err, LAM_E_IO, "write %zu bytes at %lld: wrote none", len, (long long)offset);
        p += n;
        len -= (size_t)n;
        offset += n;
    }
    return 0;
}

int lam_fs_sync_dir(const struct lam_fs *fs, const char *dir, struct lam_error *err)
{
    int fd = fs->ops->open(fs->arg, dir, O_RDONLY | O_DIRECTORY, 0), rc;

    if (fd < 0)
        return LAM_FAIL(err, LAM_E_IO, "open folder %s: %s", dir, strerror(-fd));
    rc = fs->ops->fsync(fs->arg, fd);
    fs->ops->close(fs->arg, fd);
    return rc ? LAM_FAIL(err, LAM_E_IO, "sync folder %s: %s", dir, strerror(-rc)) : 0;
}

static int sync_parent(const struct lam_fs *fs, const char *path, struct lam_error *err)
{
    char dir[LAM_PATH_MAX];
    char *slash;

    snprintf(dir, sizeof dir, "%s", path);
    slash = strrchr(dir, '/');
    if (!slash)
        return lam_fs_sync_dir(fs, ".", err);
    slash[slash == dir] = '\0';
    return lam_fs_sync_dir(fs, dir, err);
}

int lam_fs_mkdirs(const struct lam_fs *fs, const char *path, struct lam_error *err)
{
    char part[LAM_PATH_MAX];
    size_t len = strlen(path);

    if (len >= sizeof part)
        return LAM_FAIL(err, LAM_E_LIMIT, "path too long: %.100s…", path);
    for (size_t i = 1; i <= len; i++) {
        int rc;

        if (i < len && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        rc = fs->ops->mkdir(fs->arg, part, 0755);
        if (rc == -EEXIST)
            continue;
        if (rc)
            return LAM_FAIL(err, LAM_E_IO, "create folder %s: %s", part, strerror(-rc));
        if ((rc = sync_parent(fs, part, err)))
            return rc;
    }
    return 0;
}

/* A whole, synced temporary file that holds bytes. On failure none stays. */
static int write_temporary(const struct lam_fs *fs, const char *tmp, struct lam_sv bytes, struct lam_error *err)
{
    int fd = fs->ops->open(fs->arg, tmp, O_WRONLY | O_CREAT | O_EXCL, 0644);
    int rc, closed;

    if (fd < 0)
        return LAM_FAIL(err, LAM_E_IO, "create %s: %s", tmp, strerror(-fd));
    rc = lam_fs_write_at(fs, fd, bytes.ptr, bytes.len, 0, err);
    if (!rc && (rc = fs->ops->fsync(fs->arg, fd)))
        rc = LAM_FAIL(err, LAM_E_IO, "sync: %s", strerror(-rc));
    closed = fs->ops->close(fs->arg, fd); /* NFS reports a full disk only here */
    if (!rc && closed)
        rc = LAM_FAIL(err, LAM_E_IO, "close: %s", strerror(-closed));
    if (rc) {
        LAM_PASS(err, rc, "%s", tmp);
        fs->ops->unlink(fs->arg, tmp);
    }
    return rc;
}

int lam_fs_publish(const struct lam_fs *fs, const char *path, struct lam_sv bytes, struct lam_error *err)
{
    char tmp[LAM_PATH_MAX];
    int rc = lam_fs_temporary(tmp, path, err);

    if (rc || (rc = write_temporary(fs, tmp, bytes, err)))
        return rc;
    rc = fs->ops->link(fs->arg, tmp, path);
    fs->ops->unlink(fs->arg, tmp); /* a failure leaves a stray file: the sweep takes it */
    if (rc == -EEXIST)
        return LAM_FAIL(err, LAM_E_EXISTS, "%s is taken", path);
    if (rc)
        return LAM_FAIL(err, LAM_E_IO, "link %s: %s", path, strerror(-rc));
    rc = sync_parent(fs, path, err);
    return rc ? LAM_PASS(err, rc, "%s is visible, but not yet durable", path) : 0;
}

int lam_fs_replace(const struct lam_fs *fs, const char *path, struct lam_sv bytes, struct lam_error *err)
{
    char tmp[LAM_PATH_MAX];
    int rc = lam_fs_temporary(tmp, path, err);

    if (rc || (rc = write_temporary(fs, tmp, bytes, err)))
        return rc;
    rc = fs->ops->rename(fs->arg, tmp, path);
    if (rc) {
        fs->ops->unlink(fs->arg, tmp);
        return LAM_FAIL(err, LAM_E_IO, "rename to %s: %s", path, strerror(-rc));
    }
    rc = sync_parent(fs, path, err);
    return rc ? LAM_PASS(err, rc, "%s is visible, but not yet durable", path) : 0;
}

int lam_fs_read_all(const struct lam_fs *fs, const char *path, struct lam_buf *out, struct lam_error *err)
{
    int fd = fs->ops->open(fs->arg, path, O_RDONLY, 0), rc = 0;
    off_t offset = 0;

    if (fd == -ENOENT)
        return LAM_FAIL(err, LAM_E_NOT_FOUND, "%s: no such file", path);
    if (fd < 0)
        return LAM_FAIL(err, LAM_E_IO, "open %s: %s", path, strerror(-fd));
    for (;;) {
        size_t room = out->max - out->len < READ_STEP ? out->max - out->len : READ_STEP;
        char more;
        ssize_t n;

        if (room > 0 && (rc = lam_buf_reserve(out, room, err)))
            break;
        n = room > 0 ? fs->ops->pread(fs->arg, fd, out->ptr + out->len, room, offset) : fs->ops->pread(fs->arg, fd, &more, 1, offset);
        if (n < 0)
            rc = LAM_FAIL(err, LAM_E_IO, "read %s: %s", path, strerror((int)-n));
        else if (n > 0 && room == 0)
            rc = LAM_FAIL(err, LAM_E_LIMIT, "%s is larger than the limit of %zu bytes", path, out->max);
        if (rc || n <= 0)
            break;
        out->len += (size_t)n;
        offset += n;
    }
    fs->ops->close(fs->arg, fd);
    return rc;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int lam_fs_list(const struct lam_fs *fs, const char *dir, struct lam_names *names, struct lam_error *err)
{
    int fd = fs->ops->open(fs->arg, dir, O_RDONLY | O_DIRECTORY, 0), rc = 0;
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    size_t cap = 0;

    *names = (struct lam_names){0};
    if (!stream) {
        int code = fd == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO;

        rc = LAM_FAIL(err, code, "list folder %s: %s", dir, strerror(fd < 0 ? -fd : errno));
        if (fd >= 0)
            fs->ops->close(fs->arg, fd);
        return rc;
    }
    while (errno = 0, (entry = readdir(stream))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (names->count == cap) {
            size_t more = cap ? 2 * cap : 64;
            char **grown = realloc(names->names, more * sizeof *grown);

            if (!grown) {
                rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to list %s", dir);
                break;
            }
            names->names = grown;
            cap = more;
        }
        if (!(names->names[names->count] = strdup(entry->d_name))) {
            rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to list %s", dir);
            break;
        }
        names->count++;
    }
    if (!rc && errno)
        rc = LAM_FAIL(err, LAM_E_IO, "read folder %s: %s", dir, strerror(errno));
    closedir(stream);
    if (rc)
        lam_names_release(names);
    else if (names->count)
        qsort(names->names, names->count, sizeof *names->names, by_bytes);
    return rc;
}

void lam_names_release(struct lam_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct lam_names){0};
}
