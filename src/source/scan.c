#include "scan.h"

#include "base/fs.h"
#include "base/utf8.h"
#include "digest.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTLED_NS 2000000000 /* a file touched later than this before a scan may change again within one tick of its clock */

struct lam_scan {
    struct lam_scan_options options;
    char root[PATH_MAX];
    struct lam_walk walk;
    const struct lam_file_stamp *before;
    size_t before_count, next_before;
    struct lam_walk_entry entry; /* of the walk, while held */
    bool held, ended, cut;
    uint64_t files;
    char dark[LAM_PATH_MAX]; /* the folder (with its slash) that could not be listed last; "" for none */
    struct lam_digester digester;
};

const char *lam_scan_root(const struct lam_scan *scan) { return scan->root; }
uint64_t lam_scan_links(const struct lam_scan *scan) { return scan->walk.links; }
bool lam_scan_was_cut(const struct lam_scan *scan) { return scan->cut; }

const char *lam_file_state_name(enum lam_file_state state)
{
    static const char *const names[] = {"new", "unchanged", "grown", "changed", "vanished", "unreadable", "kept"};

    return (size_t)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

/* Whether an absolute path without links lies below root, or is it. */
static bool lies_below(const char *root, const char *real)
{
    size_t len = strlen(root);

    if (len == 1) /* "/" */
        return true;
    return !strncmp(real, root, len) && (real[len] == '/' || real[len] == '\0');
}

static int no_file(const char *path, int errnum, struct lam_error *err)
{
    int code = errnum == ENOENT || errnum == ENOTDIR ? LAM_E_NOT_FOUND : LAM_E_IO;

    return LAM_FAIL(err, code, "open %s: %s", path, strerror(errnum));
}

int lam_source_open(const char *root, struct lam_sv path, int *fd, struct lam_error *err)
{
    char full[LAM_PATH_MAX], link[64], real[PATH_MAX];
    struct stat st;
    ssize_t len;
    int rc = 0;

    *fd = -1;
    if (snprintf(full, sizeof full, "%s/%.*s", root, LAM_SV_ARG(path)) >= (int)sizeof full)
        return LAM_FAIL(err, LAM_E_INVALID, "path too long: %.100s…", full);
    *fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* without waiting for the other end of a FIFO */
    if (*fd < 0)
        return no_file(full, errno, err);
    /* Looked at after opening: what the descriptor shows cannot be exchanged any more. */
    snprintf(link, sizeof link, "/proc/self/fd/%d", *fd);
    len = readlink(link, real, sizeof real - 1);
    if (fstat(*fd, &st))
        rc = LAM_FAIL(err, LAM_E_IO, "look at %s: %s", full, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        rc = LAM_FAIL(err, LAM_E_INVALID, "%s is not a regular file", full);
    else if (len < 0 && !realpath(full, real)) /* no /proc here: the name's own path, for want of better */
        rc = no_file(full, errno, err);
    else if (len >= 0)
        real[len] = '\0';
    if (!rc && !lies_below(root, real))
        rc = LAM_FAIL(err, LAM_E_INVALID, "%s leads out of the source, to %s", full, real);
    if (rc) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

/* The root and the pattern's text of a source's path. */
static int find_root(const char *path, char real[PATH_MAX], char pattern[LAM_PATH_MAX], bool *single, struct lam_error *err)
{
    struct lam_sv root, glob;
    char given[LAM_PATH_MAX], *slash;
    struct stat st;

    lam_glob_split(path, &root, &glob);
    if (!*path || root.len >= sizeof given || glob.len >= LAM_PATH_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "source path \"%.100s\" is empty or too long", path);
    snprintf(given, sizeof given, "%.*s", LAM_SV_ARG(root));
    snprintf(pattern, LAM_PATH_MAX, "%.*s", LAM_SV_ARG(glob));
    if (!strcmp(pattern, "..") || !strncmp(pattern, "../", 3) || strstr(pattern, "/../"))
        return LAM_FAIL(err, LAM_E_INVALID, "source path %s: \"..\" behind a wildcard", path);
    if (!realpath(given, real) || stat(real, &st))
        return no_file(given, errno, err);
    *single = !S_ISDIR(st.st_mode);
    if (*single && glob.len > 0)
        return LAM_FAIL(err, LAM_E_NOT_FOUND, "%s is not a folder", given);
    if (*single) { /* the folder is the root, and the pattern the name as it is */
        slash = strrchr(real, '/');
        snprintf(pattern, LAM_PATH_MAX, "%s", slash + 1);
        *(slash == real ? slash + 1 : slash) = '\0';
    }
    return 0;
}

int lam_source_root(const char *path, char root[LAM_PATH_MAX], struct lam_error *err)
{
    char pattern[LAM_PATH_MAX];
    bool single;

    _Static_assert(LAM_PATH_MAX >= PATH_MAX, "realpath writes so much");
    return find_root(path, root, pattern, &single, err);
}

int lam_scan_open(struct lam_scan **scan, const struct lam_scan_options *options, const struct lam_file_stamp *before, size_t before_count,
                  struct lam_error *err)
{
    char pattern[LAM_PATH_MAX];
    bool single = false;
    struct lam_scan *s = calloc(1, sizeof *s);
    int rc;

    *scan = NULL;
    if (!s)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to list %s", options->path);
    s->options = *options;
    s->before = before;
    s->before_count = before_count;
    rc = lam_digester_init(&s->digester, err);
    if (!rc)
        rc = find_root(options->path, s->root, pattern, &single, err);
    if (!rc)
        rc = lam_walk_open(&s->walk, s->root, pattern, single, err);
    if (rc) {
        lam_scan_close(s);
        return rc;
    }
    *scan = s;
    return 0;
}

void lam_scan_close(struct lam_scan *scan)
{
    if (!scan)
        return;
    lam_walk_close(&scan->walk);
    lam_digester_release(&scan->digester);
    free(scan);
}

static int unreadable(struct lam_scan_file *file, const struct lam_error *why)
{
    file->state = LAM_FILE_UNREADABLE;
    file->error = *why;
    if (file->before) {
        file->size = file->before->size;
        file->mtime_ns = file->before->mtime_ns;
    }
    return 0;
}

/* Decides by digest: the first before->size bytes are read. */
static int compare_digest(struct lam_scan *scan, struct lam_scan_file *file, struct lam_error *err)
{
    const struct lam_file_stamp *before = file->before;
    struct lam_digester *digester = &scan->digester;
    struct lam_error why;
    struct lam_digest digest;
    size_t whole;
    int fd, rc;

    rc = lam_source_open(scan->root, file->path, &fd, &why);
    if (rc)
        return unreadable(file, &why);
    digester->count = 0;
    rc = lam_digest_prefix(fd, scan->entry.path, before->size, digester, &why);
    close(fd);
    whole = digester->count;
    if (lam_digester_end(digester, rc ? NULL : &why) && !rc) /* after a failure, too: the next file begins afresh */
        rc = LAM_E_MEMORY;
    if (rc == LAM_E_MEMORY)
        return LAM_FAIL(err, rc, "%s", why.text);
    if (rc && rc != LAM_E_CONFLICT)
        return unreadable(file, &why);
    digest = lam_digest_of_blocks(digester->blocks, digester->count);
    if (rc || !lam_digest_eq(digest, before->digest)) /* a file that shrank since it was looked at is changed, too */
        file->state = LAM_FILE_CHANGED;
    else if (file->size == before->size)
        file->state = LAM_FILE_UNCHANGED;
    else {
        file->state = LAM_FILE_GROWN;
        file->blocks = digester->blocks;
        file->block_count = whole;
    }
    return 0;
}

static int compare(struct lam_scan *scan, struct lam_scan_file *file, struct lam_error *err)
{
    const struct lam_file_stamp *before = file->before;
    int64_t settled = scan->options.began_ns;

    if (scan->options.before_began_ns && scan->options.before_began_ns < settled)
        settled = scan->options.before_began_ns;
    if (file->size == before->size && file->mtime_ns == before->mtime_ns && file->mtime_ns <= settled - SETTLED_NS) {
        file->state = LAM_FILE_UNCHANGED;
        return 0;
    }
    if (file->size == before->size ||
        (file->size > before->size && before->ended && file->pack == LAM_PACK_NONE && lam_format_has_lines(file->format)))
        return compare_digest(scan, file, err);
    file->state = LAM_FILE_CHANGED;
    return 0;
}

static void describe(const struct lam_scan *scan, struct lam_sv path, struct lam_scan_file *file)
{
    *file = (struct lam_scan_file){.path = path, .partition = lam_hash128(path.ptr, path.len)};
    file->pack = lam_pack_of(path);
    file->format = scan->options.format ? scan->options.format : lam_format_of(path);
}

/* What the scan before had and this one has not. */
static int missing(struct lam_scan *scan, struct lam_scan_file *file)
{
    const struct lam_file_stamp *before = &scan->before[scan->next_before++];
    size_t dark = strlen(scan->dark);

    describe(scan, before->path, file);
    file->before = before;
    file->size = before->size;
    file->mtime_ns = before->mtime_ns;
    file->state = scan->cut || (dark && before->path.len > dark && !memcmp(before->path.ptr, scan->dark, dark))
                      ? LAM_FILE_KEPT
                      : LAM_FILE_VANISHED;
    return 0;
}

static int found(struct lam_scan *scan, struct lam_scan_file *file, struct lam_error *err)
{
    const struct lam_walk_entry *entry = &scan->entry;
    struct lam_sv path = lam_sv_of(entry->path);
    struct lam_error why;
    size_t bad;

    scan->held = false;
    describe(scan, path, file);
    if (scan->next_before < scan->before_count && lam_sv_eq(scan->before[scan->next_before].path, path))
        file->before = &scan->before[scan->next_before++];
    if (entry->errnum) {
        LAM_FAIL(&why, LAM_E_IO, "%s %s/%s: %s", entry->folder ? "list folder" : "look at", scan->root, entry->path,
                 strerror(entry->errnum));
        if (entry->folder)
            snprintf(scan->dark, sizeof scan->dark, "%s", entry->path);
        return unreadable(file, &why);
    }
    if ((bad = lam_utf8_valid(path)) < path.len) { /* its path is its key, and keys are text */
        LAM_FAIL(&why, LAM_E_INVALID, "%s/%s: the name is not UTF-8 at byte %zu", scan->root, entry->path, bad);
        return unreadable(file, &why);
    }
    file->size = entry->size;
    file->mtime_ns = entry->mtime_ns;
    file->state = LAM_FILE_NEW;
    return file->before ? compare(scan, file, err) : 0;
}

int lam_scan_next(struct lam_scan *scan, struct lam_scan_file *file, struct lam_error *err)
{
    if (!scan->held && !scan->ended) {
        int rc = lam_walk_next(&scan->walk, &scan->entry, err);

        if (rc && rc != LAM_END)
            return rc;
        if (!rc && !scan->entry.folder && scan->options.max_files && scan->files == scan->options.max_files) {
            scan->cut = true;
            rc = LAM_END;
        }
        scan->held = rc == 0;
        scan->ended = rc == LAM_END;
        scan->files += rc == 0 && !scan->entry.folder;
    }
    if (scan->next_before < scan->before_count &&
        (scan->ended || lam_sv_cmp(scan->before[scan->next_before].path, lam_sv_of(scan->entry.path)) < 0))
        return missing(scan, file);
    return scan->held ? found(scan, file, err) : LAM_END;
}
