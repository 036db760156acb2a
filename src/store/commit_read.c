/* Reading a commit from hostile bytes: every action goes through the builder that writers use, and so through its checks. */
#include "commit.h"

#include "base/hash.h"
#include "commit_json.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_ACTIONS 1000000

static void read_holder_text(struct lam_fields *fields, const char *name, char *to, size_t size)
{
    const char *text = lam_fields_text(fields, name, size - 1);

    if (text)
        memcpy(to, text, strlen(text) + 1);
}

static int read_term(struct lam_fields *fields, struct lam_commit *commit)
{
    json_t *names = lam_fields_array(fields, "layers", LAM_TERMS);
    struct lam_holder holder = {0};
    uint32_t layers = 0;

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        int layer = 0;

        while (layer < LAM_TERMS && (!name || strcmp(lam_term_layer_name(layer), name)))
            layer++;
        if (layer == LAM_TERMS)
            lam_fields_fail(fields, "layers", "names of layers");
        else
            layers |= 1u << layer;
    }
    holder.pid = lam_fields_u64(fields, "pid", INT64_MAX);
    holder.started = lam_fields_u64(fields, "started", INT64_MAX);
    holder.pid_namespace = lam_fields_u64(fields, "pid_namespace", INT64_MAX);
    read_holder_text(fields, "host", holder.host, sizeof holder.host);
    read_holder_text(fields, "boot", holder.boot, sizeof holder.boot);
    read_holder_text(fields, "job", holder.job, sizeof holder.job);
    read_holder_text(fields, "run", holder.run, sizeof holder.run);
    return fields->rc ? fields->rc : lam_commit_term(commit, layers, &holder, fields->err);
}

static int read_mask(struct lam_fields *fields, struct lam_commit *commit)
{
    const char *path = lam_fields_text(fields, "path", LAM_SEGMENT_PATH - 1);
    json_t *value = fields->rc ? NULL : json_object_get(fields->object, "segment");
    struct lam_segment_entry entry;
    int rc = fields->rc;

    lam_segment_entry_init(&entry);
    if (!rc && value)
        rc = lam_segment_entry_from_json(value, &entry, fields->err);
    if (!rc)
        rc = lam_commit_mask(commit, path, value ? &entry : NULL, fields->err);
    lam_segment_entry_release(&entry);
    return rc;
}

static int read_add(struct lam_fields *fields, struct lam_commit *commit)
{
    struct lam_segment_entry entry;
    int rc = fields->rc ? fields->rc : lam_segment_entry_from_json(json_object_get(fields->object, "segment"), &entry, fields->err);

    if (rc)
        return rc;
    rc = lam_commit_add(commit, &entry, fields->err);
    lam_segment_entry_release(&entry);
    return rc;
}

static void read_archived(struct lam_archived *at, json_t *value, struct lam_fields *outer)
{
    struct lam_fields fields, witness;
    json_t *inner;

    lam_fields_init(&fields, value, "archive's partition", outer->err);
    at->partition = (uint32_t)lam_fields_u64(&fields, "partition", UINT32_MAX);
    at->next = lam_fields_u64(&fields, "next", INT64_MAX);
    inner = fields.rc ? NULL : json_object_get(value, "witness");
    if (inner) {
        lam_fields_init(&witness, inner, "archive's witness", outer->err);
        at->has_witness = true;
        at->witness.offset = lam_fields_u64(&witness, "offset", INT64_MAX);
        at->witness.timestamp_ms = lam_fields_i64(&witness, "timestamp");
        at->witness.crc32c = (uint32_t)lam_fields_u64(&witness, "crc32c", UINT32_MAX);
        fields.rc = witness.rc;
    }
    if (!outer->rc)
        outer->rc = fields.rc;
}

static int read_archive(struct lam_fields *fields, struct lam_commit *commit)
{
    uint32_t source = (uint32_t)lam_fields_u64(fields, "source", UINT32_MAX), life = (uint32_t)lam_fields_u64(fields, "life", UINT32_MAX);
    const char *cursor = lam_fields_text_or_null(fields, "cursor", LAM_COMMIT_TEXT);
    json_t *list = lam_fields_array(fields, "partitions", LAM_ENTRY_OFFSETS);
    size_t count = json_array_size(list);
    struct lam_archived *partitions = calloc(count ? count : 1, sizeof *partitions);
    int rc;

    if (!partitions)
        return LAM_FAIL(fields->err, LAM_E_MEMORY, "no memory for positions");
    for (size_t i = 0; i < count && !fields->rc; i++)
        read_archived(&partitions[i], json_array_get(list, i), fields);
    rc = fields->rc ? fields->rc : lam_commit_archive(commit, source, life, partitions, (uint32_t)count, cursor, fields->err);
    free(partitions);
    return rc;
}

static int read_cutoff(struct lam_fields *outer, struct lam_cutoff *cutoff)
{
    json_t *list = lam_fields_array(outer, "cutoff", LAM_ENTRY_OFFSETS);
    int rc = outer->rc;

    lam_cutoff_init(cutoff);
    for (size_t i = 0; !rc && i < json_array_size(list); i++) {
        struct lam_fields fields;
        uint32_t source, life;
        json_t *partitions;

        lam_fields_init(&fields, json_array_get(list, i), "cutoff", outer->err);
        source = (uint32_t)lam_fields_u64(&fields, "source", UINT32_MAX);
        life = (uint32_t)lam_fields_u64(&fields, "life", UINT32_MAX);
        partitions = lam_fields_array(&fields, "partitions", LAM_ENTRY_OFFSETS);
        if ((rc = fields.rc))
            break;
        rc = partitions ? lam_cutoff_set_stream(cutoff, source, life, outer->err) : lam_cutoff_set_corpus(cutoff, source, life, outer->err);
        for (size_t p = 0; !rc && p < json_array_size(partitions); p++) {
            uint64_t row[2];

            lam_fields_row(&fields, "partitions", json_array_get(partitions, p), row, 2);
            if (!fields.rc && row[0] > UINT32_MAX)
                lam_fields_fail(&fields, "partitions", "numbers of 32 bits");
            rc = fields.rc ? fields.rc : lam_cutoff_set_partition(cutoff, source, life, (uint32_t)row[0], row[1], outer->err);
        }
    }
    if (rc)
        lam_cutoff_release(cutoff);
    return rc;
}

static int read_counts(json_t *value, struct lam_life_counts *item, struct lam_error *err)
{
    struct lam_fields fields;

    lam_fields_init(&fields, value, "counts", err);
    item->source = (uint32_t)lam_fields_u64(&fields, "source", UINT32_MAX);
    item->life = (uint32_t)lam_fields_u64(&fields, "life", UINT32_MAX);
    item->counts.read = lam_fields_i64(&fields, "read");
    item->counts.live = lam_fields_i64(&fields, "live");
    item->counts.superseded = lam_fields_i64(&fields, "superseded");
    item->counts.deleted = lam_fields_i64(&fields, "deleted");
    item->counts.quarantined = lam_fields_i64(&fields, "quarantined");
    item->counts.filtered = lam_fields_i64(&fields, "filtered");
    item->counts.pending = lam_fields_i64(&fields, "pending");
    item->counts.unavailable = lam_fields_i64(&fields, "unavailable");
    return fields.rc;
}

static int read_publish(struct lam_fields *fields, struct lam_commit *commit)
{
    uint64_t view = lam_fields_u64(fields, "view", INT64_MAX);
    uint32_t range_bits = (uint32_t)lam_fields_u64(fields, "range_bits", LAM_RANGE_BITS_MAX);
    const char *run = lam_fields_text(fields, "run", LAM_RUN_ID - 1);
    json_t *list = lam_fields_array(fields, "counts", MAX_ACTIONS);
    size_t count = json_array_size(list);
    struct lam_life_counts *counts = calloc(count ? count : 1, sizeof *counts);
    struct lam_cutoff cutoff = {0};
    int rc = counts ? read_cutoff(fields, &cutoff) : LAM_FAIL(fields->err, LAM_E_MEMORY, "no memory for counts");

    for (size_t i = 0; !rc && i < count; i++)
        rc = read_counts(json_array_get(list, i), &counts[i], fields->err);
    if (!rc)
        rc = lam_commit_publish(commit, view, run, range_bits, &cutoff, counts, (uint32_t)count, fields->err);
    lam_cutoff_release(&cutoff);
    free(counts);
    return rc;
}

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static int read_horizon(struct lam_fields *fields, struct lam_commit *commit)
{
    const char *hex = lam_fields_text(fields, "value", 2 * LAM_COMMIT_VALUE);
    size_t len = hex ? strlen(hex) / 2 : 0;
    char *value;
    int rc = fields->rc;

    if (rc)
        return rc;
    if (!(value = malloc(len + 1)))
        return LAM_FAIL(fields->err, LAM_E_MEMORY, "no memory for a horizon");
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            lam_fields_fail(fields, "value", "hex digits");
        value[i] = (char)((high < 0 ? 0 : high) << 4 | (low < 0 ? 0 : low));
    }
    if (strlen(hex) % 2)
        lam_fields_fail(fields, "value", "pairs of hex digits");
    rc = fields->rc ? fields->rc : lam_commit_horizon(commit, lam_sv(value, len), fields->err);
    free(value);
    return rc;
}

static int read_texts(struct lam_fields *fields, enum lam_action_type type, struct lam_commit *commit)
{
    const char *a, *b, *c, *d;

    switch (type) {
    case LAM_ACTION_SOURCE:
        a = lam_fields_text(fields, "name", LAM_COMMIT_NAME);
        return fields->rc ? fields->rc : lam_commit_source(commit, a, fields->err);
    case LAM_ACTION_LIFE:
        a = lam_fields_text(fields, "source", LAM_COMMIT_NAME);
        b = lam_fields_text(fields, "name", LAM_COMMIT_NAME);
        return fields->rc ? fields->rc : lam_commit_life(commit, a, b, fields->err);
    case LAM_ACTION_JOB:
        a = lam_fields_text(fields, "identity", LAM_COMMIT_TEXT);
        b = lam_fields_text(fields, "analysis", LAM_COMMIT_TEXT);
        c = lam_fields_text(fields, "rest", LAM_COMMIT_TEXT);
        return fields->rc ? fields->rc : lam_commit_job(commit, a, b, c, fields->err);
    case LAM_ACTION_REMOVE:
        a = lam_fields_text(fields, "path", LAM_SEGMENT_PATH - 1);
        return fields->rc ? fields->rc : lam_commit_remove(commit, a, fields->err);
    default:
        a = lam_fields_text(fields, "name", LAM_COMMIT_NAME);
        b = lam_fields_text(fields, "kind", LAM_COMMIT_NAME);
        c = lam_fields_text(fields, "path", LAM_SEGMENT_PATH - 1);
        d = lam_fields_text(fields, "info", LAM_COMMIT_TEXT);
        return fields->rc ? fields->rc : lam_commit_model(commit, a, b, c, d, fields->err);
    }
}

static int read_action(json_t *value, struct lam_commit *commit, struct lam_error *err)
{
    struct lam_fields fields;
    const char *name;
    int type = 0;

    lam_fields_init(&fields, value, "an action", err);
    name = lam_fields_text(&fields, "action", 64);
    if (fields.rc)
        return fields.rc;
    while (type < LAM_ACTIONS && strcmp(lam_action_name(type), name))
        type++;
    switch (type) {
    case LAM_ACTION_TERM:
        return read_term(&fields, commit);
    case LAM_ACTION_ADD:
        return read_add(&fields, commit);
    case LAM_ACTION_MASK:
        return read_mask(&fields, commit);
    case LAM_ACTION_ARCHIVE:
        return read_archive(&fields, commit);
    case LAM_ACTION_PUBLISH:
        return read_publish(&fields, commit);
    case LAM_ACTION_HORIZON:
        return read_horizon(&fields, commit);
    case LAM_ACTIONS:
        return LAM_FAIL(err, LAM_E_CORRUPT, "unknown action '%s'", name);
    default:
        return read_texts(&fields, (enum lam_action_type)type, commit);
    }
}

static int read_head(json_t *value, struct lam_commit *commit, struct lam_error *err)
{
    struct lam_fields fields, terms;
    uint64_t format;
    const char *id;

    lam_fields_init(&fields, value, "a commit", err);
    format = lam_fields_u64(&fields, "format", INT64_MAX);
    if (!fields.rc && format != LAM_COMMIT_FORMAT)
        return LAM_FAIL(err, LAM_E_INVALID, "a commit of format %llu, this program knows %d: a newer one wrote it", (unsigned long long)format, LAM_COMMIT_FORMAT);
    commit->time_us = lam_fields_i64(&fields, "time");
    commit->base = lam_fields_u64(&fields, "base", INT64_MAX);
    if ((id = lam_fields_text(&fields, "id", LAM_RUN_ID - 1)))
        memcpy(commit->id, id, strlen(id) + 1);
    if (fields.rc)
        return fields.rc;
    lam_fields_init(&terms, json_object_get(value, "terms"), "a commit's terms", err);
    for (int layer = 0; layer < LAM_TERMS; layer++)
        commit->terms[layer] = lam_fields_u64_or(&terms, lam_term_layer_name(layer), INT64_MAX, 0);
    return terms.rc;
}

static int read_lists(json_t *value, struct lam_commit *commit, struct lam_error *err)
{
    struct lam_fields fields;
    json_t *list;
    int rc = 0;

    lam_fields_init(&fields, value, "a commit", err);
    list = lam_fields_array(&fields, "based_on", MAX_ACTIONS);
    for (size_t i = 0; !rc && !fields.rc && i < json_array_size(list); i++) {
        const json_t *path = json_array_get(list, i);

        if (!json_is_string(path))
            lam_fields_fail(&fields, "based_on", "paths");
        else
            rc = lam_commit_based_on(commit, json_string_value(path), err);
    }
    list = lam_fields_array(&fields, "actions", MAX_ACTIONS);
    for (size_t i = 0; !rc && !fields.rc && i < json_array_size(list); i++)
        if ((rc = read_action(json_array_get(list, i), commit, err)))
            rc = LAM_PASS(err, rc, "action %zu", i);
    return rc ? rc : fields.rc;
}

/*
 * A commit ends with the checksum of all that stands before it; those of early versions have none. A flipped bit that leaves JSON, and a number or a path that is
 * another one, would be believed else.
 */
static int check_crc(struct lam_sv json, struct lam_error *err)
{
    static const char name[] = ",\"crc32c\":";
    size_t end = json.len, digits, len = sizeof name - 1;
    uint64_t said = 0;
    uint32_t found;

    while (end && (json.ptr[end - 1] == '\n' || json.ptr[end - 1] == ' '))
        end--;
    if (!end || json.ptr[--end] != '}')
        return 0;
    for (digits = end; digits && json.ptr[digits - 1] >= '0' && json.ptr[digits - 1] <= '9'; digits--)
        ;
    if (digits == end || end - digits > 10 || digits < len || memcmp(json.ptr + digits - len, name, len))
        return 0;
    for (size_t i = digits; i < end; i++)
        said = 10 * said + (uint64_t)(json.ptr[i] - '0');
    found = lam_crc32c(0, json.ptr, digits - len);
    return found == said ? 0 : LAM_FAIL(err, LAM_E_CORRUPT, "a commit with other bytes than were written: their crc32c is %" PRIu32 ", it says %" PRIu64, found, said);
}

int lam_commit_read(struct lam_sv json, struct lam_commit *commit, struct lam_error *err)
{
    json_t *value;
    int rc;

    lam_commit_init(commit, 0);
    if (json.len > LAM_COMMIT_BYTES)
        return LAM_FAIL(err, LAM_E_LIMIT, "a commit of %zu bytes, at most %zu are read", json.len, LAM_COMMIT_BYTES);
    if ((rc = check_crc(json, err)))
        return rc;
    if (!(value = lam_commit_json_parse(json, "a commit", &rc, err)))
        return rc;
    if (!(rc = read_head(value, commit, err)) && ((rc = read_lists(value, commit, err)) || (rc = lam_commit_check(commit, err)))) {
        if (rc == LAM_E_INVALID) { /* what a builder refuses is a mistake of its caller; in a file it is damage */
            rc = LAM_E_CORRUPT;
            if (err)
                err->code = rc;
        }
    }
    json_decref(value);
    if (rc)
        lam_commit_release(commit);
    return rc;
}
