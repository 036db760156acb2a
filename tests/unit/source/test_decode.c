#include "scratch.h"

#include "source/decode.h"

/* What a file decodes to, in reads of a given size, and how it ended. */
struct decoded {
    char *bytes;
    size_t len;
    int rc;
    struct lam_error err;
    struct lam_digest blocks[8];
    size_t block_count;
};

static struct decoded decode(const char *name, const struct lam_decoder_options *given, size_t step)
{
    struct decoded out = {.bytes = malloc((size_t)(given ? 96 : 4) << 20)};
    struct lam_decoder_options options = {.max_decoded = (uint64_t)1 << 30, .max_ratio = 250};
    struct lam_decoder *decoder;
    struct lam_error err = {0};
    struct stat st;
    int fd = open(at(name), O_RDONLY);

    assert_non_null(out.bytes);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    if (given)
        options = *given;
    options.pack = lam_pack_of(lam_sv_of(name));
    options.name = name;
    options.size = (uint64_t)st.st_size;
    options.digest_end = options.size;
    assert_ok(lam_decoder_open(&decoder, fd, &options, &err));
    do {
        size_t len;

        out.rc = lam_decoder_read(decoder, out.bytes + out.len, step, &len, &out.err);
        assert_in_range(len, 0, step);
        assert_true(out.rc || len > 0);
        out.len += len;
    } while (!out.rc);
    assert_ok(lam_decoder_drain(decoder, &err));
    out.block_count = lam_decoder_digests(decoder)->count;
    assert_in_range(out.block_count, 0, 8);
    for (size_t i = 0; i < out.block_count; i++)
        out.blocks[i] = lam_decoder_digests(decoder)->blocks[i];
    lam_decoder_close(decoder);
    close(fd);
    return out;
}

static void assert_decodes(const char *name, const char *bytes, size_t len)
{
    static const size_t steps[] = {1, 13, 70000};

    for (size_t i = len > 100000 ? 1 : 0; i < 3; i++) {
        struct decoded out = decode(name, NULL, steps[i]);

        if (out.rc != LAM_END)
            fail_msg("%s: %s", name, out.err.text);
        assert_int_equal(out.len, len);
        assert_memory_equal(out.bytes, bytes, len);
        free(out.bytes);
    }
}

static void assert_damaged(const char *name)
{
    struct decoded out = decode(name, NULL, 5000);

    assert_int_equal(out.rc, LAM_E_CORRUPT);
    free(out.bytes);
}

static char *make_text(size_t len)
{
    char *text = malloc(len + 1);

    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = i % 61 == 60 ? '\n' : (char)('a' + (i * i / 7 + i / 300) % 26);
    return text;
}

static void any_number_of_members_and_frames_is_one_file(void **state)
{
    size_t len = 300000, third = len / 3, n = 0;
    char *text = make_text(len), *packed = malloc(2 * len);

    (void)state;
    put_file("plain", text, len);
    assert_decodes("plain", text, len);
    for (size_t i = 0; i < 3; i++)
        n += pack_gzip(text + i * third, third, packed + n, 2 * len - n);
    put_file("m.gz", packed, n);
    assert_decodes("m.gz", text, len);
    memset(packed + n, 0, 512); /* padding, as tar and tapes have it */
    put_file("padded.gz", packed, n + 512);
    assert_decodes("padded.gz", text, len);
    n = 0;
    for (size_t i = 0; i < 3; i++)
        n += pack_zstd(text + i * third, third, packed + n, 2 * len - n);
    put_file("m.zst", packed, n);
    assert_decodes("m.zst", text, len);
    put_file("none.gz", packed, pack_gzip("", 0, packed, 100));
    assert_decodes("none.gz", "", 0);
    put_file("none.zst", packed, pack_zstd("", 0, packed, 100));
    assert_decodes("none.zst", "", 0);
    put_file("empty.gz", "", 0);
    assert_decodes("empty.gz", "", 0);
    free(text);
    free(packed);
}

/* Wherever the file was cut, what is in front of the cut comes out, and then the damage. */
static void of_a_cut_archive_all_comes_that_was_whole(void **state)
{
    size_t len = 20000;
    char *text = make_text(len), *packed = malloc(2 * len);
    static const char *const names[] = {"cut.gz", "cut.zst"};

    (void)state;
    for (int k = 0; k < 2; k++) {
        size_t n = k == 0 ? pack_gzip(text, len, packed, 2 * len) : pack_zstd(text, len, packed, 2 * len), best = 0;

        for (size_t cut = 1; cut < n; cut += 1 + n / 200) {
            struct decoded out;

            put_file(names[k], packed, cut);
            out = decode(names[k], NULL, 1000);
            assert_int_equal(out.rc, LAM_E_CORRUPT);
            assert_non_null(strstr(out.err.text, names[k]));
            assert_true(out.len <= len && out.len >= best);
            assert_memory_equal(out.bytes, text, out.len);
            best = out.len;
            free(out.bytes);
        }
        assert_true(k == 1 || best > len / 2); /* zstd gives whole blocks only */
    }
    free(text);
    free(packed);
}

static void flipped_bits_are_damage_never_other_text(void **state)
{
    size_t len = 20000, n;
    char *text = make_text(len), *packed = malloc(2 * len);

    (void)state;
    n = pack_gzip(text, len, packed, 2 * len);
    for (size_t i = 10; i < n; i += 37) {
        struct decoded out;

        packed[i] ^= 4;
        put_file("bad.gz", packed, n);
        out = decode("bad.gz", NULL, 5000);
        assert_int_equal(out.rc, LAM_E_CORRUPT); /* the checksum at the end sees what inflate does not */
        free(out.bytes);
        packed[i] ^= 4;
    }
    put_text("not.gz", "this is not gzip");
    assert_damaged("not.gz");
    put_text("not.zst", "this is not zstd");
    assert_damaged("not.zst");
    memcpy(packed + n, "trailing", 8);
    put_file("trailing.gz", packed, n + 8);
    assert_damaged("trailing.gz");
    free(text);
    free(packed);
}

static void bombs_end_at_the_limits(void **state)
{
    size_t len = (size_t)80 << 20, n;
    char *zeros = calloc(1, len), *packed = malloc((size_t)1 << 20);
    struct lam_decoder_options options = {.max_decoded = 1000000, .max_ratio = 250};
    struct decoded out;

    (void)state;
    assert_true(zeros && packed);
    n = pack_gzip(zeros, len, packed, (size_t)1 << 20);
    put_file("bomb.gz", packed, n);
    out = decode("bomb.gz", &options, 65536);
    assert_int_equal(out.rc, LAM_E_LIMIT);
    assert_true(out.len <= 1000000);
    free(out.bytes);
    options.max_decoded = UINT64_MAX;
    out = decode("bomb.gz", &options, 65536);
    assert_int_equal(out.rc, LAM_E_LIMIT);
    assert_true(out.len <= ((size_t)64 << 20));
    free(out.bytes);
    n = pack_zstd(zeros, len, packed, (size_t)1 << 20);
    put_file("bomb.zst", packed, n);
    out = decode("bomb.zst", &options, 65536);
    assert_int_equal(out.rc, LAM_E_LIMIT);
    free(out.bytes);
    options.max_ratio = 0; /* no limit */
    out = decode("bomb.zst", &options, 65536);
    assert_int_equal(out.rc, LAM_END);
    assert_int_equal(out.len, len);
    free(out.bytes);
    free(zeros);
    free(packed);
}

static void the_digest_is_of_the_raw_bytes_even_behind_damage(void **state)
{
    size_t len = 3000000, n;
    char *text = make_text(len), *packed = malloc(2 * len);
    struct decoded out;

    (void)state;
    for (uint64_t i = 0, x = 1; i < len; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        text[i] = (char)(x >> 56); /* does not pack */
    }
    n = pack_gzip(text, len, packed, 2 * len);
    assert_true(n > 2u << 20);
    memset(packed + 5000, 0x55, 3000);
    put_file("hurt.gz", packed, n);
    out = decode("hurt.gz", NULL, 65536);
    assert_int_equal(out.rc, LAM_E_CORRUPT);
    assert_int_equal(out.block_count, (n + LAM_DIGEST_BLOCK - 1) / LAM_DIGEST_BLOCK);
    for (size_t i = 0; i < out.block_count; i++) {
        size_t left = n - i * LAM_DIGEST_BLOCK;

        assert_true(lam_digest_eq(out.blocks[i], lam_hash128(packed + i * LAM_DIGEST_BLOCK,
                                                             left < LAM_DIGEST_BLOCK ? left : LAM_DIGEST_BLOCK)));
    }
    free(out.bytes);
    free(text);
    free(packed);
}

static void a_file_that_shrank_is_a_conflict(void **state)
{
    struct lam_decoder_options options = {.name = "shrunk", .size = 100};
    struct lam_decoder *decoder;
    struct lam_error err = {0};
    char bytes[200];
    size_t len;
    int fd;

    (void)state;
    put_text("shrunk", "only this");
    fd = open(at("shrunk"), O_RDONLY);
    assert_ok(lam_decoder_open(&decoder, fd, &options, &err));
    assert_ok(lam_decoder_read(decoder, bytes, sizeof bytes, &len, &err));
    assert_int_equal(len, 9);
    assert_int_equal(lam_decoder_read(decoder, bytes, sizeof bytes, &len, &err), LAM_E_CONFLICT);
    lam_decoder_close(decoder);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_members_and_frames_is_one_file),
        cmocka_unit_test(of_a_cut_archive_all_comes_that_was_whole),
        cmocka_unit_test(flipped_bits_are_damage_never_other_text),
        cmocka_unit_test(bombs_end_at_the_limits),
        cmocka_unit_test(the_digest_is_of_the_raw_bytes_even_behind_damage),
        cmocka_unit_test(a_file_that_shrank_is_a_conflict),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
