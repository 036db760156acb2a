/*
 * Spill: memory behind which a file stands, so that it is the kernel's to keep or to write out, and none of the process's own. For what is made bit by bit,
 * looked at once more, and too much to be held: answers on their way into a segment.
 *
 * The file has no name; its room on the disk is taken before it is used, so that a full disk is an error and no fault. On a file system in memory nothing is
 * gained. One thread at a time.
 */
#ifndef LAMINA_BASE_SPILL_H
#define LAMINA_BASE_SPILL_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "fs.h"

struct lam_spill;

/* With its file in folder. */
int lam_spill_new(struct lam_spill **spill, const struct lam_fs *fs, const char *folder, struct lam_error *err);
void lam_spill_free(struct lam_spill *spill); /* NULL-safe; everything in it goes */

/* Forgets all that is in it, and keeps its room: what is filled again costs no page faults. */
void lam_spill_clear(struct lam_spill *spill);

/* Room of len bytes, aligned for any type, that stays in its place. LAM_E_IO: the disk has none. What was put in before stays as it is. */
int lam_spill_room(struct lam_spill *spill, size_t len, void **room, struct lam_error *err);

/* A copy of bytes; an empty one needs no room. */
int lam_spill_copy(struct lam_spill *spill, struct lam_sv bytes, struct lam_sv *copy, struct lam_error *err);

#endif
