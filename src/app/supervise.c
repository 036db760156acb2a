#include "supervise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abort_filter.h"
#include "base/clock.h"

#define HOLD_MS 200              /* what the filter holds back is shown after this silence */
#define READY_US 10000000        /* by then launcher and ranks are ready for USR1, as far as one can see it from here */
#define SAME_PRESS_US 500000     /* one Ctrl-C may reach us twice */
#define DRAIN_US 1000000         /* for what is left in the pipe when the launcher has ended */
#define LEFT_US 5000000          /* for what it left behind to die of a KILL */

struct watch {
    pid_t pid;
    int signals, output; /* signalfd; read end of its standard error, -1: none */
    bool ended;
    int status;
    int64_t started_us, asked_us, forced_us; /* 0: not yet */
    bool sent;
    int force;
    struct lam_abort_filter filter;
    struct lam_supervised *result;
};

static int64_t now_us(void) { return lam_mono_us(&lam_clock_system); }

/* Does the process catch USR1? Where /proc does not tell, it does. */
static bool catches_usr1(pid_t pid)
{
    char path[64], line[256];
    unsigned long long caught = 0;
    FILE *status;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    status = fopen(path, "re");
    if (!status)
        return true;
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "SigCgt: %llx", &caught) == 1)
            break;
    fclose(status);
    return caught >> (SIGUSR1 - 1) & 1;
}

static pid_t parent_of(const char *pid)
{
    char path[300], line[512];
    const char *end;
    int parent = 0;
    FILE *stat;

    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    stat = fopen(path, "re");
    if (!stat)
        return 0;
    /* pid (name, which may have blanks and parentheses) state ppid */
    if (!fgets(line, sizeof line, stat) || !(end = strrchr(line, ')')) || sscanf(end + 1, " %*c %d", &parent) != 1)
        parent = 0;
    fclose(stat);
    return parent;
}

/* Sent too early USR1 would end the launcher, or a rank, or be forwarded to nobody. Of ranks on other nodes nothing is seen. */
static bool is_ready(pid_t launcher)
{
    DIR *proc = catches_usr1(launcher) ? opendir("/proc") : NULL;
    int ranks = 0, ready = 0;

    if (!proc)
        return false;
    for (struct dirent *entry; (entry = readdir(proc));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || parent_of(entry->d_name) != launcher)
            continue;
        ranks++;
        ready += catches_usr1((pid_t)strtol(entry->d_name, NULL, 10));
    }
    closedir(proc);
    return ranks && ready == ranks;
}

static void ask_to_stop(struct watch *watch)
{
    if (!watch->asked_us || watch->ended || watch->force || watch->sent)
        return;
    if (!is_ready(watch->pid) && now_us() - watch->started_us < READY_US)
        return;
    kill(watch->pid, SIGUSR1);
    watch->sent = true;
}

static void take_signal(struct watch *watch, int signal)
{
    int64_t now = now_us();

    if (signal == SIGCHLD) {
        if (!watch->ended && waitpid(watch->pid, &watch->status, WNOHANG) == watch->pid)
            watch->ended = true;
        return;
    }
    if (!watch->asked_us) {
        watch->asked_us = watch->forced_us = now;
        watch->result->stop = signal;
    } else if (signal != SIGUSR1 && now - watch->forced_us >= SAME_PRESS_US && !watch->ended) {
        watch->forced_us = now;
        watch->result->forced = true;
        if (watch->force++ == 0)
            kill(watch->pid, SIGTERM);
        else
            kill(-watch->pid, SIGKILL);
    }
}

static void read_signals(struct watch *watch)
{
    struct signalfd_siginfo info;

    while (read(watch->signals, &info, sizeof info) == (ssize_t)sizeof info)
        take_signal(watch, (int)info.ssi_signo);
}

/* false: there is nothing at the moment */
static bool read_output(struct watch *watch)
{
    char bytes[8192];
    ssize_t n;

    if (watch->output < 0)
        return false;
    n = read(watch->output, bytes, sizeof bytes);
    if (n > 0) {
        lam_abort_filter_write(&watch->filter, bytes, (size_t)n);
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    close(watch->output);
    watch->output = -1;
    return false;
}

static void nap(void)
{
    nanosleep(&(const struct timespec){0, 10000000}, NULL);
}

/* Kills the processes whose parent we are, and reaps those that have ended; whether there were any. */
static bool kill_children(void)
{
    const pid_t self = getpid();
    DIR *proc = opendir("/proc");
    bool any = false;

    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || parent_of(entry->d_name) != self)
            continue;
        kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
        any = true;
    }
    if (proc)
        closedir(proc);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    return any;
}

/*
 * The launcher has ended: what it left behind is ours by now (we are its subreaper), and is nobody's work any more. Ranks are left where the launcher was killed,
 * or could not end those that ignore TERM; each has a process group of its own. Grandchildren become ours when their parents die: so again until none is left.
 */
static void end_tree(void)
{
    for (int64_t end = now_us() + LEFT_US; kill_children() && now_us() < end;)
        nap();
}

static void watch_child(struct watch *watch)
{
    while (!watch->ended) {
        struct pollfd fds[2] = {{watch->signals, POLLIN, 0}, {watch->output, POLLIN, 0}};
        int rc = poll(fds, 2, HOLD_MS);

        read_signals(watch);
        if (rc == 0)
            lam_abort_filter_flush(&watch->filter);
        else if (fds[1].revents)
            read_output(watch);
        ask_to_stop(watch);
    }
    end_tree();
    for (int64_t end = now_us() + DRAIN_US; watch->output >= 0 && now_us() < end;) {
        struct pollfd fd = {watch->output, POLLIN, 0};

        if (poll(&fd, 1, HOLD_MS) > 0)
            read_output(watch);
    }
    lam_abort_filter_flush(&watch->filter);
}

/* In the child: never returns. told is closed by a successful exec; else errno comes back through it. */
static void become(char *const *argv, const sigset_t *mask, pid_t parent, int output, int told)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), reason;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    if (output >= 0)
        dup2(output, STDERR_FILENO);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    reason = errno;
    if (write(told, &reason, sizeof reason) < 0)
        _exit(126);
    _exit(127);
}

static int start(char *const *argv, bool quiet, struct watch *watch, struct lam_error *err)
{
    int told[2] = {-1, -1}, output[2] = {-1, -1}, reason = 0;
    pid_t parent = getpid();
    sigset_t set, before;

    sigemptyset(&set);
    for (const int *signal = (const int[]){SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, 0}; *signal; signal++)
        sigaddset(&set, *signal);
    watch->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (watch->signals < 0 || pipe2(told, O_CLOEXEC) || (quiet && pipe2(output, O_CLOEXEC)))
        return LAM_FAIL(err, LAM_E_IO, "start %s: %s", argv[0], strerror(errno));
    sigprocmask(SIG_BLOCK, &set, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    watch->started_us = now_us();
    watch->pid = fork();
    if (watch->pid == 0)
        become(argv, &before, parent, output[1], told[1]);
    close(told[1]);
    if (output[1] >= 0)
        close(output[1]);
    watch->output = output[0];
    if (watch->output >= 0)
        fcntl(watch->output, F_SETFL, O_NONBLOCK);
    if (watch->pid < 0) {
        close(told[0]);
        return LAM_FAIL(err, LAM_E_IO, "start %s: %s", argv[0], strerror(errno));
    }
    while (read(told[0], &reason, sizeof reason) < 0 && errno == EINTR)
        ;
    close(told[0]);
    if (!reason)
        return 0;
    waitpid(watch->pid, NULL, 0);
    return LAM_FAIL(err, reason == ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "start %s: %s", argv[0], strerror(reason));
}

int lam_supervise(char *const *argv, bool quiet, struct lam_supervised *result, struct lam_error *err)
{
    struct watch watch = {.output = -1, .result = result};
    int rc;

    memset(result, 0, sizeof *result);
    lam_abort_filter_init(&watch.filter, STDERR_FILENO);
    rc = start(argv, quiet, &watch, err);
    if (!rc) {
        watch_child(&watch);
        result->code = WIFEXITED(watch.status) ? WEXITSTATUS(watch.status) : 128 + WTERMSIG(watch.status);
    }
    if (watch.output >= 0)
        close(watch.output);
    if (watch.signals >= 0)
        close(watch.signals);
    return rc;
}
