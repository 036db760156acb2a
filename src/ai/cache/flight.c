#include "flight.h"

#include <stdlib.h>

#define FIRST_BUCKETS 256 /* a power of two */

struct asker {
    struct asker *next;
    int rank;
    uint64_t token;
};

/* A key that somebody was granted, or that was flushed. In two lists: its bucket's, and one by time. */
struct held {
    struct held *next_in_bucket, *earlier, *later;
    struct lam_digest key;
    bool flushed;
    struct asker holder;
    struct asker *first, *last; /* who wait */
    int64_t deadline_us;
};

struct line {
    struct held *first, *last;
    size_t count;
};

struct lam_flight {
    struct held **buckets;
    size_t bucket_count, open, max;
    struct line granted; /* by deadline: each grant has the same length, so the newest ends last */
    struct line flushed; /* the oldest first */
    int64_t length_us;
};

struct lam_flight *lam_flight_new(int64_t deadline_us, size_t max)
{
    struct lam_flight *flight = calloc(1, sizeof *flight);

    if (!flight || !(flight->buckets = calloc(FIRST_BUCKETS, sizeof *flight->buckets))) {
        free(flight);
        return NULL;
    }
    flight->bucket_count = FIRST_BUCKETS;
    flight->max = max;
    flight->length_us = deadline_us;
    return flight;
}

static uint64_t word_of(struct lam_digest key)
{
    uint64_t word = 0;

    for (int i = 0; i < 8; i++)
        word = word << 8 | key.bytes[i];
    return word;
}

int lam_flight_owner(struct lam_digest key, int size) { return (int)(word_of(key) % (uint64_t)size); }

/* Not the bits that chose the owner: all keys here have these in common. */
static struct held **bucket_of(struct held **buckets, size_t count, struct lam_digest key)
{
    return &buckets[(key.bytes[15] | (size_t)key.bytes[14] << 8 | (size_t)key.bytes[13] << 16 | (size_t)key.bytes[12] << 24) & (count - 1)];
}

static struct held *find(const struct lam_flight *flight, struct lam_digest key)
{
    struct held *held = *bucket_of(flight->buckets, flight->bucket_count, key);

    while (held && !lam_digest_eq(held->key, key))
        held = held->next_in_bucket;
    return held;
}

static void grow(struct lam_flight *flight)
{
    size_t count = 2 * flight->bucket_count;
    struct held **buckets = calloc(count, sizeof *buckets);

    if (!buckets) /* chains grow longer instead */
        return;
    for (size_t i = 0; i < flight->bucket_count; i++)
        for (struct held *held = flight->buckets[i], *next; held; held = next) {
            struct held **bucket = bucket_of(buckets, count, held->key);

            next = held->next_in_bucket;
            held->next_in_bucket = *bucket;
            *bucket = held;
        }
    free(flight->buckets);
    flight->buckets = buckets;
    flight->bucket_count = count;
}

static void append(struct line *line, struct held *held)
{
    held->later = NULL;
    held->earlier = line->last;
    *(line->last ? &line->last->later : &line->first) = held;
    line->last = held;
    line->count++;
}

static void take_out(struct line *line, struct held *held)
{
    *(held->earlier ? &held->earlier->later : &line->first) = held->later;
    *(held->later ? &held->later->earlier : &line->last) = held->earlier;
    line->count--;
}

static void forget(struct lam_flight *flight, struct held *held)
{
    struct held **at = bucket_of(flight->buckets, flight->bucket_count, held->key);

    while (*at != held)
        at = &(*at)->next_in_bucket;
    *at = held->next_in_bucket;
    take_out(held->flushed ? &flight->flushed : &flight->granted, held);
    flight->open -= !held->flushed;
    free(held);
}

/* The holder is done, and nobody waits: the key is kept among the flushed ones. */
static void keep(struct lam_flight *flight, struct held *held)
{
    take_out(&flight->granted, held);
    held->flushed = true;
    append(&flight->flushed, held);
    flight->open--;
    if (flight->flushed.count > flight->max)
        forget(flight, flight->flushed.first);
}

static struct asker *take_first(struct held *held)
{
    struct asker *asker = held->first;

    if (asker && !(held->first = asker->next))
        held->last = NULL;
    return asker;
}

/* The holder is none any more: the next one is, or the key is forgotten. */
static void pass_on(struct lam_flight *flight, struct held *held, int64_t now_us, lam_flight_tell_fn tell, void *arg)
{
    struct asker *next = take_first(held);

    if (!next) {
        forget(flight, held);
        return;
    }
    flight->open--;
    held->holder = *next;
    free(next);
    take_out(&flight->granted, held);
    held->deadline_us = now_us + flight->length_us;
    append(&flight->granted, held);
    tell(arg, held->holder.rank, held->holder.token, LAM_FLIGHT_GRANTED);
}

void lam_flight_free(struct lam_flight *flight)
{
    if (!flight)
        return;
    while (flight->granted.first) {
        struct asker *asker;

        while ((asker = take_first(flight->granted.first)))
            free(asker);
        forget(flight, flight->granted.first);
    }
    while (flight->flushed.first)
        forget(flight, flight->flushed.first);
    free(flight->buckets);
    free(flight);
}

static enum lam_flight_word wait_for(struct lam_flight *flight, struct held *held, int rank, uint64_t token)
{
    struct asker *asker = malloc(sizeof *asker);

    if (!asker)
        return LAM_FLIGHT_GRANTED;
    *asker = (struct asker){NULL, rank, token};
    *(held->last ? &held->last->next : &held->first) = asker;
    held->last = asker;
    flight->open++;
    return LAM_FLIGHT_WAIT;
}

enum lam_flight_word lam_flight_ask(struct lam_flight *flight, struct lam_digest key, int rank, uint64_t token, int64_t now_us)
{
    struct held *held = find(flight, key), **bucket;

    if (held && held->flushed)
        return LAM_FLIGHT_FLUSHED;
    if (flight->open >= flight->max)
        return LAM_FLIGHT_GRANTED;
    if (held)
        return wait_for(flight, held, rank, token);
    if (!(held = calloc(1, sizeof *held)))
        return LAM_FLIGHT_GRANTED;
    if (flight->granted.count + flight->flushed.count >= flight->bucket_count)
        grow(flight);
    held->key = key;
    held->holder = (struct asker){NULL, rank, token};
    bucket = bucket_of(flight->buckets, flight->bucket_count, key);
    held->next_in_bucket = *bucket;
    *bucket = held;
    held->deadline_us = now_us + flight->length_us;
    append(&flight->granted, held);
    flight->open++;
    return LAM_FLIGHT_GRANTED;
}

void lam_flight_done(struct lam_flight *flight, struct lam_digest key, int rank, bool flushed, int64_t now_us, lam_flight_tell_fn tell, void *arg)
{
    struct held *held = find(flight, key);
    struct asker *asker;

    if (!held)
        return;
    if (held->flushed) { /* or not, as somebody found */
        if (!flushed)
            forget(flight, held);
        return;
    }
    if (!flushed) {
        if (held->holder.rank == rank)
            pass_on(flight, held, now_us, tell, arg);
        return;
    }
    if (held->holder.rank != rank) /* its own grant ran out, and this one's was given for it */
        tell(arg, held->holder.rank, held->holder.token, LAM_FLIGHT_FLUSHED);
    while ((asker = take_first(held))) {
        tell(arg, asker->rank, asker->token, LAM_FLIGHT_FLUSHED);
        flight->open--;
        free(asker);
    }
    keep(flight, held);
}

static void drop_waiting(struct lam_flight *flight, struct held *held, int rank)
{
    struct asker **at = &held->first;

    held->last = NULL;
    while (*at) {
        struct asker *asker = *at;

        if (asker->rank == rank) {
            *at = asker->next;
            flight->open--;
            free(asker);
        } else {
            held->last = asker;
            at = &asker->next;
        }
    }
}

void lam_flight_lost(struct lam_flight *flight, int rank, int64_t now_us, lam_flight_tell_fn tell, void *arg)
{
    struct held *end = flight->granted.last, *held = flight->granted.first, *next;

    for (bool more = held != NULL; more; held = next) { /* those granted anew go behind the end */
        more = held != end;
        next = held->later;
        drop_waiting(flight, held, rank);
        if (held->holder.rank == rank)
            pass_on(flight, held, now_us, tell, arg);
    }
}

void lam_flight_expire(struct lam_flight *flight, int64_t now_us, lam_flight_tell_fn tell, void *arg)
{
    while (flight->granted.first && flight->granted.first->deadline_us <= now_us)
        pass_on(flight, flight->granted.first, now_us, tell, arg);
}

int64_t lam_flight_next_us(const struct lam_flight *flight) { return flight->granted.first ? flight->granted.first->deadline_us : INT64_MAX; }
size_t lam_flight_keys(const struct lam_flight *flight) { return flight->granted.count; }
size_t lam_flight_open(const struct lam_flight *flight) { return flight->open; }
