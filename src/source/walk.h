/*
 * Walking a tree in the order of the bytes of the paths below its root. Within a folder "a" comes as "a/", so that "a.txt" and
 * "a-b" stand before what is in "a": the same order that sorting all paths would give.
 */
#ifndef LAMINA_SOURCE_WALK_H
#define LAMINA_SOURCE_WALK_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/fs.h"

#define LAM_WALK_DEPTH 256 /* folders within folders; deeper ones are reported */

struct lam_walk_level;

struct lam_walk {
    char root[LAM_PATH_MAX], pattern[LAM_PATH_MAX];
    char path[LAM_PATH_MAX]; /* of the folder on top, with its slash; "" for the root */
    struct lam_walk_level *top;
    size_t depth;
    bool single, done; /* the pattern is one name, taken as it is */
    uint64_t links;    /* not followed */
};

struct lam_walk_entry {
    char path[LAM_PATH_MAX]; /* below the root; of a folder with a slash at its end */
    bool folder;             /* only where it could not be listed */
    int errnum;              /* why it could not be looked at; 0: it is a regular file, and these hold: */
    uint64_t size;
    int64_t mtime_ns;
};

int lam_walk_open(struct lam_walk *walk, const char *root, const char *pattern, bool single, struct lam_error *err);
int lam_walk_next(struct lam_walk *walk, struct lam_walk_entry *entry, struct lam_error *err); /* LAM_END */
void lam_walk_close(struct lam_walk *walk);

#endif
