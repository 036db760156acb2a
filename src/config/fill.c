/* From whole, checked json to structs, and to the parts that a store remembers. */
#include "shape.h"

#include <math.h>
#include <string.h>

const char *lam_arena_string(struct lam_arena *arena, const char *text, size_t len)
{
    char *copy = lam_arena_alloc(arena, len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

static int copy_view(struct lam_arena *arena, json_t *value, struct lam_sv *view)
{
    view->len = json_string_length(value);
    view->ptr = lam_arena_string(arena, json_string_value(value), view->len);
    return view->ptr ? 0 : LAM_E_MEMORY;
}

static int fill_strings(struct lam_arena *arena, json_t *value, struct lam_job_strings *strings)
{
    size_t count = json_array_size(value);
    struct lam_sv *items = lam_arena_alloc(arena, count * sizeof *items + 1);

    if (!items)
        return LAM_E_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (copy_view(arena, json_array_get(value, i), &items[i]))
            return LAM_E_MEMORY;
    *strings = (struct lam_job_strings){items, count};
    return 0;
}

/* What a pointer field of the struct points to, zeroed; the pointer's type does not matter for its bytes. */
static void *allocate(struct lam_arena *arena, size_t size, char *slot)
{
    void *made = lam_arena_alloc(arena, size + 1);

    if (made) {
        memset(made, 0, size + 1);
        memcpy(slot, &made, sizeof made);
    }
    return made;
}

static int fill_list(struct lam_arena *arena, const struct lam_shape *shape, json_t *list, char *slot, struct lam_error *err)
{
    size_t count = json_array_size(list);
    char *items = allocate(arena, count * shape->size, slot);
    int rc = items ? 0 : LAM_E_MEMORY;

    memcpy(slot + sizeof(void *), &count, sizeof count);
    for (size_t i = 0; !rc && i < count; i++)
        rc = lam_shape_fill(arena, shape, json_array_get(list, i), items + i * shape->size, err);
    return rc;
}

static int fill_choice(const struct lam_field *field, json_t *value, char *slot)
{
    int index = 0; /* enums are ints here: all of ours are */

    while (strcmp(field->choices[index], json_string_value(value)))
        index++;
    memcpy(slot, &index, sizeof index);
    return 0;
}

static void fill_unsigned(const struct lam_field *field, uint64_t value, char *slot)
{
    uint32_t narrow = (uint32_t)value;

    if (field->width == sizeof narrow)
        memcpy(slot, &narrow, sizeof narrow);
    else
        memcpy(slot, &value, sizeof value);
}

static int fill_field(struct lam_arena *arena, const struct lam_field *field, json_t *value, char *base, struct lam_error *err)
{
    char *slot = base + field->offset;
    const char *text;
    struct lam_rule *rule;

    switch (field->kind) {
    case LAM_KIND_OBJECT:
        if (field->flags & LAM_FIELD_POINTER)
            slot = allocate(arena, field->shape->size, slot);
        return slot ? lam_shape_fill(arena, field->shape, value, slot, err) : LAM_E_MEMORY;
    case LAM_KIND_LIST:
        return fill_list(arena, field->shape, value, slot, err);
    case LAM_KIND_STRING:
        text = lam_arena_string(arena, json_string_value(value), json_string_length(value));
        memcpy(slot, &text, sizeof text);
        return text ? 0 : LAM_E_MEMORY;
    case LAM_KIND_VIEW:
        return copy_view(arena, value, (struct lam_sv *)(void *)slot);
    case LAM_KIND_STRINGS:
        return fill_strings(arena, value, (struct lam_job_strings *)(void *)slot);
    case LAM_KIND_CHOICE:
        return fill_choice(field, value, slot);
    case LAM_KIND_BOOL:
        *(bool *)slot = json_is_true(value);
        return 0;
    case LAM_KIND_INT:
    case LAM_KIND_SIZE:
        fill_unsigned(field, (uint64_t)json_integer_value(value), slot);
        return 0;
    case LAM_KIND_NUMBER:
        *(double *)(void *)slot = json_number_value(value);
        return 0;
    case LAM_KIND_DURATION:
        *(int64_t *)(void *)slot = llround(json_number_value(value) * 1e6);
        return 0;
    case LAM_KIND_RULE:
        rule = lam_rule_fill(arena, value);
        memcpy(slot, &rule, sizeof rule);
        return rule ? 0 : LAM_E_MEMORY;
    case LAM_KIND_MAP:
        break;
    }
    return 0;
}

int lam_shape_fill(struct lam_arena *arena, const struct lam_shape *shape, json_t *whole, void *base, struct lam_error *err)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct lam_field *field = &shape->fields[i];
        json_t *value = json_object_get(whole, field->name);

        if (!value || field->offset == LAM_NO_SLOT)
            continue;
        if (fill_field(arena, field, value, base, err))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the job's field %s", field->name);
    }
    return 0;
}

/* The part's field, a new reference; NULL where it is not of the part. *rc: out of memory. */
static json_t *part_field(const struct lam_field *field, json_t *value, enum lam_part part, int *rc)
{
    json_t *below;

    if (field->kind == LAM_KIND_LIST)
        return NULL;
    if (field->kind != LAM_KIND_OBJECT)
        return field->part == part ? json_incref(value) : NULL;
    below = lam_shape_part(field->shape, value, part);
    if (!below)
        *rc = LAM_E_MEMORY;
    if (json_object_size(below) || field->part == part)
        return below; /* a task without options is there all the same */
    json_decref(below);
    return NULL;
}

json_t *lam_shape_part(const struct lam_shape *shape, json_t *whole, enum lam_part part)
{
    json_t *found = json_object();
    int rc = found ? 0 : LAM_E_MEMORY;

    for (size_t i = 0; !rc && i < shape->count; i++) {
        const struct lam_field *field = &shape->fields[i];
        json_t *value = json_object_get(whole, field->name);
        json_t *taken = value ? part_field(field, value, part, &rc) : NULL;

        if (taken && json_object_set_new(found, field->name, taken))
            rc = LAM_E_MEMORY;
    }
    if (rc) {
        json_decref(found);
        found = NULL;
    }
    return found;
}
