#include "transport.h"

#include <stdlib.h>

struct lam_message *lam_message_new(size_t len)
{
    struct lam_message *msg = aligned_alloc(16, (sizeof *msg + len + 15) & ~(size_t)15);

    if (msg)
        *msg = (struct lam_message){.len = len};
    return msg;
}

void lam_messages_push(struct lam_messages *list, struct lam_message *msg)
{
    msg->next = NULL;
    if (list->last)
        list->last->next = msg;
    else
        list->first = msg;
    list->last = msg;
}

struct lam_message *lam_messages_pop(struct lam_messages *list)
{
    struct lam_message *msg = list->first;

    if (!msg)
        return NULL;
    list->first = msg->next;
    if (!list->first)
        list->last = NULL;
    msg->next = NULL;
    return msg;
}

void lam_messages_free(struct lam_messages *list)
{
    struct lam_message *msg;

    while ((msg = lam_messages_pop(list)))
        free(msg);
}
