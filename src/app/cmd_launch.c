/* lamina launch: the same verb on several ranks, under mpirun or srun, with the options that their defaults get wrong. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "config/nearest.h"
#include "supervise.h"

#define RANKS_MAX 1000000
#define WORDS_MAX 4096
#define ENV_MAX 16

extern const struct lam_verb lam_verb_launch; /* main.c lists it */

enum launcher { OPENMPI, HYDRA, SRUN };

/* The command that is being put together. */
struct command {
    char *words[WORDS_MAX];
    size_t count;
    char own[64][64]; /* words that were made here */
    size_t own_count;
    struct {
        const char *name, *value;
    } env[ENV_MAX];   /* what is set for it, unless the user has */
    size_t env_count;
    enum launcher launcher;
    bool overflow;
};

static void word(struct command *command, const char *text)
{
    if (command->count < WORDS_MAX - 1)
        command->words[command->count++] = (char *)text; /* exec's argv is not const, and exec does not write */
    else
        command->overflow = true;
}

static void made_word(struct command *command, const char *before, const char *text)
{
    char *own = command->own[command->own_count++];

    snprintf(own, sizeof command->own[0], "%s%s", before, text);
    word(command, own);
}

static void env(struct command *command, const char *name, const char *value)
{
    if (getenv(name))
        return;
    command->env[command->env_count].name = name;
    command->env[command->env_count++].value = value;
}

static bool in_path(const char *program)
{
    const char *path = getenv("PATH");
    char folders[PATH_MAX * 4], full[PATH_MAX * 4 + 256];

    if (strchr(program, '/'))
        return access(program, X_OK) == 0;
    snprintf(folders, sizeof folders, "%s", path ? path : "/usr/local/bin:/usr/bin:/bin");
    for (char *save, *folder = strtok_r(folders, ":", &save); folder; folder = strtok_r(NULL, ":", &save)) {
        snprintf(full, sizeof full, "%s/%.200s", folder, program);
        if (access(full, X_OK) == 0)
            return true;
    }
    return false;
}

static long number_of(const char *name)
{
    const char *text = getenv(name);

    return text ? strtol(text, NULL, 10) : 0;
}

/* In an allocation of several tasks or nodes srun knows best where they are. */
static bool wants_srun(void)
{
    bool several = number_of("SLURM_NTASKS") > 1 || number_of("SLURM_JOB_NUM_NODES") > 1 || number_of("SLURM_NNODES") > 1;

    return getenv("SLURM_JOB_ID") && several && in_path("srun");
}

/* mpirun is Open MPI's or Hydra's (MPICH, Intel MPI): they share a name and few options. */
static enum launcher kind_of(const char *program)
{
    char command[PATH_MAX + 64], line[256];
    enum launcher kind = HYDRA;
    FILE *answer;

    if (strchr(program, '\''))
        return OPENMPI;
    snprintf(command, sizeof command, "'%s' --version 2>/dev/null </dev/null", program);
    answer = popen(command, "re");
    if (!answer)
        return OPENMPI;
    while (fgets(line, sizeof line, answer))
        if (strstr(line, "Open MPI") || strstr(line, "OpenRTE"))
            kind = OPENMPI;
    pclose(answer);
    return kind;
}

static bool in_container(void)
{
    return access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0 || getenv("container");
}

/* Do all ranks start on this host? Whoever gives mpirun words of his own, or hosts by its environment, may mean others. */
static bool stays_here(const struct lam_cli *cli)
{
    static const char *const elsewhere[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "PE_HOSTFILE", "OMPI_MCA_orte_default_hostfile"};

    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (getenv(elsewhere[i]))
            return false;
    return !lam_cli_option(cli, "option");
}

static void openmpi_options(const struct lam_cli *cli, struct command *command)
{
    word(command, "--oversubscribe"); /* slots are cores, and more ranks than those start nothing at all */
    word(command, "--bind-to");       /* else one or two ranks are bound to one core each, with all their threads */
    word(command, "none");
    if (getenv("LAMINA_TERMINAL")) {
        word(command, "-x");
        word(command, "LAMINA_TERMINAL");
    }
    if (geteuid() == 0) {
        env(command, "OMPI_ALLOW_RUN_AS_ROOT", "1");
        env(command, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    }
    /* OMPI_MCA_odls_base_sigkill_timeout stays at its 1 s: mpirun sleeps through all of it whenever a rank returns something
     * else than 0 before the others, and nobody needs it, since we ask ranks to stop by USR1 and not by TERM */
    if (in_container())
        env(command, "OMPI_MCA_btl_vader_single_copy_mechanism", "none"); /* needs a right that containers do not give */
    if (stays_here(cli))
        env(command, "OMPI_MCA_pml", "ob1"); /* else every start looks for fast networks, for 0.2 s */
}

static void srun_options(struct command *command)
{
    const char *cpus = getenv("SLURM_CPUS_PER_TASK");

    word(command, "--mpi=pmix");
    word(command, "--kill-on-bad-exit=1"); /* else the others wait for a rank that is gone */
    word(command, "--cpu-bind=none");
    if (cpus)
        made_word(command, "--cpus-per-task=", cpus); /* srun does not take it from sbatch since 22.05 */
}

/* Columns of the terminal, for ranks: behind mpirun their own standard error is none. */
static void tell_terminal(void)
{
    char columns[16] = "80";
    struct winsize size;

    if (!isatty(STDERR_FILENO))
        return;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        snprintf(columns, sizeof columns, "%u", (unsigned)size.ws_col);
    setenv("LAMINA_TERMINAL", columns, 0);
}

static int put_launcher(const struct lam_cli *cli, struct command *command, long long ranks)
{
    const char *with = lam_cli_option(cli, "with");
    const char *program = with ? with : wants_srun() ? "srun" : in_path("mpirun") || !in_path("mpiexec") ? "mpirun" : "mpiexec";
    const char *slash = strrchr(program, '/');
    char number[24];

    if (!in_path(program)) {
        struct lam_error err;

        LAM_FAIL(&err, LAM_E_NOT_FOUND, "there is no %s to start ranks with. On Debian: apt-get install openmpi-bin", program);
        return lam_cli_fail(cli, &err);
    }
    command->launcher = !strcmp(slash ? slash + 1 : program, "srun") ? SRUN : kind_of(program);
    snprintf(number, sizeof number, "%lld", ranks);
    word(command, program);
    word(command, "-n");
    made_word(command, "", number);
    if (command->launcher == OPENMPI)
        openmpi_options(cli, command);
    else if (command->launcher == SRUN)
        srun_options(command);
    for (size_t i = 0; i < cli->given_count; i++)
        if (!strcmp(cli->given[i].option->name, "option"))
            word(command, cli->given[i].value);
    return 0;
}

static int put_program(const struct lam_cli *cli, struct command *command)
{
    static char self[PATH_MAX];
    const char *program = lam_cli_option(cli, "program");
    ssize_t len;

    if (!program) {
        len = readlink("/proc/self/exe", self, sizeof self - 1);
        if (len < 0) {
            struct lam_error err;

            LAM_FAIL(&err, LAM_E_IO, "/proc/self/exe: %s", strerror(errno));
            return lam_cli_fail(cli, &err);
        }
        self[len] = '\0';
        program = self;
    }
    word(command, program);
    for (int i = 0; i < cli->arg_count; i++)
        word(command, cli->args[i]);
    if (cli->json && !lam_cli_option(cli, "program") && !lam_cli_option(cli, "dry-run"))
        word(command, "--json");
    return command->overflow ? lam_cli_usage(cli, "more than %d words on the command line", WORDS_MAX) : 0;
}

/* What starts must be a verb that ranks can share. */
static int check_verb(const struct lam_cli *cli)
{
    const char *name = cli->arg_count ? cli->args[0] : NULL, *best = NULL;
    double distance = 0;

    if (lam_cli_option(cli, "program"))
        return 0;
    if (!name)
        return lam_cli_usage(cli, "expected %s", cli->verb->arguments);
    for (size_t i = 0; i < cli->verb_count; i++) {
        const struct lam_verb *verb = cli->verbs[i];

        if (!strcmp(verb->name, name) && verb->takes_ranks)
            return 0;
        if (!strcmp(verb->name, name))
            return lam_cli_usage(cli, "%s needs no ranks: start it without launch", name);
        if (verb->takes_ranks)
            lam_nearest_try(name, verb->name, &best, &distance);
    }
    if (best)
        return lam_cli_usage(cli, "unknown verb \"%s\"; did you mean \"%s\"?", name, best);
    return lam_cli_usage(cli, "unknown verb \"%s\"", name);
}

static void print_word(const char *text)
{
    if (*text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@%") == strlen(text)) {
        printf("%s", text);
        return;
    }
    putchar('\'');
    for (; *text; text++)
        printf(*text == '\'' ? "'\\''" : "%c", *text);
    putchar('\'');
}

static int print_command(const struct command *command)
{
    for (size_t i = 0; i < command->env_count; i++)
        printf("%s=%s ", command->env[i].name, command->env[i].value);
    for (size_t i = 0; i < command->count; i++) {
        if (i)
            putchar(' ');
        print_word(command->words[i]);
    }
    putchar('\n');
    return LAM_EXIT_DONE;
}

/* The launcher's code as ours: 128 and a signal is no code that a job returns. */
static int translate(const struct lam_cli *cli, const struct lam_supervised *result)
{
    if (result->stop && (result->code > 128 || (result->forced && result->code)))
        return LAM_EXIT_RESUME;
    if (result->code > 128) {
        fprintf(stderr,
                "lamina %s: ended by signal %d (%s) of a rank or the launcher; the same command goes on from what is "
                "in the store\n",
                cli->verb->name, result->code - 128, strsignal(result->code - 128));
        return LAM_EXIT_FAILED;
    }
    return result->code;
}

static int run(struct lam_cli *cli)
{
    static struct command command; /* large, and there is one */
    struct lam_supervised result;
    struct lam_error err;
    long long ranks;
    int code;

    if (lam_cli_number(cli, "ranks", 1, RANKS_MAX, number_of("SLURM_NTASKS"), &ranks))
        return LAM_EXIT_USAGE;
    if (ranks < 1)
        return lam_cli_usage(cli, "how many ranks? -n N (in a Slurm job its tasks are the default)");
    if (getenv("PMIX_RANK") || getenv("PMI_RANK") || getenv("OMPI_COMM_WORLD_RANK"))
        return lam_cli_usage(cli, "this process is itself a rank of an MPI job; start the verb directly");
    if ((code = check_verb(cli)))
        return code;
    tell_terminal();
    if ((code = put_launcher(cli, &command, ranks)) || (code = put_program(cli, &command)))
        return code;
    if (lam_cli_option(cli, "dry-run"))
        return print_command(&command);
    for (size_t i = 0; i < command.env_count; i++)
        setenv(command.env[i].name, command.env[i].value, 0);
    if (lam_supervise(command.words, command.launcher == OPENMPI, &result, &err))
        return lam_cli_fail(cli, &err);
    return translate(cli, &result);
}

static const struct lam_option options[] = {
    {"ranks", 'n', "N", "ranks to start; in a Slurm job the default is its tasks"},
    {"with", '\0', "LAUNCHER", "mpirun, srun, or the path of one; default: srun in a Slurm job of several tasks"},
    {"option", '\0', "WORD", "one more word for the launcher, such as --hostfile=FILE; may be repeated"},
    {"program", '\0', "PATH", "start this program with the arguments that follow, instead of lamina itself"},
    {"dry-run", '\0', NULL, "print the command and start nothing"},
};

const struct lam_verb lam_verb_launch = {
    .name = "launch",
    .arguments = "VERB JOB [OPTIONS]",
    .summary = "start run, batch, speed or serve on several ranks, by mpirun or srun",
    .details = "Ctrl-C and SIGTERM ask every rank to stop cleanly, and the exit code is the job's. A second one kills.\n"
               "Options of launch stand before VERB, everything behind it belongs to VERB.\n"
               "\n"
               "examples:\n"
               "  lamina launch -n 4 run jobs/quickstart.json\n"
               "  lamina launch -n 8 batch jobs/quickstart.json --set batch.workers=2\n"
               "  lamina launch -n 16 --option --hostfile=hosts run jobs/quickstart.json\n"
               "  lamina launch -n 4 --dry-run run jobs/quickstart.json",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .min_args = 0,
    .max_args = -1,
    .passes_on = true,
    .run = run,
};
