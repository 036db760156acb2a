/*
 * Overrides from the command line: PATH=VALUE, where PATH is dotted ("sources.0.path") or a JSON pointer ("/stream/kafka/a.b").
 * The table of fields goes along: it knows that a store given as a string can be an object, that the names below stream.kafka
 * have dots in them, and that 42 is text where a name is wanted.
 */
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define PATH_TEXT 1024

/* Where the walk stands: a value of the document, and what the table says of it. */
struct walk {
    struct lam_checker *checker;
    struct lam_set *set;
    json_t *at;                    /* borrowed: an object or an array */
    const struct lam_shape *shape; /* of the object; NULL where the table says nothing */
    const struct lam_field *field; /* of what was reached last */
    char pointer[LAM_POINTER_MAX];
    char made[LAM_POINTER_MAX];    /* the first that was not there before; "" where all were */
};

static void refuse(struct walk *walk, const char *fmt, const char *text)
{
    char where[LAM_POINTER_MAX], message[300];

    snprintf(where, sizeof where, "--set %.200s", walk->set->text);
    snprintf(message, sizeof message, fmt, text);
    walk->set->pointer[0] = '\0'; /* the message names the option already */
    lam_problem_add(walk->checker, where, "%s", message);
}

/* Cuts the next name off *rest; NULL at the end. Names of a map keep their dots. */
static char *next_name(char **rest, bool pointer, bool map)
{
    char *name = *rest, *end, *out;

    if (!name)
        return NULL;
    end = pointer || !map ? strchr(name, pointer ? '/' : '.') : NULL;
    *rest = end ? end + 1 : NULL;
    if (end)
        *end = '\0';
    if (!pointer)
        return name;
    out = name;
    for (const char *in = name; *in; in++) {
        if (in[0] == '~' && (in[1] == '0' || in[1] == '1'))
            *out++ = *++in == '0' ? '~' : '/';
        else
            *out++ = *in;
    }
    *out = '\0';
    return name;
}

static bool is_index(const char *name) { return *name && strspn(name, "0123456789") == strlen(name) && strlen(name) < 7; }

static json_t *member(json_t *at, const char *name)
{
    if (json_is_array(at))
        return is_index(name) ? json_array_get(at, strtoul(name, NULL, 10)) : NULL;
    return json_object_get(at, name);
}

static bool place(struct walk *walk, const char *name, json_t *value)
{
    size_t index;

    if (json_is_object(walk->at))
        return json_object_set_new(walk->at, name, value) == 0;
    index = is_index(name) ? strtoul(name, NULL, 10) : (size_t)-1;
    if (index < json_array_size(walk->at))
        return json_array_set_new(walk->at, index, value) == 0;
    if (index == json_array_size(walk->at))
        return json_array_append_new(walk->at, value) == 0;
    json_decref(value);
    refuse(walk, "\"%s\" is no element of this list; the next free number makes a new one", name);
    return false;
}

/* What the table says of the member that the walk goes to. */
static void look_up(struct walk *walk, const char *name)
{
    char below[LAM_POINTER_MAX];

    if (!json_is_array(walk->at)) {
        walk->field = walk->shape ? lam_shape_find(walk->shape, name) : NULL;
        walk->shape = walk->field ? walk->field->shape : NULL;
    }
    lam_pointer_join(below, walk->pointer, name);
    memcpy(walk->pointer, below, sizeof below);
}

static bool descend(struct walk *walk, const char *name)
{
    json_t *below = member(walk->at, name), *made;

    look_up(walk, name);
    if (json_is_object(below) || json_is_array(below)) {
        walk->at = below;
        return true;
    }
    if (below && walk->shape && walk->shape->shorthand && json_is_string(below))
        made = json_pack("{s:O}", walk->shape->shorthand, below);
    else if (below) {
        refuse(walk, "%s is neither an object nor a list, so there is nothing below it", walk->pointer);
        return false;
    } else {
        made = walk->field && walk->field->kind == LAM_KIND_LIST && !json_is_array(walk->at) ? json_array() : json_object();
    }
    if (!place(walk, name, made))
        return false;
    if (!below && !walk->made[0])
        memcpy(walk->made, walk->pointer, sizeof walk->made);
    walk->at = made;
    return true;
}

/* JSON where it parses, else a string; and text where the field is text, whatever it looks like. */
static json_t *parse_value(const char *text, const struct lam_field *field)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    bool wants_text = field && (field->kind == LAM_KIND_STRING || field->kind == LAM_KIND_VIEW || field->kind == LAM_KIND_CHOICE);

    if (value && !(wants_text && !json_is_string(value) && !json_is_null(value)))
        return value;
    json_decref(value);
    return json_string(text);
}

void lam_set_apply(struct lam_checker *checker, const struct lam_shape *shape, json_t *document, struct lam_set *set)
{
    const char *equals = strchr(set->text, '=');
    struct walk walk = {.checker = checker, .set = set, .at = document, .shape = shape};
    char path[PATH_TEXT], *rest, *name;
    bool pointer = set->text[0] == '/';
    json_t *value;

    if (!equals || equals == set->text || (size_t)(equals - set->text) >= sizeof path) {
        refuse(&walk, "expected FIELD=VALUE, such as roles.speed=2%s", "");
        return;
    }
    snprintf(path, sizeof path, "%.*s", (int)(equals - set->text), set->text);
    if (lam_utf8_valid(lam_sv_of(set->text)) != strlen(set->text)) {
        refuse(&walk, "the text is not UTF-8%s", "");
        return;
    }
    rest = pointer ? path + 1 : path;
    name = next_name(&rest, pointer, false);
    while (name && rest) {
        if (!descend(&walk, name))
            return;
        name = next_name(&rest, pointer, walk.field && walk.field->kind == LAM_KIND_MAP);
    }
    if (json_is_array(walk.at) && !is_index(name)) {
        refuse(&walk, "\"%s\" is no number of an element", name);
        return;
    }
    look_up(&walk, name);
    value = parse_value(equals + 1, json_is_array(walk.at) ? NULL : walk.field);
    if (!value) {
        checker->memory = true;
        return;
    }
    memcpy(set->pointer, walk.made[0] ? walk.made : walk.pointer, sizeof set->pointer);
    if (json_is_null(value) && json_is_object(walk.at)) { /* null takes the field away */
        json_object_del(walk.at, name);
        json_decref(value);
    } else if (!place(&walk, name, value)) {
        set->pointer[0] = '\0';
    }
}
