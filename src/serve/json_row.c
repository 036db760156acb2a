#include "json_row.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "model/number.h"
#include "model/order.h"

/* Literal text in front of a value. */
#define ADD(out, literal, err) lam_buf_add((out), (literal), sizeof(literal) - 1, (err))

const char *lam_layer_name(uint8_t layer) { return layer == LAM_LAYER_SPEED ? "speed" : "batch"; }

const char *lam_depth_name(uint8_t depth) { return depth == LAM_DEPTH_DEEP ? "deep" : "fast"; }

int lam_json_add_float(struct lam_buf *out, float value, struct lam_error *err)
{
    char text[32];
    int digits = 6;

    if (!isfinite(value))
        return ADD(out, "null", err);
    do
        snprintf(text, sizeof text, "%.*g", digits++, (double)value);
    while (digits <= 9 && strtof(text, NULL) != value);
    return lam_buf_add(out, text, strlen(text), err);
}

int lam_json_add_double(struct lam_buf *out, double value, struct lam_error *err)
{
    struct lam_number number = lam_number_double(value);

    return lam_number_add(out, &number, err);
}

int lam_json_add_time(struct lam_buf *out, int64_t time_us, struct lam_error *err)
{
    char text[LAM_TIME_TEXT + 2] = "\"";
    size_t len;

    if (time_us == LAM_TIME_NONE)
        return ADD(out, "null", err);
    lam_time_format(time_us, text + 1);
    len = strlen(text);
    text[len++] = '"';
    return lam_buf_add(out, text, len, err);
}

/* A line break cannot stand inside a JSON string, so that a blank in its place changes nothing. */
int lam_json_add_raw(struct lam_buf *out, struct lam_sv json, const char *empty, struct lam_error *err)
{
    size_t at = out->len;
    int rc;

    if (!json.len)
        return lam_buf_add(out, empty, strlen(empty), err);
    if ((rc = lam_buf_add_sv(out, json, err)))
        return rc;
    for (; at < out->len; at++)
        if (out->ptr[at] == '\n' || out->ptr[at] == '\r')
            out->ptr[at] = ' ';
    return 0;
}

/* A string, or null where it is empty. */
static int add_text(struct lam_buf *out, struct lam_sv text, struct lam_error *err)
{
    return text.len ? lam_buf_add_json(out, text, err) : ADD(out, "null", err);
}

static int add_unsigned(struct lam_buf *out, uint64_t value, struct lam_error *err)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return lam_buf_add(out, digits + at, sizeof digits - at, err);
}

static int add_partition(struct lam_buf *out, const struct lam_position *pos, struct lam_error *err)
{
    static const uint8_t stream[12]; /* a path's digest does not begin with twelve zeros */
    char hex[36] = "\"";

    if (!memcmp(pos->partition, stream, sizeof stream))
        return add_unsigned(out, lam_position_partition(pos), err);
    for (int i = 0; i < 16; i++)
        snprintf(hex + 1 + 2 * i, 3, "%02x", pos->partition[i]);
    hex[33] = '"';
    return lam_buf_add(out, hex, 34, err);
}

static int add_position(struct lam_buf *out, const struct lam_position *pos, struct lam_error *err)
{
    int rc;

    if ((rc = ADD(out, "{\"source\":", err)) || (rc = add_unsigned(out, pos->source, err)) || (rc = ADD(out, ",\"life\":", err)) ||
        (rc = add_unsigned(out, pos->life, err)) || (rc = ADD(out, ",\"partition\":", err)) || (rc = add_partition(out, pos, err)) ||
        (rc = ADD(out, ",\"offset\":", err)) || (rc = add_unsigned(out, pos->offset, err)))
        return rc;
    return ADD(out, "}", err);
}

static int add_embedding(struct lam_buf *out, const struct lam_enrichment *enr, struct lam_error *err)
{
    int rc = ADD(out, ",\"embedding\":", err);

    if (rc || !enr->embedding)
        return rc ? rc : ADD(out, "null", err);
    for (uint32_t i = 0; i < enr->dim && !rc; i++)
        if (!(rc = i ? ADD(out, ",", err) : ADD(out, "[", err)))
            rc = lam_json_add_float(out, enr->embedding[i], err);
    return rc ? rc : enr->dim ? ADD(out, "]", err) : ADD(out, "[]", err);
}

static int add_enrichment(struct lam_buf *out, const struct lam_enrichment *enr, unsigned flags, struct lam_error *err)
{
    int rc;

    if ((rc = ADD(out, ",\"enrichment\":{\"category\":", err)) || (rc = add_text(out, enr->category, err)) ||
        (rc = ADD(out, ",\"confidence\":", err)) ||
        (rc = enr->category.len ? lam_json_add_float(out, enr->confidence, err) : ADD(out, "null", err)) ||
        (rc = ADD(out, ",\"sentiment\":", err)) || (rc = lam_json_add_float(out, enr->sentiment, err)) ||
        (rc = ADD(out, ",\"language\":", err)) || (rc = add_text(out, enr->language, err)) ||
        (rc = ADD(out, ",\"summary\":", err)) || (rc = add_text(out, enr->summary, err)) ||
        (rc = ADD(out, ",\"keywords\":", err)) || (rc = lam_json_add_raw(out, enr->keywords, "null", err)) ||
        (rc = ADD(out, ",\"entities\":", err)) || (rc = lam_json_add_raw(out, enr->entities, "null", err)) ||
        (enr->custom.len && ((rc = ADD(out, ",\"custom\":", err)) || (rc = lam_json_add_raw(out, enr->custom, "null", err)))) ||
        (enr->space.len && ((rc = ADD(out, ",\"space\":", err)) || (rc = add_text(out, enr->space, err)))) ||
        (flags & LAM_JSON_ROW_EMBEDDING && (rc = add_embedding(out, enr, err))))
        return rc;
    return ADD(out, "}", err);
}

static int add_provenance(struct lam_buf *out, const struct lam_row *row, struct lam_error *err)
{
    const struct lam_enrichment *enr = &row->enr;
    int rc;

    if ((rc = lam_buf_addf(out, err, ",\"provenance\":{\"layer\":\"%s\",\"depth\":\"%s\",\"analyzer\":",
                           lam_layer_name(enr->layer), lam_depth_name(enr->depth))) ||
        (rc = add_text(out, enr->analyzer, err)) ||
        (rc = lam_buf_addf(out, err,
                           ",\"model\":%" PRIu32 ",\"prompt\":%" PRIu32 ",\"tokens\":%" PRIu32
                           ",\"escalated\":%s,\"processed_at\":",
                           enr->model, enr->prompt, enr->tokens,
                           row->rec.flags & LAM_ROW_ESCALATED ? "true" : "false")) ||
        (rc = lam_json_add_time(out, enr->processed_us ? enr->processed_us : LAM_TIME_NONE, err)) ||
        (enr->trace.len && ((rc = ADD(out, ",\"trace\":", err)) || (rc = lam_json_add_raw(out, enr->trace, "null", err)))))
        return rc;
    return row->rec.flags & LAM_ROW_OTHER_ANALYSIS ? ADD(out, ",\"other_analysis\":true}", err) : ADD(out, "}", err);
}

int lam_json_row_add(struct lam_buf *out, const struct lam_hit *hit, unsigned flags, struct lam_error *err)
{
    const struct lam_record *rec = &hit->row.rec;
    int rc;

    if ((rc = ADD(out, "{\"key\":", err)) || (rc = lam_buf_add_json(out, rec->key, err)) ||
        (rc = ADD(out, ",\"source\":", err)) || (rc = add_text(out, hit->source, err)) ||
        (rc = hit->row.enr.layer == LAM_LAYER_SPEED ? ADD(out, ",\"layer\":\"speed\",\"view\":", err)
                                                    : ADD(out, ",\"layer\":\"batch\",\"view\":", err)) ||
        (rc = hit->view ? add_unsigned(out, hit->view, err) : ADD(out, "null", err)) ||
        (rc = ADD(out, ",\"position\":", err)) || (rc = add_position(out, &rec->pos, err)) ||
        (rc = ADD(out, ",\"event_time\":", err)) || (rc = lam_json_add_time(out, rec->event_time_us, err)) ||
        (rc = ADD(out, ",\"arrival\":", err)) || (rc = lam_json_add_time(out, rec->arrival_us, err)) ||
        (rc = ADD(out, ",\"media_type\":", err)) || (rc = add_text(out, rec->media_type, err)) ||
        (rc = ADD(out, ",\"title\":", err)) || (rc = add_text(out, rec->title, err)) ||
        (rec->flags & LAM_ROW_TITLE_MADE && (rc = ADD(out, ",\"title_made\":true", err))))
        return rc;
    if (!(flags & LAM_JSON_ROW_NO_TEXT) && ((rc = ADD(out, ",\"text\":", err)) || (rc = add_text(out, rec->text, err))))
        return rc;
    if ((rc = ADD(out, ",\"structure\":", err)) || (rc = lam_json_add_raw(out, rec->structure, "null", err)) ||
        (rc = ADD(out, ",\"metadata\":", err)) || (rc = lam_json_add_raw(out, rec->metadata, "null", err)) ||
        (rc = rec->flags & LAM_ROW_PENDING ? ADD(out, ",\"pending\":true", err)
                                           : ADD(out, ",\"pending\":false", err)) ||
        (rc = add_enrichment(out, &hit->row.enr, flags, err)) || (rc = add_provenance(out, &hit->row, err)))
        return rc;
    return ADD(out, "}", err);
}
