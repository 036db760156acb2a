/*
 * Job files from anywhere: never a crash, never a problem without text, and what is good says the same when its whole form is read
 * again. Lines that begin with "--set " after the last "}" line are overrides.
 */
#include <stdlib.h>
#include <string.h>

#include "config/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_problems(const struct lam_problems *problems)
{
    if (!problems->count || problems->count > LAM_PROBLEMS_MAX || problems->count > problems->total)
        abort();
    for (uint32_t i = 0; i < problems->count; i++)
        if (!problems->items[i].text[0])
            abort();
}

static void check_again(const struct lam_job *job, struct lam_problems *problems)
{
    struct lam_job_change change;
    struct lam_error err;
    struct lam_job *again;

    if (lam_job_parse(job->full, "full", "/folder", NULL, 0, &again, problems, &err))
        abort();
    if (!lam_sv_eq(job->full, again->full) || !lam_sv_eq(job->identity, again->identity) || !lam_sv_eq(job->analysis, again->analysis) ||
        !lam_sv_eq(job->rest, again->rest))
        abort();
    if (lam_job_compare(again, job->identity, job->analysis, &change, &err) || change.identity || change.analysis)
        abort();
    lam_job_free(again);
}

/* Cuts the overrides off the end of text; returns how many there are. */
static size_t cut_sets(char *text, const char *sets[8])
{
    size_t count = 0;
    char *at;

    while (count < 8 && (at = strstr(text, "\n--set "))) {
        char *last = at;

        while ((at = strstr(last + 1, "\n--set ")))
            last = at;
        sets[count++] = last + 7;
        *last = '\0';
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lam_problems problems;
    const char *sets[8];
    struct lam_error err;
    struct lam_job *job;
    char *text = malloc(size + 1);
    size_t count = 0, len = size;
    int rc;

    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (!memchr(text, 0, size)) {
        count = cut_sets(text, sets);
        len = strlen(text);
    }
    rc = lam_job_parse(lam_sv(text, len), "fuzz", "/folder", sets, count, &job, &problems, &err);
    if (rc == LAM_E_INVALID)
        check_problems(&problems);
    else if (rc)
        abort();
    else
        check_again(job, &problems);
    lam_job_free(job);
    free(text);
    return 0;
}
