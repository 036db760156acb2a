#include "decode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define RAW_STEP ((size_t)128 << 10) /* at once; of a smaller file only what it has, for most files are small */
#define RATIO_FROM ((uint64_t)64 << 20) /* small files may be as repetitive as they like: they cost nothing */
#define ZSTD_WINDOW_LOG 27              /* 128 MiB: what zstd itself grants without being asked */

struct lam_decoder {
    struct lam_decoder_options options;
    int fd;
    uint64_t begin, next;               /* raw: where reading began, where it goes on */
    uint64_t digest_from, digest_to;    /* raw bytes that are digested: whole blocks, or to the end */
    struct lam_digester digester;
    unsigned char *raw;                 /* of a packed file */
    size_t raw_begin, raw_len, raw_cap;
    uint64_t decoded;
    z_stream gzip;
    ZSTD_DStream *zstd;
    bool zlib_ready, in_member; /* in_member: between the header and the trailer of a member or frame */
};

static uint64_t round_up(uint64_t n) { return n / LAM_DIGEST_BLOCK * LAM_DIGEST_BLOCK + (n % LAM_DIGEST_BLOCK ? LAM_DIGEST_BLOCK : 0); }
static uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }

int lam_decoder_open(struct lam_decoder **decoder, int fd, const struct lam_decoder_options *options, struct lam_error *err)
{
    struct lam_decoder *d = calloc(1, sizeof *d);
    int rc;

    *decoder = NULL;
    if (!d)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to read %s", options->name);
    d->options = *options;
    d->fd = fd;
    d->begin = d->next = options->begin;
    d->digest_from = round_up(options->digest_begin);
    d->digest_to = options->digest_end > options->digest_begin ? min_u64(round_up(options->digest_end), options->size) : 0;
    if (d->digest_from >= d->digest_to)
        d->digest_to = d->digest_from = 0;
    rc = lam_digester_init(&d->digester, err);
    d->raw_cap = options->size < RAW_STEP ? (size_t)options->size + 1 : RAW_STEP;
    if (!rc && options->pack != LAM_PACK_NONE && !(d->raw = malloc(d->raw_cap)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to read %s", options->name);
    if (!rc && options->pack == LAM_PACK_GZIP) {
        d->zlib_ready = inflateInit2(&d->gzip, 15 + 16) == Z_OK; /* + 16: a gzip header, and nothing else */
        if (!d->zlib_ready)
            rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to unpack %s", options->name);
    }
    if (!rc && options->pack == LAM_PACK_ZSTD) {
        d->zstd = ZSTD_createDStream();
        if (!d->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
            rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to unpack %s", options->name);
    }
    if (rc) {
        lam_decoder_close(d);
        return rc;
    }
    *decoder = d;
    return 0;
}

void lam_decoder_close(struct lam_decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->zlib_ready)
        inflateEnd(&decoder->gzip);
    ZSTD_freeDStream(decoder->zstd);
    lam_digester_release(&decoder->digester);
    free(decoder->raw);
    free(decoder);
}

uint64_t lam_decoder_raw(const struct lam_decoder *decoder) { return decoder->next - decoder->begin; }
uint64_t lam_decoder_decoded(const struct lam_decoder *decoder) { return decoder->decoded; }
const struct lam_digester *lam_decoder_digests(const struct lam_decoder *decoder) { return &decoder->digester; }

/* Reads up to room raw bytes at d->next and digests what is to be digested of them; *len is 0 at the end. */
static int read_raw(struct lam_decoder *d, void *to, size_t room, size_t *len, struct lam_error *err)
{
    uint64_t left = d->next < d->options.size ? d->options.size - d->next : 0, from, end;
    ssize_t n;

    *len = 0;
    if (left == 0)
        return 0;
    do
        n = pread(d->fd, to, room < left ? room : (size_t)left, (off_t)d->next);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return LAM_FAIL(err, LAM_E_IO, "read %s at byte %" PRIu64 ": %s", d->options.name, d->next, strerror(errno));
    if (n == 0)
        return LAM_FAIL(err, LAM_E_CONFLICT, "%s ends at byte %" PRIu64 ", not at %" PRIu64 " as when it was listed",
                        d->options.name, d->next, d->options.size);
    end = min_u64(d->next + (uint64_t)n, d->digest_to);
    from = d->next > d->digest_from ? d->next : d->digest_from;
    if (from < end) {
        int rc = lam_digester_add(&d->digester, (char *)to + (from - d->next), (size_t)(end - from), err);

        if (!rc && end == d->digest_to)
            rc = lam_digester_end(&d->digester, err);
        if (rc)
            return rc;
    }
    d->next += (uint64_t)n;
    *len = (size_t)n;
    return 0;
}

static int refill(struct lam_decoder *d, struct lam_error *err)
{
    d->raw_begin = 0;
    return read_raw(d, d->raw, d->raw_cap, &d->raw_len, err);
}

static uint64_t raw_at(const struct lam_decoder *d) { return d->next - d->raw_len; } /* of the first raw byte not decoded yet */
uint64_t lam_decoder_used(const struct lam_decoder *d) { return raw_at(d) - d->begin; }

static int damaged(const struct lam_decoder *d, const char *what, struct lam_error *err)
{
    return LAM_FAIL(err, LAM_E_CORRUPT, "%s is damaged at raw byte %" PRIu64 ": %s", d->options.name, raw_at(d), what);
}

/* Behind a member of gzip: only zeros, or another one. *more is false at the end. */
static int between_members(struct lam_decoder *d, bool *more, struct lam_error *err)
{
    bool zeros = false;

    for (;;) {
        int rc;

        if (d->raw_len == 0 && (rc = refill(d, err)))
            return rc;
        if (d->raw_len == 0) {
            *more = false;
            return 0;
        }
        if (d->raw[d->raw_begin] == 0x1f && !zeros)
            break;
        if (d->raw[d->raw_begin] != 0 || d->decoded == 0)
            return damaged(d, d->begin == raw_at(d) ? "it does not begin like gzip" : "bytes that are not gzip follow", err);
        zeros = true;
        d->raw_begin++;
        d->raw_len--;
    }
    *more = true;
    d->in_member = true;
    return inflateReset(&d->gzip) == Z_OK ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "unpack %s: inflateReset", d->options.name);
}

static int read_gzip(struct lam_decoder *d, char *to, size_t room, size_t *len, struct lam_error *err)
{
    while (*len == 0) {
        bool more = false;
        int rc;

        if (!d->in_member) {
            if ((rc = between_members(d, &more, err)))
                return rc;
            if (!more)
                return LAM_END;
        }
        if (d->raw_len == 0 && (rc = refill(d, err)))
            return rc;
        d->gzip.next_in = d->raw + d->raw_begin;
        d->gzip.avail_in = (uInt)d->raw_len;
        d->gzip.next_out = (Bytef *)to;
        d->gzip.avail_out = (uInt)(room < RAW_STEP ? room : RAW_STEP);
        rc = inflate(&d->gzip, Z_NO_FLUSH);
        *len = (size_t)(d->gzip.next_out - (Bytef *)to);
        d->raw_begin += d->raw_len - d->gzip.avail_in;
        d->raw_len = d->gzip.avail_in;
        if (rc == Z_STREAM_END)
            d->in_member = false;
        else if (rc == Z_MEM_ERROR)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory to unpack %s", d->options.name);
        else if (rc != Z_OK && rc != Z_BUF_ERROR && *len == 0)
            return damaged(d, d->gzip.msg ? d->gzip.msg : "inflate failed", err);
        else if (*len == 0 && d->raw_len == 0 && d->next >= d->options.size) /* only now: inflate may have held output back */
            return damaged(d, "it ends within a member", err);
        /* an error behind bytes that are whole comes again with the next call: those bytes stand */
    }
    return 0;
}

static int read_zstd(struct lam_decoder *d, char *to, size_t room, size_t *len, struct lam_error *err)
{
    while (*len == 0) {
        ZSTD_outBuffer out = {to, room < RAW_STEP ? room : RAW_STEP, 0};
        ZSTD_inBuffer in;
        size_t left;
        int rc;

        if (d->raw_len == 0 && (rc = refill(d, err)))
            return rc;
        if (d->raw_len == 0 && !d->in_member)
            return LAM_END;
        in = (ZSTD_inBuffer){d->raw + d->raw_begin, d->raw_len, 0};
        left = ZSTD_decompressStream(d->zstd, &out, &in);
        d->raw_begin += in.pos;
        d->raw_len -= in.pos;
        *len = out.pos;
        if (ZSTD_isError(left))
            return damaged(d, ZSTD_getErrorName(left), err);
        d->in_member = left != 0;
        if (d->raw_len == 0 && in.pos == 0 && out.pos == 0 && d->in_member && d->next >= d->options.size)
            return damaged(d, "it ends within a frame", err);
    }
    return 0;
}

static int check_limits(const struct lam_decoder *d, struct lam_error *err)
{
    const struct lam_decoder_options *o = &d->options;

    if (d->decoded > o->max_decoded)
        return LAM_FAIL(err, LAM_E_LIMIT, "%s unpacks to more than the limit of %" PRIu64 " bytes", o->name, o->max_decoded);
    if (o->max_ratio && d->decoded > RATIO_FROM && d->decoded / o->max_ratio > raw_at(d))
        return LAM_FAIL(err, LAM_E_LIMIT, "%s unpacks to more than %" PRIu32 " times its size", o->name, o->max_ratio);
    return 0;
}

int lam_decoder_read(struct lam_decoder *decoder, char *to, size_t room, size_t *len, struct lam_error *err)
{
    int rc;

    *len = 0;
    switch (decoder->options.pack) {
    case LAM_PACK_GZIP:
        rc = read_gzip(decoder, to, room, len, err);
        break;
    case LAM_PACK_ZSTD:
        rc = read_zstd(decoder, to, room, len, err);
        break;
    default:
        rc = read_raw(decoder, to, room, len, err);
        if (!rc && *len == 0)
            rc = LAM_END;
    }
    decoder->decoded += *len;
    if (!rc && decoder->options.pack != LAM_PACK_NONE && (rc = check_limits(decoder, err)))
        *len = 0;
    return rc;
}

int lam_decoder_skip_to(struct lam_decoder *decoder, uint64_t offset, struct lam_error *err)
{
    char *bytes;
    size_t len = 1;
    int rc = 0;

    if (decoder->next >= offset)
        return 0;
    if (!(bytes = malloc(RAW_STEP)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to read %s", decoder->options.name);
    while (!rc && len > 0 && decoder->next < offset)
        rc = read_raw(decoder, bytes, min_u64(RAW_STEP, offset - decoder->next), &len, err);
    free(bytes);
    return rc;
}

int lam_decoder_drain(struct lam_decoder *decoder, struct lam_error *err)
{
    decoder->raw_len = 0;
    return lam_decoder_skip_to(decoder, decoder->digest_to, err);
}
