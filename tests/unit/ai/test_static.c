/* Static table embeddings: the ids of the reference tokenizer, rows of every type, vectors, and files that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ai/static/static.h"
#include "ai/static/table.h"
#include "ai/static/tokenizer.h"
#include "model/json.h"
#include "scratch.h"

#define IDS_MAX 4096

static char *data(const char *name, size_t *len)
{
    char path[512], *bytes;

    snprintf(path, sizeof path, "%s/%s", STATIC_DATA, name);
    if (!(bytes = scratch_read(path, len)))
        fail_msg("%s is not there", path);
    return bytes;
}

struct ids {
    uint32_t items[IDS_MAX];
    size_t count;
};

static void note(void *arg, uint32_t id)
{
    struct ids *ids = arg;

    assert_true(ids->count < IDS_MAX);
    ids->items[ids->count++] = id;
}

static struct static_tokenizer *tokenizer_of(const char *name)
{
    struct static_tokenizer *tokenizer;
    struct lam_error err;
    size_t len;
    char *text = data(name, &len);

    if (static_tokenizer_new(lam_sv(text, len), &tokenizer, &err))
        fail_msg("%s: %s", name, err.text);
    free(text);
    return tokenizer;
}

static void compare_ids(const struct lam_json *json, uint32_t want, const struct ids *ids, unsigned line)
{
    struct lam_json_iter iter = lam_json_iter(json, want);
    struct lam_number number;
    size_t at = 0;

    for (; lam_json_next(&iter); at++) {
        assert_true(lam_json_number(json, iter.value, &number));
        if (at >= ids->count || ids->items[at] != number.i64)
            fail_msg("line %u: id %zu is %d and not %d", line, at, at < ids->count ? (int)ids->items[at] : -1, (int)number.i64);
    }
    if (at != ids->count)
        fail_msg("line %u: %zu ids and not %zu", line, ids->count, at);
}

/* Twice: the second time words come from the reader's memory. */
static void ids_are_those_of_the_reference(const char *name, const char *file)
{
    struct static_tokenizer *tokenizer = tokenizer_of(file);
    struct static_reader *reader = static_reader_new(tokenizer);
    struct lam_json *json = lam_json_new(1 << 20, 16);
    static struct ids ids;
    struct lam_error err;
    size_t len;
    char *cases = data("cases.jsonl", &len);

    for (int round = 0; round < 2; round++) {
        unsigned line = 0;

        for (char *at = cases, *end; (end = strchr(at, '\n')); at = end + 1) {
            struct lam_sv text;

            assert_int_equal(lam_json_parse(json, lam_sv(at, (size_t)(end - at)), &err), 0);
            text = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("text")));
            ids.count = 0;
            assert_int_equal(static_tokenize(reader, text, note, &ids, &err), 0);
            compare_ids(json, lam_json_field(json, LAM_JSON_ROOT, lam_sv_of(name)), &ids, ++line);
        }
        assert_true(line > 100);
    }
    free(cases);
    lam_json_free(json);
    static_reader_free(reader);
    static_tokenizer_free(tokenizer);
}

static void bpe_gives_the_ids_of_the_reference(void **state) { (void)state, ids_are_those_of_the_reference("bpe", "bpe.json"); }
static void wordpiece_gives_the_ids_of_the_reference(void **state) { (void)state, ids_are_those_of_the_reference("wordpiece", "wordpiece.json"); }

static void count_id(void *arg, uint32_t id)
{
    (void)id;
    ++*(size_t *)arg;
}

/* A megabyte of one word, of any bytes, of blanks: an answer, in bounded time, with never more ids than bytes. */
static void hostile_texts_are_tokenized_as_well(void **state)
{
    static const char *const files[] = {"bpe.json", "wordpiece.json"};
    size_t len = (size_t)1 << 20;
    char *text = malloc(len);

    (void)state;
    for (int which = 0; which < 2; which++)
        for (int kind = 0; kind < 4; kind++) {
            struct static_tokenizer *tokenizer = tokenizer_of(files[which]);
            struct static_reader *reader = static_reader_new(tokenizer);
            struct lam_error err;
            size_t count = 0;

            for (size_t i = 0; i < len; i++)
                text[i] = kind == 0 ? 'a' : kind == 1 ? (char)(i * 2654435761u >> 9) : kind == 2 ? "\xe2\x96\x81"[i % 3] : "\xc3\xa9"[i % 2];
            assert_int_equal(static_tokenize(reader, lam_sv(text, len), count_id, &count, &err), 0);
            assert_true(count > 0 && count <= 3 * len + 1); /* a byte that is no text is U+FFFD: three */
            static_reader_free(reader);
            static_tokenizer_free(tokenizer);
        }
    free(text);
}

/* --- tables --- */

static size_t safetensors(char *out, const char *header, const void *bytes, size_t len)
{
    size_t header_len = strlen(header);

    for (int i = 0; i < 8; i++)
        out[i] = (char)((uint64_t)header_len >> 8 * i);
    memcpy(out + 8, header, header_len);
    if (len)
        memcpy(out + 8 + header_len, bytes, len);
    return 8 + header_len + len;
}

static void rows_of_every_type_are_read(void **state)
{
    /* 1, -2, 0.5, and per type something of its own; two rows of two */
    static const unsigned char f16[] = {0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38, 0x01, 0x00}; /* the last: the smallest subnormal, 2^-24 */
    static const unsigned char bf16[] = {0x80, 0x3f, 0x00, 0xc0, 0x00, 0x3f, 0x49, 0x40};
    static const signed char i8[] = {1, -2, 127, -128};
    static const float f32[] = {1, -2, 0.5f, 3.25f};
    static const struct {
        const char *type;
        const void *bytes;
        size_t len;
        float want[4];
    } cases[] = {{"F16", f16, 8, {1, -2, 0.5f, 0x1p-24f}}, {"BF16", bf16, 8, {1, -2, 0.5f, 3.140625f}}, {"I8", i8, 4, {1, -2, 127, -128}}, {"F32", f32, 16, {1, -2, 0.5f, 3.25f}}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct static_table table;
        struct lam_error err;
        char header[200], file[400];
        size_t len;

        snprintf(header, sizeof header, "{\"__metadata__\":{\"format\":\"pt\"},\"embedding.weight\":{\"dtype\":\"%s\",\"shape\":[2,2],\"data_offsets\":[0,%zu]}}", cases[i].type, cases[i].len);
        len = safetensors(file, header, cases[i].bytes, cases[i].len);
        assert_int_equal(static_table_parse(lam_sv(file, len), &table, &err), 0);
        assert_int_equal(table.rows, 2);
        assert_int_equal(table.cols, 2);
        for (uint32_t row = 0; row < 2; row++) {
            float sums[2] = {0, 0};

            static_table_add(&table, row, 2, sums);
            assert_true(sums[0] == cases[i].want[2 * row] && sums[1] == cases[i].want[2 * row + 1]);
        }
    }
}

/* All 65,536 halves, by the steps of eight and one by one. */
static void halves_are_exact_on_every_way(void **state)
{
    static char file[200 + 65536 * 2];
    static unsigned char halves[65536 * 2];
    struct static_table table;
    struct lam_error err;
    size_t len;

    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        halves[2 * i] = (unsigned char)i;
        halves[2 * i + 1] = (unsigned char)(i >> 8);
    }
    len = safetensors(file, "{\"embeddings\":{\"dtype\":\"F16\",\"shape\":[8192,8],\"data_offsets\":[0,131072]}}", halves, sizeof halves);
    assert_int_equal(static_table_parse(lam_sv(file, len), &table, &err), 0);
    for (uint32_t row = 0; row < 8192; row++) {
        float eight[8] = {0}, seven[8] = {0};

        static_table_add(&table, row, 8, eight);
        static_table_add(&table, row, 7, seven);
        for (uint32_t i = 0; i < 7; i++) {
            unsigned half = 8 * row + i, exponent = half >> 10 & 31, fraction = half & 1023;
            double value = exponent == 31 ? (fraction ? NAN : INFINITY) : exponent ? ldexp(1024 + fraction, (int)exponent - 25) : ldexp(fraction, -24);

            if (isnan(value)) {
                assert_true(isnan(eight[i]) && isnan(seven[i]));
                continue;
            }
            value = half & 0x8000 ? -value : value;
            assert_true(eight[i] == value && seven[i] == value);
        }
    }
}

static void headers_that_lie_are_refused(void **state)
{
    static const char *const headers[] = {
        "{\"embedding.weight\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,10]}}",   /* beyond the end, and no 2 x 2 */
        "{\"embedding.weight\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[4,0]}}",
        "{\"embedding.weight\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[-8,0]}}",
        "{\"embedding.weight\":{\"dtype\":\"F16\",\"shape\":[2,2,1],\"data_offsets\":[0,8]}}",
        "{\"embedding.weight\":{\"dtype\":\"F16\",\"shape\":[268435456,65536],\"data_offsets\":[0,8]}}",
        "{\"embedding.weight\":{\"dtype\":\"F16\",\"shape\":[0,2],\"data_offsets\":[0,0]}}",
        "{\"embedding.weight\":{\"dtype\":\"Q4\",\"shape\":[2,2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[4,8]}}", /* which one? */
        "{}", "[]", "{", ""};

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct static_table table;
        struct lam_error err;
        char file[400];
        size_t len = safetensors(file, headers[i], "12345678", 8);
        int rc = static_table_parse(lam_sv(file, len), &table, &err);

        assert_true(rc == LAM_E_INVALID || rc == LAM_E_CORRUPT);
    }
    for (size_t len = 0; len < 8; len++) {
        struct static_table table;
        struct lam_error err;

        assert_int_equal(static_table_parse(lam_sv("\xff\xff\xff\xff\xff\xff\xff\xff", len), &table, &err), LAM_E_CORRUPT);
    }
}

/* --- the whole --- */

static void write_model(const char *folder, const char *tokenizer, uint32_t rows, uint32_t cols)
{
    size_t bytes = (size_t)rows * cols, len;
    char header[200], *file = malloc(bytes + 300), *text;
    signed char *values = malloc(bytes);

    for (size_t i = 0; i < bytes; i++)
        values[i] = (signed char)(i * 2654435761u >> 13);
    snprintf(header, sizeof header, "{\"embedding.weight\":{\"dtype\":\"I8\",\"shape\":[%u,%u],\"data_offsets\":[0,%zu]}}", (unsigned)rows, (unsigned)cols, bytes);
    len = safetensors(file, header, values, bytes);
    scratch_write(scratch_join(folder, "model.safetensors"), file, len);
    text = data(tokenizer, &len);
    scratch_write(scratch_join(folder, "tokenizer.json"), text, len);
    free(text);
    free(file);
    free(values);
}

static void vectors_are_means_of_unit_length(void **state)
{
    struct lam_static_reader *reader;
    struct lam_static *table;
    struct lam_error err;
    float vector[16], again[16], joined[16], first[8];
    double square = 0, dot = 0;
    bool found;

    write_model(*state, "bpe.json", 1000, 16);
    if (lam_static_open(NULL, *state, NULL, 0, &table, &err))
        fail_msg("%s", err.text);
    assert_int_equal(lam_static_dim(table), 16);
    assert_memory_equal(lam_static_space(table), "static-16-", 10);
    assert_non_null(reader = lam_static_reader_new(table));
    assert_int_equal(lam_static_embed(reader, LAM_SV(""), LAM_SV("the market fell"), vector, &found, &err), 0);
    assert_true(found);
    for (int i = 0; i < 16; i++)
        square += (double)vector[i] * vector[i];
    assert_true(fabs(square - 1) < 1e-6);
    assert_int_equal(lam_static_embed(reader, LAM_SV("the market"), LAM_SV("fell"), joined, &found, &err), 0);
    assert_memory_equal(vector, joined, sizeof vector);
    assert_int_equal(lam_static_embed(reader, LAM_SV("the market fell"), LAM_SV(""), again, &found, &err), 0);
    assert_memory_equal(vector, again, sizeof vector);
    assert_int_equal(lam_static_embed(reader, LAM_SV(""), LAM_SV(""), again, &found, &err), 0);
    assert_false(found);
    lam_static_reader_free(reader);
    lam_static_close(table);

    assert_int_equal(lam_static_open(NULL, scratch_join(*state, "model.safetensors"), NULL, 8, &table, &err), 0); /* fewer dimensions: the first ones */
    assert_non_null(reader = lam_static_reader_new(table));
    assert_int_equal(lam_static_embed(reader, LAM_SV(""), LAM_SV("the market fell"), first, &found, &err), 0);
    square = 0;
    for (int i = 0; i < 8; i++) {
        dot += (double)first[i] * vector[i];
        square += (double)vector[i] * vector[i];
    }
    assert_true(fabs(dot - sqrt(square)) < 1e-6);
    lam_static_reader_free(reader);
    lam_static_close(table);
}

static void files_that_do_not_fit_are_refused_with_the_reason(void **state)
{
    struct lam_static *table;
    struct lam_error err;

    assert_int_equal(lam_static_open(NULL, scratch_join(*state, "nowhere"), NULL, 0, &table, &err), LAM_E_NOT_FOUND);
    assert_int_equal(lam_static_open(NULL, *state, NULL, 0, &table, &err), LAM_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "safetensors"));
    write_model(*state, "bpe.json", 100, 16); /* ids go beyond the rows */
    assert_int_equal(lam_static_open(NULL, *state, NULL, 0, &table, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "not of one model"));
    write_model(*state, "bpe.json", 1000, 16);
    assert_int_equal(lam_static_open(NULL, *state, NULL, 32, &table, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "16 columns"));
    scratch_write(scratch_join(*state, "second.safetensors"), "", 0);
    assert_int_equal(lam_static_open(NULL, *state, NULL, 0, &table, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "several"));
}

static void tokenizers_of_other_kinds_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "Unigram"},
        {"{}", "its model is nothing"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "empty"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "id"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1},\"merges\":[]}}", "normalizer"},
        {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"}]},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1},\"merges\":[]}}", "normalizer"},
        {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}]},"
         "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1},\"merges\":[\"a b\"]}}",
         "merge 0"},
        {"{\"model\":{\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\",\"vocab\":{\"a\":1},\"merges\":[]}}", "suffix"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":1}}}", "BERT"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1},\"merges\":[]},\"added_tokens\":[{\"id\":1,\"content\":\"x\",\"lstrip\":true}]}", "added token"},
        {"{\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"vocab\":{\"a\":1},\"merges\":[]}}", "unk_token"},
        {"no JSON", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct static_tokenizer *tokenizer;
        struct lam_error err;

        assert_int_equal(static_tokenizer_new(lam_sv_of(cases[i].json), &tokenizer, &err), LAM_E_INVALID);
        if (!strstr(err.text, cases[i].why))
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bpe_gives_the_ids_of_the_reference),
        cmocka_unit_test(wordpiece_gives_the_ids_of_the_reference),
        cmocka_unit_test(hostile_texts_are_tokenized_as_well),
        cmocka_unit_test(rows_of_every_type_are_read),
        cmocka_unit_test(halves_are_exact_on_every_way),
        cmocka_unit_test(headers_that_lie_are_refused),
        cmocka_unit_test_setup_teardown(vectors_are_means_of_unit_length, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(files_that_do_not_fit_are_refused_with_the_reason, scratch_setup, scratch_teardown),
        cmocka_unit_test(tokenizers_of_other_kinds_are_refused_with_the_reason),
    };

    return cmocka_run_group_tests_name("static", tests, NULL, NULL);
}
