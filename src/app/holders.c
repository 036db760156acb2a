#include "holders.h"

#include <string.h>
#include <time.h>

#define WATCH_US 5000000 /* a living holder raises its counter every 2 s */
#define LOOK_US 250000

const char *lam_holder_life_name(enum lam_holder_life life)
{
    return life == LAM_HOLDER_ALIVE ? "alive" : life == LAM_HOLDER_DEAD ? "dead" : "ended";
}

static void sleep_us(int64_t us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};

    nanosleep(&time, NULL);
}

static int look(struct lam_engine *engine, const struct lam_holder *holder, const struct lam_holder *self, enum lam_holder_life *life, struct lam_error *err)
{
    const char *root = lam_commitlog_root(engine->commits);
    int64_t until = lam_mono_us(engine->clock) + WATCH_US;
    uint64_t first, now;
    int rc = lam_alive_read(engine->fs, root, holder->run, &first, err);

    *life = LAM_HOLDER_ENDED;
    if (rc)
        return rc == LAM_E_NOT_FOUND ? 0 : rc;
    if (lam_holder_process(holder, self) != LAM_PROCESS_FOREIGN) {
        *life = lam_holder_process(holder, self) == LAM_PROCESS_RUNS ? LAM_HOLDER_ALIVE : LAM_HOLDER_DEAD;
        return 0;
    }
    *life = LAM_HOLDER_DEAD;
    while (lam_mono_us(engine->clock) < until) {
        sleep_us(LOOK_US);
        if ((rc = lam_alive_read(engine->fs, root, holder->run, &now, err)) == LAM_E_NOT_FOUND) {
            *life = LAM_HOLDER_ENDED;
            return 0;
        }
        if (rc)
            return rc;
        if (now != first) {
            *life = LAM_HOLDER_ALIVE;
            return 0;
        }
    }
    return 0;
}

int lam_holders_find(struct lam_engine *engine, const struct lam_state *state, struct lam_holders *holders, struct lam_error *err)
{
    struct lam_holder self;
    int rc = lam_holder_self(&self, "", "", err);

    *holders = (struct lam_holders){0};
    for (uint32_t i = 0; !rc && i < LAM_TERMS; i++) {
        const struct lam_state_term *term = &state->terms[i];
        size_t at = 0;

        if (!term->number)
            continue;
        while (at < holders->count && strcmp(holders->items[at].holder->run, term->holder.run))
            at++;
        holders->items[at].layers |= 1u << i;
        if (holders->items[at].term < term->number)
            holders->items[at].term = term->number;
        if (at < holders->count)
            continue;
        holders->items[at].holder = &term->holder;
        holders->count++;
        rc = look(engine, &term->holder, &self, &holders->items[at].life, err);
    }
    return rc;
}
