#include "order.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { MISSING = 0, TIME = 1, NUMBER = 2, STRING = 3 };
#define SIGN ((uint64_t)1 << 63)

static void big_endian(unsigned char *out, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, value >>= 8)
        out[i] = (unsigned char)value;
}

int lam_order_add_missing(struct lam_buf *buf, struct lam_error *err) { return lam_buf_add(buf, "\0", 1, err); }

int lam_order_add_time(struct lam_buf *buf, int64_t time_us, struct lam_error *err)
{
    unsigned char bytes[9] = {TIME};

    if (time_us == INT64_MIN)
        return lam_order_add_missing(buf, err);
    big_endian(bytes + 1, (uint64_t)time_us ^ SIGN, 8);
    return lam_buf_add(buf, bytes, sizeof bytes, err);
}

int lam_order_add_string(struct lam_buf *buf, struct lam_sv text, struct lam_error *err)
{
    static const char tag = STRING;
    int rc = lam_buf_add(buf, &tag, 1, err);

    for (size_t i = 0, next; !rc && i < text.len; i = next) {
        const char *zero = memchr(text.ptr + i, 0, text.len - i);

        next = zero ? (size_t)(zero - text.ptr) + 1 : text.len;
        rc = lam_buf_add(buf, text.ptr + i, next - i, err);
        if (!rc && zero)
            rc = lam_buf_add(buf, "\xff", 1, err);
    }
    return rc ? rc : lam_buf_add(buf, "\0\1", 2, err);
}

/* Negative doubles have their bits turned over, others their sign: then unsigned order is numeric order. */
static uint64_t sortable(double d)
{
    uint64_t bits;

    d += 0.0; /* -0.0 and 0.0 are one value */
    memcpy(&bits, &d, sizeof bits);
    return bits & SIGN ? ~bits : bits | SIGN;
}

/*
 * An integer beyond 2^53 as the largest double not above it, and what is left. strtod may have rounded up. Beyond 64 bits it stays the
 * nearest double.
 */
static int64_t split_integer(const char *text, double *d)
{
    errno = 0;
    if (*text == '-') {
        long long n = strtoll(text, NULL, 10);

        if (errno)
            return 0;
        if ((long long)*d > n)
            *d = nextafter(*d, -INFINITY);
        return n - (long long)*d;
    }
    unsigned long long n = strtoull(text, NULL, 10);

    if (errno)
        return 0;
    if (*d >= 18446744073709551616.0 || (unsigned long long)*d > n)
        *d = nextafter(*d, -INFINITY);
    return (int64_t)(n - (unsigned long long)*d);
}

int lam_order_add_number(struct lam_buf *buf, struct lam_sv text, struct lam_error *err)
{
    unsigned char bytes[17] = {NUMBER};
    char copy[400], *end;
    int64_t rest = 0;
    double d;

    if (text.len == 0 || text.len >= sizeof copy)
        return LAM_FAIL(err, LAM_E_INVALID, "a number of %zu digits cannot be an order value", text.len);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    d = strtod(copy, &end);
    if (end != copy + text.len || strspn(copy, "+-.0123456789eE") != text.len || !isfinite(d)) /* strtod also takes 0x1p3, nan and blanks */
        return LAM_FAIL(err, LAM_E_INVALID, "'%.40s' is no finite number", copy);
    if (!strpbrk(copy, ".eE") && fabs(d) >= 9007199254740992.0)
        rest = split_integer(copy, &d);
    big_endian(bytes + 1, sortable(d), 8);
    big_endian(bytes + 9, (uint64_t)rest ^ SIGN, 8);
    return lam_buf_add(buf, bytes, sizeof bytes, err);
}

int lam_order_add_position(struct lam_buf *buf, const struct lam_position *pos, struct lam_sv path, struct lam_error *err)
{
    unsigned char head[8], tail[8];
    int rc;

    big_endian(head, pos->source, 4);
    big_endian(head + 4, pos->life, 4);
    big_endian(tail, pos->offset, 8);
    if ((rc = lam_buf_add(buf, head, sizeof head, err)))
        return rc;
    if (path.ptr) {
        if ((rc = lam_buf_add_sv(buf, path, err)) || (rc = lam_buf_add(buf, "\0", 1, err)))
            return rc;
    } else if ((rc = lam_buf_add(buf, pos->partition + 12, 4, err))) {
        return rc;
    }
    return lam_buf_add(buf, tail, sizeof tail, err);
}

int lam_order_value(struct lam_sv order, enum lam_order_by by, struct lam_sv *value, struct lam_error *err)
{
    size_t len = 0;

    if (by != LAM_ORDER_POSITION) {
        switch (order.len ? order.ptr[0] : -1) {
        case MISSING:
            len = 1;
            break;
        case TIME:
            len = 9;
            break;
        case NUMBER:
            len = 17;
            break;
        case STRING:
            for (len = 1; len + 1 < order.len && !(order.ptr[len] == 0 && order.ptr[len + 1] == 1); len++)
                ;
            len += 2;
            break;
        default:
            return LAM_FAIL(err, LAM_E_CORRUPT, "an order string of %zu bytes begins with no known kind of value", order.len);
        }
    }
    if (len > order.len)
        return LAM_FAIL(err, LAM_E_CORRUPT, "an order string ends within its value, at byte %zu", order.len);
    *value = lam_sv(order.ptr, len);
    return 0;
}

bool lam_better_answer(const struct lam_row *a, const struct lam_row *b)
{
    uint32_t escalated_a = a->rec.flags & LAM_ROW_ESCALATED, escalated_b = b->rec.flags & LAM_ROW_ESCALATED;

    if (a->enr.layer != b->enr.layer)
        return a->enr.layer == LAM_LAYER_BATCH;
    if (a->enr.depth != b->enr.depth)
        return a->enr.depth == LAM_DEPTH_DEEP;
    return escalated_a > escalated_b;
}

void lam_position_set_partition(struct lam_position *pos, uint32_t partition)
{
    memset(pos->partition, 0, 12);
    big_endian(pos->partition + 12, partition, 4);
}

uint32_t lam_position_partition(const struct lam_position *pos)
{
    const uint8_t *p = pos->partition + 12;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int lam_position_cmp(const struct lam_position *a, const struct lam_position *b)
{
    int partition;

    if (a->source != b->source)
        return a->source < b->source ? -1 : 1;
    if (a->life != b->life)
        return a->life < b->life ? -1 : 1;
    if ((partition = memcmp(a->partition, b->partition, sizeof a->partition)))
        return partition;
    return (a->offset > b->offset) - (a->offset < b->offset);
}
