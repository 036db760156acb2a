/*
 * The three parts of a job as canonical JSON, and how a job stands to what a store remembers.
 *
 *     identity  {"dataset":{"kind","order_by"},"sources":{NAME:{"deleted","event_time","key":[…]}}}
 *     analysis  {"dataset":{…},"deep":{…},"limits":{…},"sources":{NAME:{"csv","format","text":[…]}},"tasks":{…}}
 *     rest      everything else, sources by name
 *
 * Sources stand by name, with the key, text and event time that count for them, wherever they were written. So the order of
 * sources means nothing, and one that is added or gone changes no other.
 */
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *strings_json(const struct lam_job_strings *strings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < strings->count; i++)
        json_array_append_new(list, json_stringn(strings->items[i].ptr, strings->items[i].len));
    return list;
}

static int put_mapping(json_t *to, const struct lam_job_mapping *map, enum lam_part part)
{
    int rc = 0;

    if (part == LAM_PART_IDENTITY && map->key.count)
        rc |= json_object_set_new(to, "key", strings_json(&map->key));
    if (part == LAM_PART_IDENTITY && map->event_time.len)
        rc |= json_object_set_new(to, "event_time", json_stringn(map->event_time.ptr, map->event_time.len));
    if (part == LAM_PART_IDENTITY && map->deleted.len)
        rc |= json_object_set_new(to, "deleted", json_stringn(map->deleted.ptr, map->deleted.len));
    if (part == LAM_PART_ANALYSIS && map->text.count)
        rc |= json_object_set_new(to, "text", strings_json(&map->text));
    return rc;
}

static json_t *sources_part(json_t *whole, const struct lam_job *job, enum lam_part part)
{
    const struct lam_shape *shape = lam_shape_find(&lam_job_shape, "sources")->shape;
    json_t *found = json_object(), *list = json_object_get(whole, "sources"), *one;
    int rc = 0;

    for (size_t i = 0; i < job->source_count; i++) {
        one = lam_shape_part(shape, json_array_get(list, i), part);
        rc |= put_mapping(one, &job->sources[i].map, part);
        rc |= json_object_set_new(found, job->sources[i].name, one);
    }
    if (job->stream && part != LAM_PART_REST) {
        one = json_object();
        rc |= put_mapping(one, &job->stream->map, part);
        rc |= json_object_set_new(found, job->stream->name, one);
    }
    if (rc) {
        json_decref(found);
        found = NULL;
    }
    return found;
}

static int dump(struct lam_arena *arena, json_t *json, struct lam_sv *text)
{
    char *dumped = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    text->ptr = dumped ? lam_arena_string(arena, dumped, strlen(dumped)) : NULL;
    text->len = dumped ? strlen(dumped) : 0;
    free(dumped);
    json_decref(json);
    return text->ptr ? 0 : LAM_E_MEMORY;
}

static int fill_part(struct lam_arena *arena, json_t *whole, const struct lam_job *job, enum lam_part part, struct lam_sv *text)
{
    json_t *json = lam_shape_part(&lam_job_shape, whole, part);

    if (json_object_set_new(json, "sources", sources_part(whole, job, part)) ||
        (part != LAM_PART_IDENTITY && lam_deep_part(whole, json, part == LAM_PART_ANALYSIS))) {
        json_decref(json);
        return LAM_E_MEMORY;
    }
    return dump(arena, json, text);
}

int lam_job_fill_parts(struct lam_arena *arena, json_t *whole, struct lam_job *job, struct lam_error *err)
{
    if (dump(arena, json_incref(whole), &job->full) || fill_part(arena, whole, job, LAM_PART_IDENTITY, &job->identity) ||
        fill_part(arena, whole, job, LAM_PART_ANALYSIS, &job->analysis) || fill_part(arena, whole, job, LAM_PART_REST, &job->rest))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the parts of the job");
    job->identity_digest = lam_hash128(job->identity.ptr, job->identity.len);
    job->analysis_digest = lam_hash128(job->analysis.ptr, job->analysis.len);
    return 0;
}

/* Into the analysis, beside the path of the table. */
int lam_job_put_space(struct lam_arena *arena, struct lam_job *job, const char *space, struct lam_error *err)
{
    json_t *analysis = json_loadb(job->analysis.ptr, job->analysis.len, 0, NULL), *embed = json_object_get(json_object_get(analysis, "tasks"), "embed");

    if (json_object_set_new(embed, "space", json_string(space)) || dump(arena, json_incref(analysis), &job->analysis)) {
        json_decref(analysis);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the parts of the job");
    }
    json_decref(analysis);
    job->analysis_digest = lam_hash128(job->analysis.ptr, job->analysis.len);
    return 0;
}

/* Text that grows up to its end: what does not fit is cut there. */
struct list {
    char *text;
    size_t cap, len;
};

static void add(struct list *list, const char *fmt, const char *a, const char *b, const char *c)
{
    size_t room = list->cap - list->len;
    int len = snprintf(list->text + list->len, room, fmt, a, b, c);

    list->len += len < 0 ? 0 : (size_t)len < room ? (size_t)len : room - 1;
}

static void add_difference(struct list *list, const char *pointer, json_t *stored, json_t *now, bool values)
{
    char *a = stored && values ? json_dumps(stored, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    char *b = now && values ? json_dumps(now, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;

    if (list->len)
        add(list, values ? "; %s" : ", %s", "", NULL, NULL);
    if (values)
        add(list, "%s is %s in the store and %s in the job", pointer, a ? a : "nothing", b ? b : "nothing");
    else
        add(list, "%s", pointer, NULL, NULL);
    free(a);
    free(b);
}

/* Adds what differs, object by object; lists and scalars are compared as they are. */
static void differences(struct list *list, const char *pointer, json_t *stored, json_t *now, bool values)
{
    char below[LAM_POINTER_MAX];
    const char *name;
    json_t *member;

    if (!json_is_object(stored) || !json_is_object(now)) {
        if (!stored || !now || !json_equal(stored, now))
            add_difference(list, pointer, stored, now, values);
        return;
    }
    json_object_foreach(stored, name, member) {
        lam_pointer_join(below, pointer, name);
        differences(list, below, member, json_object_get(now, name), values);
    }
    json_object_foreach(now, name, member)
        if (!json_object_get(stored, name)) {
            lam_pointer_join(below, pointer, name);
            differences(list, below, NULL, member, values);
        }
}

/* Takes the sources that only one of the two has out of both; names go to the lists, which may be NULL. */
static void common_sources(json_t *stored, json_t *now, struct list *gone, struct list *added)
{
    json_t *before = json_object_get(stored, "sources"), *after = json_object_get(now, "sources"), *member;
    const char *name;
    void *next;

    json_object_foreach_safe(before, next, name, member)
        if (!json_object_get(after, name)) {
            if (gone)
                add(gone, gone->len ? ", %s" : "%s", name, NULL, NULL);
            json_object_del(before, name);
        }
    json_object_foreach_safe(after, next, name, member)
        if (!json_object_get(before, name)) {
            if (added)
                add(added, added->len ? ", %s" : "%s", name, NULL, NULL);
            json_object_del(after, name);
        }
}

int lam_job_compare(const struct lam_job *job, struct lam_sv identity, struct lam_sv analysis,
                    struct lam_job_change *change, struct lam_error *err)
{
    json_t *stored[2] = {json_loadb(identity.ptr, identity.len, 0, NULL), json_loadb(analysis.ptr, analysis.len, 0, NULL)};
    json_t *now[2] = {json_loadb(job->identity.ptr, job->identity.len, 0, NULL), json_loadb(job->analysis.ptr, job->analysis.len, 0, NULL)};
    char text[LAM_ERROR_TEXT] = "";
    struct list refused = {text, sizeof text, 0};
    struct list fields = {change->analysis_fields, sizeof change->analysis_fields, 0};
    struct list gone = {change->sources_gone, sizeof change->sources_gone, 0};
    struct list added = {change->sources_added, sizeof change->sources_added, 0};
    int rc = 0;

    memset(change, 0, sizeof *change);
    if (!json_is_object(stored[0]) || !json_is_object(stored[1]))
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "what the store remembers of its job is no JSON object");
    else if (!now[0] || !now[1])
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to compare the job with the store's");
    if (rc)
        goto cleanup;
    common_sources(stored[0], now[0], &gone, &added);
    common_sources(stored[1], now[1], NULL, NULL);
    differences(&refused, "", stored[0], now[0], true);
    differences(&fields, "", stored[1], now[1], false);
    change->identity = refused.len > 0;
    change->analysis = fields.len > 0;
    if (change->identity)
        rc = LAM_FAIL(err, LAM_E_INVALID, "the store holds another dataset: %s; use another store, or the job as it was", text);
cleanup:
    for (int i = 0; i < 2; i++) {
        json_decref(stored[i]);
        json_decref(now[i]);
    }
    return rc;
}
