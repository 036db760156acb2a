/*
 * Listing a files source, and what became of each file since the scan before.
 *
 * A source is a path: a file, a folder (all below it), or a glob: "*", "?" and "[a-z]" within a name, "**" for any number of
 * folders. Its root is the path up to the first name with a wildcard, or the folder of a single file. Files are named by their
 * path below the root, and come sorted by the bytes of that path, one at a time: others work while the rest is still listed. In
 * memory are the names of the folders on the way down, never the whole tree.
 *
 * Names that begin with a dot are left out unless the pattern spells the dot. Only regular files are listed. A symbolic link to
 * a file is followed where it stays below the root; links to folders are not (what they show is listed under its own name, or
 * lies outside); links not followed are counted.
 *
 * State against the scan before (protocol.md, "Scans"):
 *
 *     same size and mtime, mtime 2 s older than the scan's begin   UNCHANGED, not opened
 *     else same digest                                              UNCHANGED (its mtime may be new)
 *     longer, ended at a record's end, digest of old length holds   GROWN  (plain files in lines only)
 *     else                                                          CHANGED
 *     not there before                                              NEW
 *     there before, not now                                         VANISHED
 *     cannot be looked at                                           UNREADABLE: error says why, the rest goes on
 *     there before, below an unreadable folder or beyond max_files  KEPT: nothing is known, nothing changes
 */
#ifndef LAMINA_SOURCE_SCAN_H
#define LAMINA_SOURCE_SCAN_H

#include <lamina/error.h>

#include "base/fs.h"
#include "base/hash.h"
#include "format.h"

/* What a finished scan remembers of a file: one row of the manifest. */
struct lam_file_stamp {
    struct lam_sv path; /* below the root */
    uint64_t size;
    int64_t mtime_ns;
    struct lam_digest digest; /* digest.h */
    bool ended;               /* its last byte ended a record: what is appended does not change it */
    uint64_t rows;            /* positions read from it, over all scans of which it holds rows */
};

enum lam_file_state {
    LAM_FILE_NEW,
    LAM_FILE_UNCHANGED,
    LAM_FILE_GROWN,
    LAM_FILE_CHANGED,
    LAM_FILE_VANISHED,
    LAM_FILE_UNREADABLE,
    LAM_FILE_KEPT
};

struct lam_scan_file {
    struct lam_sv path;          /* below the root; lives until the next call */
    struct lam_digest partition; /* lam_hash128(path) */
    uint64_t size;               /* of VANISHED, KEPT, UNREADABLE: as it was before, 0 where it was not */
    int64_t mtime_ns;
    enum lam_file_state state;
    enum lam_format format; /* never AUTO */
    enum lam_pack pack;
    const struct lam_file_stamp *before; /* NULL: not in the scan before */
    const struct lam_digest *blocks;     /* GROWN: digests of the old length's whole blocks, for whoever digests on from there */
    size_t block_count;
    struct lam_error error; /* UNREADABLE: why */
};

struct lam_scan_options {
    const char *path;       /* file, folder or glob */
    enum lam_format format; /* of all files; AUTO: by name */
    uint64_t max_files;     /* the first so many in order; 0: no limit */
    int64_t began_ns;       /* when this scan began, wall clock */
    int64_t before_began_ns; /* when the scan before began; 0: not known. A file touched in the 2 s before it is looked at by digest */
};

struct lam_scan;

/*
 * Begins a listing. before is sorted by path bytes, each path once, and outlives the scan.
 * LAM_E_NOT_FOUND: the root (or the single file) is not there; LAM_E_INVALID: a pattern that means nothing; LAM_E_IO.
 * One thread.
 */
int lam_scan_open(struct lam_scan **scan, const struct lam_scan_options *options, const struct lam_file_stamp *before, size_t before_count,
                  struct lam_error *err);

/* The next file, in order; LAM_END after the last. Blocks on the disk: it digests files whose size or mtime changed. */
int lam_scan_next(struct lam_scan *scan, struct lam_scan_file *file, struct lam_error *err);
void lam_scan_close(struct lam_scan *scan);

/* The source's root as an absolute path without links: what lam_files_options.root wants. */
const char *lam_scan_root(const struct lam_scan *scan);

/* The same for whoever does not list: each rank finds the root for itself. LAM_E_NOT_FOUND, LAM_E_INVALID, LAM_E_IO. */
int lam_source_root(const char *path, char root[LAM_PATH_MAX], struct lam_error *err);

/* Links that were not followed, so far. */
uint64_t lam_scan_links(const struct lam_scan *scan);

/* More files were there than max_files. */
bool lam_scan_was_cut(const struct lam_scan *scan);

const char *lam_file_state_name(enum lam_file_state state);

/* Splits a source's path into root and pattern without looking at the disk (pattern "" for a path without wildcards). */
void lam_glob_split(const char *path, struct lam_sv *root, struct lam_sv *pattern);

/* Whether a path below the root matches the pattern. */
bool lam_glob_match(struct lam_sv pattern, struct lam_sv path);

/* Whether something below this folder (its path below the root) could match: what cannot is not listed. */
bool lam_glob_match_below(struct lam_sv pattern, struct lam_sv folder);

/*
 * Opens a file below root for reading: *fd >= 0, regular, and really below root, whatever links were put in its way.
 * LAM_E_NOT_FOUND, LAM_E_INVALID (not a regular file, or outside), LAM_E_IO.
 */
int lam_source_open(const char *root, struct lam_sv path, int *fd, struct lam_error *err);

#endif
