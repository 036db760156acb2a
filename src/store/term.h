/*
 * Terms: a writer's turn at a layer. A term is the number of the commit that takes it; from then on every commit that carries an older
 * term of that layer is void, for every reader, for ever.
 *
 *     look at runs/<holder>/alive:  gone, or still for 10 s   ->  commit `term`  ->  state as of that commit
 *                                   alive                     ->  wait, or LAM_E_EXISTS naming host, process and job
 *     lost the race for the number to another term of the layer  ->  look again
 */
#ifndef LAMINA_STORE_TERM_H
#define LAMINA_STORE_TERM_H

#include "alive.h"
#include "log.h"

struct lam_term_options {
    uint32_t layers;          /* 1 << enum lam_term_layer, or-ed: taken together, in one commit */
    struct lam_holder holder; /* who takes it; its counter was started */
    bool wait;                /* as long as the holder lives; ends when the log's sleep says so */
    bool take_over;           /* do not look */
    uint64_t own;             /* a term that this process has: a layer whose newest it still is is not looked at. 0: none */
};

/*
 * Takes the term. *term is its number, *state (owned, lam_state_unref) what holds as of exactly this commit: view, cutoff, archive positions are
 * taken from it, nothing from before. Blocks up to 10 s while it watches, longer with wait.
 * LAM_E_EXISTS: its holder lives; LAM_E_CANCELLED; else as lam_commitlog_commit.
 */
int lam_term_take(struct lam_commitlog *log, const struct lam_term_options *options, uint64_t *term, const struct lam_state **state, struct lam_error *err);

#endif
