#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "model/json.h"

#define HEADER_MAX ((size_t)100 << 20)
#define DEPTH 16
#define ROWS_MAX (UINT32_C(1) << 28)
#define COLS_MAX 65536u

void static_table_release(struct static_table *table)
{
    if (table->base)
        munmap(table->base, table->size);
    *table = (struct static_table){0};
}

static bool whole(const struct lam_json *json, uint32_t at, uint64_t max, uint64_t *value)
{
    struct lam_number number;

    if (!lam_json_number(json, at, &number) || number.kind != LAM_NUMBER_I64 || number.i64 < 0 || (uint64_t)number.i64 > max)
        return false;
    *value = (uint64_t)number.i64;
    return true;
}

/* Two whole numbers of an array; false where it is none of two. */
static bool pair(const struct lam_json *json, uint32_t at, uint64_t max, uint64_t values[2])
{
    struct lam_json_iter iter = lam_json_iter(json, at);
    int count = 0;

    if (lam_json_type(json, at) != LAM_JSON_ARRAY)
        return false;
    for (; lam_json_next(&iter); count++)
        if (count == 2 || !whole(json, iter.value, max, &values[count]))
            return false;
    return count == 2;
}

static bool type_of(struct lam_sv name, enum static_type *type, uint32_t *bytes)
{
    static const struct {
        const char *name;
        enum static_type type;
        uint32_t bytes;
    } types[] = {{"F32", STATIC_F32, 4}, {"F16", STATIC_F16, 2}, {"BF16", STATIC_BF16, 2}, {"I8", STATIC_I8, 1}};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (lam_sv_eq(name, lam_sv_of(types[i].name))) {
            *type = types[i].type;
            *bytes = types[i].bytes;
            return true;
        }
    return false;
}

/* Is this tensor a matrix that we can read? data is what follows the header. */
static bool take(const struct lam_json *json, uint32_t at, struct lam_sv data, struct static_table *table)
{
    uint64_t shape[2], place[2];
    uint32_t bytes;

    if (!type_of(lam_json_string(json, lam_json_field(json, at, LAM_SV("dtype"))), &table->type, &bytes) ||
        !pair(json, lam_json_field(json, at, LAM_SV("shape")), ROWS_MAX, shape) || !shape[0] || !shape[1] || shape[1] > COLS_MAX ||
        !pair(json, lam_json_field(json, at, LAM_SV("data_offsets")), INT64_MAX, place) || place[0] > place[1] || place[1] > data.len ||
        place[1] - place[0] != shape[0] * shape[1] * bytes)
        return false;
    table->values = (const unsigned char *)data.ptr + place[0];
    table->rows = (uint32_t)shape[0];
    table->cols = (uint32_t)shape[1];
    table->row_bytes = table->cols * bytes;
    return true;
}

static int choose(const struct lam_json *json, struct lam_sv data, struct static_table *table, struct lam_error *err)
{
    static const char *const names[] = {"embedding.weight", "embeddings", "embeddings.weight"};
    struct lam_json_iter iter = lam_json_iter(json, LAM_JSON_ROOT);
    unsigned found = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (take(json, lam_json_field(json, LAM_JSON_ROOT, lam_sv_of(names[i])), data, table))
            return 0;
    while (lam_json_next(&iter)) {
        struct static_table mine;

        if (!take(json, iter.value, data, &mine))
            continue;
        *table = mine;
        found++;
    }
    if (found != 1)
        return LAM_FAIL(err, LAM_E_INVALID, "%u matrices of F32, F16, BF16 or I8 in it: expected one, or one named embedding.weight", found);
    return 0;
}

int static_table_parse(struct lam_sv bytes, struct static_table *table, struct lam_error *err)
{
    struct lam_json *json;
    uint64_t len = 0;
    int rc;

    *table = (struct static_table){0};
    for (size_t i = 0; i < 8 && bytes.len >= 8; i++)
        len |= (uint64_t)(unsigned char)bytes.ptr[i] << 8 * i;
    if (bytes.len < 8 || len > bytes.len - 8 || len > HEADER_MAX)
        return LAM_FAIL(err, LAM_E_CORRUPT, "not a safetensors file: its header does not fit into it");
    if (!(json = lam_json_new(HEADER_MAX, DEPTH)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for its header");
    if ((rc = lam_json_parse(json, lam_sv(bytes.ptr + 8, (size_t)len), err)))
        err->code = rc = rc == LAM_E_MEMORY ? rc : LAM_E_CORRUPT;
    else
        rc = choose(json, lam_sv(bytes.ptr + 8 + len, bytes.len - 8 - (size_t)len), table, err);
    lam_json_free(json);
    return rc;
}

int static_table_open(const struct lam_fs *fs, const char *path, struct static_table *table, struct lam_error *err)
{
    struct stat st;
    int rc = fs->ops->stat(fs->arg, path, &st), fd = rc ? rc : fs->ops->open(fs->arg, path, O_RDONLY, 0);
    void *base = MAP_FAILED;

    *table = (struct static_table){0};
    if (fd < 0)
        return LAM_FAIL(err, fd == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "open %s: %s", path, strerror(-fd));
    if (st.st_size > 0)
        base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    rc = errno;
    fs->ops->close(fs->arg, fd);
    if (base == MAP_FAILED)
        return LAM_FAIL(err, LAM_E_IO, "map %s: %s", path, st.st_size ? strerror(rc) : "it is empty");
    rc = static_table_parse(lam_sv(base, (size_t)st.st_size), table, err);
    table->base = base;
    table->size = (size_t)st.st_size;
    if (rc) {
        static_table_release(table);
        return LAM_PASS(err, rc, "%s", path);
    }
    return 0;
}

/* Exact: a half is a float with other widths. Scaling by a power of two moves the exponent, subnormals included. */
static inline float half_value(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, bits = (uint32_t)(half & 0x7fff) << 13;
    float value;

    if (bits >= 0x0f800000) { /* infinite, or no number */
        bits |= 0x7f800000;
        memcpy(&value, &bits, sizeof value);
    } else {
        memcpy(&value, &bits, sizeof value);
        value *= 0x1p112f;
    }
    memcpy(&bits, &value, sizeof bits);
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float value_at(const unsigned char *row, enum static_type type, uint32_t i)
{
    uint32_t bits;
    uint16_t half;
    float value;

    switch (type) {
    case STATIC_F32:
        memcpy(&value, row + 4 * (size_t)i, 4);
        return value;
    case STATIC_F16:
        memcpy(&half, row + 2 * (size_t)i, 2);
        return half_value(half);
    case STATIC_BF16:
        memcpy(&half, row + 2 * (size_t)i, 2);
        bits = (uint32_t)half << 16;
        memcpy(&value, &bits, 4);
        return value;
    default:
        return (float)(signed char)row[i];
    }
}

#if defined(__x86_64__)
/* As many columns as fit into steps of eight; how many. The conversion is exact, so the sums are those of the plain loop. */
__attribute__((target("avx,f16c"))) static uint32_t add_halves(const unsigned char *row, uint32_t count, float *sums)
{
    uint32_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256 values = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(row + 2 * (size_t)i)));

        _mm256_storeu_ps(sums + i, _mm256_add_ps(_mm256_loadu_ps(sums + i), values));
    }
    return i;
}
#endif

void static_table_add(const struct static_table *table, uint32_t row, uint32_t count, float *sums)
{
    const unsigned char *values = table->values + (size_t)row * table->row_bytes;
    uint32_t i = 0;

#if defined(__x86_64__)
    if (table->type == STATIC_F16 && __builtin_cpu_supports("avx2")) /* every processor that has it converts halves; clang 14 cannot ask for that itself */
        i = add_halves(values, count, sums);
#endif
    for (; i < count; i++)
        sums[i] += value_at(values, table->type, i);
}
