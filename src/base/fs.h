/*
 * The file layer: everything that the store does to files goes through a struct lam_fs, so that a test can make any single
 * call fail, and a simulator can crash, delay and tear writes. lam_fs_system is the real one.
 *
 * The operations answer as the system calls do, but with -errno for a failure, and nothing else. Above them stand the
 * four sequences that the store is made of:
 *
 *     publish   write temporary, fsync, link to NAME, unlink temporary, fsync folder      first writer wins, never replaces
 *     replace   write temporary, fsync, rename to NAME, fsync folder                      last writer wins
 *     read_all  open, read to the end within a limit
 *     list      the names of a folder, sorted
 */
#ifndef LAMINA_BASE_FS_H
#define LAMINA_BASE_FS_H

#include <lamina/error.h>
#include <lamina/sv.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "buf.h"

#define LAM_PATH_MAX 4096
#define LAM_TMP_MARK ".tmp." /* in the name of every file that is not whole yet: never read, swept when old */

struct lam_fs_ops {
    int (*open)(void *arg, const char *path, int flags, mode_t mode); /* a real descriptor */
    ssize_t (*pread)(void *arg, int fd, void *bytes, size_t len, off_t offset);
    ssize_t (*pwrite)(void *arg, int fd, const void *bytes, size_t len, off_t offset);
    int (*truncate)(void *arg, int fd, off_t len);
    int (*fsync)(void *arg, int fd);
    int (*close)(void *arg, int fd);
    int (*stat)(void *arg, const char *path, struct stat *st);
    int (*link)(void *arg, const char *from, const char *to);
    int (*rename)(void *arg, const char *from, const char *to);
    int (*unlink)(void *arg, const char *path);
    int (*mkdir)(void *arg, const char *path, mode_t mode);
    int (*allocate)(void *arg, int fd, off_t offset, off_t len);                             /* room on the disk; the file grows to hold it */
    int (*map)(void *arg, int fd, int protection, off_t offset, size_t len, void **bytes); /* shared; given back with munmap */
};

struct lam_fs {
    const struct lam_fs_ops *ops;
    void *arg;
};

extern const struct lam_fs lam_fs_system;

/* Names of a folder, sorted by bytes, without "." and "..". */
struct lam_names {
    char **names;
    size_t count;
};

/* Puts "dir/name" into path; LAM_E_LIMIT where it does not fit. */
int lam_path_join(char path[LAM_PATH_MAX], const char *dir, const char *name, struct lam_error *err);

/* A name for a file that is not whole yet: "path.tmp.<16 hex digits>", random because two nodes may share pid and clock. */
int lam_fs_temporary(char tmp[LAM_PATH_MAX], const char *path, struct lam_error *err);

/* Writes all len bytes at offset. */
int lam_fs_write_at(const struct lam_fs *fs, int fd, const void *bytes, size_t len, off_t offset, struct lam_error *err);

/* Makes the folder and those above it; one that exists is fine. The folders above the last are synced. */
int lam_fs_mkdirs(const struct lam_fs *fs, const char *path, struct lam_error *err);

/* Makes the names in a folder durable. */
int lam_fs_sync_dir(const struct lam_fs *fs, const char *dir, struct lam_error *err);

/*
 * Publishes bytes as path, which must not exist: LAM_E_EXISTS leaves the other's bytes untouched. On LAM_E_IO nothing is
 * visible under the name, or (the text says so) it is visible but its folder could not be synced. Durable on return.
 */
int lam_fs_publish(const struct lam_fs *fs, const char *path, struct lam_sv bytes, struct lam_error *err);

/* Writes bytes as path, replacing what is there. Durable on return. On failure the old file is still whole. */
int lam_fs_replace(const struct lam_fs *fs, const char *path, struct lam_sv bytes, struct lam_error *err);

/* Adds the whole file to out (its max is the limit): LAM_E_NOT_FOUND, LAM_E_LIMIT, LAM_E_IO. */
int lam_fs_read_all(const struct lam_fs *fs, const char *path, struct lam_buf *out, struct lam_error *err);

/* LAM_E_NOT_FOUND where there is no such folder. Release with lam_names_release. */
int lam_fs_list(const struct lam_fs *fs, const char *dir, struct lam_names *names, struct lam_error *err);
void lam_names_release(struct lam_names *names);

#endif
