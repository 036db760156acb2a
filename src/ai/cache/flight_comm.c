/*
 * Messages:
 *
 *     ASK    16 key, 8 token         to the owner
 *     DONE   16 key, 1 flushed       to the owner
 *     WORD   8 token, 1 word         to who asked
 */
#include "flight_comm.h"

#include <stdlib.h>

#include "base/buf.h"

enum { ASK, DONE, WORD };

#define DEADLINE_US ((int64_t)600 * 1000000)
#define MAX_OPEN 65536
#define WAITING_BYTES ((size_t)64 << 20) /* of messages that no outbox has taken yet */

/* A message that waits: struct, then its bytes; in one buffer, in order. */
struct waiting {
    int dst;
    uint16_t type, len;
};

struct lam_flights {
    struct lam_comm *comm;
    struct lam_flights_options options;
    struct lam_flight *flight;
    struct lam_buf waiting;
    int rc; /* of what a handler could not send */
    struct lam_error err;
};

static int64_t now_us(const struct lam_flights *flights) { return lam_mono_us(lam_comm_clock(flights->comm)); }

/* Sends, or keeps it for the next step. Order between messages of a pair does not matter once one waits: all behind it wait, too. */
static int send(struct lam_flights *flights, int dst, int what, const void *bytes, size_t len, struct lam_error *err)
{
    struct waiting waiting = {dst, (uint16_t)(flights->options.first_type + what), (uint16_t)len};
    int rc = flights->waiting.len ? LAM_PENDING : lam_comm_send(flights->comm, dst, waiting.type, lam_sv(bytes, len), err);

    if (rc != LAM_PENDING)
        return rc;
    if ((rc = lam_buf_reserve(&flights->waiting, sizeof waiting + len, err)))
        return rc;
    lam_buf_add(&flights->waiting, &waiting, sizeof waiting, err);
    return lam_buf_add(&flights->waiting, bytes, len, err);
}

static int send_waiting(struct lam_flights *flights, struct lam_error *err)
{
    size_t at = 0;
    int rc = 0;

    while (at < flights->waiting.len) {
        struct waiting waiting;

        memcpy(&waiting, flights->waiting.ptr + at, sizeof waiting);
        if ((rc = lam_comm_send(flights->comm, waiting.dst, waiting.type, lam_sv(flights->waiting.ptr + at + sizeof waiting, waiting.len), err)))
            break;
        at += sizeof waiting + waiting.len;
    }
    memmove(flights->waiting.ptr, flights->waiting.ptr + at, flights->waiting.len - at);
    flights->waiting.len -= at;
    return rc == LAM_PENDING ? 0 : rc;
}

static void tell(void *arg, int rank, uint64_t token, enum lam_flight_word word)
{
    struct lam_flights *flights = arg;
    char bytes[9];
    int rc;

    memcpy(bytes, &token, 8);
    bytes[8] = (char)word;
    if ((rc = send(flights, rank, WORD, bytes, sizeof bytes, &flights->err)) && !flights->rc)
        flights->rc = rc;
}

static void on_ask(struct lam_flights *flights, int src, struct lam_sv bytes)
{
    enum lam_flight_word word;
    struct lam_digest key;
    uint64_t token;

    memcpy(key.bytes, bytes.ptr, 16);
    memcpy(&token, bytes.ptr + 16, 8);
    if ((word = lam_flight_ask(flights->flight, key, src, token, now_us(flights))) != LAM_FLIGHT_WAIT)
        tell(flights, src, token, word);
}

static void on_message(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_flights *flights = arg;
    int what = type - flights->options.first_type;
    struct lam_digest key;
    uint64_t token;

    if (what == ASK && bytes.len == 24) {
        on_ask(flights, src, bytes);
    } else if (what == DONE && bytes.len == 17) {
        memcpy(key.bytes, bytes.ptr, 16);
        lam_flight_done(flights->flight, key, src, bytes.ptr[16] != 0, now_us(flights), tell, flights);
    } else if (what == WORD && bytes.len == 9) {
        memcpy(&token, bytes.ptr, 8);
        flights->options.heard(flights->options.arg, token, (enum lam_flight_word)bytes.ptr[8]);
    }
}

int lam_flights_open(struct lam_flights **flights, struct lam_comm *comm, const struct lam_flights_options *options, struct lam_error *err)
{
    struct lam_flights *made = calloc(1, sizeof *made);
    int rc;

    *flights = NULL;
    if (made) {
        made->comm = comm;
        made->options = *options;
        made->flight = lam_flight_new(options->deadline_us ? options->deadline_us : DEADLINE_US, options->max ? options->max : MAX_OPEN);
        lam_buf_init(&made->waiting, WAITING_BYTES);
    }
    if (!made || !made->flight) {
        free(made);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to ask other ranks about answers");
    }
    if ((rc = lam_comm_on(comm, options->first_type, options->first_type + LAM_FLIGHTS_TYPES - 1, on_message, made, err))) {
        lam_flight_free(made->flight);
        free(made);
        return rc;
    }
    *flights = made;
    return 0;
}

void lam_flights_close(struct lam_flights *flights)
{
    if (!flights)
        return;
    lam_comm_off(flights->comm, flights->options.first_type);
    lam_flight_free(flights->flight);
    lam_buf_release(&flights->waiting);
    free(flights);
}

static int owner_of(const struct lam_flights *flights, struct lam_digest key)
{
    const struct lam_flights_options *o = &flights->options;

    return o->owners ? o->first + lam_flight_owner(key, o->owners) : lam_flight_owner(key, lam_comm_size(flights->comm));
}

int lam_flights_ask(struct lam_flights *flights, struct lam_digest key, uint64_t token, struct lam_error *err)
{
    char bytes[24];

    memcpy(bytes, key.bytes, 16);
    memcpy(bytes + 16, &token, 8);
    return send(flights, owner_of(flights, key), ASK, bytes, sizeof bytes, err);
}

int lam_flights_done(struct lam_flights *flights, struct lam_digest key, bool flushed, struct lam_error *err)
{
    char bytes[17];

    memcpy(bytes, key.bytes, 16);
    bytes[16] = flushed;
    return send(flights, owner_of(flights, key), DONE, bytes, sizeof bytes, err);
}

int lam_flights_lost(struct lam_flights *flights, int rank, struct lam_error *err)
{
    lam_flight_lost(flights->flight, rank, now_us(flights), tell, flights);
    return lam_flights_step(flights, err);
}

int lam_flights_step(struct lam_flights *flights, struct lam_error *err)
{
    lam_flight_expire(flights->flight, now_us(flights), tell, flights);
    if (flights->rc) {
        if (err)
            *err = flights->err;
        return flights->rc;
    }
    return flights->waiting.len ? send_waiting(flights, err) : 0;
}
