/*
 * The output position: below it all outputs are delivered, or given up, but for those that wait for an agent; these stand in a note beside it.
 *
 *     offset 100, note "99 1700000000123 3735928559 41+6+12"
 *
 * The note begins with the record that the position was left at (offset, timestamp or -1, crc): its witness. Then come, as the first and the distances to the
 * next, the offsets below 100 whose outputs are owed. Where more are owed than a note holds, the position is the first that does not fit, and outputs above it
 * may come twice after a crash; within a run it never moves back. Inside of speed_*.c only.
 */
#ifndef LAMINA_APP_SPEED_POSITION_H
#define LAMINA_APP_SPEED_POSITION_H

#include "speed_agents.h"

/* Writes a note for the position end, of which the count offsets of held (ascending, below end) are owed; returns the position that it is right for. */
int64_t lam_speed_note_write(char note[LAM_KAFKA_NOTE], const struct lam_speed_note *last, int64_t end, const int64_t *held, size_t count);

/* The witness. False: the note is none of ours. */
bool lam_speed_note_read(const char *note, struct lam_speed_note *last);

/* What is owed below the position: *held is malloc'ed, NULL where nothing is. A note that is none of ours says nothing. */
int lam_speed_note_held(const char *note, int64_t position, int64_t **held, size_t *count, struct lam_error *err);

struct lam_speed_positions; /* scratch; one thread */

struct lam_speed_positions *lam_speed_positions_new(size_t start_count); /* NULL: out of memory */
void lam_speed_positions_free(struct lam_speed_positions *positions);

/* Whether what was given last has been committed is not known: it is given again. */
void lam_speed_positions_forget(struct lam_speed_positions *positions);

/*
 * The positions that may be committed once all that was sent is settled, with their notes, but for those that were given before: returns how many. reached and
 * last are by start of the setup; offsets and notes have room for all of them.
 */
size_t lam_speed_positions(struct lam_speed_positions *positions, const struct lam_speed_setup *setup, const struct lam_tail_range *reached,
                           const struct lam_speed_note *last, const struct lam_speed_agents *agents, struct lam_kafka_offset *offsets,
                           char (*notes)[LAM_KAFKA_NOTE]);

#endif
