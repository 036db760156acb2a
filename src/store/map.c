#include "map.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/hash.h"

#define MAX_ROWS (UINT64_C(1) << 40) /* keeps every product below in 64 bits */
#define MAX_DIM 65536
#define FORGET_LEAST ((size_t)64 << 10) /* bytes of a column: fewer are not worth a system call */

struct lam_map {
    atomic_uint refs;
    char *path;
    const struct lam_layout *layout;
    uint64_t rows;
    uint32_t dim;
    uint8_t *base;
    size_t size;
    bool in_memory; /* the file system is: its pages are no copies of something */
    struct lam_dataset_entry *datasets;
    const void **values;       /* of a column: its only dataset, or its bytes */
    const uint64_t **offsets;  /* of a STRING column */
    _Atomic uint64_t checked;  /* columns that hold */
    pthread_mutex_t lock;      /* one thread checks */
    _Alignas(8) char behind[]; /* datasets, values, offsets, path: as many as there are, for a run may map thousands of segments */
};

static struct lam_map *new_map(const struct lam_segment_entry *entry, const struct lam_layout *layout)
{
    size_t datasets = layout->dataset_count * sizeof(struct lam_dataset_entry), pointers = layout->column_count * sizeof(void *), path = strlen(entry->path) + 1;
    struct lam_map *map = calloc(1, sizeof *map + datasets + 2 * pointers + path);

    if (!map)
        return NULL;
    map->datasets = (struct lam_dataset_entry *)(void *)map->behind;
    map->values = (const void **)(void *)(map->behind + datasets);
    map->offsets = (const uint64_t **)(void *)(map->behind + datasets + pointers);
    map->path = map->behind + datasets + 2 * pointers;
    memcpy(map->path, entry->path, path);
    memcpy(map->datasets, entry->datasets, datasets);
    atomic_init(&map->refs, 1);
    pthread_mutex_init(&map->lock, NULL);
    map->layout = layout;
    map->rows = entry->rows;
    map->dim = entry->dim;
    return map;
}

static int damaged_entry(const struct lam_map *map, uint32_t dataset, struct lam_error *err)
{
    char name[LAM_DATASET_NAME];
    enum lam_dataset_part part;
    const struct lam_dataset_entry *entry = &map->datasets[dataset];

    lam_layout_column(map->layout, dataset, &part, name);
    return LAM_FAIL(err, LAM_E_CORRUPT,
                    "segment %s: dataset %s cannot be %" PRIu64 " bytes at byte %" PRIu64 " in a file of %zu bytes and %" PRIu64 " rows",
                    map->path, name, entry->len, entry->offset, map->size, map->rows);
}

/* Are the places of all datasets possible? Then the columns point at them. */
static int place_columns(struct lam_map *map, struct lam_error *err)
{
    for (uint32_t dataset = 0; dataset < map->layout->dataset_count; dataset++) {
        const struct lam_dataset_entry *entry = &map->datasets[dataset];
        char name[LAM_DATASET_NAME];
        enum lam_dataset_part part;
        uint32_t column = lam_layout_column(map->layout, dataset, &part, name);
        enum lam_column_type type = map->layout->columns[column].type;

        if (entry->len && (entry->offset % 8 || entry->offset > map->size || entry->len > map->size - entry->offset))
            return damaged_entry(map, dataset, err);
        if (part == LAM_PART_OFFSETS) {
            if (entry->len != (map->rows + 1) * sizeof(uint64_t))
                return damaged_entry(map, dataset, err);
            map->offsets[column] = (const uint64_t *)(map->base + entry->offset);
            continue;
        }
        if (type == LAM_COL_VECTOR) {
            if (map->dim > MAX_DIM || entry->len != map->rows * map->dim * sizeof(float))
                return damaged_entry(map, dataset, err);
        } else if (part == LAM_PART_ONLY && type != LAM_COL_BLOB && entry->len != map->rows * lam_column_size(type)) {
            return damaged_entry(map, dataset, err);
        }
        if (entry->len)
            map->values[column] = map->base + entry->offset;
    }
    return 0;
}

static int map_file(struct lam_map *map, const struct lam_fs *fs, const char *root, uint64_t bytes, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    struct statfs system;
    struct stat st;
    int rc = lam_path_join(path, root, map->path, err), fd;
    void *base;

    if (rc)
        return rc;
    fd = fs->ops->open(fs->arg, path, O_RDONLY, 0);
    if (fd == -ENOENT)
        return LAM_FAIL(err, LAM_E_NOT_FOUND, "segment %s: no such file", path);
    if (fd < 0)
        return LAM_FAIL(err, LAM_E_IO, "open segment %s: %s", path, strerror(-fd));
    if (fstat(fd, &st)) {
        rc = LAM_FAIL(err, LAM_E_IO, "stat segment %s: %s", path, strerror(errno));
    } else if ((uint64_t)st.st_size != bytes) {
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "segment %s has %lld bytes, its entry says %" PRIu64, path, (long long)st.st_size, bytes);
    } else if ((base = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        rc = LAM_FAIL(err, errno == ENOMEM ? LAM_E_MEMORY : LAM_E_IO, "map segment %s: %s", path, strerror(errno));
    } else {
        map->base = base;
        map->size = (size_t)bytes;
        map->in_memory = fstatfs(fd, &system) || system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC;
    }
    fs->ops->close(fs->arg, fd);
    return rc;
}

int lam_map_open(const struct lam_fs *fs, const char *root, const struct lam_segment_entry *entry, struct lam_map **out,
                 struct lam_error *err)
{
    static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    const struct lam_layout *layout = lam_layout(entry->layout);
    struct lam_map *map;
    int rc;

    *out = NULL;
    if (!layout)
        return LAM_FAIL(err, LAM_E_INVALID, "segment %s has layout %u, which this program does not know: a newer one wrote it",
                        entry->path, entry->layout);
    if (entry->dataset_count != layout->dataset_count || entry->rows > MAX_ROWS || entry->bytes < sizeof signature ||
        entry->bytes > SIZE_MAX / 2)
        return LAM_FAIL(err, LAM_E_CORRUPT, "segment %s: its entry has %u datasets where layout %s has %u, or an impossible size",
                        entry->path, entry->dataset_count, layout->name, layout->dataset_count);
    if (!(map = new_map(entry, layout)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to map segment %s", entry->path);
    if ((rc = map_file(map, fs, root, entry->bytes, err)) || (rc = place_columns(map, err))) {
        lam_map_unref(map);
        return rc;
    }
    if (memcmp(map->base, signature, sizeof signature)) {
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "segment %s is no HDF5 file: wrong signature at byte 0", entry->path);
        lam_map_unref(map);
        return rc;
    }
    *out = map;
    return 0;
}

struct lam_map *lam_map_ref(struct lam_map *map)
{
    atomic_fetch_add_explicit(&map->refs, 1, memory_order_relaxed);
    return map;
}

void lam_map_unref(struct lam_map *map)
{
    if (!map || atomic_fetch_sub_explicit(&map->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (map->base)
        munmap(map->base, map->size);
    pthread_mutex_destroy(&map->lock);
    free(map);
}

const char *lam_map_path(const struct lam_map *map) { return map->path; }
const struct lam_layout *lam_map_layout(const struct lam_map *map) { return map->layout; }
uint64_t lam_map_rows(const struct lam_map *map) { return map->rows; }
uint32_t lam_map_dim(const struct lam_map *map) { return map->dim; }

static int check_crc(const struct lam_map *map, uint32_t dataset, struct lam_error *err)
{
    const struct lam_dataset_entry *entry = &map->datasets[dataset];
    uint32_t crc = entry->len ? lam_crc32c(0, map->base + entry->offset, (size_t)entry->len) : 0;
    char name[LAM_DATASET_NAME];
    enum lam_dataset_part part;

    if (crc == entry->crc32c)
        return 0;
    lam_layout_column(map->layout, dataset, &part, name);
    return LAM_FAIL(err, LAM_E_CORRUPT,
                    "segment %s: dataset %s, %" PRIu64 " bytes at byte %" PRIu64 ", is damaged: its crc32c is %08x, the log says %08x",
                    map->path, name, entry->len, entry->offset, crc, entry->crc32c);
}

static int check_offsets(const struct lam_map *map, uint32_t column, uint32_t dataset, struct lam_error *err)
{
    const uint64_t *offsets = map->offsets[column];
    uint64_t len = map->datasets[dataset + 1].len, row;

    for (row = 0; row < map->rows && offsets[row] <= offsets[row + 1]; row++)
        ;
    if (row == map->rows && offsets[0] == 0 && offsets[row] == len)
        return 0;
    return LAM_FAIL(err, LAM_E_CORRUPT, "segment %s: offsets of column %s at byte %" PRIu64 " are not those of %" PRIu64 " bytes",
                    map->path, map->layout->columns[column].name, map->datasets[dataset].offset + row * sizeof *offsets, len);
}

struct check {
    const struct lam_map *map;
    uint32_t column;
    struct lam_error *err;
};

static int check_column(void *arg)
{
    const struct check *check = arg;
    enum lam_column_type type = check->map->layout->columns[check->column].type;
    uint32_t dataset = lam_layout_dataset(check->map->layout, check->column);
    int rc = check_crc(check->map, dataset, check->err);

    if (!rc && type == LAM_COL_STRING && !(rc = check_crc(check->map, dataset + 1, check->err)))
        rc = check_offsets(check->map, check->column, dataset, check->err);
    return rc;
}

/* did: a column was checked, by this call. */
static int need(struct lam_map *map, uint64_t columns, bool *did, struct lam_error *err)
{
    uint64_t wanted = columns & (LAM_COLUMN(map->layout->column_count) - 1);
    int rc = 0;

    if (!(wanted & ~atomic_load_explicit(&map->checked, memory_order_acquire)))
        return 0;
    pthread_mutex_lock(&map->lock);
    for (uint32_t column = 0; !rc && column < map->layout->column_count; column++) {
        struct check check = {map, column, err};

        if (!(wanted & ~atomic_load_explicit(&map->checked, memory_order_relaxed) & LAM_COLUMN(column)))
            continue;
        *did = true;
        if ((rc = lam_map_guard(check_column, &check, err)))
            LAM_PASS(err, rc, "column %s", map->layout->columns[column].name);
        else
            atomic_fetch_or_explicit(&map->checked, LAM_COLUMN(column), memory_order_release);
    }
    pthread_mutex_unlock(&map->lock);
    return rc;
}

int lam_map_need(struct lam_map *map, uint64_t columns, struct lam_error *err)
{
    bool did = false;

    return need(map, columns, &did, err);
}

int lam_map_need_once(struct lam_map *map, uint64_t columns, struct lam_error *err)
{
    bool did = false;
    int rc = need(map, columns, &did, err);

    if (did)
        madvise(map->base, map->size, MADV_DONTNEED); /* of a shared mapping that is its page tables alone */
    return rc;
}

/* The whole pages within these bytes. */
static void forget_bytes(const void *bytes, size_t len)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = ((uintptr_t)bytes + page - 1) / page * page, end = ((uintptr_t)bytes + len) / page * page;

    if (len >= FORGET_LEAST && first < end)
        madvise((void *)first, end - first, MADV_PAGEOUT); /* before Linux 5.4: refused, and they stay */
}

void lam_map_forget(const struct lam_map *map, uint64_t first, uint64_t end)
{
    uint64_t checked = atomic_load_explicit(&map->checked, memory_order_acquire);

    assert(first <= end && end <= map->rows);
    for (uint32_t column = 0; !map->in_memory && column < map->layout->column_count; column++) {
        enum lam_column_type type = map->layout->columns[column].type;
        const char *values = map->values[column];
        const uint64_t *offsets = map->offsets[column];

        if (!values || !(checked & LAM_COLUMN(column)))
            continue;
        if (type == LAM_COL_STRING)
            forget_bytes(values + offsets[first], (size_t)(offsets[end] - offsets[first]));
        else if (type == LAM_COL_VECTOR)
            forget_bytes(values + first * map->dim * sizeof(float), (size_t)((end - first) * map->dim * sizeof(float)));
    }
}

static void assert_column(const struct lam_map *map, uint32_t column, enum lam_column_type type)
{
    assert(column < map->layout->column_count && map->layout->columns[column].type == type);
    assert(atomic_load_explicit(&map->checked, memory_order_relaxed) & LAM_COLUMN(column));
    (void)map, (void)column, (void)type;
}

const uint8_t *lam_map_u8(const struct lam_map *map, uint32_t column)
{
    return assert_column(map, column, LAM_COL_U8), map->values[column];
}

const uint32_t *lam_map_u32(const struct lam_map *map, uint32_t column)
{
    return assert_column(map, column, LAM_COL_U32), map->values[column];
}

const uint64_t *lam_map_u64(const struct lam_map *map, uint32_t column)
{
    return assert_column(map, column, LAM_COL_U64), map->values[column];
}

const int64_t *lam_map_i64(const struct lam_map *map, uint32_t column)
{
    return assert_column(map, column, LAM_COL_I64), map->values[column];
}

const float *lam_map_f32(const struct lam_map *map, uint32_t column)
{
    return assert_column(map, column, LAM_COL_F32), map->values[column];
}


const void *lam_map_values(const struct lam_map *map, uint32_t column)
{
    assert(column < map->layout->column_count && lam_column_size(map->layout->columns[column].type) > 0);
    assert(atomic_load_explicit(&map->checked, memory_order_relaxed) & LAM_COLUMN(column));
    return map->values[column];
}

const uint8_t *lam_map_bytes16(const struct lam_map *map, uint32_t column, uint64_t row)
{
    assert_column(map, column, LAM_COL_BYTES16);
    assert(row < map->rows);
    return (const uint8_t *)map->values[column] + 16 * row;
}

struct lam_sv lam_map_string(const struct lam_map *map, uint32_t column, uint64_t row)
{
    const uint64_t *offsets = map->offsets[column];

    assert_column(map, column, LAM_COL_STRING);
    assert(row < map->rows);
    if (offsets[row] == offsets[row + 1])
        return lam_sv("", 0);
    return lam_sv((const char *)map->values[column] + offsets[row], (size_t)(offsets[row + 1] - offsets[row]));
}

const float *lam_map_vector(const struct lam_map *map, uint32_t column, uint64_t row)
{
    const float *values = map->values[column];

    assert_column(map, column, LAM_COL_VECTOR);
    assert(row < map->rows);
    if (map->dim == 0 || isnan(values[row * map->dim]))
        return NULL;
    return values + row * map->dim;
}

struct lam_sv lam_map_blob(const struct lam_map *map, uint32_t column)
{
    assert_column(map, column, LAM_COL_BLOB);
    return lam_sv(map->values[column], (size_t)map->datasets[lam_layout_dataset(map->layout, column)].len);
}

void lam_map_prefetch(const struct lam_map *map, uint64_t columns, uint64_t row)
{
    for (uint32_t column = 0; column < map->layout->column_count; column++) {
        enum lam_column_type type = map->layout->columns[column].type;

        if (!(columns & LAM_COLUMN(column)))
            continue;
        if (type == LAM_COL_STRING)
            __builtin_prefetch(map->offsets[column] + row);
        else if (type == LAM_COL_VECTOR && map->dim)
            __builtin_prefetch((const float *)map->values[column] + row * map->dim);
        else if (lam_column_size(type))
            __builtin_prefetch((const char *)map->values[column] + row * lam_column_size(type));
    }
}

uint64_t lam_map_string_bytes(const struct lam_map *map, uint32_t column, uint64_t first, uint64_t end)
{
    assert_column(map, column, LAM_COL_STRING);
    assert(first <= end && end <= map->rows);
    return map->offsets[column][end] - map->offsets[column][first];
}
