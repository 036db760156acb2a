/*
 * Cutoffs: what a view covers. For each stream its life and each partition's *next* offset; for each corpus its last complete scan.
 *
 *     life of a position   below the cutoff's     covered: nothing of an older life is archived after a newer one began
 *                          equal                  stream: covered where offset < next of its partition; corpus: covered
 *                          above                  not covered
 *
 * A source or partition that is not in the cutoff is not covered. Plain data, owned arrays, sorted; not thread-safe while it is changed.
 */
#ifndef LAMINA_MODEL_CUTOFF_H
#define LAMINA_MODEL_CUTOFF_H

#include <lamina/error.h>
#include <lamina/record.h>

struct lam_cutoff_partition {
    uint32_t partition;
    uint64_t next; /* the first offset that is not covered */
};

struct lam_cutoff_source {
    uint32_t source, life;
    bool stream;
    struct lam_cutoff_partition *partitions; /* sorted; none for a corpus */
    uint32_t count;
};

struct lam_cutoff {
    struct lam_cutoff_source *sources; /* sorted by source */
    uint32_t count;
};

void lam_cutoff_init(struct lam_cutoff *cutoff);
void lam_cutoff_release(struct lam_cutoff *cutoff);

/* to is overwritten, not released. After a failure it is empty. */
int lam_cutoff_copy(struct lam_cutoff *to, const struct lam_cutoff *from, struct lam_error *err);

/*
 * Sets what is covered of a source; a second call for the same source or partition replaces. LAM_E_MEMORY. A new life
 * drops the partitions.
 */
int lam_cutoff_set_corpus(struct lam_cutoff *cutoff, uint32_t source, uint32_t life, struct lam_error *err);
int lam_cutoff_set_stream(struct lam_cutoff *cutoff, uint32_t source, uint32_t life, struct lam_error *err); /* with no partition yet */
int lam_cutoff_set_partition(struct lam_cutoff *cutoff, uint32_t source, uint32_t life, uint32_t partition,
                             uint64_t next, struct lam_error *err);

/* NULL: nothing of it is covered. */
const struct lam_cutoff_source *lam_cutoff_source(const struct lam_cutoff *cutoff, uint32_t source);

/* The next offset of a partition of this life; 0 where nothing is covered, UINT64_MAX where the life is an older one. */
uint64_t lam_cutoff_next(const struct lam_cutoff *cutoff, uint32_t source, uint32_t life, uint32_t partition);

bool lam_cutoff_covers(const struct lam_cutoff *cutoff, const struct lam_position *pos);

#endif
