#include "kept.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#define ROOM_NS 5000000 /* until a cache that has too much to flush is asked again */
#define TEXT_MAX ((size_t)4 << 20)

static struct lam_digest key_of(const struct lam_cache_scope *scope, struct lam_digest record)
{
    return lam_cache_key(scope, lam_sv((const char *)record.bytes, sizeof record.bytes));
}

/* What is asked and with what: all that could make another answer. */
static int write_question(const struct lam_agent_options *o, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "{\"rules\":");

    if (rc || (rc = lam_buf_add_json(out, lam_agent_rules(), err)) || (rc = lam_buf_addf(out, err, ",\"question\":")) ||
        (rc = lam_buf_add_json(out, o->question, err)) ||
        (o->masked.len && ((rc = lam_buf_addf(out, err, ",\"masked\":")) || (rc = lam_buf_add_json(out, o->masked, err)))))
        return rc;
    for (size_t i = 0; !rc && i < o->tool_count; i++)
        if (!(rc = lam_buf_addf(out, err, ",\"%s\":[", o->tools[i].name)) && !(rc = lam_buf_add_json(out, lam_sv_of(o->tools[i].description), err)) &&
            !(rc = lam_buf_add(out, ",", 1, err)) && !(rc = lam_buf_add_json(out, o->tools[i].parameters, err)))
            rc = lam_buf_add(out, "]", 1, err);
    return rc ? rc : lam_buf_add(out, "}", 1, err);
}

int lam_agent_kept_init(struct lam_agent_kept *kept, struct lam_cache *cache, const struct lam_agent_options *o, struct lam_sv model, struct lam_error *err)
{
    struct lam_buf question, limits;
    int rc;

    *kept = (struct lam_agent_kept){.cache = cache};
    lam_buf_init(&question, TEXT_MAX);
    lam_buf_init(&limits, 200);
    if (!(rc = write_question(o, &question, err)) &&
        !(rc = lam_buf_addf(&limits, err, "agent;steps=%u;tokens=%" PRIu64 ";result=%zu;answer=%" PRIu32, o->limits.steps, o->limits.tokens, o->limits.result,
                            o->answer_tokens))) {
        kept->answers = lam_cache_scope(model, lam_buf_sv(&question), o->answer_schema, LAM_SV("agent"));
        kept->ends = lam_cache_scope(model, lam_buf_sv(&question), o->answer_schema, lam_buf_sv(&limits));
    }
    lam_buf_release(&question);
    lam_buf_release(&limits);
    return rc;
}

/* --- out of the cache --- */

static uint64_t count_of(const struct lam_json *json, const char *name)
{
    struct lam_number number;

    return lam_json_number(json, lam_json_field(json, LAM_JSON_ROOT, lam_sv_of(name)), &number) ? (uint64_t)lam_number_as_double(&number) : 0;
}

static int read_end(struct lam_sv value, struct lam_agent_end *end, struct lam_error *err)
{
    struct lam_json *json = lam_json_new(LAM_CACHE_VALUE_MAX, 64);
    struct lam_sv outcome;
    int rc = json ? lam_json_parse(json, value, err) : LAM_FAIL(err, LAM_E_MEMORY, "no memory for what an agent came to");

    if (rc)
        goto cleanup;
    outcome = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("outcome")));
    end->answered = lam_sv_eq(outcome, LAM_SV("answered"));
    end->used = (struct lam_agent_usage){count_of(json, "tokens_in"), count_of(json, "tokens_out")};
    if (!(rc = lam_buf_add_sv(&end->result, lam_json_raw(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("result"))), err)))
        rc = lam_buf_add_sv(&end->trail, lam_json_raw(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("trail"))), err);
    if (!rc && (end->trail.len < 3 || (end->answered && !end->result.len)))
        rc = LAM_E_NOT_FOUND;
cleanup:
    lam_json_free(json);
    return rc;
}

int lam_agent_kept_get(const struct lam_agent_kept *kept, struct lam_digest record, struct lam_agent_end *end, struct lam_error *err)
{
    struct lam_buf value;
    int rc = LAM_E_NOT_FOUND;

    if (!kept->cache)
        return rc;
    lam_buf_init(&value, LAM_CACHE_VALUE_MAX);
    if ((rc = lam_cache_get(kept->cache, key_of(&kept->answers, record), &value, NULL, err)) == LAM_E_NOT_FOUND)
        rc = lam_cache_get(kept->cache, key_of(&kept->ends, record), &value, NULL, err);
    if (!rc)
        rc = read_end(lam_buf_sv(&value), end, err);
    lam_buf_release(&value);
    if (!rc || rc == LAM_E_MEMORY)
        return rc;
    lam_buf_clear(&end->result);
    lam_buf_clear(&end->trail);
    return LAM_E_NOT_FOUND; /* what cannot be read is asked again */
}

/* --- into the cache --- */

struct flushing {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t done;
    bool told;
    int rc;
    struct lam_error err;
};

static void on_flushed(void *arg, int rc, const struct lam_error *err)
{
    struct flushing *flushing = arg;

    pthread_mutex_lock(&flushing->lock);
    flushing->rc = rc;
    if (rc && err)
        flushing->err = *err;
    flushing->told = true;
    pthread_cond_signal(&flushing->done);
    pthread_mutex_unlock(&flushing->lock);
}

static int put_durably(struct lam_cache *cache, struct lam_digest key, struct lam_sv value, const struct lam_cache_meta *meta, struct lam_error *err)
{
    const struct timespec nap = {.tv_nsec = ROOM_NS};
    struct flushing flushing = {.rc = 0};
    int rc;

    pthread_mutex_init(&flushing.lock, NULL);
    pthread_cond_init(&flushing.done, NULL);
    while ((rc = lam_cache_put(cache, key, value, meta, on_flushed, &flushing, err)) == LAM_PENDING)
        nanosleep(&nap, NULL);
    pthread_mutex_lock(&flushing.lock);
    while (!rc && !flushing.told)
        pthread_cond_wait(&flushing.done, &flushing.lock);
    if (!rc && (rc = flushing.rc))
        *err = flushing.err;
    pthread_mutex_unlock(&flushing.lock);
    pthread_cond_destroy(&flushing.done);
    pthread_mutex_destroy(&flushing.lock);
    return rc;
}

int lam_agent_kept_put(const struct lam_agent_kept *kept, struct lam_digest record, const struct lam_agent_end *end, struct lam_error *err)
{
    const struct lam_cache_meta meta = {.tokens_in = (uint32_t)end->used.in, .tokens_out = (uint32_t)end->used.out}; /* of one record: far below */
    struct lam_buf value;
    int rc;

    if (!kept->cache)
        return 0;
    lam_buf_init(&value, LAM_CACHE_VALUE_MAX);
    if (!(rc = lam_buf_addf(&value, err, "{\"outcome\":\"%s\",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64, end->answered ? "answered" : "gave_up", end->used.in, end->used.out)) &&
        !(rc = end->answered ? lam_buf_addf(&value, err, ",\"result\":") : 0) && !(rc = end->answered ? lam_buf_add_sv(&value, lam_buf_sv(&end->result), err) : 0) &&
        !(rc = lam_buf_addf(&value, err, ",\"trail\":")) && !(rc = lam_buf_add_sv(&value, lam_buf_sv(&end->trail), err)) && !(rc = lam_buf_add(&value, "}", 1, err)))
        rc = put_durably(kept->cache, key_of(end->answered ? &kept->answers : &kept->ends, record), lam_buf_sv(&value), &meta, err);
    lam_buf_release(&value);
    return rc;
}
