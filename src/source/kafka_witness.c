/* Witnesses: single records, read back to see whether a topic is still the one that was archived. */
#include "kafka_handle.h"

#include <stdlib.h>

#include "base/hash.h"

uint32_t lam_witness_crc(struct lam_sv key, struct lam_sv value)
{
    return lam_crc32c(lam_crc32c(0, key.ptr, key.len), value.ptr, value.len);
}

/* The offset is not there: below what is kept, or beyond the end? */
static void judge(struct lam_kafka *kafka, struct lam_kafka_witness *witness)
{
    int64_t low, high;

    witness->state = LAM_WITNESS_GONE;
    if (!rd_kafka_query_watermark_offsets(kafka->rk, kafka->topic, (int32_t)witness->partition, &low, &high,
                                          kafka->timeout_ms) &&
        witness->offset >= high)
        witness->state = LAM_WITNESS_BEYOND;
}

static void testify(struct lam_kafka *kafka, struct lam_kafka_witness *witness, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        witness->state = message->offset <= witness->offset ? LAM_WITNESS_BEYOND : LAM_WITNESS_GONE;
    } else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        judge(kafka, witness);
    } else if (message->err) {
        lam_noise_add(&kafka->noise, rd_kafka_err2name(message->err), rd_kafka_message_errstr(message));
    } else if (message->offset != witness->offset) {
        witness->state = LAM_WITNESS_GONE;
    } else {
        int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);

        witness->state = LAM_WITNESS_FOUND;
        witness->timestamp_us = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || timestamp_ms < 0 ? LAM_TIME_NONE : timestamp_ms * 1000;
        witness->crc = lam_witness_crc(lam_sv(message->key, message->key_len), lam_sv(message->payload, message->len));
    }
}

static struct lam_kafka_witness *asked(struct lam_kafka_witness *witnesses, size_t count, int32_t partition)
{
    for (size_t i = 0; i < count; i++)
        if (!witnesses[i].state && witnesses[i].partition == (uint32_t)partition)
            return &witnesses[i];
    return NULL;
}

int lam_kafka_witnesses(struct lam_kafka *kafka, struct lam_kafka_witness *witnesses, size_t count, struct lam_error *err)
{
    int64_t deadline = lam_kafka_now_us() + (int64_t)kafka->timeout_ms * 1000;
    struct lam_kafka_offset *starts = calloc(count ? count : 1, sizeof *starts);
    size_t wanted = 0, left;
    int rc = 0;

    if (!starts)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu witnesses", count);
    for (size_t i = 0; i < count; i++) {
        witnesses[i].state = witnesses[i].partition < kafka->partitions ? 0 : LAM_WITNESS_BEYOND;
        witnesses[i].timestamp_us = LAM_TIME_NONE;
        witnesses[i].crc = 0;
        if (!witnesses[i].state)
            starts[wanted++] = (struct lam_kafka_offset){witnesses[i].partition, witnesses[i].offset};
    }
    left = wanted;
    if (wanted)
        rc = lam_kafka_assign_raw(kafka, starts, wanted, err);
    while (!rc && left && lam_kafka_now_us() < deadline) {
        rd_kafka_message_t *message;

        rd_kafka_poll(kafka->rk, 0);
        if (rd_kafka_consume_batch_queue(kafka->queue, 100, &message, 1) == 1) {
            struct lam_kafka_witness *witness = asked(witnesses, count, message->partition);

            if (witness) {
                testify(kafka, witness, message);
                left -= witness->state != 0;
            }
            rd_kafka_message_destroy(message);
        }
    }
    if (wanted && rd_kafka_assign(kafka->rk, NULL) && !rc)
        rc = LAM_FAIL(err, LAM_E_IO, "%s: partitions cannot be given back", kafka->who);
    if (!rc && left)
        rc = lam_kafka_no_answer(kafka, "the record that witnesses the archive position", RD_KAFKA_RESP_ERR__TIMED_OUT, err);
    free(starts);
    return rc;
}
