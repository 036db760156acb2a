/*
 * The tail: what a speed rank has consumed and answered, in memory, until it is archived and nobody needs it any more.
 *
 *     append ──> [open chunk] ──close──> [closed] ──roll──> segments ──commit n──> [archived by n] ──kept ≥ n──> let go
 *
 * Chunks are the unit of rolling, so that archive positions are chunk boundaries: a query that pinned commit p takes exactly the chunks that no commit
 * up to p archived. Bounded: `bytes` counts all chunks; above the job's limit the speed thread stops consuming, and nothing is ever dropped.
 *
 * One thread appends (the speed thread); any thread may visit, close, mark. A closed chunk never changes.
 */
#ifndef LAMINA_PROCESS_TAIL_H
#define LAMINA_PROCESS_TAIL_H

#include <lamina/block.h>

/* What bronze keeps of a message. Views into its chunk. */
struct lam_tail_message {
    struct lam_position pos;
    int64_t arrival_us, timestamp_us;
    bool has_key, has_raw;
    struct lam_sv key, raw, headers;
};

struct lam_tail_range {
    uint32_t partition;
    uint64_t begin, end;
    struct lam_tail_message last; /* the witness: begin < end */
};

struct lam_tail_chunk; /* closed: immutable */
struct lam_tail_log;

int lam_tail_log_new(struct lam_tail_log **tail, struct lam_error *err);
void lam_tail_log_free(struct lam_tail_log *tail);

/* --- the speed thread --- */

/*
 * Copies messages, and the rows and rejects that came of them, into the open chunk; all of it becomes visible at once. reached: where each partition was read up
 * to (control records have no message; begin is not looked at). LAM_E_MEMORY: nothing was added.
 */
int lam_tail_append(struct lam_tail_log *tail, const struct lam_tail_message *messages, size_t count, struct lam_block *block, const struct lam_tail_range *reached,
                    size_t reached_count, struct lam_error *err);

/* --- rolling: main and storage thread --- */

/* Closes the open chunk and takes the oldest closed one for rolling; NULL: there is nothing to roll. */
struct lam_tail_chunk *lam_tail_close_chunk(struct lam_tail_log *tail);
void lam_tail_archived(struct lam_tail_log *tail, struct lam_tail_chunk *chunk, uint64_t commit);

/* Frees chunks that a commit ≤ kept archived. */
void lam_tail_let_go(struct lam_tail_log *tail, uint64_t kept);

struct lam_block *lam_tail_chunk_block(struct lam_tail_chunk *chunk);
const struct lam_tail_message *lam_tail_chunk_messages(const struct lam_tail_chunk *chunk, size_t *count);
const struct lam_tail_range *lam_tail_chunk_ranges(const struct lam_tail_chunk *chunk, size_t *count);

/* --- queries: any thread --- */

/* Visits the rows that no commit up to `commit` archived. Anything but 0 ends it. The tail is locked meanwhile: copy and go. */
int lam_tail_visit(struct lam_tail_log *tail, uint64_t commit, int (*visit)(void *arg, const struct lam_row *row, struct lam_error *err), void *arg, struct lam_error *err);

/* The next offset of each partition ; at most cap. */
size_t lam_tail_reached(struct lam_tail_log *tail, struct lam_tail_range *ranges, size_t cap);

struct lam_tail_stats {
    uint64_t bytes;                  /* of all chunks */
    uint64_t open_bytes, open_count; /* messages of the open chunk */
    uint64_t rows, rejects;          /* in all chunks that are not archived */
    int64_t oldest_us;               /* arrival of the first message of the open chunk; INT64_MAX: none */
};

struct lam_tail_stats lam_tail_stats(struct lam_tail_log *tail);

#endif
