/*
 * A matrix of a safetensors file, mapped: one row a token. F32, F16, BF16 or I8.
 *
 *     8  length N of the header, little-endian
 *     N  JSON: {"name":{"dtype":"F16","shape":[rows,cols],"data_offsets":[begin,end]}, …, "__metadata__":{…}}
 *        bytes that the offsets count from
 *
 * Nothing in the header is trusted. The mapping is shared by all processes that open the file.
 */
#ifndef LAMINA_AI_STATIC_TABLE_H
#define LAMINA_AI_STATIC_TABLE_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/fs.h"
#include "base/hash.h"

enum static_type { STATIC_F32, STATIC_F16, STATIC_BF16, STATIC_I8 };

struct static_table {
    const unsigned char *values; /* row after row, not aligned */
    uint32_t rows, cols;
    enum static_type type;
    uint32_t row_bytes;
    void *base; /* of the mapping */
    size_t size;
};

/* Maps the file. LAM_E_NOT_FOUND, LAM_E_IO; LAM_E_CORRUPT: no safetensors file; LAM_E_INVALID: no matrix in it that is of use. */
int static_table_open(const struct lam_fs *fs, const char *path, struct static_table *table, struct lam_error *err);
void static_table_release(struct static_table *table);

/* Finds the matrix in the bytes of a whole file, which stay the caller's: "embedding.weight" or "embeddings", else the only one of two dimensions. */
int static_table_parse(struct lam_sv bytes, struct static_table *table, struct lam_error *err);

/* Adds the first count columns of a row to sums. row < rows, count <= cols. The same bits on every processor. */
void static_table_add(const struct static_table *table, uint32_t row, uint32_t count, float *sums);

#endif
