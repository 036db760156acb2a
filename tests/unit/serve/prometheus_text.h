/*
 * Reads the Prometheus text format 0.0.4 as promtool does: NULL, or what is wrong with it. HELP and TYPE before the samples of a
 * family, its samples together, names and labels well formed, histograms cumulative with +Inf equal to their count.
 */
#ifndef LAMINA_TEST_PROMETHEUS_TEXT_H
#define LAMINA_TEST_PROMETHEUS_TEXT_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prometheus {
    char families[200][100];
    size_t count;
    bool histogram, has_help;
    double last, inf; /* of the histogram's series at hand */
    char series[2000];
    bool has_series;
};

static inline size_t prometheus_name(const char *at)
{
    size_t len = 0;

    while (isalpha((unsigned char)at[len]) || at[len] == '_' || at[len] == ':' || (len && isdigit((unsigned char)at[len])))
        len++;
    return len;
}

/* Steps over {name="value",…}; le's value is kept apart, the other labels are copied. */
static inline const char *prometheus_labels(const char *at, char *others, size_t cap, char *le, const char **problem)
{
    size_t used = 0;

    *le = '\0';
    others[0] = '\0';
    if (*at != '{')
        return at;
    for (at++; *at != '}';) {
        const char *name = at;
        size_t len = prometheus_name(at), value_len = 0;
        const char *value = at + len + 2;

        if (!len || at[len] != '=' || at[len + 1] != '"') {
            *problem = "a label without a name or value";
            return at;
        }
        while (value[value_len] && value[value_len] != '"' && value[value_len] != '\n')
            value_len += value[value_len] == '\\' ? (strchr("\\\"n", value[value_len + 1]) && value[value_len + 1] ? 2 : 1000000) : 1;
        if (value_len >= 1000000 || value[value_len] != '"') {
            *problem = "a label's value that is not closed or has a wrong escape";
            return at;
        }
        if (len == 2 && !memcmp(name, "le", 2))
            snprintf(le, 64, "%.*s", (int)value_len, value);
        else
            used += (size_t)snprintf(others + used, cap - used, "%.*s,", (int)(value + value_len - name), name);
        at = value + value_len + 1;
        if (*at == ',')
            at++;
        else if (*at != '}') {
            *problem = "labels without a comma between them";
            return at;
        }
    }
    return at + 1;
}

static inline const char *prometheus_sample(struct prometheus *state, const char *line)
{
    const char *family = state->count ? state->families[state->count - 1] : "", *problem = NULL, *at;
    char others[2000], le[64], *end;
    size_t len = prometheus_name(line), family_len = strlen(family);
    const char *suffix = line + family_len;
    double value;

    if (!len || !state->count || strncmp(line, family, family_len))
        return "a sample outside of its family";
    at = prometheus_labels(line + len, others, sizeof others, le, &problem);
    if (problem)
        return problem;
    if (*at != ' ')
        return "no blank before the value";
    value = strtod(at + 1, &end);
    if (end == at + 1 || *end != '\n')
        return "a value that is no number";
    if (!state->histogram)
        return len == family_len ? NULL : "a sample outside of its family";
    if (!strncmp(suffix, "_bucket", 7) && len == family_len + 7) {
        if (!*le)
            return "a bucket without le";
        if (!state->has_series || strcmp(state->series, others))
            state->last = 0;
        snprintf(state->series, sizeof state->series, "%s", others);
        state->has_series = true;
        if (value < state->last)
            return "buckets that are not cumulative";
        state->last = value;
        state->inf = strcmp(le, "+Inf") ? -1 : value;
        return NULL;
    }
    if (!strncmp(suffix, "_count", 6) && len == family_len + 6)
        return value == state->inf ? NULL : "a count that is not the bucket +Inf";
    return !strncmp(suffix, "_sum", 4) && len == family_len + 4 ? NULL : "a sample that no histogram has";
}

static inline const char *prometheus_comment(struct prometheus *state, const char *line)
{
    size_t len = prometheus_name(line + 7);

    if (!strncmp(line, "# HELP ", 7)) {
        for (size_t i = 0; i < state->count; i++)
            if (strlen(state->families[i]) == len && !memcmp(state->families[i], line + 7, len))
                return "a family twice";
        snprintf(state->families[state->count++], 100, "%.*s", (int)len, line + 7);
        state->has_help = true;
        return len && line[7 + len] == ' ' ? NULL : "HELP without a text";
    }
    if (strncmp(line, "# TYPE ", 7))
        return "a comment that is neither HELP nor TYPE";
    if (!state->has_help || strlen(state->families[state->count - 1]) != len || memcmp(state->families[state->count - 1], line + 7, len))
        return "TYPE without HELP before it";
    state->histogram = !strncmp(line + 7 + len, " histogram\n", 11);
    state->has_series = false;
    if (!state->histogram && strncmp(line + 7 + len, " counter\n", 9) && strncmp(line + 7 + len, " gauge\n", 7))
        return "a type that is none";
    if (!strncmp(line + 7 + len, " counter\n", 9) && (len < 6 || strncmp(line + 7 + len - 6, "_total", 6)) && len > 1)
        return "a counter whose name does not end in _total";
    return NULL;
}

static inline const char *prometheus_check(const char *text)
{
    static struct prometheus state;
    const char *problem = NULL;

    memset(&state, 0, sizeof state);
    if (!*text || text[strlen(text) - 1] != '\n')
        return "no newline at the end";
    for (const char *line = text; *line && !problem; line = strchr(line, '\n') + 1)
        problem = *line == '#' ? prometheus_comment(&state, line) : prometheus_sample(&state, line);
    return problem;
}

#endif
