/*
 * Who holds the terms of a store, and does it live? For `status` and `stop`, from any host that sees the store, without MPI.
 */
#ifndef LAMINA_APP_HOLDERS_H
#define LAMINA_APP_HOLDERS_H

#include "engine.h"

enum lam_holder_life {
    LAM_HOLDER_ENDED, /* its counter is gone: it ended by itself */
    LAM_HOLDER_DEAD,  /* its counter is there, and nobody raises it */
    LAM_HOLDER_ALIVE
};

struct lam_holders {
    size_t count; /* distinct runs */
    struct {
        uint32_t layers; /* 1 << enum lam_term_layer */
        uint64_t term;   /* the newest */
        const struct lam_holder *holder; /* the state's */
        enum lam_holder_life life;
    } items[LAM_TERMS];
};

/* Looks at all holders. A process of this host is looked up; for another's, the counter is watched for up to 5 s. */
int lam_holders_find(struct lam_engine *engine, const struct lam_state *state, struct lam_holders *holders, struct lam_error *err);

const char *lam_holder_life_name(enum lam_holder_life life);

#endif
