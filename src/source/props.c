#include "props.h"

#include <stdio.h>

#include "model/kafka_props.h"

#define QUIET_US 10000000

int lam_props_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct lam_error *err)
{
    char why[300];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return 0;
    return LAM_FAIL(err, LAM_E_INVALID, "librdkafka %s: %s", rd_kafka_version_str(), why);
}

int lam_props_set_int(rd_kafka_conf_t *conf, const char *name, long long value, struct lam_error *err)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", value);
    return lam_props_set(conf, name, text, err);
}

int lam_props_apply(rd_kafka_conf_t *conf, const struct lam_kafka_prop *props, size_t count, struct lam_error *err)
{
    char why[300];

    for (size_t i = 0; i < count; i++) {
        struct lam_sv name = lam_sv_of(props[i].name);
        const char *reason = lam_kafka_prop_refused(name);
        rd_kafka_conf_res_t res;

        if (reason)
            return LAM_FAIL(err, LAM_E_INVALID, "the property %s is the engine's: %s", props[i].name, reason);
        res = rd_kafka_conf_set(conf, props[i].name, props[i].value, why, sizeof why);
        if (res == RD_KAFKA_CONF_UNKNOWN)
            return LAM_FAIL(err, LAM_E_INVALID, "librdkafka %s knows no property %s", rd_kafka_version_str(), props[i].name);
        if (res != RD_KAFKA_CONF_OK)
            return LAM_FAIL(err, LAM_E_INVALID, "the property %s: %s", props[i].name, lam_kafka_prop_secret(name) ? "librdkafka refuses its value" : why);
    }
    return 0;
}

void lam_noise_add(struct lam_kafka_noise *noise, const char *what, const char *reason)
{
    int64_t now = lam_mono_us(&lam_clock_system);

    noise->total++;
    noise->since++;
    if (!noise->last[0] || strcmp(what, "_ALL_BROKERS_DOWN")) /* which only repeats that they are down, not why */
        snprintf(noise->last, sizeof noise->last, "%s", reason);
    if (!noise->log || (noise->logged_us && now - noise->logged_us < QUIET_US))
        return;
    lam_log_warn(noise->log, "source", "%s: %s: %s (%llu such in the last while; it is tried again)", noise->who, what, reason, (unsigned long long)noise->since);
    noise->logged_us = now;
    noise->since = 0;
}

void lam_props_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    const struct lam_kafka_noise *noise = rd_kafka_opaque(rk);

    if (noise && noise->log) /* what matters comes as an error too, and is counted there */
        lam_log_debug(noise->log, "source", "%s: librdkafka %d %s: %s", noise->who, level, facility, text);
}
