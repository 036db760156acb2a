/*
 * Layouts: which columns a segment of a given layout number has. A layout stands once, here; a segment's entry in the log holds only
 * its number and, for each dataset in the order of this table, {offset, len, crc32c}. A published layout never changes: another set of
 * columns is another number.
 *
 *     type      datasets                               in the file
 *     U8        name                                   u8[rows]
 *     U32, I64  name                                   little-endian, [rows]
 *     U64, F32  name                                   little-endian, [rows]
 *     BYTES16   name                                   u8[rows][16]
 *     STRING    name_off, name_bytes                   u64[rows + 1], u8[name_off[rows]]
 *     VECTOR    name                                   f32[rows][dim]; a row without one is NaN in all dim values; dim 0: no dataset bytes
 *     BLOB      name                                   u8[any]: belongs to the segment, not to a row
 *
 * An empty dataset exists in the file but has no offset: {0, 0, 0}.
 */
#ifndef LAMINA_STORE_LAYOUT_H
#define LAMINA_STORE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define LAM_SEGMENT_FORMAT 1 /* attribute `format` of every segment: changes when old readers would misread */

enum lam_column_type {
    LAM_COL_U8,
    LAM_COL_U32,
    LAM_COL_U64,
    LAM_COL_I64,
    LAM_COL_F32,
    LAM_COL_BYTES16,
    LAM_COL_STRING,
    LAM_COL_VECTOR,
    LAM_COL_BLOB
};

struct lam_column {
    const char *name;
    enum lam_column_type type;
};

enum lam_layout_number { LAM_LAYOUT_ROWS = 1, LAM_LAYOUT_BRONZE = 2, LAM_LAYOUT_REJECTS = 3, LAM_LAYOUT_MANIFEST = 4, LAM_LAYOUT_MASK = 5 };

#define LAM_LAYOUT_MAX_COLUMNS 40
#define LAM_LAYOUT_MAX_DATASETS 64
#define LAM_DATASET_NAME 32 /* bytes of a dataset's name with its NUL */

struct lam_layout {
    uint32_t number;
    const char *name;
    const struct lam_column *columns;
    uint32_t column_count;
    uint32_t dataset_count;
};

/* Every layout begins, where it has positions at all, with these four columns. */
enum { LAM_POS_SOURCE, LAM_POS_LIFE, LAM_POS_PARTITION, LAM_POS_OFFSET, LAM_POS_COLUMNS };

/* LAM_LAYOUT_ROWS: silver, speed, staged rows and runs. */
enum lam_rows_column {
    LAM_ROWS_SOURCE,
    LAM_ROWS_LIFE,
    LAM_ROWS_PARTITION,
    LAM_ROWS_OFFSET,
    LAM_ROWS_HASH,
    LAM_ROWS_KEY,
    LAM_ROWS_ORDER,
    LAM_ROWS_EVENT_TIME,
    LAM_ROWS_ARRIVAL,
    LAM_ROWS_OP,
    LAM_ROWS_FLAGS,
    LAM_ROWS_MEDIA_TYPE,
    LAM_ROWS_TITLE,
    LAM_ROWS_TEXT,
    LAM_ROWS_STRUCTURE,
    LAM_ROWS_METADATA,
    LAM_ROWS_CATEGORY,
    LAM_ROWS_CONFIDENCE,
    LAM_ROWS_SENTIMENT,
    LAM_ROWS_ENTITIES,
    LAM_ROWS_SUMMARY,
    LAM_ROWS_LANGUAGE,
    LAM_ROWS_KEYWORDS,
    LAM_ROWS_EMBEDDING,
    LAM_ROWS_LAYER,
    LAM_ROWS_DEPTH,
    LAM_ROWS_ANALYZER,
    LAM_ROWS_MODEL,
    LAM_ROWS_PROMPT,
    LAM_ROWS_TOKENS,
    LAM_ROWS_PROCESSED_AT,
    LAM_ROWS_CUSTOM,
    LAM_ROWS_TRACE,
    LAM_ROWS_SPACE,
    LAM_ROWS_COLUMNS
};

/* LAM_LAYOUT_BRONZE: raw bytes by position. key: the stream's message key; headers: JSON object, empty where there are none. */
enum {
    LAM_BRONZE_ARRIVAL = LAM_POS_COLUMNS,
    LAM_BRONZE_TIMESTAMP,
    LAM_BRONZE_HAS_KEY,
    LAM_BRONZE_KEY,
    LAM_BRONZE_HAS_RAW,
    LAM_BRONZE_RAW,
    LAM_BRONZE_HEADERS,
    LAM_BRONZE_COLUMNS
};

/* LAM_LAYOUT_REJECTS: positions that are quarantined or filtered, with the reason and the raw bytes. */
enum {
    LAM_REJECTS_KIND = LAM_POS_COLUMNS,
    LAM_REJECTS_ARRIVAL,
    LAM_REJECTS_PLACE,
    LAM_REJECTS_REASON,
    LAM_REJECTS_RAW,
    LAM_REJECTS_COLUMNS
};

/* LAM_LAYOUT_MANIFEST: one row a file of a corpus source, as the last complete scan saw it. */
enum {
    LAM_MANIFEST_PATH,
    LAM_MANIFEST_PARTITION,
    LAM_MANIFEST_SIZE,
    LAM_MANIFEST_MTIME_NS,
    LAM_MANIFEST_DIGEST,
    LAM_MANIFEST_ENDED,
    LAM_MANIFEST_ROWS,
    LAM_MANIFEST_LIFE,
    LAM_MANIFEST_MEDIA,
    LAM_MANIFEST_COLUMNS
};

/* LAM_LAYOUT_MASK: rows of the segment = rows of the masked one; bits: u8[(rows + 7) / 8], row i is bit i % 8 of byte i / 8. */
enum { LAM_MASK_BITS, LAM_MASK_SEGMENT, LAM_MASK_COLUMNS };

/* NULL: a number that this program does not know. */
const struct lam_layout *lam_layout(uint32_t number);

/* Datasets of a column: first index, and 1 or 2 of them. */
uint32_t lam_layout_dataset(const struct lam_layout *layout, uint32_t column);
uint32_t lam_column_datasets(enum lam_column_type type);

/* Bytes of one value: 0 for STRING, VECTOR, BLOB. */
uint32_t lam_column_size(enum lam_column_type type);

/* The column of a dataset, and whether it is the offsets, the bytes or the only dataset of it; writes its name. */
enum lam_dataset_part { LAM_PART_ONLY, LAM_PART_OFFSETS, LAM_PART_BYTES };
uint32_t lam_layout_column(const struct lam_layout *layout, uint32_t dataset, enum lam_dataset_part *part, char name[LAM_DATASET_NAME]);

#endif
