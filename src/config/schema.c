/* The table of fields as JSON Schema, draft 2020-12. */
#include "shape.h"

#include <stdlib.h>
#include <string.h>

static json_t *object_schema(const struct lam_shape *shape);

static void put(json_t *schema, const char *name, json_t *value) { json_object_set_new(schema, name, value); }

static json_t *number(double value) { return value == (double)(json_int_t)value ? json_integer((json_int_t)value) : json_real(value); }

static void put_range(json_t *schema, const struct lam_field *field)
{
    put(schema, "minimum", number(field->min));
    if (field->max)
        put(schema, "maximum", number(field->max));
}

static json_t *string_schema(const struct lam_field *field, double min, double max)
{
    json_t *schema = json_pack("{s:s}", "type", "string");

    if (min)
        put(schema, "minLength", number(min));
    put(schema, "maxLength", number(max ? max : 4000));
    if (field->pattern)
        put(schema, "pattern", json_string(field->pattern));
    return schema;
}

/* A number, or text with a unit (whose limits the program checks). */
static json_t *unit_schema(const struct lam_field *field)
{
    bool size = field->kind == LAM_KIND_SIZE;
    json_t *numeric = json_pack("{s:s}", "type", size ? "integer" : "number");

    put_range(numeric, field);
    return json_pack("{s:[o, {s:s, s:s}]}", "anyOf", numeric, "type", "string", "pattern", size ? LAM_SIZE_PATTERN : LAM_DURATION_PATTERN);
}

static json_t *choice_schema(const struct lam_field *field)
{
    json_t *choices = json_array();

    for (const char *const *choice = field->choices; *choice; choice++)
        json_array_append_new(choices, json_string(*choice));
    return json_pack("{s:o}", "enum", choices);
}

static json_t *kind_schema(const struct lam_field *field)
{
    json_t *schema;

    switch (field->kind) {
    case LAM_KIND_OBJECT:
        schema = object_schema(field->shape);
        if (field->shape->shorthand) {
            json_t *value = kind_schema(lam_shape_find(field->shape, field->shape->shorthand));

            schema = json_pack("{s:[o, o]}", "anyOf", value, schema);
        }
        return schema;
    case LAM_KIND_LIST:
        return json_pack("{s:s, s:o, s:o}", "type", "array", "maxItems", number(field->max), "items", object_schema(field->shape));
    case LAM_KIND_STRING:
    case LAM_KIND_VIEW:
        return string_schema(field, field->min, field->max);
    case LAM_KIND_STRINGS:
        schema = string_schema(field, 0, 0);
        return json_pack("{s:[O, {s:s, s:i, s:o, s:o}]}", "anyOf", schema, "type", "array", "minItems", 1, "maxItems",
                         number(field->max), "items", schema);
    case LAM_KIND_CHOICE:
        return choice_schema(field);
    case LAM_KIND_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case LAM_KIND_MAP:
        return field->schema(field);
    case LAM_KIND_RULE:
        return json_pack("{s:s}", "$ref", "#/$defs/rule");
    case LAM_KIND_SIZE:
    case LAM_KIND_DURATION:
        return unit_schema(field);
    default:
        schema = json_pack("{s:s}", "type", field->kind == LAM_KIND_INT ? "integer" : "number");
        put_range(schema, field);
        return schema;
    }
}

static json_t *object_schema(const struct lam_shape *shape)
{
    json_t *schema = json_pack("{s:s}", "type", "object"), *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < shape->count; i++) {
        const struct lam_field *field = &shape->fields[i];
        json_t *one = kind_schema(field);

        put(one, "description", json_string(field->doc));
        if (field->def)
            put(one, "default", json_loads(field->def, JSON_DECODE_ANY, NULL));
        put(properties, field->name, one);
        if (field->flags & LAM_FIELD_REQUIRED)
            json_array_append_new(required, json_string(field->name));
    }
    put(schema, "properties", properties);
    if (json_array_size(required))
        put(schema, "required", required);
    else
        json_decref(required);
    put(schema, "additionalProperties", json_false());
    return schema;
}

int lam_job_schema(struct lam_buf *out, struct lam_error *err)
{
    json_t *schema = json_pack("{s:s, s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
                               "Lamina job file", "description",
                               "What `lamina` runs. Rules over several fields are checked by `lamina job check`.");
    json_t *body = object_schema(&lam_job_shape);
    char *text;
    int rc;

    json_object_update(schema, body);
    json_decref(body);
    put(schema, "$defs",
        json_pack("{s:o, s:{s:[s,s,s,s]}}", "rule", lam_rule_schema(), "scalar", "type", "string", "number", "boolean",
                  "null"));
    text = json_dumps(schema, JSON_INDENT(2));
    json_decref(schema);
    if (!text)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the schema of job files");
    rc = lam_buf_addf(out, err, "%s\n", text);
    free(text);
    return rc;
}
