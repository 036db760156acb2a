/*
 * What agents came to, kept in the response cache: whoever looks at the same record again, in whichever layer, rank or run, asks nobody.
 *
 *     key    (who thinks, rules, question, tools, form of the answer) and the record's digest
 *     value  {"outcome":"answered","tokens_in":n,"tokens_out":n,"result":…,"trail":…}, or "gave_up" without a result
 *
 * An answer is an answer under whatever limits it was found, so limits are no part of its key. That there is none follows from the limits too: it is kept
 * under another key, which has them, and only where asking again would end the same (lam_agent_lasting). Where tools live and how long a call takes may
 * change; what they are called, take and tell may not.
 */
#ifndef LAMINA_AI_KEPT_H
#define LAMINA_AI_KEPT_H

#include <stdatomic.h>

#include "agent.h"
#include "ai/cache.h"

struct lam_agent_disk;

struct lam_agent_kept {
    struct lam_cache *cache; /* NULL: nothing is kept, and nothing found */
    struct lam_cache_scope answers, ends;
    int64_t patience_us;         /* that put waits for the disk: as long as one agent may take */
    struct lam_agent_disk *disk; /* how it goes with it */
};

/* model: who thinks. All of it is borrowed during the call, but for the cache, which may be closed after release. After a failure: release all the same. */
int lam_agent_kept_init(struct lam_agent_kept *kept, struct lam_cache *cache, const struct lam_agent_options *options, struct lam_sv model,
                        struct lam_error *err);
void lam_agent_kept_release(struct lam_agent_kept *kept); /* no call of get or put is under way; of zeroes too */

struct lam_agent_end {
    bool answered;
    struct lam_agent_usage used;  /* when it was asked */
    struct lam_buf result, trail; /* JSON; filled by get, whose caller has initialised them, and borrowed by put */
};

/* LAM_E_NOT_FOUND: nobody was asked, or nothing readable is kept; err is not filled then. Any thread, many at once. */
int lam_agent_kept_get(const struct lam_agent_kept *kept, struct lam_digest record, struct lam_agent_end *end, struct lam_error *err);

/*
 * Returns once it is durable: what is shown was paid for for good. LAM_E_TIMEOUT: the disk takes longer than patience_us; or a second, once *stop (NULL: never)
 * is set. Whatever comes after that does not wait until the disk has caught up, so a disk that hangs costs one wait, not one each. It may be kept later all the
 * same. Any thread, many at once.
 */
int lam_agent_kept_put(const struct lam_agent_kept *kept, struct lam_digest record, const struct lam_agent_end *end, const atomic_bool *stop,
                       struct lam_error *err);

#endif
