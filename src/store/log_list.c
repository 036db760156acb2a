/* What is there: names of folders and files, and the newest log_from. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "log_own.h"

#define NUMBER_DIGITS 20

void lam_commitlog_path(char path[LAM_PATH_MAX], uint64_t number, const char *suffix)
{
    snprintf(path, LAM_PATH_MAX, "log/%04" PRIu64 "/%020" PRIu64 "%s", number / LAM_LOG_FOLDER, number, suffix);
}

int lam_log_full_path(const struct lam_commitlog *log, char path[LAM_PATH_MAX], uint64_t number, const char *suffix, struct lam_error *err)
{
    char name[LAM_PATH_MAX];

    lam_commitlog_path(name, number, suffix);
    return lam_path_join(path, log->root, name, err);
}

bool lam_log_number_of(const char *name, const char *suffix, uint64_t *number)
{
    if (strspn(name, "0123456789") != NUMBER_DIGITS || strcmp(name + NUMBER_DIGITS, suffix) || name[0] != '0')
        return false;
    *number = strtoull(name, NULL, 10); /* at most 9,999,999,999,999,999,999: it fits */
    return *number > 0 && *number <= INT64_MAX;
}

/* A folder's name: its number in at least four digits, no more zeros than that needs. */
static bool folder_of(const char *name, uint64_t *folder)
{
    size_t len = strlen(name);

    if (len < 4 || len > 17 || strspn(name, "0123456789") != len || (len > 4 && name[0] == '0'))
        return false;
    *folder = strtoull(name, NULL, 10);
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Numbers of all folders of the log, sorted; *folders is freed by the caller. */
static int list_folders(const struct lam_commitlog *log, uint64_t **folders, size_t *count, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    struct lam_names names;
    int rc = lam_path_join(path, log->root, "log", err);

    *folders = NULL;
    *count = 0;
    if (rc || (rc = lam_fs_list(log->options.fs, path, &names, err)))
        return rc;
    if (names.count && !(*folders = malloc(names.count * sizeof **folders)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to list the log");
    for (size_t i = 0; !rc && i < names.count; i++)
        if (folder_of(names.names[i], *folders + *count))
            ++*count;
    if (*count)
        qsort(*folders, *count, sizeof **folders, by_number);
    lam_names_release(&names);
    return rc;
}

int lam_log_folder_path(const struct lam_commitlog *log, char path[LAM_PATH_MAX], uint64_t folder, struct lam_error *err)
{
    char name[64];

    snprintf(name, sizeof name, "log/%04" PRIu64, folder);
    return lam_path_join(path, log->root, name, err);
}

static int list_folder(const struct lam_commitlog *log, uint64_t folder, struct lam_names *names, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    int rc = lam_log_folder_path(log, path, folder, err);

    return rc ? rc : lam_fs_list(log->options.fs, path, names, err);
}

void lam_log_listing_release(struct lam_log_listing *listing)
{
    free(listing->commits);
    *listing = (struct lam_log_listing){0};
}

static int add_commit(struct lam_log_listing *listing, uint64_t number, struct lam_error *err)
{
    if (listing->count == listing->cap) {
        size_t cap = listing->cap ? 2 * listing->cap : 256;
        uint64_t *grown = realloc(listing->commits, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory to list the log");
        listing->commits = grown;
        listing->cap = cap;
    }
    listing->commits[listing->count++] = number;
    return 0;
}

int lam_log_list(struct lam_commitlog *log, uint64_t from, uint64_t limit, struct lam_log_listing *listing, struct lam_error *err)
{
    uint64_t *folders;
    size_t count;
    int rc = list_folders(log, &folders, &count, err);

    *listing = (struct lam_log_listing){0};
    for (size_t i = count; !rc && i > 0; i--) {
        struct lam_names names;
        uint64_t number;

        /* Down to from's own folder; below it only where what lies between is gone and a checkpoint must be found. */
        if (folders[i - 1] < from / LAM_LOG_FOLDER)
            break;
        if ((rc = list_folder(log, folders[i - 1], &names, err)))
            break;
        for (size_t k = 0; !rc && k < names.count; k++) {
            if (lam_log_number_of(names.names[k], ".json", &number) && number >= from)
                rc = add_commit(listing, number, err);
            else if (lam_log_number_of(names.names[k], ".ckpt", &number) && number < limit && number > listing->checkpoint)
                listing->checkpoint = number;
        }
        lam_names_release(&names);
        if (listing->checkpoint > from)
            break;
    }
    free(folders);
    if (rc)
        lam_log_listing_release(listing);
    else if (listing->count)
        qsort(listing->commits, listing->count, sizeof *listing->commits, by_number);
    return rc;
}

/* The header of one checkpoint. LAM_E_CORRUPT where it is damaged. */
static int read_head(const struct lam_commitlog *log, uint64_t number, uint64_t *log_from, struct lam_error *err)
{
    char path[LAM_PATH_MAX], head[LAM_CHECKPOINT_HEADER];
    const struct lam_fs *fs = log->options.fs;
    uint64_t stands;
    size_t len = 0;
    int fd, rc = lam_log_full_path(log, path, number, ".ckpt", err);

    if (rc)
        return rc;
    if ((fd = fs->ops->open(fs->arg, path, O_RDONLY, 0)) < 0)
        return LAM_FAIL(err, fd == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "open %s: %s", path, strerror(-fd));
    while (!rc && len < sizeof head) {
        ssize_t n = fs->ops->pread(fs->arg, fd, head + len, sizeof head - len, (off_t)len);

        if (n < 0)
            rc = LAM_FAIL(err, LAM_E_IO, "read %s: %s", path, strerror((int)-n));
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    fs->ops->close(fs->arg, fd);
    if (!rc && (rc = lam_checkpoint_head(lam_sv(head, len), &stands, log_from, err)))
        rc = LAM_PASS(err, rc, "%s", path);
    if (!rc && stands != number)
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "%s is the checkpoint of commit %" PRIu64, path, stands);
    return rc;
}

int lam_log_look(struct lam_commitlog *log, struct lam_error *err)
{
    uint64_t *folders, limit = UINT64_MAX, log_from;
    size_t count;
    int rc = list_folders(log, &folders, &count, err);

    if (rc == LAM_E_NOT_FOUND)
        return log->state->number ? rc : 0;
    for (size_t i = count; !rc && i > 0 && folders[i - 1] >= log->seen / LAM_LOG_FOLDER;) {
        struct lam_names names;
        uint64_t number, newest = 0;

        if ((rc = list_folder(log, folders[i - 1], &names, err)))
            break;
        for (size_t k = 0; k < names.count; k++)
            if (lam_log_number_of(names.names[k], ".ckpt", &number) && number < limit && number > newest)
                newest = number;
        lam_names_release(&names);
        if (!newest) {
            i--;
            continue;
        }
        if (newest <= log->seen)
            break;
        if (!(rc = read_head(log, newest, &log_from, err))) {
            log->seen = newest;
            if (log_from > log->log_from)
                log->log_from = log_from;
            break;
        }
        if (rc != LAM_E_CORRUPT && rc != LAM_E_NOT_FOUND)
            break;
        limit = newest; /* a damaged one says nothing: the one before it does */
        rc = 0;
    }
    free(folders);
    return rc;
}

/* Unlinks one folder's commits and checkpoints below a number, and its old temporary files. */
static int sweep(struct lam_commitlog *log, const char *folder, uint64_t below, uint64_t *removed, struct lam_error *err)
{
    const struct lam_fs *fs = log->options.fs;
    int64_t now_s = lam_wall_us(log->options.clock) / 1000000;
    struct lam_names names;
    int rc = lam_fs_list(fs, folder, &names, err);

    if (rc)
        return rc == LAM_E_NOT_FOUND ? 0 : rc;
    for (size_t i = 0; i < names.count; i++) {
        char path[LAM_PATH_MAX];
        uint64_t number;
        struct stat st;
        bool take = (lam_log_number_of(names.names[i], ".json", &number) || lam_log_number_of(names.names[i], ".ckpt", &number)) && number < below;

        if (lam_path_join(path, folder, names.names[i], NULL))
            continue;
        if (strstr(names.names[i], LAM_TMP_MARK))
            take = !fs->ops->stat(fs->arg, path, &st) && st.st_mtime < now_s - 3600; /* no write takes an hour */
        if (take && !fs->ops->unlink(fs->arg, path))
            ++*removed;
    }
    lam_names_release(&names);
    return 0;
}

int lam_commitlog_expire(struct lam_commitlog *log, uint64_t *removed, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    uint64_t *folders, taken = 0;
    size_t count;
    int rc = lam_log_look(log, err);

    if (rc || (rc = list_folders(log, &folders, &count, err)))
        return rc == LAM_E_NOT_FOUND ? 0 : rc;
    if (!(rc = lam_path_join(path, log->root, "log", err)))
        rc = sweep(log, path, 0, &taken, err);
    for (size_t i = 0; !rc && i < count; i++)
        if (!(rc = lam_log_folder_path(log, path, folders[i], err)))
            rc = sweep(log, path, log->log_from, &taken, err);
    free(folders);
    if (removed)
        *removed = taken;
    return rc;
}
