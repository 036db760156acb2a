/* Rank 0's side of the speed layer. Inside of speed_*.c only. */
#ifndef LAMINA_APP_SPEED_COORDINATOR_H
#define LAMINA_APP_SPEED_COORDINATOR_H

#include "pulse.h"
#include "speed_parts.h"

/* What speed_begin.c makes, on the storage thread. */
struct lam_speed_begun {
    struct lam_speed_setup setup; /* all partitions */
    uint64_t term;
    struct lam_pulse *pulse;
    struct lam_broker *broker;
    struct lam_replay *replay; /* storage thread: made by lam_speed_replay_storage */
};

/* Takes the term, finds or opens the life, starts the local broker. */
int lam_speed_begin_storage(struct lam_engine *engine, struct lam_speed_begun *begun, struct lam_error *err);

/* speed_starts.c: from which offsets on each partition is read, archived and answered. kafka: NULL for the local broker, which has nothing yet. */
int lam_speed_find_starts(struct lam_engine *engine, struct lam_speed_begun *begun, uint32_t partitions, struct lam_kafka *kafka, struct lam_error *err);

/* Starts the replayer: once all speed ranks consume, so that no event waits for its consumer. */
int lam_speed_replay_storage(struct lam_engine *engine, struct lam_speed_begun *begun, struct lam_error *err);
void lam_speed_begun_release(struct lam_speed_begun *begun);

int lam_speed_coordinator_open(struct lam_speed_coordinator **coordinator, struct lam_engine *engine, struct lam_error *err);
void lam_speed_coordinator_close(struct lam_speed_coordinator *coordinator); /* NULL-safe */
int lam_speed_coordinator_step(struct lam_speed_coordinator *coordinator, struct lam_error *err);

/* Sends one message to a speed rank. LAM_E_IO: it takes none. Main thread. */
int lam_speed_tell(struct lam_engine *engine, int rank, uint16_t type, const void *bytes, size_t len, struct lam_error *err);

#endif
