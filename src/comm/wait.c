/* Sleeping until there is something to do, heartbeats, and who is silent. */
#include "private.h"

#include <poll.h>
#include <time.h>

#define SLEEP_MIN_US 20    /* right after traffic: the next message is likely near */
#define SLEEP_MAX_US 10000 /* idle: a look costs some 20 µs of CPU, so 100 a second are 0.2 % of a core */
#define SLEEP_MOVING_US 100 /* while a large message moves piece by piece */
#define SLEEP_PART 4       /* in between: a quarter of the time since the last traffic */

static const struct lam_sv nothing = {"", 0};

static void send_beat(struct lam_comm *comm, int dst)
{
    if (comm->out[dst].beating)
        return; /* the last one was not even taken */
    comm->out[dst].beating = true;
    if (comm_send_control(comm, dst, TYPE_BEAT, nothing, true, NULL))
        comm->out[dst].beating = false; /* out of memory: the next one may get through */
}

void comm_beat(struct lam_comm *comm, int64_t now_us)
{
    int64_t gap_us = now_us - comm->looked_us;

    comm->looked_us = now_us;
    if (comm->size == 1)
        return;
    if (gap_us > LAM_COMM_HEARTBEAT_MS * 1000)
        for (int i = 0; i < comm->size; i++)
            comm->heard_us[i] += gap_us; /* their messages wait in the transport; it is us who were away */
    if (comm->closing || now_us < comm->beat_us)
        return;
    comm->beat_us = now_us + LAM_COMM_HEARTBEAT_MS * 1000;
    if (comm->rank)
        send_beat(comm, 0);
    else
        for (int dst = 1; dst < comm->size; dst++)
            send_beat(comm, dst);
}

int lam_comm_silent(const struct lam_comm *comm, int64_t limit_ms, int *ranks, int max)
{
    int64_t now = comm->looked_us;
    int last = comm->rank ? 1 : comm->size, silent = 0;

    for (int rank = 0; rank < last; rank++) {
        if (rank == comm->rank || now - comm->heard_us[rank] < limit_ms * 1000)
            continue;
        if (silent < max)
            ranks[silent] = rank;
        silent++;
    }
    return silent;
}

/* True: woken. */
static bool doze(struct lam_wake *wake, int64_t us)
{
    struct timespec limit = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    if (wake)
        return lam_wake_wait(wake, us);
    ppoll(NULL, 0, &limit, NULL);
    return false;
}

/* A send was refused, and bytes have left since: its caller wants to try again. */
static bool room_again(struct lam_comm *comm)
{
    if (!comm->full || !comm->drained)
        return false;
    comm->full = false;
    return true;
}

bool lam_comm_wait(struct lam_comm *comm, struct lam_wake *wake, int64_t max_ms)
{
    int64_t start = lam_mono_us(comm->clock), end = start + max_ms * 1000, now = start;

    if (comm->came.first || comm->out[comm->rank].queue.first || comm->broken.code || room_again(comm))
        return true;
    do {
        int64_t most_us, sleep_us = end - now, idle_us = (now - comm->traffic_us) / SLEEP_PART;

        if (comm->size > 1 && comm->ops->remote) {
            if (comm_look(comm) || comm->came.first || room_again(comm))
                return true;
            most_us = comm->moving ? SLEEP_MOVING_US : SLEEP_MAX_US;
            idle_us = idle_us < SLEEP_MIN_US ? SLEEP_MIN_US : idle_us > most_us ? most_us : idle_us;
            sleep_us = idle_us < sleep_us ? idle_us : sleep_us;
        }
        if (doze(wake, sleep_us))
            return true;
        now = lam_mono_us(comm->clock);
    } while (now < end);
    return false;
}
