/* Files of a static table: any bytes as a safetensors file, and as a tokenizer's JSON that then takes a text apart. */
#include <stdlib.h>
#include <string.h>

#include "ai/static/table.h"
#include "ai/static/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *arg, uint32_t id) { *(uint32_t *)arg = id > *(uint32_t *)arg ? id : *(uint32_t *)arg; }

static void use_tokenizer(struct lam_sv json)
{
    static const char text[] = "The market  fell 3.5% <s> ▁▁x \xc3\x89t\xc3\xa9 \xe6\x97\xa5 \xff\xfe \xea\xb0\x81 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct static_tokenizer *tokenizer;
    struct static_reader *reader;
    struct lam_error err;
    uint32_t highest = 0;

    if (static_tokenizer_new(json, &tokenizer, &err))
        return;
    if ((reader = static_reader_new(tokenizer)))
        for (int round = 0; round < 2; round++)
            if (static_tokenize(reader, lam_sv(text, sizeof text - 1), note, &highest, &err) || highest >= static_tokenizer_ids(tokenizer))
                abort();
    static_reader_free(reader);
    static_tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct static_table table;
    struct lam_error err;
    float sums[64] = {0};

    if (!static_table_parse(lam_sv((const char *)data, size), &table, &err)) {
        uint32_t count = table.cols < 64 ? table.cols : 64;

        static_table_add(&table, 0, count, sums);
        static_table_add(&table, table.rows - 1, count, sums);
    }
    use_tokenizer(lam_sv((const char *)data, size));
    return 0;
}
