/* Faults inside mapped segments: SIGBUS, when the disk or the network cannot deliver a page, or the file became shorter. */
#include "map.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>

static _Thread_local sigjmp_buf *volatile target; /* where a fault of this thread goes; NULL: nowhere */

static void on_fault(int signal_number)
{
    if (target)
        siglongjmp(*target, 1);
    signal(signal_number, SIG_DFL); /* the access is repeated, and ends the process */
}

int lam_map_catch_faults(struct lam_error *err)
{
    struct sigaction action = {.sa_handler = on_fault};

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, &action, NULL))
        return LAM_FAIL(err, LAM_E_IO, "catch SIGBUS: %s", strerror(errno));
    return 0;
}

int lam_map_guard(int (*work)(void *arg), void *arg, struct lam_error *err)
{
    sigjmp_buf here, *volatile outer = target;
    int rc;

    if (sigsetjmp(here, 1)) { /* with the mask: the signal is blocked while its handler runs */
        target = outer;
        return LAM_FAIL(err, LAM_E_CORRUPT, "a mapped segment could not be read: its file became shorter, or the disk failed");
    }
    target = &here;
    rc = work(arg);
    target = outer;
    return rc;
}
