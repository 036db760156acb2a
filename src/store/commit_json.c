#include "commit_json.h"

#include <string.h>

void lam_fields_fail(struct lam_fields *fields, const char *name, const char *expected)
{
    if (!fields->rc)
        fields->rc = LAM_FAIL(fields->err, LAM_E_CORRUPT, "%s: \"%s\" must be %s", fields->what, name, expected);
}

json_t *lam_commit_json_parse(struct lam_sv text, const char *what, int *rc, struct lam_error *err)
{
    json_error_t where;
    json_t *value = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &where);

    *rc = 0;
    if (!value && (where.text[0] == '\0' || json_error_code(&where) == json_error_out_of_memory)) /* it says no more where malloc fails */
        *rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to parse %s", what);
    else if (!value)
        *rc = LAM_FAIL(err, LAM_E_CORRUPT, "%s: no JSON at byte %d: %s", what, where.position, where.text);
    return value;
}

void lam_fields_init(struct lam_fields *fields, json_t *value, const char *what, struct lam_error *err)
{
    *fields = (struct lam_fields){.object = value, .what = what, .err = err};
    if (!json_is_object(value))
        fields->rc = LAM_FAIL(err, LAM_E_CORRUPT, "%s: no JSON object", what);
}

static json_t *field(struct lam_fields *fields, const char *name) { return fields->rc ? NULL : json_object_get(fields->object, name); }

static uint64_t number_of(struct lam_fields *fields, const char *name, const json_t *value, uint64_t max)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > max) {
        lam_fields_fail(fields, name, "an integer within its limits");
        return 0;
    }
    return (uint64_t)json_integer_value(value);
}

uint64_t lam_fields_u64(struct lam_fields *fields, const char *name, uint64_t max)
{
    return fields->rc ? 0 : number_of(fields, name, field(fields, name), max);
}

uint64_t lam_fields_u64_or(struct lam_fields *fields, const char *name, uint64_t max, uint64_t absent)
{
    const json_t *value = field(fields, name);

    return value ? number_of(fields, name, value, max) : absent;
}

int64_t lam_fields_i64(struct lam_fields *fields, const char *name)
{
    const json_t *value = field(fields, name);

    if (!json_is_integer(value))
        lam_fields_fail(fields, name, "an integer");
    return json_integer_value(value);
}

const char *lam_fields_text_or_null(struct lam_fields *fields, const char *name, size_t max)
{
    const json_t *value = field(fields, name);

    if (!value)
        return NULL;
    if (!json_is_string(value) || json_string_length(value) > max || strlen(json_string_value(value)) != json_string_length(value)) {
        lam_fields_fail(fields, name, "a string within its limit");
        return NULL;
    }
    return json_string_value(value);
}

const char *lam_fields_text(struct lam_fields *fields, const char *name, size_t max)
{
    const char *text = lam_fields_text_or_null(fields, name, max);

    if (!text)
        lam_fields_fail(fields, name, "there");
    return text;
}

json_t *lam_fields_array(struct lam_fields *fields, const char *name, size_t max)
{
    json_t *value = field(fields, name);

    if (!value)
        return NULL;
    if (!json_is_array(value) || json_array_size(value) > max) {
        lam_fields_fail(fields, name, "an array within its limit");
        return NULL;
    }
    return value;
}

void lam_fields_row(struct lam_fields *fields, const char *name, json_t *row, uint64_t *values, size_t count)
{
    memset(values, 0, count * sizeof *values);
    if (fields->rc)
        return;
    if (!json_is_array(row) || json_array_size(row) != count) {
        lam_fields_fail(fields, name, "an array of arrays of its length");
        return;
    }
    for (size_t i = 0; i < count; i++)
        values[i] = number_of(fields, name, json_array_get(row, i), INT64_MAX);
}
