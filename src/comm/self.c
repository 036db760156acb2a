/* A world of one: nobody to send to, nothing that could come. Messages to oneself do not reach a transport. */
#include "transport.h"

static int open_self(const struct lam_transport_ops *ops, void **state, int *rank, int *size, struct lam_error *err)
{
    (void)ops;
    (void)err;
    *state = NULL;
    *rank = 0;
    *size = 1;
    return 0;
}

static int post_self(void *state, struct lam_message *msg, struct lam_error *err)
{
    (void)state;
    return LAM_FAIL(err, LAM_E_INVALID, "a world of one has no rank %d", msg->peer);
}

static int progress_self(void *state, struct lam_messages *sent, struct lam_messages *came, bool *moving, struct lam_error *err)
{
    (void)state;
    (void)sent;
    (void)came;
    (void)moving;
    (void)err;
    return 0;
}

static int close_self(void *state, bool together, struct lam_error *err)
{
    (void)state;
    (void)together;
    (void)err;
    return 0;
}

const struct lam_transport_ops lam_transport_self = {"self", false, open_self, post_self, progress_self, close_self, NULL};
