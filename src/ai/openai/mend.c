#include "mend.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "schema.h"

#define DEPTH_MAX 64

struct mend {
    const struct lam_json *schema, *json;
    struct lam_buf *out;
    struct lam_error *err;
};

static int mend_value(struct mend *mend, uint32_t at, uint32_t value, struct lam_sv name, unsigned depth);

static int as_it_is(struct mend *mend, uint32_t value) { return lam_buf_add_sv(mend->out, lam_json_raw(mend->json, value), mend->err); }

static struct lam_sv trimmed(struct lam_sv text)
{
    while (text.len && strchr(" \t\r\n", text.ptr[0]))
        text = lam_sv(text.ptr + 1, text.len - 1);
    while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static bool same_label(struct lam_sv a, struct lam_sv b) { return a.len == b.len && (!a.len || !strncasecmp(a.ptr, b.ptr, a.len)); }

/* Are numbers wanted here, and no string? */
static bool wants_number(const struct mend *mend, uint32_t at)
{
    struct lam_sv type = lam_json_string(mend->schema, lam_json_field(mend->schema, at, LAM_SV("type")));

    return lam_sv_eq(type, LAM_SV("number")) || lam_sv_eq(type, LAM_SV("integer"));
}

/* RFC 8259's number, and nothing else. */
static bool is_number(struct lam_sv text)
{
    return text.len && text.len < 40 && (text.ptr[0] == '-' || (text.ptr[0] >= '0' && text.ptr[0] <= '9')) && lam_json_locate(text, 1, &(const char *){NULL}) == text.len + 1;
}

/* The only one of the allowed strings that it can mean; LAM_JSON_NONE: it is one of them already, or none, or several are alike. */
static uint32_t label_meant(const struct mend *mend, uint32_t at, struct lam_sv text)
{
    struct lam_json_iter iter = lam_json_iter(mend->schema, lam_json_field(mend->schema, at, LAM_SV("enum")));
    uint32_t meant = LAM_JSON_NONE;

    while (lam_json_next(&iter)) {
        struct lam_sv label = lam_json_string(mend->schema, iter.value);

        if (lam_json_type(mend->schema, iter.value) != LAM_JSON_STRING)
            continue;
        if (lam_sv_eq(label, text))
            return LAM_JSON_NONE;
        if (!same_label(trimmed(label), trimmed(text)))
            continue;
        if (meant)
            return LAM_JSON_NONE;
        meant = iter.value;
    }
    return meant;
}

/* A confidence in tenths; between 0 and 1 it is a share. name is empty for what a job has named itself. */
static int mend_number(struct mend *mend, struct lam_sv text, double value, struct lam_sv name)
{
    if (lam_sv_eq(name, LAM_SV("confidence")) && value > 0 && value < 1)
        return lam_buf_addf(mend->out, mend->err, "%d", (int)(value * 10 + 0.5));
    return lam_buf_add_sv(mend->out, text, mend->err);
}

static double to_double(struct lam_sv text)
{
    char copy[40];

    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return strtod(copy, NULL);
}

static int mend_string(struct mend *mend, uint32_t at, uint32_t value, struct lam_sv name, unsigned depth)
{
    struct lam_sv text = lam_json_string(mend->json, value), bare = trimmed(text);
    uint32_t label;

    if (wants_number(mend, at) && is_number(bare))
        return mend_number(mend, bare, to_double(bare), depth == 1 ? name : lam_sv("", 0));
    if ((label = label_meant(mend, at, text)))
        return lam_buf_add_json(mend->out, lam_json_string(mend->schema, label), mend->err);
    return as_it_is(mend, value);
}

static int mend_object(struct mend *mend, uint32_t at, uint32_t value, unsigned depth)
{
    uint32_t properties = lam_json_field(mend->schema, at, LAM_SV("properties"));
    struct lam_json_iter iter = lam_json_iter(mend->json, value);
    bool first = true;
    int rc = lam_buf_add(mend->out, "{", 1, mend->err);

    while (!rc && lam_json_next(&iter)) {
        if (!(rc = first ? 0 : lam_buf_add(mend->out, ",", 1, mend->err)) && !(rc = lam_buf_add_json(mend->out, iter.name, mend->err)) &&
            !(rc = lam_buf_add(mend->out, ":", 1, mend->err)))
            rc = mend_value(mend, lam_json_field(mend->schema, properties, iter.name), iter.value, iter.name, depth + 1);
        first = false;
    }
    return rc ? rc : lam_buf_add(mend->out, "}", 1, mend->err);
}

static int mend_array(struct mend *mend, uint32_t at, uint32_t value, unsigned depth)
{
    uint32_t items = lam_json_field(mend->schema, at, LAM_SV("items"));
    struct lam_json_iter iter = lam_json_iter(mend->json, value);
    bool first = true;
    int rc = lam_buf_add(mend->out, "[", 1, mend->err);

    while (!rc && lam_json_next(&iter)) {
        if (!(rc = first ? 0 : lam_buf_add(mend->out, ",", 1, mend->err)))
            rc = mend_value(mend, items, iter.value, lam_sv("", 0), depth + 1);
        first = false;
    }
    return rc ? rc : lam_buf_add(mend->out, "]", 1, mend->err);
}

static int mend_value(struct mend *mend, uint32_t at, uint32_t value, struct lam_sv name, unsigned depth)
{
    struct lam_number number;

    if (!at || depth > DEPTH_MAX)
        return as_it_is(mend, value);
    switch (lam_json_type(mend->json, value)) {
    case LAM_JSON_STRING:
        return mend_string(mend, at, value, name, depth);
    case LAM_JSON_NUMBER:
        return lam_json_number(mend->json, value, &number) && depth == 1 ? mend_number(mend, lam_json_raw(mend->json, value), lam_number_as_double(&number), name)
                                                                         : as_it_is(mend, value);
    case LAM_JSON_OBJECT:
        return mend_object(mend, at, value, depth);
    case LAM_JSON_ARRAY:
        return mend_array(mend, at, value, depth);
    default:
        return as_it_is(mend, value);
    }
}

/* What a single field that the schema does not know is wrapped around; else the document itself. */
static uint32_t unwrapped(const struct lam_json *schema, const struct lam_json *json)
{
    struct lam_json_iter iter = lam_json_iter(json, LAM_JSON_ROOT);
    uint32_t within = LAM_JSON_ROOT, properties = lam_json_field(schema, LAM_JSON_ROOT, LAM_SV("properties"));

    if (lam_json_type(json, LAM_JSON_ROOT) != LAM_JSON_OBJECT || !lam_json_next(&iter))
        return LAM_JSON_ROOT;
    if (lam_json_type(json, iter.value) == LAM_JSON_OBJECT && !lam_json_field(schema, properties, iter.name))
        within = iter.value;
    return lam_json_next(&iter) ? LAM_JSON_ROOT : within;
}

int lam_llm_mend(const struct lam_json *schema, struct lam_json *json, struct lam_buf *scratch, struct lam_error *err)
{
    struct mend mend = {schema, json, scratch, NULL};
    int rc = lam_llm_schema_check(schema, LAM_JSON_ROOT, json, LAM_JSON_ROOT, false, err), mended;

    if (rc != LAM_E_INVALID)
        return rc;
    lam_buf_clear(scratch);
    mended = mend_value(&mend, LAM_JSON_ROOT, unwrapped(schema, json), lam_sv("", 0), 0);
    if (!mended && !(mended = lam_json_parse(json, lam_buf_sv(scratch), NULL)))
        mended = lam_llm_schema_check(schema, LAM_JSON_ROOT, json, LAM_JSON_ROOT, false, NULL);
    if (mended == LAM_E_MEMORY)
        return LAM_FAIL(err, mended, "no memory for an answer");
    return mended ? rc : 0;
}
