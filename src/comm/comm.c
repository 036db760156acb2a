#include "private.h"

#include <stdio.h>
#include <stdlib.h>

#define POSTED_MAX 32 /* messages of one pair that MPI holds at once; the others wait here, in order */

int lam_comm_rank(const struct lam_comm *comm) { return comm->rank; }
int lam_comm_size(const struct lam_comm *comm) { return comm->size; }
const char *lam_comm_transport(const struct lam_comm *comm) { return comm->ops->name; }
const struct lam_clock *lam_comm_clock(const struct lam_comm *comm) { return comm->clock; }
size_t lam_comm_queued(const struct lam_comm *comm, int dst) { return dst < 0 ? comm->queued : comm->out[dst].bytes; }

static uint16_t type_of(const struct lam_message *msg)
{
    return (uint16_t)((unsigned char)msg->wire[0] | (unsigned char)msg->wire[1] << 8);
}

static bool has_room(struct lam_comm *comm, int dst, size_t len)
{
    if (comm->out[dst].bytes == 0 || comm->out[dst].bytes + len + LAM_MESSAGE_HEADER <= comm->max_queued)
        return true;
    comm->full = true;
    comm->drained = false;
    return false;
}

static int too_long(size_t len, struct lam_error *err)
{
    return LAM_FAIL(err, LAM_E_LIMIT, "a message of %zu bytes: at most %zu are allowed", len, LAM_COMM_MESSAGE_MAX);
}

static int queue(struct lam_comm *comm, int dst, uint16_t type, struct lam_sv bytes, bool quiet, struct lam_error *err)
{
    struct outbox *out = &comm->out[dst];
    struct lam_message *msg;

    if (bytes.len > LAM_COMM_MESSAGE_MAX)
        return too_long(bytes.len, err);
    if (!(msg = lam_message_new(LAM_MESSAGE_HEADER + bytes.len)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a message of %zu bytes", bytes.len);
    memset(msg->wire, 0, LAM_MESSAGE_HEADER);
    msg->wire[0] = (char)type;
    msg->wire[1] = (char)(type >> 8);
    if (bytes.len)
        memcpy(msg->wire + LAM_MESSAGE_HEADER, bytes.ptr, bytes.len);
    msg->peer = dst;
    msg->quiet = quiet;
    lam_messages_push(&out->queue, msg);
    out->bytes += msg->len;
    comm->queued += msg->len;
    if (!quiet)
        comm->traffic_us = lam_mono_us(comm->clock);
    return 0;
}

/* Hands queued messages of dst to the transport, as many as may be under way. */
static int post(struct lam_comm *comm, int dst, struct lam_error *err)
{
    struct outbox *out = &comm->out[dst];
    int rc = 0;

    while (dst != comm->rank && !rc && out->posted < POSTED_MAX && out->queue.first) {
        struct lam_message *msg = lam_messages_pop(&out->queue);

        if (!(rc = comm->ops->post(comm->state, msg, err)))
            out->posted++;
        else
            free(msg);
    }
    return rc;
}

/* The world is broken for good: every later call answers with the same error. */
static int broken(struct lam_comm *comm, int rc, struct lam_error *err)
{
    if (!comm->broken.code) {
        comm->broken = *err;
        comm->broken.code = rc;
    }
    *err = comm->broken;
    return rc;
}

int comm_send_control(struct lam_comm *comm, int dst, uint16_t type, struct lam_sv bytes, bool quiet, struct lam_error *err)
{
    struct lam_error local;
    int rc = queue(comm, dst, type, bytes, quiet, err);

    if (!rc && (rc = post(comm, dst, &local))) {
        broken(comm, rc, &local);
        return LAM_FAIL(err, rc, "%s", local.text);
    }
    return rc;
}

int lam_comm_send(struct lam_comm *comm, int dst, uint16_t type, struct lam_sv bytes, struct lam_error *err)
{
    if (dst < 0 || dst >= comm->size)
        return LAM_FAIL(err, LAM_E_INVALID, "no rank %d in a world of %d", dst, comm->size);
    if (bytes.len > LAM_COMM_MESSAGE_MAX)
        return too_long(bytes.len, err);
    if (!has_room(comm, dst, bytes.len))
        return LAM_PENDING;
    return comm_send_control(comm, dst, type, bytes, false, err);
}

int lam_comm_send_all(struct lam_comm *comm, uint16_t type, struct lam_sv bytes, struct lam_error *err)
{
    int rc = 0;

    if (bytes.len > LAM_COMM_MESSAGE_MAX)
        return too_long(bytes.len, err);
    for (int dst = 0; dst < comm->size; dst++)
        if (dst != comm->rank && !has_room(comm, dst, bytes.len))
            return LAM_PENDING;
    for (int dst = 0; dst < comm->size && !rc; dst++)
        if (dst != comm->rank)
            rc = comm_send_control(comm, dst, type, bytes, false, err);
    return rc;
}

static bool is_parked(const struct lam_comm *comm, uint16_t type)
{
    return type >= LAM_COMM_TYPE_RESERVED && !comm->opened[type - LAM_COMM_TYPE_RESERVED] && !comm->closing;
}

static void set_opened(struct lam_comm *comm, uint16_t first, uint16_t last, bool opened)
{
    for (unsigned type = first; type <= last; type++)
        if (type >= LAM_COMM_TYPE_RESERVED)
            comm->opened[type - LAM_COMM_TYPE_RESERVED] = opened;
}

/* Messages that now have a handler come with the next poll. */
static void unpark(struct lam_comm *comm)
{
    struct lam_messages list = comm->parked;
    struct lam_message *msg;

    comm->parked = (struct lam_messages){0};
    while ((msg = lam_messages_pop(&list)))
        lam_messages_push(is_parked(comm, type_of(msg)) ? &comm->parked : &comm->came, msg);
}

int lam_comm_on(struct lam_comm *comm, uint16_t first, uint16_t last, lam_message_fn handler, void *arg, struct lam_error *err)
{
    for (size_t i = 0; i < comm->handler_count; i++)
        if (first <= comm->handlers[i].last && last >= comm->handlers[i].first)
            return LAM_FAIL(err, LAM_E_EXISTS, "messages %u to %u have a handler already", comm->handlers[i].first, comm->handlers[i].last);
    if (comm->handler_count == HANDLERS_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "%d handlers are all there can be", HANDLERS_MAX);
    comm->handlers[comm->handler_count++] = (struct handler){first, last, handler, arg};
    set_opened(comm, first, last, true);
    unpark(comm);
    return 0;
}

void lam_comm_off(struct lam_comm *comm, uint16_t first)
{
    for (size_t i = 0; i < comm->handler_count; i++)
        if (comm->handlers[i].first == first) {
            set_opened(comm, first, comm->handlers[i].last, false);
            comm->handlers[i] = comm->handlers[--comm->handler_count];
            return;
        }
}

static void left(struct lam_comm *comm, struct outbox *out, const struct lam_message *msg)
{
    out->bytes -= msg->len;
    comm->queued -= msg->len;
    comm->drained = true;
}

int comm_look(struct lam_comm *comm)
{
    struct lam_messages sent = {0}, came = {0};
    struct lam_message *msg;
    struct lam_error err;
    int64_t now = lam_mono_us(comm->clock);
    int rc;

    if (comm->broken.code)
        return comm->broken.code;
    comm_beat(comm, now);
    comm->moving = false;
    rc = comm->ops->progress(comm->state, &sent, &came, &comm->moving, &err);
    while ((msg = lam_messages_pop(&sent))) {
        struct outbox *out = &comm->out[msg->peer];

        left(comm, out, msg);
        out->posted--;
        if (msg->quiet)
            out->beating = false;
        else
            comm->traffic_us = now;
        if (!rc)
            rc = post(comm, msg->peer, &err);
        free(msg);
    }
    while ((msg = lam_messages_pop(&came))) {
        comm->heard_us[msg->peer] = now;
        if (type_of(msg) == TYPE_BEAT) {
            free(msg);
            continue;
        }
        comm->traffic_us = now;
        lam_messages_push(&comm->came, msg);
    }
    return rc ? broken(comm, rc, &err) : 0;
}

/* Takes msg over. */
static void hand_out(struct lam_comm *comm, struct lam_message *msg, lam_message_fn fn, void *arg)
{
    uint16_t type = type_of(msg);

    if (is_parked(comm, type)) {
        lam_messages_push(&comm->parked, msg);
        return;
    }
    for (size_t i = 0; i < comm->handler_count; i++)
        if (type >= comm->handlers[i].first && type <= comm->handlers[i].last) {
            fn = comm->handlers[i].fn;
            arg = comm->handlers[i].arg;
            break;
        }
    if (fn && (!comm->closing || type == TYPE_VOTE || type == TYPE_WORD))
        fn(arg, msg->peer, type, lam_sv(msg->wire + LAM_MESSAGE_HEADER, msg->len - LAM_MESSAGE_HEADER));
    free(msg);
}

int lam_comm_poll(struct lam_comm *comm, lam_message_fn handler, void *arg, struct lam_error *err)
{
    struct lam_messages came, mine = comm->out[comm->rank].queue;
    struct lam_message *msg;
    int rc = comm_look(comm);

    came = comm->came;
    comm->came = (struct lam_messages){0};
    comm->out[comm->rank].queue = (struct lam_messages){0};
    while ((msg = lam_messages_pop(&came))) {
        hand_out(comm, msg, handler, arg);
    }
    while ((msg = lam_messages_pop(&mine))) {
        left(comm, &comm->out[comm->rank], msg);
        hand_out(comm, msg, handler, arg);
    }
    if (rc)
        return LAM_FAIL(err, rc, "%s", comm->broken.text);
    return 0;
}

void ranks_text(char text[RANKS_TEXT], const int *ranks, int count, int total)
{
    size_t len = (size_t)snprintf(text, RANKS_TEXT, "%s", total == 1 ? "rank " : "ranks ");
    int shown = 0;

    for (; shown < count && len < RANKS_TEXT - 32; shown++)
        len += (size_t)snprintf(text + len, RANKS_TEXT - len, "%s%d", shown ? ", " : "", ranks[shown]);
    if (shown < total)
        snprintf(text + len, RANKS_TEXT - len, " and %d more", total - shown);
}
