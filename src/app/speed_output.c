#include "speed_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Names of topics have letters, digits, '.', '_' and '-', at most 249 of them. */
static void topic_of(const struct lam_job_stream *stream, struct lam_sv category, char *topic, size_t cap)
{
    const char *route = stream->route, *mark = strstr(route, "{category}");
    size_t len;

    if (!category.len) {
        snprintf(topic, cap, "%s", stream->route_default);
        return;
    }
    if (!mark) {
        snprintf(topic, cap, "%s", route);
        return;
    }
    snprintf(topic, cap, "%.*s%.*s%s", (int)(mark - route), route, LAM_SV_ARG(category), mark + strlen("{category}"));
    len = strlen(topic);
    for (size_t i = 0; i < len; i++) {
        char c = topic[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            topic[i] = '_';
    }
}

void lam_speed_topic(const struct lam_job *job, const struct lam_row *row, char *topic, size_t cap)
{
    topic_of(job->stream, row->rec.op == LAM_OP_DELETE ? lam_sv(NULL, 0) : row->enr.category, topic, cap);
}

int lam_speed_topics(const struct lam_job *job, char (**topics)[LAM_SPEED_TOPIC], size_t *count, struct lam_error *err)
{
    bool classified = job->tasks.wanted & LAM_TASK_CLASSIFY;
    size_t labels = classified ? job->tasks.label_count : 0;

    *count = 0;
    if (!(*topics = calloc(labels + 2, sizeof **topics)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for topics");
    topic_of(job->stream, lam_sv(NULL, 0), (*topics)[(*count)++], LAM_SPEED_TOPIC);
    for (size_t i = 0; i < labels; i++)
        topic_of(job->stream, job->tasks.labels[i].name, (*topics)[(*count)++], LAM_SPEED_TOPIC);
    if (classified && job->tasks.other.len)
        topic_of(job->stream, job->tasks.other, (*topics)[(*count)++], LAM_SPEED_TOPIC);
    return 0;
}

static int add_text(struct lam_buf *json, const char *name, struct lam_sv text, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, ",\"%s\":", name);

    if (rc)
        return rc;
    return text.len ? lam_buf_add_json(json, text, err) : lam_buf_add(json, "null", 4, err);
}

static int add_raw(struct lam_buf *json, const char *name, struct lam_sv value, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, ",\"%s\":", name);

    return rc ? rc : value.len ? lam_buf_add_sv(json, value, err) : lam_buf_add(json, "null", 4, err);
}

int lam_speed_value(const struct lam_row *row, struct lam_buf *json, struct lam_error *err)
{
    const struct lam_enrichment *enr = &row->enr;
    struct lam_sv fields = row->rec.metadata;
    char when[LAM_TIME_TEXT];
    bool empty;
    int rc;

    while (fields.len && fields.ptr[fields.len - 1] != '}') /* blanks behind the object */
        fields.len--;
    if (fields.len)
        fields.len--;
    else
        fields = LAM_SV("{");
    empty = true;
    for (size_t i = 1; empty && i < fields.len; i++)
        empty = strchr(" \t\r\n", fields.ptr[i]) != NULL;
    if ((rc = lam_buf_add_sv(json, fields, err)) ||
        (rc = lam_buf_addf(json, err, "%s\"ai_analysis\":{\"layer\":\"speed\",\"depth\":\"%s\",\"model\":%u", empty ? "" : ",",
                           enr->depth == LAM_DEPTH_DEEP ? "deep" : "fast", (unsigned)enr->model)) ||
        (rc = add_text(json, "analyzer", enr->analyzer, err)) || (rc = add_text(json, "category", enr->category, err)) ||
        (rc = lam_buf_addf(json, err, ",\"confidence\":%.6g", (double)enr->confidence)) ||
        (rc = isnan(enr->sentiment) ? lam_buf_addf(json, err, ",\"sentiment\":null") : lam_buf_addf(json, err, ",\"sentiment\":%.6g", (double)enr->sentiment)) ||
        (rc = add_text(json, "summary", enr->summary, err)) || (rc = add_text(json, "language", enr->language, err)) ||
        (rc = add_raw(json, "entities", enr->entities, err)) || (rc = add_raw(json, "keywords", enr->keywords, err)))
        return rc;
    if ((enr->custom.len && (rc = add_raw(json, "custom", enr->custom, err))) ||
        (row->rec.flags & LAM_ROW_PENDING && (rc = lam_buf_addf(json, err, ",\"pending\":true"))))
        return rc;
    if (row->rec.flags & LAM_ROW_OTHER_ANALYSIS && (rc = lam_buf_addf(json, err, ",\"other_analysis\":true")))
        return rc;
    lam_time_format(enr->processed_us, when);
    return lam_buf_addf(json, err, "},\"processed_at\":\"%s\"}", when);
}
