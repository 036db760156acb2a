/*
 * The tail: what a speed rank has consumed and answered, in memory, until it is archived and nobody needs it any more.
 *
 *     append ──> [open chunk] ──close──> [closed]… ──take──> segments ──commit n──> [archived by n] ──kept ≥ n──> let go
 *
 * Chunks are the unit of rolling, so that archive positions are chunk boundaries: a query that pinned commit p takes exactly the chunks that no commit
 * up to p archived. Bounded: `bytes` counts all chunks; above the job's limit the speed thread stops consuming, and nothing is ever dropped.
 *
 * A row may be owed an answer that comes later (an agent's): it is visible at once, without it, and its chunk waits to be rolled until all that is owed in it
 * is settled, or for as long as the roller has patience, counted from when the row came. Later chunks wait behind it, since archive positions move in order.
 *
 * One thread appends and settles (the speed thread); any thread may visit, close, mark. A chunk that was taken for rolling never changes.
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

/* What one poll brought. */
struct lam_tail_batch {
    const struct lam_tail_message *messages;
    size_t count;
    struct lam_block *block;              /* the rows and rejects that came of them */
    const bool *owed;                     /* by row of block; NULL: none is */
    const struct lam_tail_range *reached; /* where each partition was read up to: control records have no message. begin is not looked at */
    size_t reached_count;
    int64_t now_us;                       /* from when on who is owed waits */
};

/* A row that is owed something, for as long as anybody likes: chunks that are gone have no other's number. */
struct lam_tail_place {
    uint64_t chunk;
    size_t row;
};

struct lam_tail_chunk; /* taken: immutable */
struct lam_tail_log;

int lam_tail_log_new(struct lam_tail_log **tail, struct lam_error *err);
void lam_tail_log_free(struct lam_tail_log *tail);

/* --- the speed thread --- */

/*
 * Copies all of it into the open chunk, where it becomes visible at once. first (may be NULL): the place of the first row; the others follow. LAM_E_MEMORY:
 * nothing was added.
 */
int lam_tail_append(struct lam_tail_log *tail, const struct lam_tail_batch *batch, struct lam_tail_place *first, struct lam_error *err);

/*
 * Once for each row that is owed: row's flags, custom, trace, tokens and time of processing take the place of what stands there; NULL: nothing comes, and it
 * stays as it is. LAM_END: too late, the chunk is taken or gone. LAM_E_LIMIT: no room; it stays as it is.
 */
int lam_tail_settle(struct lam_tail_log *tail, struct lam_tail_place place, const struct lam_row *row, struct lam_error *err);

/* Can it still be settled? */
bool lam_tail_waits(struct lam_tail_log *tail, struct lam_tail_place place);

/* --- rolling: main and storage thread --- */

/* Closes the open chunk, if there is a message in it: what is appended from now on stands in another. */
void lam_tail_close(struct lam_tail_log *tail);

/*
 * Takes the oldest closed chunk for rolling. NULL: none is closed, or rows of it are owed something, and the first of these came less than patience_us before
 * now_us. What is owed in a chunk that is taken stays as it is.
 */
struct lam_tail_chunk *lam_tail_take(struct lam_tail_log *tail, int64_t now_us, int64_t patience_us);
void lam_tail_archived(struct lam_tail_log *tail, struct lam_tail_chunk *chunk, uint64_t commit);

/* Frees chunks that a commit ≤ kept archived. */
void lam_tail_let_go(struct lam_tail_log *tail, uint64_t kept);

struct lam_block *lam_tail_chunk_block(struct lam_tail_chunk *chunk);
const struct lam_tail_message *lam_tail_chunk_messages(const struct lam_tail_chunk *chunk, size_t *count);
const struct lam_tail_range *lam_tail_chunk_ranges(const struct lam_tail_chunk *chunk, size_t *count);

/* --- queries: any thread --- */

/* Visits the rows that no commit up to `commit` archived. Anything but 0 ends it. The tail is locked meanwhile: copy and go. */
int lam_tail_visit(struct lam_tail_log *tail, uint64_t commit, int (*visit)(void *arg, const struct lam_row *row, struct lam_error *err), void *arg,
                   struct lam_error *err);

/* The next offset of each partition; at most cap. */
size_t lam_tail_reached(struct lam_tail_log *tail, struct lam_tail_range *ranges, size_t cap);

struct lam_tail_stats {
    uint64_t bytes;                  /* of all chunks */
    uint64_t open_bytes, open_count; /* messages of the open chunk */
    uint64_t rows, rejects;          /* in all chunks that are not archived */
    bool closed;                     /* a chunk is closed and not taken */
    bool stuck;                      /* something is owed in the oldest chunk that nobody took */
    int64_t oldest_us;               /* arrival of the first message of the open chunk; INT64_MAX: none */
};

struct lam_tail_stats lam_tail_stats(struct lam_tail_log *tail);

#endif
