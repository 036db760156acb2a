#include "speed_owed.h"

#include <stdlib.h>

/* One piece of memory for all its strings, so that no size of its parts is a special one. */
static int copy_row(struct lam_speed_owed *owed, const struct lam_row *row, struct lam_error *err)
{
    struct lam_record *rec = &owed->row.rec;
    struct lam_enrichment *enr = &owed->row.enr;
    struct lam_sv *const views[] = {&rec->key,      &rec->order,    &rec->media_type, &rec->title,    &rec->text,   &rec->metadata, &enr->category,
                                    &enr->entities, &enr->summary,  &enr->language,   &enr->keywords, &enr->custom, &enr->analyzer, &enr->trace};
    size_t bytes = 0, at = 0;

    owed->row = *row;
    rec->structure = enr->space = lam_sv("", 0);
    enr->embedding = NULL;
    enr->dim = 0;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        bytes += views[i]->len;
    if (!(owed->strings = malloc(bytes + 1)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a record that an agent is asked about");
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        if (views[i]->len)
            memcpy(owed->strings + at, views[i]->ptr, views[i]->len);
        views[i]->ptr = owed->strings + at;
        at += views[i]->len;
    }
    owed->bytes = sizeof *owed + bytes;
    return 0;
}

int lam_speed_owed_new(struct lam_speed_owed **out, const struct lam_row *row, struct lam_error *err)
{
    struct lam_speed_owed *owed = calloc(1, sizeof *owed);
    int rc;

    *out = NULL;
    if (!owed)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a record that an agent is asked about");
    lam_arena_init(&owed->masked, LAM_AGENT_MASKED_MAX);
    if ((rc = copy_row(owed, row, err))) {
        lam_speed_owed_free(owed);
        return rc;
    }
    *out = owed;
    return 0;
}

void lam_speed_owed_free(struct lam_speed_owed *owed)
{
    lam_buf_release(&owed->task.result);
    lam_buf_release(&owed->task.trail);
    free(owed->strings);
    lam_arena_release(&owed->masked);
    free(owed->custom);
    free(owed->trace);
    free(owed);
}

/* {…,"agent":value} in memory of its own. */
static int add_member(struct lam_sv *object, struct lam_sv value, char **text, struct lam_error *err)
{
    if (!(*text = malloc(lam_agent_member_len(*object, value))))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an agent's answer");
    *object = lam_agent_member_write(*object, value, *text);
    return 0;
}

int lam_speed_owed_fill(struct lam_speed_owed *owed, struct lam_error *err)
{
    const struct lam_agent_task *task = &owed->task;
    struct lam_enrichment *enr = &owed->row.enr;
    int rc = add_member(&enr->trace, lam_buf_sv(&task->trail), &owed->trace, err);

    if (!rc && task->outcome == LAM_AGENT_ANSWERED)
        rc = add_member(&enr->custom, lam_buf_sv(&task->result), &owed->custom, err);
    enr->tokens += rc ? 0 : (uint32_t)(task->used.in + task->used.out);
    return rc;
}

void lam_speed_owed_queue_init(struct lam_speed_owed_queue *queue) { *queue = (struct lam_speed_owed_queue){NULL, &queue->first}; }

void lam_speed_owed_push(struct lam_speed_owed_queue *queue, struct lam_speed_owed *owed)
{
    owed->next = NULL;
    *queue->end = owed;
    queue->end = &owed->next;
}

struct lam_speed_owed *lam_speed_owed_pop(struct lam_speed_owed_queue *queue)
{
    struct lam_speed_owed *owed = queue->first;

    if (owed && !(queue->first = owed->next))
        queue->end = &queue->first;
    return owed;
}
