#include "extract.h"

#include <math.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/utf8.h"

#define POINTERS_SHOWN 200 /* bytes of the pointers that a reason names */

void lam_extractor_init(struct lam_extractor *extractor, size_t max_text)
{
    lam_buf_init(&extractor->key, LAM_KEY_MAX);
    lam_buf_init(&extractor->order, 2 * (LAM_KEY_MAX + 64));
    lam_buf_init(&extractor->text, max_text);
}

void lam_extractor_release(struct lam_extractor *extractor)
{
    lam_buf_release(&extractor->key);
    lam_buf_release(&extractor->order);
    lam_buf_release(&extractor->text);
}

static uint32_t find(const struct lam_extract_input *input, struct lam_sv pointer)
{
    return input->json ? lam_json_find(input->json, LAM_JSON_ROOT, pointer) : LAM_JSON_NONE;
}

/* --- key --- */

int lam_position_key(struct lam_buf *buf, const struct lam_position *pos, bool stream, struct lam_error *err)
{
    char partition[LAM_DIGEST_HEX];
    struct lam_digest digest;

    if (stream) {
        snprintf(partition, sizeof partition, "%u", lam_position_partition(pos));
    } else {
        memcpy(digest.bytes, pos->partition, sizeof digest.bytes);
        lam_digest_hex(digest, partition);
    }
    return lam_buf_addf(buf, err, "@%u.%u.%s.%llu", pos->source, pos->life, partition, (unsigned long long)pos->offset);
}

static int missing_key(const struct lam_extract *settings, const struct lam_extract_input *input, struct lam_error *err)
{
    char tried[POINTERS_SHOWN + 8] = "";
    size_t len = 0;

    for (size_t i = 0; i < settings->key_count && len < POINTERS_SHOWN; i++)
        len += (size_t)snprintf(tried + len, sizeof tried - len, "%s%.*s", i ? ", " : "",
                                (int)(settings->key[i].len < 80 ? settings->key[i].len : 80), settings->key[i].ptr);
    if (settings->key_count == 0)
        return LAM_FAIL(err, LAM_E_INVALID, "no key: dataset.key names no field");
    if (input->null_value)
        return LAM_FAIL(err, LAM_E_INVALID, "no key: a message without a value has only $key, dataset.key is %s", tried);
    return LAM_FAIL(err, LAM_E_INVALID, "no key: none of %s is there", tried);
}

/* One of the list: LAM_OK with key set, LAM_END where it is absent. */
static int one_key(struct lam_sv pointer, const struct lam_extract_input *input, struct lam_sv *key, struct lam_error *err)
{
    uint32_t at;

    if (lam_sv_eq(pointer, LAM_SV("$key"))) {
        *key = input->has_key ? input->message_key : lam_sv("", 0);
    } else if (lam_sv_eq(pointer, LAM_SV("$path"))) {
        *key = input->path;
    } else {
        at = find(input, pointer);
        switch (lam_json_type(input->json, at)) {
        case LAM_JSON_STRING:
            *key = lam_json_string(input->json, at);
            break;
        case LAM_JSON_NUMBER:
        case LAM_JSON_BOOL:
            *key = lam_json_raw(input->json, at);
            break;
        case LAM_JSON_ARRAY:
        case LAM_JSON_OBJECT:
            return LAM_FAIL(err, LAM_E_INVALID, "the key %.*s is not a string or another scalar", LAM_SV_ARG(pointer));
        default:
            *key = lam_sv("", 0);
        }
    }
    return key->len ? 0 : LAM_END;
}

static int extract_key(struct lam_extractor *extractor, const struct lam_extract *settings,
                       const struct lam_extract_input *input, struct lam_sv *key, struct lam_error *err)
{
    int rc = LAM_END;

    for (size_t i = 0; i < settings->key_count && rc == LAM_END; i++)
        rc = one_key(settings->key[i], input, key, err);
    if (rc == LAM_END) {
        if (!settings->append)
            return missing_key(settings, input, err);
        if ((rc = lam_position_key(&extractor->key, &input->pos, !input->path.ptr, err)))
            return rc;
        *key = lam_buf_sv(&extractor->key);
    }
    if (rc)
        return rc;
    if (key->len > LAM_KEY_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "a key of %zu bytes, the limit is %d", key->len, LAM_KEY_MAX);
    if (lam_utf8_valid(*key) != key->len)
        return LAM_FAIL(err, LAM_E_INVALID, "the key is not UTF-8");
    return 0;
}

/* --- time and order --- */

/* A number with a fraction counts seconds, milliseconds, … by its size, as an integer does. */
static int time_of_number(struct lam_sv text, int64_t *time_us, struct lam_error *err)
{
    struct lam_number number;
    double size;
    int rc = lam_number_parse(text, &number, err);

    if (rc)
        return rc;
    if (number.kind == LAM_NUMBER_I64 && number.i64 > -LAM_TIME_INTEGER_MAX && number.i64 < LAM_TIME_INTEGER_MAX) {
        *time_us = lam_time_of_integer(number.i64);
        return 0;
    }
    if (number.kind != LAM_NUMBER_DOUBLE)
        return LAM_FAIL(err, LAM_E_INVALID, "%.*s is no time", LAM_SV_ARG(text));
    size = fabs(number.d);
    if (!(size < 1e18))
        return LAM_FAIL(err, LAM_E_INVALID, "%.*s is no time", LAM_SV_ARG(text));
    *time_us = llround(number.d * (size < 1e11 ? 1e6 : size < 1e14 ? 1e3 : size < 1e17 ? 1 : 1e-3));
    return 0;
}

static int time_of_field(struct lam_sv pointer, const struct lam_extract_input *input, int64_t *time_us, struct lam_error *err)
{
    uint32_t at = find(input, pointer);
    int rc;

    switch (lam_json_type(input->json, at)) {
    case LAM_JSON_ABSENT:
    case LAM_JSON_NULL:
        return 0;
    case LAM_JSON_STRING:
        if (lam_json_string(input->json, at).len == 0)
            return 0;
        rc = lam_time_parse(lam_json_string(input->json, at), time_us, err);
        break;
    case LAM_JSON_NUMBER:
        rc = time_of_number(lam_json_raw(input->json, at), time_us, err);
        break;
    default:
        rc = LAM_FAIL(err, LAM_E_INVALID, "expected a string or a number");
    }
    return rc ? LAM_PASS(err, rc, "event time %.*s", LAM_SV_ARG(pointer)) : 0;
}

static int extract_time(const struct lam_extract *settings, const struct lam_extract_input *input, int64_t *time_us, struct lam_error *err)
{
    char event[LAM_TIME_TEXT], arrival[LAM_TIME_TEXT];
    int rc;

    *time_us = LAM_TIME_NONE;
    if (settings->event_time.len == 0)
        return 0;
    if (input->null_value)
        *time_us = input->message_us;
    else if (lam_sv_eq(settings->event_time, LAM_SV("$mtime")))
        *time_us = input->mtime_us;
    else if ((rc = time_of_field(settings->event_time, input, time_us, err)))
        return rc;
    if (*time_us == LAM_TIME_NONE || settings->max_skew_us < 0 || input->arrival_us == LAM_TIME_NONE || *time_us <= input->arrival_us)
        return 0;
    if ((uint64_t)*time_us - (uint64_t)input->arrival_us <= (uint64_t)settings->max_skew_us)
        return 0;
    lam_time_format(*time_us, event);
    lam_time_format(input->arrival_us, arrival);
    return LAM_FAIL(err, LAM_E_INVALID, "event time %s lies more than max_skew after its arrival at %s", event, arrival);
}

static int order_of_field(struct lam_buf *order, const struct lam_extract *settings,
                          const struct lam_extract_input *input, uint32_t *flags, struct lam_error *err)
{
    uint32_t at = find(input, settings->order_field);

    switch (lam_json_type(input->json, at)) {
    case LAM_JSON_STRING:
        if (lam_json_string(input->json, at).len > LAM_KEY_MAX)
            return LAM_FAIL(err, LAM_E_LIMIT, "an order value of %zu bytes, the limit is %d",
                            lam_json_string(input->json, at).len, LAM_KEY_MAX);
        return lam_order_add_string(order, lam_json_string(input->json, at), err);
    case LAM_JSON_NUMBER:
        return lam_order_add_number(order, lam_json_raw(input->json, at), err);
    case LAM_JSON_ABSENT:
    case LAM_JSON_NULL:
        *flags |= LAM_ROW_NO_ORDER;
        return lam_order_add_missing(order, err);
    default:
        return LAM_FAIL(err, LAM_E_INVALID, "the order value %.*s is not a string or a number", LAM_SV_ARG(settings->order_field));
    }
}

static int extract_order(struct lam_extractor *extractor, const struct lam_extract *settings,
                         const struct lam_extract_input *input, struct lam_record *rec, struct lam_error *err)
{
    int rc = 0;

    if (settings->order_by == LAM_ORDER_TIME) {
        if (rec->event_time_us == LAM_TIME_NONE)
            rec->flags |= LAM_ROW_NO_ORDER;
        rc = lam_order_add_time(&extractor->order, rec->event_time_us, err);
    } else if (settings->order_by == LAM_ORDER_FIELD) {
        rc = order_of_field(&extractor->order, settings, input, &rec->flags, err);
    }
    if (!rc)
        rc = lam_order_add_position(&extractor->order, &input->pos, input->path, err);
    rec->order = lam_buf_sv(&extractor->order);
    return rc;
}

/* --- text --- */

static int add_scalar(struct lam_buf *text, const struct lam_json *json, uint32_t at, const char *between,
                      size_t *count, struct lam_error *err)
{
    enum lam_json_type type = lam_json_type(json, at);
    struct lam_sv words = type == LAM_JSON_STRING ? lam_json_string(json, at) : lam_json_raw(json, at);
    int rc;

    if (type == LAM_JSON_ABSENT || type == LAM_JSON_NULL || type == LAM_JSON_ARRAY || type == LAM_JSON_OBJECT || words.len == 0)
        return 0;
    if ((*count)++ && (rc = lam_buf_add(text, between, strlen(between), err)))
        return rc;
    return lam_buf_add_sv(text, words, err);
}

static int add_field(struct lam_buf *text, const struct lam_json *json, uint32_t at, size_t *fields, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(json, at);
    size_t before = text->len, start, lines = 0;
    int rc = 0;

    if (lam_json_type(json, at) != LAM_JSON_ARRAY)
        return add_scalar(text, json, at, "\n\n", fields, err);
    if (*fields && (rc = lam_buf_add(text, "\n\n", 2, err)))
        return rc;
    start = text->len;
    while (!rc && lam_json_next(&iter))
        rc = add_scalar(text, json, iter.value, "\n", &lines, err);
    if (text->len == start)
        text->len = before;
    else
        ++*fields;
    return rc;
}

static int extract_text(struct lam_extractor *extractor, const struct lam_extract *settings,
                        const struct lam_extract_input *input, struct lam_sv *text, struct lam_error *err)
{
    size_t fields = 0;
    uint32_t at;
    int rc = 0;

    *text = input->text;
    if (!input->json || settings->text_count == 0)
        return text->len <= extractor->text.max ? 0
                                                : LAM_FAIL(err, LAM_E_LIMIT, "a text of %zu bytes, the limit is %zu",
                                                           text->len, extractor->text.max);
    if (settings->text_count == 1 && lam_json_type(input->json, at = find(input, settings->text[0])) == LAM_JSON_STRING &&
        lam_json_string(input->json, at).len <= extractor->text.max) {
        *text = lam_json_string(input->json, at); /* as a rule: nothing to join, nothing to copy */
        return 0;
    }
    for (size_t i = 0; !rc && i < settings->text_count; i++)
        rc = add_field(&extractor->text, input->json, find(input, settings->text[i]), &fields, err);
    *text = lam_buf_sv(&extractor->text);
    return rc ? LAM_PASS(err, rc, "the record's text") : 0;
}

int lam_extract_record(struct lam_extractor *extractor, const struct lam_extract *settings,
                       const struct lam_extract_input *input, struct lam_record *rec, struct lam_error *err)
{
    int rc;

    lam_buf_clear(&extractor->key);
    lam_buf_clear(&extractor->order);
    lam_buf_clear(&extractor->text);
    *rec = (struct lam_record){
        .pos = input->pos, .arrival_us = input->arrival_us, .media_type = input->media_type, .title = input->title,
        .structure = input->structure};
    if (input->null_value || (settings->deleted.len && input->json && lam_json_bool(input->json, find(input, settings->deleted))))
        rec->op = LAM_OP_DELETE;
    if (rec->op == LAM_OP_DELETE && settings->append)
        return LAM_FAIL(err, LAM_E_INVALID, "a delete in an append dataset");
    if ((rc = extract_key(extractor, settings, input, &rec->key, err)) || (rc = extract_time(settings, input, &rec->event_time_us, err)) ||
        (rc = extract_order(extractor, settings, input, rec, err)))
        return rc;
    if (!input->null_value && (rc = extract_text(extractor, settings, input, &rec->text, err)))
        return rc;
    if (input->json && lam_json_type(input->json, LAM_JSON_ROOT) == LAM_JSON_OBJECT)
        rec->metadata = lam_json_raw(input->json, LAM_JSON_ROOT);
    if (rec->text.len == 0)
        rec->flags |= LAM_ROW_NO_TEXT;
    rec->hash = lam_hash64(rec->key.ptr, rec->key.len);
    return 0;
}
