#include "static.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "table.h"
#include "tokenizer.h"

struct lam_static {
    struct static_table table;
    struct static_tokenizer *tokenizer;
    uint32_t dim;
    char space[LAM_STATIC_SPACE_TEXT];
};

struct lam_static_reader {
    const struct lam_static *table;
    struct static_reader *tokens;
    struct lam_buf joined; /* title and text */

    /* Of the text at hand. */
    float *sums;
    uint64_t count;
    uint32_t *ids; /* where they are asked for */
    size_t max;
};

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);

    return len >= end_len && !strcmp(name + len - end_len, end);
}

static bool fits(const char *name, bool tokenizer)
{
    if (!tokenizer)
        return ends_with(name, ".safetensors");
    return strstr(name, "tokenizer") && ends_with(name, ".json") && strcmp(name, "tokenizer_config.json"); /* that one has no vocab */
}

/* The one file of a kind in a folder: how many there are, the first of them in found. */
static int look_into(const struct lam_fs *fs, const char *folder, bool tokenizer, char found[LAM_PATH_MAX], unsigned *count, struct lam_error *err)
{
    struct lam_names names;
    int rc = lam_fs_list(fs, folder, &names, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < names.count && !rc; i++)
        if (fits(names.names[i], tokenizer) && !(*count)++)
            rc = lam_path_join(found, folder, names.names[i], err);
    lam_names_release(&names);
    return rc;
}

static int find_file(const struct lam_fs *fs, const char *folder, bool tokenizer, char found[LAM_PATH_MAX], struct lam_error *err)
{
    static const char *const places[] = {"", "weights", "tokenizer", "tokenizers"};
    unsigned count = 0;

    for (size_t i = 0; i < sizeof places / sizeof *places && !count; i++) {
        char path[LAM_PATH_MAX];
        int rc = places[i][0] ? lam_path_join(path, folder, places[i], err) : 0;

        if (rc || ((rc = look_into(fs, places[i][0] ? path : folder, tokenizer, found, &count, err)) && !(rc == LAM_E_NOT_FOUND && places[i][0])))
            return rc;
    }
    if (count == 1)
        return 0;
    return LAM_FAIL(err, count ? LAM_E_INVALID : LAM_E_NOT_FOUND, "%s has %s %s: name the file", folder, count ? "several" : "no",
                    tokenizer ? "tokenizers (*tokenizer*.json)" : "tables (*.safetensors)");
}

/* Where both files are. */
static int find_files(const struct lam_fs *fs, const char *path, const char *tokenizer, char files[2][LAM_PATH_MAX], struct lam_error *err)
{
    char folder[LAM_PATH_MAX];
    struct stat st;
    int rc = strlen(path) < LAM_PATH_MAX ? fs->ops->stat(fs->arg, path, &st) : -ENAMETOOLONG;
    char *slash;

    if (rc)
        return LAM_FAIL(err, rc == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "%.200s: %s", path, strerror(-rc));
    snprintf(folder, sizeof folder, "%s", path);
    if (S_ISDIR(st.st_mode)) {
        if ((rc = find_file(fs, folder, false, files[0], err)))
            return rc;
    } else {
        snprintf(files[0], LAM_PATH_MAX, "%s", path);
        slash = strrchr(folder, '/');
        snprintf(slash ? slash : folder, 2, "%s", slash ? "" : ".");
    }
    if (!tokenizer)
        return find_file(fs, folder, true, files[1], err);
    if (snprintf(files[1], LAM_PATH_MAX, "%s", tokenizer) >= LAM_PATH_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "path too long: %.100s…", tokenizer);
    return 0;
}

static int read_tokenizer(struct lam_static *table, const struct lam_fs *fs, const char *path, struct lam_digest *digest, struct lam_error *err)
{
    struct lam_buf text;
    int rc;

    lam_buf_init(&text, STATIC_TOKENIZER_MAX);
    if (!(rc = lam_fs_read_all(fs, path, &text, err)) && (rc = static_tokenizer_new(lam_buf_sv(&text), &table->tokenizer, err)))
        LAM_PASS(err, rc, "%s", path);
    *digest = lam_hash128(text.ptr, text.len);
    lam_buf_release(&text);
    if (!rc && static_tokenizer_ids(table->tokenizer) > table->table.rows)
        return LAM_FAIL(err, LAM_E_INVALID, "%s has ids up to %u, the table has %u rows: they are not of one model", path,
                        (unsigned)static_tokenizer_ids(table->tokenizer) - 1, (unsigned)table->table.rows);
    return rc;
}

static void name_space(struct lam_static *table, struct lam_digest tokenizer)
{
    struct lam_digest both[2] = {lam_hash128(table->table.base, table->table.size), tokenizer};
    char hex[LAM_DIGEST_HEX];

    lam_digest_hex(lam_hash128(both, sizeof both), hex);
    snprintf(table->space, sizeof table->space, "static-%u-%.12s/1", (unsigned)table->dim, hex);
}

int lam_static_open(const struct lam_fs *fs, const char *path, const char *tokenizer, uint32_t dim, struct lam_static **table, struct lam_error *err)
{
    struct lam_static *made = calloc(1, sizeof *made);
    char files[2][LAM_PATH_MAX];
    struct lam_digest digest;
    int rc;

    *table = NULL;
    fs = fs ? fs : &lam_fs_system;
    if (!made)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a static table");
    if ((rc = find_files(fs, path, tokenizer, files, err)) || (rc = static_table_open(fs, files[0], &made->table, err)) ||
        (rc = read_tokenizer(made, fs, files[1], &digest, err)))
        goto cleanup;
    made->dim = dim ? dim : made->table.cols;
    if (made->dim > made->table.cols) {
        rc = LAM_FAIL(err, LAM_E_INVALID, "%s has %u columns, %u dimensions are asked for", files[0], (unsigned)made->table.cols, (unsigned)dim);
        goto cleanup;
    }
    name_space(made, digest);
    *table = made;
    return 0;

cleanup:
    lam_static_close(made);
    return LAM_PASS(err, rc, "static embeddings");
}

void lam_static_close(struct lam_static *table)
{
    if (!table)
        return;
    static_tokenizer_free(table->tokenizer);
    static_table_release(&table->table);
    free(table);
}

uint32_t lam_static_dim(const struct lam_static *table) { return table->dim; }
const char *lam_static_space(const struct lam_static *table) { return table->space; }

struct lam_static_reader *lam_static_reader_new(const struct lam_static *table)
{
    struct lam_static_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return NULL;
    reader->table = table;
    lam_buf_init(&reader->joined, 2 * LAM_STATIC_TEXT_MAX + 1);
    if (!(reader->tokens = static_reader_new(table->tokenizer))) {
        free(reader);
        return NULL;
    }
    return reader;
}

void lam_static_reader_free(struct lam_static_reader *reader)
{
    if (!reader)
        return;
    static_reader_free(reader->tokens);
    lam_buf_release(&reader->joined);
    free(reader);
}

static void add_row(void *arg, uint32_t id)
{
    struct lam_static_reader *reader = arg;

    static_table_add(&reader->table->table, id, reader->table->dim, reader->sums);
    reader->count++;
}

static void add_id(void *arg, uint32_t id)
{
    struct lam_static_reader *reader = arg;

    if (reader->count < reader->max)
        reader->ids[reader->count] = id;
    reader->count++;
}

/* At most LAM_STATIC_TEXT_MAX bytes, no character cut. */
static struct lam_sv cut(struct lam_sv text)
{
    while (text.len > LAM_STATIC_TEXT_MAX) {
        text.len = LAM_STATIC_TEXT_MAX;
        while (text.len && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    return text;
}

/* The mean's length is that of the sum: so the sum is made unit length. In double, in order. */
static bool make_unit(float *values, uint32_t dim)
{
    double square = 0, factor;

    for (uint32_t i = 0; i < dim; i++)
        square += (double)values[i] * values[i];
    if (!(square > 0) || !isfinite(square))
        return false;
    factor = 1 / sqrt(square);
    for (uint32_t i = 0; i < dim; i++)
        values[i] = (float)(values[i] * factor);
    return true;
}

int lam_static_embed(struct lam_static_reader *reader, struct lam_sv title, struct lam_sv text, float *vector, bool *found, struct lam_error *err)
{
    uint32_t dim = reader->table->dim;
    int rc;

    *found = false;
    title = cut(title);
    text = cut(text);
    if (title.len && text.len) {
        lam_buf_clear(&reader->joined);
        if ((rc = lam_buf_add_sv(&reader->joined, title, err)) || (rc = lam_buf_add(&reader->joined, " ", 1, err)) || (rc = lam_buf_add_sv(&reader->joined, text, err)))
            return rc;
        text = lam_buf_sv(&reader->joined);
    } else if (title.len) {
        text = title;
    }
    memset(vector, 0, dim * sizeof *vector);
    reader->sums = vector;
    reader->count = 0;
    if ((rc = static_tokenize(reader->tokens, text, add_row, reader, err)))
        return rc;
    *found = reader->count && make_unit(vector, dim);
    if (!*found)
        memset(vector, 0, dim * sizeof *vector);
    return 0;
}

int lam_static_tokens(struct lam_static_reader *reader, struct lam_sv text, uint32_t *ids, size_t max, size_t *count, struct lam_error *err)
{
    int rc;

    reader->ids = ids;
    reader->max = max;
    reader->count = 0;
    rc = static_tokenize(reader->tokens, text, add_id, reader, err);
    *count = (size_t)reader->count;
    return rc;
}
