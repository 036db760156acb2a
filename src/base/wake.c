#include "wake.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

int lam_wake_init(struct lam_wake *wake, struct lam_error *err)
{
    atomic_init(&wake->set, false);
    wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wake->fd >= 0 ? 0 : LAM_FAIL(err, LAM_E_IO, "eventfd: %s", strerror(errno));
}

void lam_wake_release(struct lam_wake *wake)
{
    if (wake->fd >= 0)
        close(wake->fd);
    wake->fd = -1;
}

void lam_wake_signal(struct lam_wake *wake)
{
    static const uint64_t one = 1;
    int saved = errno; /* a signal handler must leave it alone */

    if (!atomic_exchange(&wake->set, true) && write(wake->fd, &one, sizeof one) < 0)
        atomic_store(&wake->set, false); /* cannot be: the counter is 0 or 1 */
    errno = saved;
}

/* Takes the counter down before the flag: a signal in between finds the flag set, writes nothing, and is the one reported here. */
static bool take(struct lam_wake *wake)
{
    uint64_t count;

    if (read(wake->fd, &count, sizeof count) != sizeof count)
        return false;
    return atomic_exchange(&wake->set, false);
}

bool lam_wake_wait(struct lam_wake *wake, int64_t timeout_us)
{
    struct timespec limit = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
    struct pollfd item = {.fd = wake->fd, .events = POLLIN};

    if (timeout_us == 0 && !atomic_load(&wake->set))
        return false;
    if (ppoll(&item, 1, timeout_us < 0 ? NULL : &limit, NULL) <= 0) /* EINTR: as if time were up; callers sleep in a loop */
        return false;
    return take(wake);
}
