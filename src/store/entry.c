#include "entry.h"

#include "commit_json.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/utf8.h"

static const char *const kinds[LAM_SEGMENT_KINDS] = {
    [LAM_SEGMENT_BRONZE_STREAM] = "bronze_stream",
    [LAM_SEGMENT_BRONZE_CORPUS] = "bronze_corpus",
    [LAM_SEGMENT_MANIFEST] = "manifest",
    [LAM_SEGMENT_SPEED] = "speed",
    [LAM_SEGMENT_SILVER] = "silver",
    [LAM_SEGMENT_RUN] = "run",
    [LAM_SEGMENT_MASK] = "mask",
    [LAM_SEGMENT_QUARANTINE] = "quarantine",
    [LAM_SEGMENT_MODEL] = "model",
};

const char *lam_segment_kind_name(int kind) { return kind > 0 && kind < LAM_SEGMENT_KINDS ? kinds[kind] : NULL; }

void lam_segment_entry_init(struct lam_segment_entry *entry)
{
    memset(entry, 0, sizeof *entry);
    entry->min_hash = UINT64_MAX;
    entry->min_time_us = entry->max_time_us = LAM_TIME_NONE;
}

void lam_segment_entry_release(struct lam_segment_entry *entry)
{
    free(entry->offsets);
    free(entry->splits);
    lam_segment_entry_init(entry);
}

void lam_segment_entry_see(struct lam_segment_entry *entry, uint64_t hash, int64_t event_time_us)
{
    if (hash < entry->min_hash)
        entry->min_hash = hash;
    if (hash > entry->max_hash)
        entry->max_hash = hash;
    if (event_time_us == LAM_TIME_NONE)
        return;
    if (entry->min_time_us == LAM_TIME_NONE || event_time_us < entry->min_time_us)
        entry->min_time_us = event_time_us;
    if (event_time_us > entry->max_time_us)
        entry->max_time_us = event_time_us;
}

int lam_segment_entry_add_offsets(struct lam_segment_entry *entry, uint32_t partition, uint64_t begin, uint64_t end, struct lam_error *err)
{
    struct lam_offset_range *grown;
    uint32_t at = 0;

    while (at < entry->offset_count && entry->offsets[at].partition < partition)
        at++;
    if (at < entry->offset_count && entry->offsets[at].partition == partition) {
        if (begin < entry->offsets[at].begin)
            entry->offsets[at].begin = begin;
        if (end > entry->offsets[at].end)
            entry->offsets[at].end = end;
        return 0;
    }
    if (entry->offset_count == LAM_ENTRY_OFFSETS)
        return LAM_FAIL(err, LAM_E_LIMIT, "segment %s: more than %d partitions", entry->path, LAM_ENTRY_OFFSETS);
    grown = realloc(entry->offsets, (entry->offset_count + 1) * sizeof *grown);
    if (!grown)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the offsets of a segment");
    memmove(grown + at + 1, grown + at, (entry->offset_count - at) * sizeof *grown);
    grown[at] = (struct lam_offset_range){partition, begin, end};
    entry->offsets = grown;
    entry->offset_count++;
    return 0;
}

int lam_segment_entry_set_splits(struct lam_segment_entry *entry, struct lam_sv text, struct lam_error *err)
{
    char *copy = NULL;

    if (text.len > LAM_ENTRY_SPLITS)
        return LAM_FAIL(err, LAM_E_LIMIT, "segment %s: splits of %zu bytes, at most %zu fit", entry->path, text.len, LAM_ENTRY_SPLITS);
    if (lam_utf8_valid(text) != text.len || (text.len && memchr(text.ptr, 0, text.len)))
        return LAM_FAIL(err, LAM_E_INVALID, "segment %s: splits are not UTF-8", entry->path);
    if (text.ptr && !(copy = strndup(text.len ? text.ptr : "", text.len)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the splits of a segment");
    free(entry->splits);
    entry->splits = copy;
    return 0;
}

bool lam_segment_path_valid(const char *text)
{
    size_t len = strnlen(text, LAM_SEGMENT_PATH), part = 0;

    if (len == 0 || len == LAM_SEGMENT_PATH || lam_utf8_valid(lam_sv(text, len)) != len)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if ((unsigned char)text[i] < 0x20 && i < len)
            return false;
        if (text[i] != '/' && i < len)
            continue;
        if (i == part || (i == part + 1 && text[part] == '.') || (i == part + 2 && text[part] == '.' && text[part + 1] == '.'))
            return false;
        part = i + 1;
    }
    return true;
}

static bool run_valid(const char *run)
{
    size_t len = strnlen(run, LAM_RUN_ID);

    return len < LAM_RUN_ID && strspn(run, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == len;
}

static int wrong(const struct lam_segment_entry *entry, const char *field, const char *why, struct lam_error *err)
{
    return LAM_FAIL(err, LAM_E_INVALID, "segment %.255s: %s %s", entry->path, field, why);
}

int lam_segment_entry_check(const struct lam_segment_entry *entry, struct lam_error *err)
{
    bool none = entry->min_time_us == LAM_TIME_NONE && entry->max_time_us == LAM_TIME_NONE;

    if (!lam_segment_path_valid(entry->path))
        return LAM_FAIL(err, LAM_E_INVALID, "a segment's path must be relative, plain and below %d bytes", LAM_SEGMENT_PATH);
    if (!lam_segment_kind_name(entry->kind))
        return wrong(entry, "kind", "is unknown", err);
    if (entry->rows > INT64_MAX || entry->bytes > INT64_MAX || entry->view > INT64_MAX)
        return wrong(entry, "rows, bytes or view", "is out of range", err);
    if (!none && (entry->min_time_us == LAM_TIME_NONE || entry->min_time_us > entry->max_time_us))
        return wrong(entry, "time", "has its end before its begin", err);
    if (entry->range_bits > LAM_RANGE_BITS_MAX || (uint64_t)entry->range >= UINT64_C(1) << entry->range_bits)
        return wrong(entry, "range", "is out of its bits", err);
    if (!run_valid(entry->run))
        return wrong(entry, "run", "is no id", err);
    if ((entry->kind == LAM_SEGMENT_MASK) != (entry->masked[0] != '\0') || (entry->masked[0] && !lam_segment_path_valid(entry->masked)))
        return wrong(entry, "masked", "must name a segment, in a mask and nowhere else", err);
    if (entry->dataset_count > LAM_ENTRY_DATASETS)
        return wrong(entry, "datasets", "are too many", err);
    for (uint32_t i = 0; i < entry->dataset_count; i++)
        if (entry->datasets[i].len > entry->bytes || entry->datasets[i].offset > entry->bytes - entry->datasets[i].len)
            return wrong(entry, "datasets", "lie outside of the file", err);
    if (entry->offset_count > LAM_ENTRY_OFFSETS)
        return wrong(entry, "offsets", "are too many", err);
    for (uint32_t i = 0; i < entry->offset_count; i++)
        if (entry->offsets[i].begin > entry->offsets[i].end || entry->offsets[i].end > INT64_MAX ||
            (i && entry->offsets[i].partition <= entry->offsets[i - 1].partition))
            return wrong(entry, "offsets", "are out of range or order", err);
    return 0;
}

int lam_segment_entry_new(const struct lam_segment_entry *entry, struct lam_segment_entry **copy, struct lam_error *err)
{
    struct lam_segment_entry *made;
    int rc = lam_segment_entry_check(entry, err);

    *copy = NULL;
    if (rc)
        return rc;
    if (!(made = malloc(sizeof *made)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the entry of segment %s", entry->path);
    memcpy(made, entry, offsetof(struct lam_segment_entry, refs)); /* other threads may count in refs meanwhile */
    made->offsets = NULL;
    made->splits = NULL;
    made->refs = 1;
    if ((entry->offset_count && !(made->offsets = malloc(entry->offset_count * sizeof *made->offsets))) ||
        (entry->splits && !(made->splits = strdup(entry->splits)))) {
        lam_segment_entry_unref(made);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the entry of segment %s", entry->path);
    }
    if (entry->offset_count)
        memcpy(made->offsets, entry->offsets, entry->offset_count * sizeof *made->offsets);
    *copy = made;
    return 0;
}

struct lam_segment_entry *lam_segment_entry_ref(const struct lam_segment_entry *entry)
{
    struct lam_segment_entry *shared = (struct lam_segment_entry *)entry;

    __atomic_fetch_add(&shared->refs, 1, __ATOMIC_RELAXED);
    return shared;
}

void lam_segment_entry_unref(const struct lam_segment_entry *entry)
{
    struct lam_segment_entry *shared = (struct lam_segment_entry *)entry;

    if (!shared || __atomic_fetch_sub(&shared->refs, 1, __ATOMIC_ACQ_REL) > 1)
        return;
    free(shared->offsets);
    free(shared->splits);
    free(shared);
}

static int add_text(struct lam_buf *json, const char *name, const char *text, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, ",\"%s\":", name);

    return rc ? rc : lam_buf_add_json(json, lam_sv_of(text), err);
}

int lam_segment_entry_write(const struct lam_segment_entry *entry, struct lam_buf *json, struct lam_error *err)
{
    int rc = lam_segment_entry_check(entry, err);

    if (rc || (rc = lam_buf_add_sv(json, LAM_SV("{\"path\":"), err)) || (rc = lam_buf_add_json(json, lam_sv_of(entry->path), err)) ||
        (rc = lam_buf_addf(json, err, ",\"kind\":\"%s\",\"layout\":%" PRIu32 ",\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64, kinds[entry->kind], entry->layout,
                           entry->rows, entry->bytes)))
        return rc;
    if (entry->min_hash <= entry->max_hash)
        rc = lam_buf_addf(json, err, ",\"hash\":[\"%016" PRIx64 "\",\"%016" PRIx64 "\"]", entry->min_hash, entry->max_hash);
    if (!rc && entry->min_time_us != LAM_TIME_NONE)
        rc = lam_buf_addf(json, err, ",\"event_time\":[%" PRId64 ",%" PRId64 "]", entry->min_time_us, entry->max_time_us);
    if (!rc && entry->source)
        rc = lam_buf_addf(json, err, ",\"source\":%" PRIu32, entry->source);
    if (!rc && entry->life)
        rc = lam_buf_addf(json, err, ",\"life\":%" PRIu32, entry->life);
    if (!rc && (entry->range_bits || entry->kind == LAM_SEGMENT_RUN))
        rc = lam_buf_addf(json, err, ",\"range\":[%" PRIu32 ",%" PRIu32 "]", entry->range_bits, entry->range);
    if (!rc && entry->view)
        rc = lam_buf_addf(json, err, ",\"view\":%" PRIu64, entry->view);
    if (!rc && entry->dim)
        rc = lam_buf_addf(json, err, ",\"dim\":%" PRIu32, entry->dim);
    if (!rc && entry->run[0])
        rc = add_text(json, "run", entry->run, err);
    if (!rc && entry->masked[0])
        rc = add_text(json, "masked", entry->masked, err);
    for (uint32_t i = 0; !rc && i < entry->dataset_count; i++)
        rc = lam_buf_addf(json, err, "%s[%" PRIu64 ",%" PRIu64 ",%" PRIu32 "]", i ? "," : ",\"datasets\":[", entry->datasets[i].offset,
                          entry->datasets[i].len, entry->datasets[i].crc32c);
    if (!rc && entry->dataset_count)
        rc = lam_buf_add_sv(json, LAM_SV("]"), err);
    for (uint32_t i = 0; !rc && i < entry->offset_count; i++)
        rc = lam_buf_addf(json, err, "%s[%" PRIu32 ",%" PRIu64 ",%" PRIu64 "]", i ? "," : ",\"offsets\":[", entry->offsets[i].partition,
                          entry->offsets[i].begin, entry->offsets[i].end);
    if (!rc && entry->offset_count)
        rc = lam_buf_add_sv(json, LAM_SV("]"), err);
    if (!rc && entry->splits)
        rc = add_text(json, "splits", entry->splits, err);
    return rc ? rc : lam_buf_add_sv(json, LAM_SV("}"), err);
}

static int parse_kind(const char *name)
{
    for (int kind = 1; name && kind < LAM_SEGMENT_KINDS; kind++)
        if (!strcmp(kinds[kind], name))
            return kind;
    return 0;
}

static bool parse_hash(const char *text, uint64_t *hash)
{
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return false;
    *hash = strtoull(text, NULL, 16);
    return true;
}

/* The two values of a range such as "hash"; false where it is absent. */
static bool pair(struct lam_fields *fields, const char *name, json_t **first, json_t **second)
{
    json_t *array = lam_fields_array(fields, name, 2);

    if (!array)
        return false;
    if (json_array_size(array) != 2) {
        lam_fields_fail(fields, name, "an array of two");
        return false;
    }
    *first = json_array_get(array, 0);
    *second = json_array_get(array, 1);
    return true;
}

static void read_ranges(struct lam_fields *fields, struct lam_segment_entry *entry)
{
    json_t *first, *second, *array;
    uint64_t row[3];

    if (pair(fields, "hash", &first, &second) && (!parse_hash(json_string_value(first), &entry->min_hash) ||
                                                  !parse_hash(json_string_value(second), &entry->max_hash) || entry->min_hash > entry->max_hash))
        lam_fields_fail(fields, "hash", "two numbers of 16 hex digits, the lower one first");
    if (pair(fields, "event_time", &first, &second)) {
        if (!json_is_integer(first) || !json_is_integer(second))
            lam_fields_fail(fields, "event_time", "two integers");
        entry->min_time_us = json_integer_value(first);
        entry->max_time_us = json_integer_value(second);
    }
    if ((array = lam_fields_array(fields, "range", 2))) {
        lam_fields_row(fields, "range", array, row, 2);
        if (row[0] > LAM_RANGE_BITS_MAX || row[1] > UINT32_MAX)
            lam_fields_fail(fields, "range", "bits and a number within them");
        entry->range_bits = (uint32_t)row[0];
        entry->range = (uint32_t)row[1];
    }
    array = lam_fields_array(fields, "datasets", LAM_ENTRY_DATASETS);
    entry->dataset_count = (uint32_t)json_array_size(array);
    for (uint32_t i = 0; i < entry->dataset_count; i++) {
        lam_fields_row(fields, "datasets", json_array_get(array, i), row, 3);
        if (row[2] > UINT32_MAX)
            lam_fields_fail(fields, "datasets", "with a crc of 32 bits");
        entry->datasets[i] = (struct lam_dataset_entry){row[0], row[1], (uint32_t)row[2]};
    }
    array = lam_fields_array(fields, "offsets", LAM_ENTRY_OFFSETS);
    if (!json_array_size(array))
        return;
    if (!(entry->offsets = calloc(json_array_size(array), sizeof *entry->offsets))) {
        fields->rc = LAM_FAIL(fields->err, LAM_E_MEMORY, "no memory for the offsets of a segment");
        return;
    }
    entry->offset_count = (uint32_t)json_array_size(array);
    for (uint32_t i = 0; i < entry->offset_count; i++) {
        lam_fields_row(fields, "offsets", json_array_get(array, i), row, 3);
        if (row[0] > UINT32_MAX)
            lam_fields_fail(fields, "offsets", "with a partition of 32 bits");
        entry->offsets[i] = (struct lam_offset_range){(uint32_t)row[0], row[1], row[2]};
    }
}

/* text may be NULL: then to stays empty. It fits, for its limit was checked. */
static void copy_text(char *to, const char *text)
{
    if (text)
        memcpy(to, text, strlen(text) + 1);
}

int lam_segment_entry_from_json(json_t *value, struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_fields fields;
    const char *splits;

    lam_segment_entry_init(entry);
    lam_fields_init(&fields, value, "a segment's entry", err);
    copy_text(entry->path, lam_fields_text(&fields, "path", LAM_SEGMENT_PATH - 1));
    entry->kind = (uint8_t)parse_kind(lam_fields_text(&fields, "kind", 64));
    entry->layout = (uint32_t)lam_fields_u64(&fields, "layout", UINT32_MAX);
    entry->rows = lam_fields_u64(&fields, "rows", INT64_MAX);
    entry->bytes = lam_fields_u64(&fields, "bytes", INT64_MAX);
    entry->source = (uint32_t)lam_fields_u64_or(&fields, "source", UINT32_MAX, 0);
    entry->life = (uint32_t)lam_fields_u64_or(&fields, "life", UINT32_MAX, 0);
    entry->view = lam_fields_u64_or(&fields, "view", INT64_MAX, 0);
    entry->dim = (uint32_t)lam_fields_u64_or(&fields, "dim", UINT32_MAX, 0);
    copy_text(entry->run, lam_fields_text_or_null(&fields, "run", LAM_RUN_ID - 1));
    copy_text(entry->masked, lam_fields_text_or_null(&fields, "masked", LAM_SEGMENT_PATH - 1));
    read_ranges(&fields, entry);
    if ((splits = lam_fields_text_or_null(&fields, "splits", LAM_ENTRY_SPLITS)) && !(entry->splits = strdup(splits)))
        fields.rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for the splits of a segment");
    if (!fields.rc && (fields.rc = lam_segment_entry_check(entry, err)))
        fields.rc = err ? (err->code = LAM_E_CORRUPT) : LAM_E_CORRUPT;
    if (fields.rc)
        lam_segment_entry_release(entry);
    return fields.rc;
}

int lam_segment_entry_read(struct lam_sv json, struct lam_segment_entry *entry, struct lam_error *err)
{
    int rc;
    json_t *value = lam_commit_json_parse(json, "a segment's entry", &rc, err);

    lam_segment_entry_init(entry);
    if (!value)
        return rc;
    rc = lam_segment_entry_from_json(value, entry, err);
    json_decref(value);
    return rc;
}
