#include "patterns.h"

#include <stdlib.h>

#include "model/regex.h"

struct lam_patterns {
    const struct lam_tasks *tasks;
    struct lam_regex *regexes[LAM_PATTERNS_MAX];
    struct lam_pattern_find finds[LAM_PATTERNS_MAX * LAM_PATTERN_FINDS];
};

void lam_patterns_free(struct lam_patterns *patterns)
{
    if (!patterns)
        return;
    for (size_t i = 0; i < LAM_PATTERNS_MAX; i++)
        lam_regex_free(patterns->regexes[i]);
    free(patterns);
}

/* A type stands in JSON as it is. */
static bool sane_name(struct lam_sv name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!(name.ptr[i] >= 'a' && name.ptr[i] <= 'z') && !(name.ptr[i] >= '0' && name.ptr[i] <= '9') && name.ptr[i] != '_')
            return false;
    return name.len && name.len <= LAM_PATTERN_NAME;
}

int lam_patterns_new(const struct lam_tasks *tasks, struct lam_patterns **patterns, struct lam_error *err)
{
    struct lam_patterns *made;
    int rc = 0;

    *patterns = NULL;
    if (!tasks->pattern_count)
        return 0;
    if (tasks->pattern_count > LAM_PATTERNS_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "%zu patterns, at most %d", tasks->pattern_count, LAM_PATTERNS_MAX);
    if (!(made = calloc(1, sizeof *made)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the patterns");
    made->tasks = tasks;
    for (size_t i = 0; i < tasks->pattern_count && !rc; i++)
        if (!sane_name(tasks->patterns[i].name))
            rc = LAM_FAIL(err, LAM_E_INVALID, "the name of pattern %zu is not made of a-z, 0-9 and _", i + 1);
        else if ((rc = lam_regex_new(tasks->patterns[i].expression, &made->regexes[i], err)))
            LAM_PASS(err, rc, "pattern %.*s", LAM_SV_ARG(tasks->patterns[i].name));
    if (rc) {
        lam_patterns_free(made);
        return rc;
    }
    *patterns = made;
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct lam_pattern_find *x = a, *y = b;

    return x->start != y->start ? (x->start > y->start) - (x->start < y->start) : strcmp(x->name, y->name);
}

size_t lam_patterns_find(struct lam_patterns *patterns, struct lam_sv text, const struct lam_pattern_find **finds)
{
    size_t count = 0, kept = 0;

    *finds = NULL;
    if (!patterns)
        return 0;
    for (size_t i = 0; i < patterns->tasks->pattern_count; i++) {
        size_t start, end = 0;

        for (int k = 0; k < LAM_PATTERN_FINDS && lam_regex_find(patterns->regexes[i], text, end, &start, &end); k++)
            if (end - start <= LAM_PATTERN_VALUE)
                patterns->finds[count++] = (struct lam_pattern_find){patterns->tasks->patterns[i].name.ptr, start, end};
    }
    qsort(patterns->finds, count, sizeof *patterns->finds, by_start);
    for (size_t i = 0; i < count; i++)
        if (!kept || patterns->finds[i].start >= patterns->finds[kept - 1].end)
            patterns->finds[kept++] = patterns->finds[i];
    *finds = patterns->finds;
    return kept;
}
