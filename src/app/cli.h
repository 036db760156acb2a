/*
 * The command line frame: one binary, one verb a file.
 *
 * A verb is a struct lam_verb in cmd_<verb>.c and one word in the list in main.c. The frame knows --help, --json and (for verbs
 * that take a job) --set; the verb says which options it has besides, and reads them with lam_cli_option. Results go to standard
 * output, as JSON with --json; everything else goes to standard error. Options may stand before and after arguments; "--"
 * ends them. Strings live as long as main's argv.
 */
#ifndef LAMINA_APP_CLI_H
#define LAMINA_APP_CLI_H

#include <lamina/error.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/job.h"

struct lam_engine;

/* Exit codes: they tell the truth (invariant 11). */
enum lam_exit {
    LAM_EXIT_DONE = 0,
    LAM_EXIT_FAILED = 1,
    LAM_EXIT_USAGE = 2,      /* bad usage or job file; a path that leads to no job file, or no store */
    LAM_EXIT_QUARANTINE = 3, /* finished, with more records in quarantine than allowed */
    LAM_EXIT_RESUME = 75     /* stopped with a batch unfinished: run it again */
};

struct lam_cli;

struct lam_option {
    const char *name;  /* without "--" */
    char letter;       /* '\0': none */
    const char *value; /* what it takes, such as "N"; NULL: nothing */
    const char *doc;
};

struct lam_verb {
    const char *name;
    const char *arguments; /* as help shows them: "JOB" */
    const char *summary;   /* one line, no full stop */
    const char *details;   /* paragraphs and examples for --help; NULL: none. Lines of at most 100 columns */
    const struct lam_option *options;
    size_t option_count;
    int min_args, max_args; /* max_args -1: any number */
    bool takes_job;         /* --set is known */
    bool takes_ranks;       /* `lamina launch` may start it on several ranks */
    bool passes_on;         /* everything from the first argument on is somebody else's command line */
    int (*run)(struct lam_cli *cli); /* enum lam_exit */
};

#define LAM_CLI_GIVEN_MAX 128

struct lam_cli {
    const struct lam_verb *const *verbs; /* all there are */
    size_t verb_count;
    const struct lam_verb *verb;
    bool json;
    const char *sets[LAM_CLI_GIVEN_MAX];
    size_t set_count;
    char **args; /* what is no option, NULL-terminated */
    int arg_count;
    struct {
        const struct lam_option *option;
        const char *value;
    } given[LAM_CLI_GIVEN_MAX];
    size_t given_count;
};

/* The whole program: finds the verb, reads its options, runs it. Returns the exit code. */
int lam_cli_main(const struct lam_verb *const *verbs, size_t verb_count, int argc, char **argv);

/* The value of an option that was given (the last one; "" where it takes none), or NULL. */
const char *lam_cli_option(const struct lam_cli *cli, const char *name);

/* The option's value as a whole number from min to max, fallback where it was not given. LAM_E_INVALID: told to the user already. */
int lam_cli_number(const struct lam_cli *cli, const char *name, long long min, long long max, long long fallback, long long *value);

/* Tells what was wrong with the command line and where help is; LAM_EXIT_USAGE. */
int lam_cli_usage(const struct lam_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Tells an error, on standard error and with --json as {"error": {"code", "text"}}; LAM_EXIT_FAILED. */
int lam_cli_fail(const struct lam_cli *cli, const struct lam_error *err);

/*
 * Loads the job with the --set of the command line. 0, or the exit code after telling every problem: LAM_EXIT_USAGE, and
 * LAM_EXIT_FAILED where the file is there and cannot be read. With --json also {"file", "ok": false, "problems": […]}.
 */
int lam_cli_job(const struct lam_cli *cli, const char *path, struct lam_job **job);

/*
 * Opens the store of a verb that looks at one. 0, or the exit code after telling: LAM_EXIT_USAGE where the path leads to no store, LAM_EXIT_FAILED where what
 * is there cannot be read. lam_engine_close in any case.
 */
int lam_cli_store(const struct lam_cli *cli, const char *path, struct lam_engine *engine);

/* Flushes standard output: what a full disk or a closed pipe lost is LAM_EXIT_FAILED, else code. */
int lam_cli_end(const struct lam_cli *cli, int code);

#endif
