/* The verbs of the program. A verb is a file cmd_<verb>.c with its struct lam_verb, and one line here. */
#include "cli.h"

#define VERBS(VERB) \
    VERB(run)       \
    VERB(batch)     \
    VERB(speed)     \
    VERB(launch)    \
    VERB(serve)     \
    VERB(query)     \
    VERB(export)    \
    VERB(eval)      \
    VERB(store)     \
    VERB(cache)     \
    VERB(stop)      \
    VERB(status)    \
    VERB(job)

#define DECLARE(name) extern const struct lam_verb lam_verb_##name;
#define POINT(name) &lam_verb_##name,

VERBS(DECLARE)

static const struct lam_verb *const verbs[] = {VERBS(POINT)};

int main(int argc, char **argv) { return lam_cli_main(verbs, sizeof verbs / sizeof *verbs, argc, argv); }
