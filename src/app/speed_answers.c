#include "speed_answers.h"

#include "model/wire.h"
#include "speed_rank.h"

#include <stdlib.h>

#define PART_BYTES ((size_t)4 << 20)    /* of an answer, from which on the next row stands in another message */
#define PART_MAX ((size_t)48 << 20)     /* of one message: a row is never divided */
#define ANSWERS_MAX ((size_t)512 << 20) /* of answers that are not sent yet */

struct lam_speed_part {
    struct lam_speed_part *next;
    struct lam_buf bytes;
};

/* An answer in the making: rows go into the part at its end. */
struct asked {
    uint64_t id;
    struct lam_sv key; /* ptr NULL: all rows */
    struct lam_wire wire;
    struct lam_speed_part *first, **end;
    struct lam_buf *open; /* bytes of the last part */
    size_t bytes;
};

static void free_parts(struct lam_speed_part *part)
{
    struct lam_speed_part *next;

    for (; part; part = next) {
        next = part->next;
        lam_buf_release(&part->bytes);
        free(part);
    }
}

static int begin_part(struct asked *asked, const struct lam_tail_range *ranges, size_t count, struct lam_error *err)
{
    const struct lam_speed_answer_head head = {.id = asked->id, .ranges = count};
    struct lam_speed_part *part = calloc(1, sizeof *part);
    int rc;

    if (!part)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an answer");
    lam_buf_init(&part->bytes, PART_MAX);
    *asked->end = part;
    asked->end = &part->next;
    asked->open = &part->bytes;
    rc = lam_buf_add(asked->open, &head, sizeof head, err);
    for (size_t i = 0; !rc && i < count; i++)
        rc = lam_buf_add(asked->open, &(struct lam_speed_next){ranges[i].partition, ranges[i].end}, sizeof(struct lam_speed_next), err);
    return rc ? rc : lam_wire_begin(&asked->wire, asked->open, err);
}

static int end_part(struct asked *asked, bool more, struct lam_error *err)
{
    const uint64_t value = more;
    int rc = lam_wire_end(&asked->wire, err);

    memcpy(asked->open->ptr + offsetof(struct lam_speed_answer_head, more), &value, sizeof value);
    asked->bytes += asked->open->len;
    return rc;
}

static int add_row(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct asked *asked = arg;
    int rc = 0;

    if (asked->key.ptr && !lam_sv_eq(asked->key, row->rec.key))
        return 0;
    if (asked->open->len >= PART_BYTES && !(rc = end_part(asked, true, err)))
        rc = begin_part(asked, NULL, 0, err);
    if (!rc && asked->bytes > ANSWERS_MAX)
        rc = LAM_FAIL(err, LAM_E_LIMIT, "an answer of more than %zu bytes", ANSWERS_MAX);
    return rc ? rc : lam_wire_add_row(&asked->wire, row, err);
}

static int collect(struct lam_tail_log *tail, uint64_t commit, struct asked *asked, struct lam_error *err)
{
    struct lam_tail_range ranges[256] = {0};
    size_t count = tail ? lam_tail_reached(tail, ranges, sizeof ranges / sizeof *ranges) : 0;
    int rc = begin_part(asked, ranges, count, err);

    if (!rc && tail)
        rc = lam_tail_visit(tail, commit, add_row, asked, err);
    return rc ? rc : end_part(asked, false, err);
}

void lam_speed_answers_release(struct lam_speed_answers *answers)
{
    free_parts(answers->first);
    answers->first = NULL;
}

void lam_speed_answers_send(struct lam_speed_answers *answers)
{
    while (answers->first && lam_speed_rank_send(answers->engine, MSG_SPEED_ANSWER, lam_buf_sv(&answers->first->bytes))) {
        struct lam_speed_part *part = answers->first;

        answers->first = part->next;
        answers->bytes -= part->bytes.len;
        lam_buf_release(&part->bytes);
        free(part);
    }
}

void lam_speed_answers_take(struct lam_speed_answers *answers, struct lam_tail_log *tail, struct lam_sv ask)
{
    struct lam_speed_ask_head head;
    struct asked asked = {.bytes = answers->bytes};
    struct lam_speed_part **end = &answers->first;
    struct lam_error err;
    int rc;

    if (ask.len < sizeof head)
        return;
    memcpy(&head, ask.ptr, sizeof head);
    asked.id = head.id;
    asked.end = &asked.first;
    if (head.has_key)
        asked.key = lam_sv(ask.ptr + sizeof head, ask.len - sizeof head);
    if ((rc = collect(tail, head.commit, &asked, &err))) {
        const struct lam_speed_answer_head refusal = {.id = asked.id, .code = rc};

        lam_log_warn(&answers->engine->log, "speed", "a query was refused: %s", err.text);
        free_parts(asked.first);
        lam_speed_rank_send(answers->engine, MSG_SPEED_ANSWER, lam_sv((const char *)&refusal, sizeof refusal));
        return;
    }
    while (*end)
        end = &(*end)->next;
    *end = asked.first;
    answers->bytes = asked.bytes;
    lam_speed_answers_send(answers);
}
