#include "wire.h"

#include <math.h>

#include "base/hash.h"

#define MAGIC "LAMW"
#define VERSION 3
#define ROW_STRINGS 16
#define POSITION_BYTES 32
#define ROW_FIXED (POSITION_BYTES + 8 + 8 + 8 + 1 + 4 + 4 + 4 + 1 + 1 + 4 + 4 + 4 + 8 + 1 + 4)
#define ROW_MIN (ROW_FIXED + 4 * ROW_STRINGS)
#define REJECT_FIXED (POSITION_BYTES + 1 + 8)
#define REJECT_MIN (REJECT_FIXED + 4 * 3)

static char *put_int(char *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        out[i] = (char)(unsigned char)value;
    return out + bytes;
}

static char *put_float(char *out, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return put_int(out, bits, 4);
}

static char *put_sv(char *out, struct lam_sv sv)
{
    out = put_int(out, sv.len, 4);
    if (sv.len)
        memcpy(out, sv.ptr, sv.len);
    return out + sv.len;
}

static char *put_position(char *out, const struct lam_position *pos)
{
    out = put_int(out, pos->source, 4);
    out = put_int(out, pos->life, 4);
    memcpy(out, pos->partition, 16);
    return put_int(out + 16, pos->offset, 8);
}

/* What is left of the frame's payload; every read is bounded, and one that fails leaves `bad` set. */
struct reader {
    const unsigned char *at, *end;
    bool bad;
};

static uint64_t get_int(struct reader *reader, int bytes)
{
    uint64_t value = 0;

    if (reader->end - reader->at < bytes) {
        reader->bad = true;
        return 0;
    }
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | reader->at[i];
    reader->at += bytes;
    return value;
}

static float get_float(struct reader *reader)
{
    uint32_t bits = (uint32_t)get_int(reader, 4);
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static const unsigned char *get_bytes(struct reader *reader, size_t len)
{
    const unsigned char *at = reader->at;

    if ((size_t)(reader->end - reader->at) < len) {
        reader->bad = true;
        return NULL;
    }
    reader->at += len;
    return at;
}

static struct lam_sv get_sv(struct reader *reader)
{
    size_t len = (size_t)get_int(reader, 4);
    const unsigned char *bytes = get_bytes(reader, len);

    return bytes ? lam_sv((const char *)bytes, len) : lam_sv("", 0);
}

static void get_position(struct reader *reader, struct lam_position *pos)
{
    const unsigned char *partition;

    pos->source = (uint32_t)get_int(reader, 4);
    pos->life = (uint32_t)get_int(reader, 4);
    if ((partition = get_bytes(reader, 16)))
        memcpy(pos->partition, partition, 16);
    pos->offset = get_int(reader, 8);
}

int lam_wire_begin(struct lam_wire *wire, struct lam_buf *buf, struct lam_error *err)
{
    int rc = lam_buf_reserve(buf, LAM_WIRE_MIN, err);

    if (rc)
        return rc;
    *wire = (struct lam_wire){.buf = buf, .start = buf->len};
    memcpy(buf->ptr + buf->len, MAGIC, 4);
    put_int(buf->ptr + buf->len + 4, VERSION, 2);
    put_int(buf->ptr + buf->len + 6, 0, 2);
    buf->len += LAM_WIRE_HEADER;
    return 0;
}

/* Room for bytes and the crc that ends the frame; a string beyond 4 GiB fits nowhere. */
static int make_room(struct lam_wire *wire, const struct lam_sv *strings, size_t count, size_t fixed, struct lam_error *err)
{
    size_t bytes = fixed + 4;

    for (size_t i = 0; i < count; i++) {
        if (strings[i].len > UINT32_MAX)
            return LAM_FAIL(err, LAM_E_LIMIT, "a string of %zu bytes fits no frame", strings[i].len);
        bytes += 4 + strings[i].len;
    }
    return lam_buf_reserve(wire->buf, bytes, err);
}

int lam_wire_add_row(struct lam_wire *wire, const struct lam_row *row, struct lam_error *err)
{
    const struct lam_record *rec = &row->rec;
    const struct lam_enrichment *enr = &row->enr;
    const struct lam_sv strings[ROW_STRINGS] = {
        rec->key,      rec->order,    rec->media_type, rec->title,    rec->text,     rec->structure, rec->metadata,
        enr->category, enr->entities, enr->summary,    enr->language, enr->keywords, enr->analyzer,
        enr->custom,   enr->trace,    enr->space};
    uint32_t dim = enr->embedding ? enr->dim : 0;
    int rc = make_room(wire, strings, ROW_STRINGS, ROW_FIXED + (size_t)dim * 4, err);
    char *out;

    if (rc)
        return rc;
    out = put_position(wire->buf->ptr + wire->buf->len, &rec->pos);
    out = put_int(out, rec->hash, 8);
    out = put_int(out, (uint64_t)rec->event_time_us, 8);
    out = put_int(out, (uint64_t)rec->arrival_us, 8);
    out = put_int(out, rec->op, 1);
    out = put_int(out, rec->flags, 4);
    out = put_float(out, enr->confidence);
    out = put_float(out, enr->sentiment);
    out = put_int(out, enr->layer, 1);
    out = put_int(out, enr->depth, 1);
    out = put_int(out, enr->model, 4);
    out = put_int(out, enr->prompt, 4);
    out = put_int(out, enr->tokens, 4);
    out = put_int(out, (uint64_t)enr->processed_us, 8);
    out = put_int(out, enr->embedding != NULL, 1);
    out = put_int(out, dim, 4);
    for (size_t i = 0; i < ROW_STRINGS; i++)
        out = put_sv(out, strings[i]);
    for (uint32_t i = 0; i < dim; i++)
        out = put_float(out, enr->embedding[i]);
    wire->buf->len = (size_t)(out - wire->buf->ptr);
    wire->rows++;
    return 0;
}

int lam_wire_add_reject(struct lam_wire *wire, const struct lam_reject *reject, struct lam_error *err)
{
    const struct lam_sv strings[] = {reject->place, reject->reason, reject->raw};
    int rc = make_room(wire, strings, 3, REJECT_FIXED, err);
    char *out;

    if (rc)
        return rc;
    out = put_position(wire->buf->ptr + wire->buf->len, &reject->pos);
    out = put_int(out, reject->kind, 1);
    out = put_int(out, (uint64_t)reject->arrival_us, 8);
    for (size_t i = 0; i < 3; i++)
        out = put_sv(out, strings[i]);
    wire->buf->len = (size_t)(out - wire->buf->ptr);
    wire->rejects++;
    return 0;
}

int lam_wire_end(struct lam_wire *wire, struct lam_error *err)
{
    struct lam_buf *buf = wire->buf;
    int rc = lam_buf_reserve(buf, 4, err);
    char *frame = buf->ptr + wire->start;
    size_t len = buf->len - wire->start;

    if (rc)
        return rc;
    put_int(frame + 8, len + 4, 8);
    put_int(frame + 16, wire->rows, 4);
    put_int(frame + 20, wire->rejects, 4);
    put_int(frame + len, lam_crc32c(0, frame, len), 4);
    buf->len += 4;
    return 0;
}

int lam_wire_add_block(struct lam_buf *buf, struct lam_block *block, struct lam_error *err)
{
    size_t before = buf->len;
    struct lam_wire wire;
    int rc = lam_wire_begin(&wire, buf, err);

    for (size_t i = 0; !rc && i < lam_block_rows(block); i++)
        rc = lam_wire_add_row(&wire, lam_block_row(block, i), err);
    for (size_t i = 0; !rc && i < lam_block_rejects(block); i++)
        rc = lam_wire_add_reject(&wire, lam_block_reject(block, i), err);
    if (!rc)
        rc = lam_wire_end(&wire, err);
    if (rc)
        buf->len = before;
    return rc;
}

int lam_wire_next(struct lam_sv *bytes, struct lam_sv *frame, struct lam_error *err)
{
    struct reader reader = {(const unsigned char *)bytes->ptr, (const unsigned char *)bytes->ptr + bytes->len, false};
    uint64_t len;

    if (bytes->len == 0)
        return LAM_END;
    if (bytes->len < LAM_WIRE_MIN || memcmp(bytes->ptr, MAGIC, 4))
        return LAM_FAIL(err, LAM_E_CORRUPT, "%zu bytes are no wire frame", bytes->len);
    reader.at += 8;
    len = get_int(&reader, 8);
    if (len < LAM_WIRE_MIN || len > bytes->len)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a wire frame says %llu bytes of %zu", (unsigned long long)len, bytes->len);
    *frame = lam_sv(bytes->ptr, (size_t)len);
    *bytes = lam_sv(bytes->ptr + len, bytes->len - (size_t)len);
    return 0;
}

/* Reads a row whose strings still point into the frame; *bits is where the embedding stands there. */
static void get_row(struct reader *reader, struct lam_row *row, const unsigned char **bits)
{
    struct lam_record *rec = &row->rec;
    struct lam_enrichment *enr = &row->enr;
    struct lam_sv *const strings[ROW_STRINGS] = {&rec->key,      &rec->order,     &rec->media_type, &rec->title,
                                                 &rec->text,     &rec->structure, &rec->metadata,   &enr->category,
                                                 &enr->entities, &enr->summary,   &enr->language,   &enr->keywords,
                                                 &enr->analyzer, &enr->custom,    &enr->trace,      &enr->space};
    uint64_t has_embedding;

    get_position(reader, &rec->pos);
    rec->hash = get_int(reader, 8);
    rec->event_time_us = (int64_t)get_int(reader, 8);
    rec->arrival_us = (int64_t)get_int(reader, 8);
    rec->op = (uint8_t)get_int(reader, 1);
    rec->flags = (uint32_t)get_int(reader, 4);
    enr->confidence = get_float(reader);
    enr->sentiment = get_float(reader);
    enr->layer = (uint8_t)get_int(reader, 1);
    enr->depth = (uint8_t)get_int(reader, 1);
    enr->model = (uint32_t)get_int(reader, 4);
    enr->prompt = (uint32_t)get_int(reader, 4);
    enr->tokens = (uint32_t)get_int(reader, 4);
    enr->processed_us = (int64_t)get_int(reader, 8);
    has_embedding = get_int(reader, 1);
    enr->dim = (uint32_t)get_int(reader, 4);
    for (size_t i = 0; i < ROW_STRINGS; i++)
        *strings[i] = get_sv(reader);
    *bits = get_bytes(reader, (size_t)enr->dim * 4);
    if (has_embedding > 1 || (!has_embedding && enr->dim) || rec->op > LAM_OP_DELETE || enr->layer > LAM_LAYER_SPEED ||
        enr->depth > LAM_DEPTH_DEEP)
        reader->bad = true;
    if (!has_embedding)
        *bits = NULL;
}

static int decode_row(struct reader *reader, struct lam_block *block, struct lam_error *err)
{
    const unsigned char *bits;
    struct lam_row row = {0}, *added;
    struct reader floats;
    float *embedding;
    int rc;

    get_row(reader, &row, &bits);
    if (reader->bad)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a wire frame ends within a row, or a row's field is out of range");
    if ((rc = lam_block_add_row(block, &row, err)) || !bits)
        return rc;
    if (!(embedding = lam_block_alloc(block, (size_t)row.enr.dim * sizeof *embedding)))
        return LAM_FAIL(err, LAM_E_LIMIT, "the block is full: %zu bytes", lam_block_bytes(block));
    floats = (struct reader){bits, bits + (size_t)row.enr.dim * 4, false};
    for (uint32_t i = 0; i < row.enr.dim; i++)
        embedding[i] = get_float(&floats);
    added = lam_block_row(block, lam_block_rows(block) - 1);
    added->enr.embedding = embedding;
    return 0;
}

static int decode_reject(struct reader *reader, struct lam_block *block, struct lam_error *err)
{
    struct lam_reject reject = {0};

    get_position(reader, &reject.pos);
    reject.kind = (uint8_t)get_int(reader, 1);
    reject.arrival_us = (int64_t)get_int(reader, 8);
    reject.place = get_sv(reader);
    reject.reason = get_sv(reader);
    reject.raw = get_sv(reader);
    if (reader->bad || reject.kind > LAM_FILTERED)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a wire frame ends within a reject, or its kind is unknown");
    return lam_block_add_reject(block, &reject, err);
}

int lam_wire_decode(struct lam_sv frame, struct lam_block *block, struct lam_error *err)
{
    size_t rows_before = lam_block_rows(block), rejects_before = lam_block_rejects(block);
    struct lam_sv rest = frame, whole;
    struct reader reader;
    uint64_t version, rows, rejects;
    int rc;

    if ((rc = lam_wire_next(&rest, &whole, err)) || rest.len)
        return rc && rc != LAM_END ? rc : LAM_FAIL(err, LAM_E_CORRUPT, "%zu bytes are not one wire frame", frame.len);
    reader = (struct reader){(const unsigned char *)whole.ptr + whole.len - 4, (const unsigned char *)whole.ptr + whole.len, false};
    if (get_int(&reader, 4) != lam_crc32c(0, whole.ptr, whole.len - 4))
        return LAM_FAIL(err, LAM_E_CORRUPT, "the crc of a wire frame of %zu bytes is wrong", whole.len);
    reader = (struct reader){(const unsigned char *)whole.ptr + 4, (const unsigned char *)whole.ptr + whole.len - 4, false};
    if ((version = get_int(&reader, 2)) != VERSION || get_int(&reader, 2))
        return LAM_FAIL(err, LAM_E_CORRUPT, "a wire frame of version %u, this is %d: all ranks must run the same build",
                        (unsigned)version, VERSION);
    get_int(&reader, 8);
    rows = get_int(&reader, 4);
    rejects = get_int(&reader, 4);
    if (rows * ROW_MIN + rejects * REJECT_MIN > (uint64_t)(reader.end - reader.at))
        return LAM_FAIL(err, LAM_E_CORRUPT, "a wire frame of %zu bytes cannot hold %llu rows", whole.len, (unsigned long long)rows);
    while (!rc && rows--)
        rc = decode_row(&reader, block, err);
    while (!rc && rejects--)
        rc = decode_reject(&reader, block, err);
    if (!rc && reader.at != reader.end)
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "a wire frame has %td bytes behind its last row", reader.end - reader.at);
    if (rc)
        lam_block_truncate(block, rows_before, rejects_before);
    return rc;
}
