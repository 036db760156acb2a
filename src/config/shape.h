/*
 * Shapes: the one description of the fields of a job file, and what is made of it.
 *
 *     file ──parse──> json ──--set──> json ──lam_shape_check──> whole json ──lam_shape_fill──> struct lam_job
 *                                     problems <──┘ normalised, defaults in  └──lam_shape_part──> identity, analysis, rest
 *     lam_shape_schema: the same table as JSON Schema
 *
 * A normalised value has one way to be written: sizes are bytes, durations seconds, a number without a fraction an integer,
 * a single string where several may stand a list of one, a shorthand the object that it stands for.
 */
#ifndef LAMINA_CONFIG_SHAPE_H
#define LAMINA_CONFIG_SHAPE_H

#include <jansson.h>

#include "base/arena.h"
#include "job.h"
#include "units.h"

enum lam_kind {
    LAM_KIND_OBJECT,   /* shape; in the struct: embedded, or with LAM_FIELD_POINTER a pointer to one of its own, NULL when not given */
    LAM_KIND_LIST,     /* of objects of one shape; in the struct: pointer and size_t count side by side */
    LAM_KIND_STRING,   /* const char * */
    LAM_KIND_VIEW,     /* a string; struct lam_sv */
    LAM_KIND_STRINGS,  /* a string or a list of them; struct lam_job_strings */
    LAM_KIND_CHOICE,   /* one of choices; an enum: its index there */
    LAM_KIND_BOOL,     /* bool */
    LAM_KIND_INT,      /* uint32_t or uint64_t, by width */
    LAM_KIND_NUMBER,   /* double */
    LAM_KIND_SIZE,     /* uint64_t */
    LAM_KIND_DURATION, /* int64_t microseconds */
    LAM_KIND_MAP,      /* special: any names; checked, filled and described by the field's own functions */
    LAM_KIND_RULE      /* special: struct lam_rule * */
};

enum lam_part {
    LAM_PART_REST,
    LAM_PART_IDENTITY,
    LAM_PART_ANALYSIS,
    LAM_PART_MAPPED_IDENTITY, /* dataset.key and the like: count as resolved for each source, not where they were written */
    LAM_PART_MAPPED_ANALYSIS,
    LAM_PART_NONE             /* $schema, and the names by which the parts call a source */
};

enum { LAM_FIELD_REQUIRED = 1, LAM_FIELD_POINTER = 2 };

#define LAM_NO_SLOT ((size_t)-1) /* in no struct member: read by hand from the whole json */

struct lam_shape;
struct lam_checker;

struct lam_field {
    const char *name;
    enum lam_kind kind;
    enum lam_part part;
    unsigned flags;
    size_t offset, width;      /* in the struct of its shape */
    const char *def;           /* JSON text of the default; NULL: none */
    double min, max;           /* numbers, sizes in bytes, durations in seconds; strings and lists: count; max 0: none */
    const char *const *choices;
    const char *pattern;       /* of a string: an expression that POSIX and ECMAScript read alike */
    const char *expected;      /* in words, for whoever got the pattern wrong */
    const struct lam_shape *shape;
    /* LAM_KIND_MAP: returns what to put in (a new reference), NULL after it told the problem; describes itself */
    json_t *(*check)(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer);
    json_t *(*schema)(const struct lam_field *field);
    const char *doc;
};

struct lam_shape {
    const struct lam_field *fields;
    size_t count;
    size_t size;           /* bytes of its struct, for LAM_FIELD_POINTER and lists */
    const char *shorthand; /* the field that a value which is no object stands for; NULL: there is none */
};

/* Collects problems, and knows which values came from the command line. */
struct lam_checker {
    struct lam_problems *problems;
    struct lam_set *sets;
    size_t set_count;
    size_t rules; /* counted over the whole job */
    bool memory;  /* an allocation failed: what was made is not whole */
};

#define LAM_POINTER_MAX 256

struct lam_set {
    const char *text;              /* "roles.speed=2" as given */
    char pointer[LAM_POINTER_MAX]; /* the uppermost field that is there because of it; "" while unknown */
};

extern const struct lam_shape lam_job_shape;

/* printf; where the field's value came from --set, the text says so. */
void lam_problem_add(struct lam_checker *checker, const char *pointer, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* "expected …, found …" */
void lam_problem_expected(struct lam_checker *checker, const char *pointer, json_t *found, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts pointer "/" name (escaped) into out; what does not fit is cut. */
void lam_pointer_join(char out[LAM_POINTER_MAX], const char *pointer, const char *name);

/* Characters of UTF-8. */
size_t lam_text_characters(const char *text);

/* Does text match pattern? A pattern that does not compile is our bug: asserted. */
bool lam_pattern_match(const char *pattern, const char *text);

/* The field of this name; NULL. */
const struct lam_field *lam_shape_find(const struct lam_shape *shape, const char *name);

/* value checked, normalised, with defaults: a new reference; after problems what was right. NULL: it is no object. */
json_t *lam_shape_check(struct lam_checker *checker, const struct lam_shape *shape, json_t *value, const char *pointer);

/* Applies one override to the document, making the objects on its way; what is wrong is told to the checker. */
void lam_set_apply(struct lam_checker *checker, const struct lam_shape *shape, json_t *document, struct lam_set *set);

/* Fills the struct of a whole and checked json. LAM_E_MEMORY. */
int lam_shape_fill(struct lam_arena *arena, const struct lam_shape *shape, json_t *whole, void *base, struct lam_error *err);

/* The fields of one part, a new reference; lists of objects are left out. */
json_t *lam_shape_part(const struct lam_shape *shape, json_t *whole, enum lam_part part);

/* A NUL-terminated copy; NULL: out of memory. */
const char *lam_arena_string(struct lam_arena *arena, const char *text, size_t len);

/* Maps and rules: fields.c uses the first of each in its table. */
json_t *lam_labels_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer);
json_t *lam_labels_schema(const struct lam_field *field);
json_t *lam_patterns_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer);
json_t *lam_patterns_schema(const struct lam_field *field);
json_t *lam_kafka_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer);
json_t *lam_kafka_schema(const struct lam_field *field);
json_t *lam_rule_check(struct lam_checker *checker, json_t *value, const char *pointer, int depth);
json_t *lam_rule_schema(void); /* for $defs */
struct lam_rule *lam_rule_fill(struct lam_arena *arena, json_t *checked);

/* json_object_set_new that remembers in the checker what went wrong. */
void lam_json_put(struct lam_checker *checker, json_t *object, const char *name, json_t *value);

#define LAM_SOURCE_NAME_MAX 300 /* characters */

#define LAM_SIZE_PATTERN "^[0-9]+(\\.[0-9]+)? ?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$"
#define LAM_DURATION_PATTERN "^[0-9]+(\\.[0-9]+)? ?(us|ms|s|sec|second|seconds|m|min|minute|minutes|h|hour|hours|d|day|days)$"

/* Rules over several fields: on the whole json, after the defaults that depend on other fields were put in. */
void lam_job_complete(json_t *whole);
void lam_job_check_fields(struct lam_checker *checker, json_t *whole);
void lam_job_check_paths(struct lam_checker *checker, const struct lam_job *job);

/* deep.c: checks over several fields; the rest of the struct; what of its lists stands in a part (0: all well). */
extern const struct lam_shape lam_deep_shape, lam_custom_shape;
json_t *lam_custom_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer);
json_t *lam_custom_schema(const struct lam_field *field);
/* agent.c, for deep.c. */
void lam_agent_check(struct lam_checker *checker, json_t *deep);
int lam_agent_fill(struct lam_arena *arena, json_t *deep, struct lam_job *job);
extern const struct lam_shape lam_agent_shape;

void lam_deep_check(struct lam_checker *checker, json_t *whole);
int lam_deep_fill(struct lam_arena *arena, json_t *whole, struct lam_job *job);
int lam_deep_part(json_t *whole, json_t *to, bool analysis);

/* identity, analysis, rest and their digests, from the whole json and the mappings that were resolved in job. */
int lam_job_put_space(struct lam_arena *arena, struct lam_job *job, const char *space, struct lam_error *err);
int lam_job_fill_parts(struct lam_arena *arena, json_t *whole, struct lam_job *job, struct lam_error *err);

#endif
