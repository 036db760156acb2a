#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/nearest.h"
#include "engine.h"

static const struct lam_option common[] = {
    {"json", '\0', NULL, "machine-readable result on standard output"},
    {"help", 'h', NULL, "this text"},
};
static const struct lam_option set_option = {"set", '\0', "FIELD=VALUE",
                                             "override a field of the job, such as roles.speed=2; may be repeated"};

static void print_option(const struct lam_option *option)
{
    char text[80];

    snprintf(text, sizeof text, "%c%c%s--%s%s%s", option->letter ? '-' : ' ', option->letter ? option->letter : ' ',
             option->letter ? ", " : "  ", option->name, option->value ? " " : "", option->value ? option->value : "");
    printf("  %-26s %s\n", text, option->doc);
}

static void print_help(const struct lam_verb *verb)
{
    printf("lamina %s: %s\n\nusage: lamina %s [OPTIONS]%s%s\n", verb->name, verb->summary, verb->name,
           verb->arguments[0] ? " " : "", verb->arguments);
    if (verb->details)
        printf("\n%s\n", verb->details);
    printf("\noptions:\n");
    for (size_t i = 0; i < verb->option_count; i++)
        print_option(&verb->options[i]);
    if (verb->takes_job)
        print_option(&set_option);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        print_option(&common[i]);
}

static void print_overview(FILE *out, const struct lam_verb *const *verbs, size_t count)
{
    fprintf(out, "lamina " LAMINA_VERSION
                 ": documents, events and changes, analysed in depth by a batch layer and at once by a speed layer,\n"
                 "answered as one.\n\nusage: lamina VERB …\n\n");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "  %-8s %-26s %s\n", verbs[i]->name, verbs[i]->arguments, verbs[i]->summary);
    fprintf(out, "\n`lamina VERB --help` tells more. Every verb takes --json.\n"
                 "exit codes: 0 done; 1 failed; 2 bad usage or job file; 3 more records in quarantine than allowed; "
                 "75 stopped, run it again to go on\n");
}

const char *lam_cli_option(const struct lam_cli *cli, const char *name)
{
    for (size_t i = cli->given_count; i-- > 0;)
        if (!strcmp(cli->given[i].option->name, name))
            return cli->given[i].value;
    return NULL;
}

int lam_cli_number(const struct lam_cli *cli, const char *name, long long min, long long max, long long fallback, long long *value)
{
    const char *text = lam_cli_option(cli, name);
    char *end;

    *value = fallback;
    if (!text)
        return 0;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (!errno && end != text && !*end && *value >= min && *value <= max)
        return 0;
    lam_cli_usage(cli, "--%s: expected a whole number from %lld to %lld; found \"%s\"", name, min, max, text);
    return LAM_E_INVALID;
}

static void print_error(const struct lam_cli *cli, const char *code, const char *text)
{
    json_t *json;

    fprintf(stderr, "lamina%s%s: %s\n", cli->verb ? " " : "", cli->verb ? cli->verb->name : "", text);
    if (!cli->json)
        return;
    json = json_pack("{s:{s:s, s:s}}", "error", "code", code, "text", text);
    if (json)
        json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

int lam_cli_usage(const struct lam_cli *cli, const char *fmt, ...)
{
    char text[LAM_ERROR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    print_error(cli, "usage", text);
    fprintf(stderr, "`lamina %s%s--help` tells how it is used.\n", cli->verb ? cli->verb->name : "", cli->verb ? " " : "");
    return LAM_EXIT_USAGE;
}

int lam_cli_fail(const struct lam_cli *cli, const struct lam_error *err)
{
    print_error(cli, lam_error_name(err->code), err->text);
    return LAM_EXIT_FAILED;
}

static void print_problems(const struct lam_cli *cli, const char *path, const struct lam_problems *problems)
{
    json_t *list = json_array(), *json;

    for (uint32_t i = 0; i < problems->count; i++) {
        const struct lam_problem *problem = &problems->items[i];

        fprintf(stderr, "%s: %s%s%s\n", path, problem->pointer, problem->pointer[0] ? ": " : "", problem->text);
        json_array_append_new(list, json_pack("{s:s, s:s}", "pointer", problem->pointer, "text", problem->text));
    }
    if (problems->total > problems->count)
        fprintf(stderr, "%s: and %u more\n", path, problems->total - problems->count);
    json = json_pack("{s:s, s:b, s:i, s:o}", "file", path, "ok", 0, "count", (int)problems->total, "problems", list);
    if (cli->json && json) {
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(json);
}

int lam_cli_job(const struct lam_cli *cli, const char *path, struct lam_job **job)
{
    struct lam_problems problems;
    struct lam_error err;
    int rc = lam_job_load(path, cli->sets, cli->set_count, job, &problems, &err);

    if (!rc)
        return 0;
    if (rc == LAM_E_INVALID) {
        print_problems(cli, path, &problems);
        return LAM_EXIT_USAGE;
    }
    lam_cli_fail(cli, &err);
    return rc == LAM_E_NOT_FOUND || rc == LAM_E_LIMIT ? LAM_EXIT_USAGE : LAM_EXIT_FAILED;
}

int lam_cli_store(const struct lam_cli *cli, const char *path, struct lam_engine *engine)
{
    struct lam_error err;
    int rc = lam_engine_open_store(engine, path, &err);

    if (rc == LAM_E_NOT_FOUND || rc == LAM_E_LIMIT)
        return lam_cli_usage(cli, "%s", err.text);
    return rc ? lam_cli_fail(cli, &err) : 0;
}

int lam_cli_end(const struct lam_cli *cli, int code)
{
    struct lam_error err;

    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    LAM_FAIL(&err, LAM_E_IO, "standard output: %s", strerror(errno));
    fprintf(stderr, "lamina %s: %s\n", cli->verb->name, err.text);
    return code ? code : LAM_EXIT_FAILED;
}

static const struct lam_option *next_option(const struct lam_verb *verb, size_t i)
{
    if (i < verb->option_count)
        return &verb->options[i];
    i -= verb->option_count;
    if (i < sizeof common / sizeof *common)
        return &common[i];
    return i == sizeof common / sizeof *common && verb->takes_job ? &set_option : NULL;
}

/* By name of len bytes, or by letter where name is NULL. */
static const struct lam_option *find_option(const struct lam_verb *verb, const char *name, size_t len, char letter)
{
    const struct lam_option *option;

    for (size_t i = 0; (option = next_option(verb, i)); i++)
        if (name ? strlen(option->name) == len && !strncmp(option->name, name, len) : option->letter == letter)
            return option;
    return NULL;
}

static int unknown_option(const struct lam_cli *cli, const char *text)
{
    const struct lam_option *option;
    const char *best = NULL;
    double distance = 0;

    for (size_t i = 0; (option = next_option(cli->verb, i)); i++)
        lam_nearest_try(text + strspn(text, "-"), option->name, &best, &distance);
    if (best)
        return lam_cli_usage(cli, "unknown option %s; did you mean --%s?", text, best);
    return lam_cli_usage(cli, "unknown option %s", text);
}

static int take_option(struct lam_cli *cli, const struct lam_option *option, const char *value)
{
    if (cli->given_count == LAM_CLI_GIVEN_MAX)
        return lam_cli_usage(cli, "more than %d options", LAM_CLI_GIVEN_MAX);
    cli->given[cli->given_count].option = option;
    cli->given[cli->given_count++].value = value ? value : "";
    if (option == &set_option)
        cli->sets[cli->set_count++] = value;
    cli->json |= !strcmp(option->name, "json");
    return 0;
}

/* --name, --name=value, --name value, -x, -x value, -xvalue. Moves *i over what it took. */
static int read_option(struct lam_cli *cli, int argc, char **argv, int *i)
{
    const char *text = argv[*i], *value = NULL;
    const struct lam_option *option;

    if (text[1] == '-') {
        size_t len = strcspn(text + 2, "=");

        option = find_option(cli->verb, text + 2, len, '\0');
        value = text[2 + len] == '=' ? text + 2 + len + 1 : NULL;
    } else {
        option = find_option(cli->verb, NULL, 0, text[1]);
        value = text[2] ? text + 2 : NULL;
    }
    if (!option)
        return unknown_option(cli, text);
    if (!option->value && value)
        return lam_cli_usage(cli, "--%s takes no value; found \"%s\"", option->name, value);
    if (option->value && !value) {
        if (*i + 1 == argc)
            return lam_cli_usage(cli, "--%s needs a value: %s", option->name, option->value);
        value = argv[++*i];
    }
    return take_option(cli, option, value);
}

/* argv from behind the verb. Arguments are moved to the front of it. */
static int read_command_line(struct lam_cli *cli, int argc, char **argv)
{
    bool options = true;
    int rc;

    cli->args = argv;
    for (int i = 0; i < argc; i++) {
        if (options && !strcmp(argv[i], "--")) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            if ((rc = read_option(cli, argc, argv, &i)))
                return rc;
        } else {
            options = options && !cli->verb->passes_on;
            cli->args[cli->arg_count++] = argv[i];
        }
    }
    cli->args[cli->arg_count] = NULL; /* argv itself ends so */
    return 0;
}

static int check_arguments(const struct lam_cli *cli)
{
    const struct lam_verb *verb = cli->verb;

    if (cli->arg_count < verb->min_args)
        return lam_cli_usage(cli, "expected %s", verb->arguments);
    if (verb->max_args >= 0 && cli->arg_count > verb->max_args)
        return lam_cli_usage(cli, "unexpected argument \"%s\"", cli->args[verb->max_args]);
    return 0;
}

static int run_verb(const struct lam_verb *const *verbs, size_t verb_count, const struct lam_verb *verb, int argc, char **argv)
{
    struct lam_cli cli = {.verbs = verbs, .verb_count = verb_count, .verb = verb};
    int rc = read_command_line(&cli, argc, argv);

    if (rc)
        return rc;
    if (lam_cli_option(&cli, "help")) {
        print_help(verb);
        return lam_cli_end(&cli, LAM_EXIT_DONE);
    }
    if ((rc = check_arguments(&cli)))
        return rc;
    return lam_cli_end(&cli, verb->run(&cli));
}

static int unknown_verb(const struct lam_verb *const *verbs, size_t count, const char *word)
{
    const struct lam_cli cli = {0};
    const char *best = NULL;
    double distance = 0;

    for (size_t i = 0; i < count; i++)
        lam_nearest_try(word, verbs[i]->name, &best, &distance);
    if (best)
        return lam_cli_usage(&cli, "unknown verb \"%s\"; did you mean \"%s\"?", word, best);
    return lam_cli_usage(&cli, "unknown verb \"%s\"", word);
}

int lam_cli_main(const struct lam_verb *const *verbs, size_t verb_count, int argc, char **argv)
{
    static char help[] = "--help";
    char *only_help[] = {help, NULL};
    const char *word = argc > 1 ? argv[1] : NULL;

    if (!word) {
        print_overview(stderr, verbs, verb_count);
        return LAM_EXIT_USAGE;
    }
    if (!strcmp(word, "--version") || !strcmp(word, "version")) {
        printf("lamina " LAMINA_VERSION "\n");
        return fflush(stdout) ? LAM_EXIT_FAILED : LAM_EXIT_DONE;
    }
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || (!strcmp(word, "help") && argc == 2)) {
        print_overview(stdout, verbs, verb_count);
        return fflush(stdout) ? LAM_EXIT_FAILED : LAM_EXIT_DONE;
    }
    if (!strcmp(word, "help"))
        word = argv[2];
    for (size_t i = 0; i < verb_count; i++)
        if (!strcmp(verbs[i]->name, word))
            return word == argv[1] ? run_verb(verbs, verb_count, verbs[i], argc - 2, argv + 2)
                                   : run_verb(verbs, verb_count, verbs[i], 1, only_help);
    return unknown_verb(verbs, verb_count, word);
}
