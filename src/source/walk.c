#include "walk.h"

#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Names of one folder on the way down; of a folder with a slash at its end. */
struct lam_walk_level {
    struct lam_walk_level *below;
    char **names;
    size_t count, cap, next;
    size_t path_len; /* of the folder's own path */
};

static void pop(struct lam_walk *walk)
{
    struct lam_walk_level *level = walk->top;

    for (size_t i = level->next; i < level->count; i++)
        free(level->names[i]);
    free(level->names);
    walk->top = level->below;
    walk->depth--;
    free(level);
}

static int add_name(struct lam_walk_level *level, const char *name, bool folder, struct lam_error *err)
{
    size_t len = strlen(name);
    char *copy;

    if (level->count == level->cap) {
        size_t cap = level->cap ? 2 * level->cap : 64;
        char **names = realloc(level->names, cap * sizeof *names);

        if (!names)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu names of a folder", cap);
        level->names = names;
        level->cap = cap;
    }
    if (!(copy = malloc(len + 2)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the names of a folder");
    memcpy(copy, name, len + 1);
    if (folder)
        memcpy(copy + len, "/", 2);
    level->names[level->count++] = copy;
    return 0;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Whether a link may be followed: to a regular file below the root. */
static bool link_is_file(struct lam_walk *walk, const char *full)
{
    char real[PATH_MAX];
    struct stat st;
    size_t len = strlen(walk->root);

    if (stat(full, &st) || !S_ISREG(st.st_mode) || !realpath(full, real))
        return false;
    return len == 1 || (!strncmp(real, walk->root, len) && real[len] == '/');
}

/* Takes one name of the folder at walk->path where it can lead to a match. */
static int take(struct lam_walk *walk, struct lam_walk_level *level, const struct dirent *entry, struct lam_error *err)
{
    struct lam_sv pattern = lam_sv_of(walk->pattern);
    char path[LAM_PATH_MAX], full[2 * LAM_PATH_MAX];
    unsigned char type = entry->d_type;
    struct stat st;

    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
        return 0;
    if (snprintf(path, sizeof path, "%s%s", walk->path, entry->d_name) >= (int)sizeof path - 2)
        return 0; /* no call could name it */
    snprintf(full, sizeof full, "%s/%s", walk->root, path);
    if (type == DT_UNKNOWN && !lstat(full, &st))
        type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISLNK(st.st_mode) ? DT_LNK : S_ISREG(st.st_mode) ? DT_REG : DT_FIFO;
    if (type == DT_DIR)
        return lam_glob_match_below(pattern, lam_sv_of(path)) ? add_name(level, entry->d_name, true, err) : 0;
    if (type == DT_LNK) {
        if (!lam_glob_match(pattern, lam_sv_of(path)) && !lam_glob_match_below(pattern, lam_sv_of(path)))
            return 0;
        if (!link_is_file(walk, full)) {
            walk->links++;
            return 0;
        }
    } else if (type != DT_REG && type != DT_UNKNOWN)
        return 0;
    return lam_glob_match(pattern, lam_sv_of(path)) ? add_name(level, entry->d_name, false, err) : 0;
}

/* Lists the folder at walk->path onto the stack. *errnum is set, and nothing is pushed, where it cannot be listed. */
static int push(struct lam_walk *walk, int *errnum, struct lam_error *err)
{
    char full[2 * LAM_PATH_MAX];
    struct lam_walk_level *level;
    struct dirent *entry;
    DIR *stream = NULL;
    int fd, rc = 0;

    snprintf(full, sizeof full, "%s/%s", walk->root, walk->path);
    *errnum = walk->depth >= LAM_WALK_DEPTH ? ELOOP : 0;
    if (*errnum)
        return 0;
    full[strlen(full) - 1] = walk->path[0] ? '\0' : '/'; /* O_NOFOLLOW does not look behind a slash */
    fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (walk->path[0] ? O_NOFOLLOW : 0));
    if (fd < 0 || !(stream = fdopendir(fd))) {
        *errnum = errno;
        if (fd >= 0)
            close(fd);
        return 0;
    }
    if (!(level = calloc(1, sizeof *level))) {
        closedir(stream);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to list %s", full);
    }
    *level = (struct lam_walk_level){.below = walk->top, .path_len = strlen(walk->path)};
    walk->top = level;
    walk->depth++;
    while (!rc && (errno = 0, entry = readdir(stream)))
        rc = take(walk, level, entry, err);
    if (!rc)
        *errnum = errno;
    closedir(stream);
    if (rc || *errnum)
        pop(walk);
    else if (level->count)
        qsort(level->names, level->count, sizeof *level->names, by_bytes);
    return rc;
}

int lam_walk_open(struct lam_walk *walk, const char *root, const char *pattern, bool single, struct lam_error *err)
{
    int errnum = 0, rc = 0;

    *walk = (struct lam_walk){.single = single};
    snprintf(walk->root, sizeof walk->root, "%s", root);
    snprintf(walk->pattern, sizeof walk->pattern, "%s", pattern);
    if (!single)
        rc = push(walk, &errnum, err);
    if (!rc && errnum)
        rc = LAM_FAIL(err, errnum == ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "list folder %s: %s", root, strerror(errnum));
    return rc;
}

void lam_walk_close(struct lam_walk *walk)
{
    while (walk->top)
        pop(walk);
}

/* Looks at the file whose path is in entry; false: there is none any more. */
static bool look(const struct lam_walk *walk, struct lam_walk_entry *entry)
{
    char full[2 * LAM_PATH_MAX];
    struct stat st;

    entry->folder = false;
    entry->errnum = 0;
    snprintf(full, sizeof full, "%s/%s", walk->root, entry->path);
    if (stat(full, &st)) {
        if (errno == ENOENT || errno == ENOTDIR) /* removed since the folder was listed: the same as never seen */
            return false;
        entry->errnum = errno;
        return true;
    }
    if (!S_ISREG(st.st_mode)) {
        if (!walk->single)
            return false;
        entry->errnum = EINVAL;
    }
    entry->size = (uint64_t)st.st_size;
    entry->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return true;
}

int lam_walk_next(struct lam_walk *walk, struct lam_walk_entry *entry, struct lam_error *err)
{
    if (walk->single && !walk->done) {
        walk->done = true;
        snprintf(entry->path, sizeof entry->path, "%s", walk->pattern);
        return look(walk, entry) ? 0 : LAM_END;
    }
    while (walk->top) {
        struct lam_walk_level *level = walk->top;
        bool folder;
        char *name;

        if (level->next == level->count) {
            pop(walk);
            continue;
        }
        name = level->names[level->next++];
        folder = name[strlen(name) - 1] == '/';
        walk->path[level->path_len] = '\0';
        snprintf(entry->path, sizeof entry->path, "%s", walk->path);
        strncat(entry->path, name, sizeof entry->path - strlen(entry->path) - 1);
        free(name);
        if (folder) {
            int rc;

            memcpy(walk->path, entry->path, sizeof walk->path);
            if ((rc = push(walk, &entry->errnum, err)))
                return rc;
            if (!entry->errnum || entry->errnum == ENOENT)
                continue;
            entry->folder = true;
            return 0;
        }
        if (look(walk, entry))
            return 0;
    }
    return LAM_END;
}
