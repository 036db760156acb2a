/* The consumer's inside, for the files that are one module with kafka.c. */
#ifndef LAMINA_SOURCE_KAFKA_HANDLE_H
#define LAMINA_SOURCE_KAFKA_HANDLE_H

#include "base/buf.h"
#include "props.h"

struct lam_kafka {
    struct lam_kafka_noise noise; /* first: librdkafka's callbacks get the handle as this */
    rd_kafka_t *rk;
    rd_kafka_topic_t *rkt;
    rd_kafka_queue_t *queue;
    rd_kafka_queue_t *commits; /* answers to commits */
    bool committing;           /* one is under way */
    char *brokers, *topic, *cluster_id;
    char who[160];
    uint32_t partitions;
    int timeout_ms;
    bool paused;
    bool suspect;         /* the topic may be gone: the metadata decides, asked again from look_again_us on */
    int64_t look_again_us;

    int64_t *next;      /* for each partition: behind the last message given out */
    rd_kafka_message_t **messages;
    size_t message_count, message_cap;
    struct lam_kafka_event *events;
    struct lam_buf headers;

    struct lam_error failure; /* code 0: none; then what every poll answers */
    bool has_gap;
    struct lam_kafka_gap gap;
    struct lam_kafka_stats stats;
};

static inline int64_t lam_kafka_now_us(void) { return lam_mono_us(&lam_clock_system); }

/* A question that failed: what was asked, and librdkafka's code, as ours. */
int lam_kafka_no_answer(struct lam_kafka *kafka, const char *what, rd_kafka_resp_err_t code, struct lam_error *err);

/* Drops what was given out, and assigns. */
int lam_kafka_assign_raw(struct lam_kafka *kafka, const struct lam_kafka_offset *starts, size_t count, struct lam_error *err);

#endif
