#include "layout.h"

#include <assert.h>
#include <stdio.h>

#define POSITION {"source", LAM_COL_U32}, {"life", LAM_COL_U32}, {"partition", LAM_COL_BYTES16}, {"offset", LAM_COL_U64}

static const struct lam_column rows[] = {
    POSITION,
    {"hash", LAM_COL_U64},
    {"key", LAM_COL_STRING},
    {"order", LAM_COL_STRING},
    {"event_time", LAM_COL_I64},
    {"arrival", LAM_COL_I64},
    {"op", LAM_COL_U8},
    {"flags", LAM_COL_U32},
    {"media_type", LAM_COL_STRING},
    {"title", LAM_COL_STRING},
    {"text", LAM_COL_STRING},
    {"structure", LAM_COL_STRING},
    {"metadata", LAM_COL_STRING},
    {"category", LAM_COL_STRING},
    {"confidence", LAM_COL_F32},
    {"sentiment", LAM_COL_F32},
    {"entities", LAM_COL_STRING},
    {"summary", LAM_COL_STRING},
    {"language", LAM_COL_STRING},
    {"keywords", LAM_COL_STRING},
    {"embedding", LAM_COL_VECTOR},
    {"layer", LAM_COL_U8},
    {"depth", LAM_COL_U8},
    {"analyzer", LAM_COL_STRING},
    {"model", LAM_COL_U32},
    {"prompt", LAM_COL_U32},
    {"tokens", LAM_COL_U32},
    {"processed_at", LAM_COL_I64},
    {"custom", LAM_COL_STRING},
    {"trace", LAM_COL_STRING},
    {"space", LAM_COL_STRING},
};

static const struct lam_column bronze[] = {
    POSITION,
    {"arrival", LAM_COL_I64},
    {"timestamp", LAM_COL_I64},
    {"has_key", LAM_COL_U8},
    {"key", LAM_COL_STRING},
    {"has_raw", LAM_COL_U8},
    {"raw", LAM_COL_STRING},
    {"headers", LAM_COL_STRING},
};

static const struct lam_column rejects[] = {
    POSITION,
    {"kind", LAM_COL_U8},
    {"arrival", LAM_COL_I64},
    {"place", LAM_COL_STRING},
    {"reason", LAM_COL_STRING},
    {"raw", LAM_COL_STRING},
};

static const struct lam_column manifest[] = {
    {"path", LAM_COL_STRING},
    {"partition", LAM_COL_BYTES16},
    {"size", LAM_COL_U64},
    {"mtime_ns", LAM_COL_I64},
    {"digest", LAM_COL_BYTES16},
    {"ended", LAM_COL_U8},
    {"rows", LAM_COL_U64},
    {"life", LAM_COL_U32},
    {"media", LAM_COL_STRING},
};

static const struct lam_column mask[] = {
    {"bits", LAM_COL_BLOB},
    {"segment", LAM_COL_BLOB},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
_Static_assert(COUNT(rows) == LAM_ROWS_COLUMNS, "a column of rows without its number");
_Static_assert(COUNT(bronze) == LAM_BRONZE_COLUMNS, "a column of bronze without its number");
_Static_assert(COUNT(rejects) == LAM_REJECTS_COLUMNS, "a column of rejects without its number");
_Static_assert(COUNT(manifest) == LAM_MANIFEST_COLUMNS, "a column of manifests without its number");
_Static_assert(COUNT(mask) == LAM_MASK_COLUMNS, "a column of masks without its number");

static const struct lam_layout layouts[] = {
    {LAM_LAYOUT_ROWS, "rows", rows, COUNT(rows), 50},
    {LAM_LAYOUT_BRONZE, "bronze", bronze, COUNT(bronze), 14},
    {LAM_LAYOUT_REJECTS, "rejects", rejects, COUNT(rejects), 12},
    {LAM_LAYOUT_MANIFEST, "manifest", manifest, COUNT(manifest), 11},
    {LAM_LAYOUT_MASK, "mask", mask, COUNT(mask), 2},
};

const struct lam_layout *lam_layout(uint32_t number)
{
    for (size_t i = 0; i < COUNT(layouts); i++)
        if (layouts[i].number == number)
            return &layouts[i];
    return NULL;
}

uint32_t lam_column_datasets(enum lam_column_type type) { return type == LAM_COL_STRING ? 2 : 1; }

uint32_t lam_column_size(enum lam_column_type type)
{
    static const uint32_t sizes[] = {[LAM_COL_U8] = 1, [LAM_COL_U32] = 4, [LAM_COL_U64] = 8, [LAM_COL_I64] = 8, [LAM_COL_F32] = 4,
                                     [LAM_COL_BYTES16] = 16, [LAM_COL_BLOB] = 0};

    return sizes[type];
}

uint32_t lam_layout_dataset(const struct lam_layout *layout, uint32_t column)
{
    uint32_t dataset = 0;

    assert(column < layout->column_count);
    for (uint32_t i = 0; i < column; i++)
        dataset += lam_column_datasets(layout->columns[i].type);
    return dataset;
}

uint32_t lam_layout_column(const struct lam_layout *layout, uint32_t dataset, enum lam_dataset_part *part, char name[LAM_DATASET_NAME])
{
    static const char *const suffixes[] = {[LAM_PART_ONLY] = "", [LAM_PART_OFFSETS] = "_off", [LAM_PART_BYTES] = "_bytes"};
    uint32_t column = 0, first = 0;

    assert(dataset < layout->dataset_count);
    while (dataset >= first + lam_column_datasets(layout->columns[column].type))
        first += lam_column_datasets(layout->columns[column++].type);
    *part = layout->columns[column].type != LAM_COL_STRING ? LAM_PART_ONLY : dataset == first ? LAM_PART_OFFSETS : LAM_PART_BYTES;
    snprintf(name, LAM_DATASET_NAME, "%s%s", layout->columns[column].name, suffixes[*part]);
    return column;
}
