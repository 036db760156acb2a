#include "kept.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define ROOM_NS 5000000   /* until a cache that has too much to flush is asked again */
#define LOOK_US 100000    /* how late it is noticed that the run ends */
#define STOP_US 1000000   /* that a run which ends waits for the disk: several times what a sync takes, and a stop takes seconds */
#define TEXT_MAX ((size_t)4 << 20)

static struct lam_digest key_of(const struct lam_cache_scope *scope, struct lam_digest record)
{
    return lam_cache_key(scope, lam_sv((const char *)record.bytes, sizeof record.bytes));
}

/* --- what those who wait for the disk share with the cache's thread, which may outlive them --- */

struct lam_agent_disk {
    atomic_uint users;
    atomic_uint overdue; /* what was put and given up waiting for: while there is any, nobody waits */
};

static struct lam_agent_disk *disk_new(void)
{
    struct lam_agent_disk *disk = malloc(sizeof *disk);

    if (disk) {
        atomic_init(&disk->users, 1);
        atomic_init(&disk->overdue, 0);
    }
    return disk;
}

static void disk_unref(struct lam_agent_disk *disk)
{
    if (disk && atomic_fetch_sub(&disk->users, 1) == 1)
        free(disk);
}

/* --- a life --- */

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

    *kept = (struct lam_agent_kept){.cache = cache, .patience_us = o->limits.time_us};
    if (cache && !(kept->disk = disk_new()))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for what agents come to");
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

void lam_agent_kept_release(struct lam_agent_kept *kept)
{
    disk_unref(kept->disk);
    *kept = (struct lam_agent_kept){0};
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

/* An answer on its way to the disk. Who is the last of the two that know of it frees it: who waits, or the cache's thread. */
struct flushing {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t done;
    bool told, left;      /* left: nobody waits any more */
    int rc;
    struct lam_error err;
    struct lam_agent_disk *disk;
};

static struct flushing *flushing_new(struct lam_agent_disk *disk)
{
    struct flushing *flushing = calloc(1, sizeof *flushing);
    pthread_condattr_t monotonic;

    if (!flushing)
        return NULL;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&flushing->lock, NULL);
    pthread_cond_init(&flushing->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    flushing->disk = disk;
    atomic_fetch_add(&disk->users, 1);
    return flushing;
}

static void flushing_free(struct flushing *flushing)
{
    pthread_cond_destroy(&flushing->done);
    pthread_mutex_destroy(&flushing->lock);
    disk_unref(flushing->disk);
    free(flushing);
}

static void on_flushed(void *arg, int rc, const struct lam_error *err)
{
    struct flushing *flushing = arg;
    bool left;

    pthread_mutex_lock(&flushing->lock);
    flushing->rc = rc;
    if (rc && err)
        flushing->err = *err;
    flushing->told = true;
    left = flushing->left;
    pthread_cond_signal(&flushing->done);
    pthread_mutex_unlock(&flushing->lock);
    if (!left)
        return;
    atomic_fetch_sub(&flushing->disk->overdue, 1);
    flushing_free(flushing);
}

static int64_t mono_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* How long is waited; a run that ends shortens it. */
struct patience {
    int64_t until_us;
    const atomic_bool *stop;
};

static bool is_over(struct patience *patience)
{
    int64_t now = mono_us();

    if (patience->stop && atomic_load(patience->stop) && patience->until_us > now + STOP_US)
        patience->until_us = now + STOP_US;
    return now >= patience->until_us;
}

/* With the lock held; returns a little later, or when it is told. */
static void wait_a_little(struct flushing *flushing, const struct patience *patience)
{
    int64_t until_us = mono_us() + LOOK_US;
    struct timespec until;

    if (until_us > patience->until_us)
        until_us = patience->until_us;
    until = (struct timespec){.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    pthread_cond_timedwait(&flushing->done, &flushing->lock, &until);
}

static int late(struct lam_error *err) { return LAM_FAIL(err, LAM_E_TIMEOUT, "the cache's disk takes too long"); }

/* It is with the cache. */
static int await(struct flushing *flushing, struct patience *patience, struct lam_error *err)
{
    bool told;
    int rc;

    pthread_mutex_lock(&flushing->lock);
    while (!flushing->told && !is_over(patience))
        wait_a_little(flushing, patience);
    told = flushing->told;
    if ((rc = flushing->rc))
        *err = flushing->err;
    if (!told) {
        flushing->left = true;
        atomic_fetch_add(&flushing->disk->overdue, 1);
        rc = late(err);
    }
    pthread_mutex_unlock(&flushing->lock); /* one that was left may be gone from here on */
    if (told)
        flushing_free(flushing);
    return rc;
}

static int put_durably(const struct lam_agent_kept *kept, struct lam_digest key, struct lam_sv value, const struct lam_cache_meta *meta, const atomic_bool *stop,
                       struct lam_error *err)
{
    const struct timespec nap = {.tv_nsec = ROOM_NS};
    struct patience patience = {mono_us() + (atomic_load(&kept->disk->overdue) ? 0 : kept->patience_us), stop};
    struct flushing *flushing = flushing_new(kept->disk);
    int rc;

    if (!flushing)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for what an agent came to");
    while ((rc = lam_cache_put(kept->cache, key, value, meta, on_flushed, flushing, err)) == LAM_PENDING && !is_over(&patience))
        nanosleep(&nap, NULL);
    if (!rc)
        return await(flushing, &patience, err);
    flushing_free(flushing);
    return rc == LAM_PENDING ? late(err) : rc;
}

int lam_agent_kept_put(const struct lam_agent_kept *kept, struct lam_digest record, const struct lam_agent_end *end, const atomic_bool *stop, struct lam_error *err)
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
        rc = put_durably(kept, key_of(end->answered ? &kept->answers : &kept->ends, record), lam_buf_sv(&value), &meta, stop, err);
    lam_buf_release(&value);
    return rc;
}
