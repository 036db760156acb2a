/* Job files in C strings: single quotes stand for double ones. */
#ifndef LAMINA_TESTS_CONFIG_JOBS_H
#define LAMINA_TESTS_CONFIG_JOBS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "job.h"

#define SMALL "{'name': 't', 'store': '/out/t', 'sources': [{'type': 'files', 'path': 'data/**'}]}"

/* The job of the architecture's page. */
#define FULL                                                                                                           \
    "{ '$schema': 'job.schema.json', 'name': 'tickets', 'store': 'out/tickets', 'roles': { 'serve': 1, 'speed': 1 },"  \
    "  'dataset': { 'kind': 'upsert', 'key': ['/id', '$path'], 'order_by': 'event_time',"                              \
    "    'event_time': '/created_at', 'text': ['/subject', '/body'] },"                                                \
    "  'sources': [ { 'type': 'files', 'path': 'data/**' } ],"                                                         \
    "  'stream': { 'brokers': 'local', 'topic': 'incoming_events', 'route': 'processed_{category}',"                   \
    "    'kafka': { 'security.protocol': 'ssl' },"                                                                     \
    "    'analyze_when': { 'any': [ { 'field': '/priority', 'eq': 'high' },"                                           \
    "    { 'field': '/requires_analysis', 'eq': true }, { 'field': '/text', 'longer': 500 } ] } },"                    \
    "  'tasks': {"                                                                                                     \
    "    'classify': { 'labels': { 'outage': 'service down, errors', 'billing': 'invoices, charges, refunds' } },"     \
    "    'entities': {}, 'summarize': { 'sentences': 3 }, 'sentiment': {}, 'embed': {} },"                             \
    "  'batch': { 'every': { 'records': 100000, 'minutes': 60 } }, 'deep': { 'analyzer': 'builtin' },"                 \
    "    'fast': { 'analyzer': 'student' },"                                                                           \
    "  'serve': { 'listen': '127.0.0.1:8080' } }"

static struct lam_problems problems;
static struct lam_error err;

/* With up to 8 overrides, NULL-terminated. */
static inline int parse_in(const char *folder, const char *text, struct lam_job **job, const char *const *sets)
{
    char *json = strdup(text), *fixed[8] = {0};
    size_t count = 0;
    int rc;

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    for (; sets && sets[count]; count++) {
        fixed[count] = strdup(sets[count]);
        for (char *c = fixed[count]; *c; c++)
            if (*c == '\'')
                *c = '"';
    }
    rc = lam_job_parse(lam_sv_of(json), "jobs/t.json", folder, (const char *const *)fixed, count, job, &problems, &err);
    for (size_t i = 0; i < count; i++)
        free(fixed[i]);
    free(json);
    return rc;
}

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline struct lam_job *good(const char *text, const char *const *sets)
{
    struct lam_job *job;
    int rc = parse_in("/home/me/jobs", text, &job, sets);

    for (uint32_t i = 0; i < problems.count; i++)
        print_error("%s: %s\n", problems.items[i].pointer, problems.items[i].text);
    assert_int_equal(rc, 0);
    assert_int_equal(problems.total, 0);
    return job;
}

static inline void bad(const char *text, const char *const *sets)
{
    struct lam_job *job;

    assert_int_equal(parse_in("/home/me/jobs", text, &job, sets), LAM_E_INVALID);
    assert_null(job);
    assert_true(problems.total > 0);
}

static inline void assert_problem(uint32_t i, const char *pointer, const char *text)
{
    assert_true(i < problems.count);
    assert_string_equal(problems.items[i].pointer, pointer);
    if (!strstr(problems.items[i].text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, problems.items[i].text);
}

static inline void assert_sv(struct lam_sv view, const char *text)
{
    assert_string_equal(view.ptr, text);
    assert_int_equal(view.len, strlen(text));
}

#endif
