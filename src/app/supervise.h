/*
 * Running an MPI launcher as a child, so that signals and the exit code mean what they should.
 *
 *     INT, TERM, HUP, USR1 to us  ──>  USR1 to the launcher  ──>  USR1 to each rank: stop cleanly
 *     a second INT, TERM or HUP   ──>  TERM to the launcher (it kills the ranks); a third: KILL to its process group
 *
 * Whatever the launcher leaves behind when it ends, by itself or not, is killed: nothing of the job outlives us.
 *
 * mpirun by itself answers TERM with a SIGKILL to the ranks about 1 s later and returns 1 even where all ended well. The
 * child has a process group of its own, so that Ctrl-C reaches it only through us, and it dies with us.
 */
#ifndef LAMINA_APP_SUPERVISE_H
#define LAMINA_APP_SUPERVISE_H

#include <lamina/error.h>
#include <stdbool.h>

struct lam_supervised {
    int code;     /* its exit code; 128 and the signal that ended it */
    int stop;     /* the first signal that asked us to stop; 0: none did */
    bool forced;  /* it was asked more than once, and the launcher was told to kill */
};

/*
 * Runs argv (argv[0] is looked up in PATH) until it ends; standard input is empty. quiet: Open MPI's paragraphs that say no
 * more than "a rank returned something else than 0" are taken out of standard error; all else passes unchanged.
 * LAM_E_NOT_FOUND: there is no such program. LAM_E_IO: it could not be started. One thread, once a process: it owns the signals.
 */
int lam_supervise(char *const *argv, bool quiet, struct lam_supervised *result, struct lam_error *err);

#endif
