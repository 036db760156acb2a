#include "speed_asks.h"

#include "model/wire.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define FETCH_ROWS ((size_t)1 << 22)
#define FETCH_BYTES ((size_t)4 << 30)

/* A question of a serving thread; it waits on `answered`. */
struct lam_speed_ask {
    struct lam_speed_ask *next;
    uint64_t id, commit;
    struct lam_sv key;
    bool sent;
    int missing; /* ranks that have not answered */
    int code;
    struct lam_buf frames, speed;
};

static struct lam_speed_ask *find_ask(struct lam_speed_asks *asks, uint64_t id)
{
    struct lam_speed_ask *ask = asks->first;

    while (ask && ask->id != id)
        ask = ask->next;
    return ask;
}

void lam_speed_asks_take(struct lam_speed_asks *asks, struct lam_sv bytes)
{
    struct lam_speed_answer_head head;
    struct lam_speed_next range;
    struct lam_error err;
    struct lam_speed_ask *ask;
    size_t at = sizeof head;

    if (bytes.len < sizeof head)
        return;
    memcpy(&head, bytes.ptr, sizeof head);
    pthread_mutex_lock(&asks->lock);
    if ((ask = find_ask(asks, head.id))) { /* else it has given up waiting */
        ask->missing -= !head.more;
        if (head.code)
            ask->code = (int)head.code;
        for (uint64_t i = 0; i < head.ranges && at + sizeof range <= bytes.len && !ask->code; i++, at += sizeof range) {
            memcpy(&range, bytes.ptr + at, sizeof range);
            ask->code = lam_buf_addf(&ask->speed, &err, "%s\"%" PRIu64 "\":%" PRIu64, ask->speed.len ? "," : "", range.partition, range.next);
        }
        if (!ask->code)
            ask->code = lam_buf_add(&ask->frames, bytes.ptr + at, bytes.len - at, &err);
        if (ask->missing <= 0)
            pthread_cond_broadcast(&asks->answered);
    }
    pthread_mutex_unlock(&asks->lock);
}

static int speed_ranks(const struct lam_speed_asks *asks) { return asks->engine->roles.count[LAM_ROLE_SPEED]; }

static int send_one(struct lam_speed_asks *asks, const struct lam_speed_ask *ask, struct lam_error *err)
{
    const struct lam_speed_ask_head head = {ask->id, ask->commit, ask->key.ptr != NULL};
    char *bytes = malloc(sizeof head + ask->key.len);
    int rc = 0;

    if (!bytes)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a question");
    memcpy(bytes, &head, sizeof head);
    if (ask->key.len)
        memcpy(bytes + sizeof head, ask->key.ptr, ask->key.len);
    for (int r = 0; !rc && r < speed_ranks(asks); r++)
        rc = lam_speed_tell(asks->engine, lam_roles_rank(&asks->engine->roles, LAM_ROLE_SPEED, r), MSG_SPEED_ASK, bytes, sizeof head + ask->key.len, err);
    free(bytes);
    return rc;
}

int lam_speed_asks_send(struct lam_speed_asks *asks, struct lam_error *err)
{
    int rc = 0;

    pthread_mutex_lock(&asks->lock);
    for (struct lam_speed_ask *ask = asks->first; ask && !rc; ask = ask->next)
        if (!ask->sent && !(rc = send_one(asks, ask, err)))
            ask->sent = true;
    pthread_mutex_unlock(&asks->lock);
    return rc;
}

void lam_speed_asks_end(struct lam_speed_asks *asks, uint64_t commit)
{
    pthread_mutex_lock(&asks->lock);
    asks->over = true;
    asks->over_commit = commit;
    pthread_cond_broadcast(&asks->answered);
    pthread_mutex_unlock(&asks->lock);
}

static void remove_ask(struct lam_speed_asks *asks, struct lam_speed_ask *ask)
{
    struct lam_speed_ask **link = &asks->first;

    while (*link && *link != ask)
        link = &(*link)->next;
    if (*link)
        *link = ask->next;
}

static int decode_answer(struct lam_speed_asks *asks, struct lam_speed_ask *ask, struct lam_block **block, struct lam_buf *speed, struct lam_error *err)
{
    struct lam_sv rest = lam_buf_sv(&ask->frames), frame;
    int rc = 0;

    if (!(*block = lam_block_new(FETCH_ROWS, FETCH_BYTES)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the tail's rows");
    while (!rc && !(rc = lam_wire_next(&rest, &frame, err)))
        rc = lam_wire_decode(frame, *block, err);
    rc = rc == LAM_END ? 0 : rc;
    if (!rc && !(rc = lam_buf_add_json(speed, lam_sv_of(asks->engine->job->stream->name), err)))
        rc = lam_buf_addf(speed, err, ":{%.*s}", LAM_SV_ARG(lam_buf_sv(&ask->speed)));
    if (rc) {
        lam_block_free(*block);
        *block = NULL;
    }
    return rc;
}

int lam_speed_asks_fetch(void *arg, uint64_t commit, struct lam_sv key, int64_t deadline_us, struct lam_block **block, struct lam_buf *speed, struct lam_error *err)
{
    struct lam_speed_asks *asks = arg;
    struct lam_speed_ask ask = {.commit = commit, .key = key, .missing = speed_ranks(asks)};
    struct timespec until;
    bool over;
    int rc = 0;

    *block = NULL;
    lam_buf_init(&ask.frames, (size_t)1 << 30);
    lam_buf_init(&ask.speed, (size_t)4 << 20);
    until = (struct timespec){deadline_us / 1000000, deadline_us % 1000000 * 1000};
    pthread_mutex_lock(&asks->lock);
    ask.id = ++asks->next_id;
    ask.next = asks->first;
    asks->first = &ask;
    lam_wake_signal(&asks->engine->wake);
    while (ask.missing > 0 && !rc && !asks->over)
        rc = pthread_cond_timedwait(&asks->answered, &asks->lock, &until);
    remove_ask(asks, &ask);
    over = asks->over && commit >= asks->over_commit; /* then all is archived, and there is no tail to ask for */
    pthread_mutex_unlock(&asks->lock);
    if (ask.missing > 0 && !over && !rc)
        rc = LAM_FAIL(err, LAM_E_CONFLICT, "the speed layer has ended since this query began"); /* what it had stands in a newer commit: who asks pins that */
    else if (ask.missing > 0 && !over)
        rc = LAM_FAIL(err, LAM_E_TIMEOUT, "%d of %d speed ranks did not answer in time", ask.missing, speed_ranks(asks));
    else if (ask.code)
        rc = LAM_FAIL(err, ask.code, "a speed rank could not answer for its tail: %s", lam_error_name(ask.code));
    else
        rc = decode_answer(asks, &ask, block, speed, err);
    lam_buf_release(&ask.frames);
    lam_buf_release(&ask.speed);
    return rc;
}

void lam_speed_asks_init(struct lam_speed_asks *asks, struct lam_engine *engine)
{
    pthread_condattr_t attributes;

    *asks = (struct lam_speed_asks){.engine = engine};
    pthread_mutex_init(&asks->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&asks->answered, &attributes);
    pthread_condattr_destroy(&attributes);
}

void lam_speed_asks_release(struct lam_speed_asks *asks)
{
    pthread_mutex_destroy(&asks->lock);
    pthread_cond_destroy(&asks->answered);
}
