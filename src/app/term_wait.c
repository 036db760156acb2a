#include "term_wait.h"

#define AGAIN_US 1000000

bool lam_term_wait_takes(struct lam_term_wait *wait, const struct lam_engine *engine, int rc, const struct lam_error *err)
{
    if (rc != LAM_E_EXISTS || !engine->wait_for_term)
        return false;
    if (!wait->said)
        lam_log_info(&engine->log, "job", "waits: %s", err->text);
    wait->said = true;
    wait->again_us = lam_mono_us(engine->clock) + AGAIN_US;
    return true;
}

bool lam_term_wait_on(const struct lam_term_wait *wait) { return wait->again_us != 0; }

bool lam_term_wait_due(struct lam_term_wait *wait, const struct lam_engine *engine)
{
    if (!wait->again_us || lam_mono_us(engine->clock) < wait->again_us)
        return false;
    wait->again_us = 0;
    return true;
}
