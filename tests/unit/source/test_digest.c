#include "scratch.h"

#include "source/digest.h"

static struct lam_digest digest_in_parts(const char *bytes, size_t len, size_t part)
{
    struct lam_digester digester;
    struct lam_error err = {0};
    struct lam_digest digest;

    assert_ok(lam_digester_init(&digester, &err));
    for (size_t at = 0; at < len; at += part)
        assert_ok(lam_digester_add(&digester, bytes + at, len - at < part ? len - at : part, &err));
    assert_ok(lam_digester_end(&digester, &err));
    digest = lam_digest_of_blocks(digester.blocks, digester.count);
    lam_digester_release(&digester);
    return digest;
}

static void the_digest_is_the_hash_of_the_hashes_of_its_blocks(void **state)
{
    size_t len = 2 * (size_t)LAM_DIGEST_BLOCK + 100;
    char *bytes = malloc(len);
    struct lam_digest blocks[3];

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 31 + i / 251);
    blocks[0] = lam_hash128(bytes, LAM_DIGEST_BLOCK);
    blocks[1] = lam_hash128(bytes + LAM_DIGEST_BLOCK, LAM_DIGEST_BLOCK);
    blocks[2] = lam_hash128(bytes + 2 * LAM_DIGEST_BLOCK, 100);
    assert_true(lam_digest_eq(digest_in_parts(bytes, len, 4096), lam_hash128(blocks, sizeof blocks)));
    assert_true(lam_digest_eq(digest_in_parts(bytes, len, 999), lam_hash128(blocks, sizeof blocks)));
    assert_true(lam_digest_eq(digest_in_parts(bytes, len, len), lam_hash128(blocks, sizeof blocks)));
    assert_true(lam_digest_eq(digest_in_parts(bytes, LAM_DIGEST_BLOCK, 4096), lam_hash128(blocks, sizeof blocks[0])));
    assert_true(lam_digest_eq(digest_in_parts(bytes, 0, 1), lam_hash128("", 0)));
    free(bytes);
}

static void the_digest_of_a_prefix_is_that_of_a_file_that_ends_there(void **state)
{
    size_t len = (size_t)LAM_DIGEST_BLOCK + 5000;
    char *bytes = calloc(1, len);
    size_t lengths[] = {0, 1, 4096, (size_t)LAM_DIGEST_BLOCK, (size_t)LAM_DIGEST_BLOCK + 1, len};
    struct lam_error err = {0};
    int fd;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i % 253);
    put_file("prefix", bytes, len);
    fd = open(at("prefix"), O_RDONLY);
    assert_true(fd >= 0);
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        struct lam_digester digester;

        assert_ok(lam_digester_init(&digester, &err));
        assert_ok(lam_digest_prefix(fd, "prefix", lengths[k], &digester, &err));
        assert_ok(lam_digester_end(&digester, &err));
        assert_true(lam_digest_eq(lam_digest_of_blocks(digester.blocks, digester.count), digest_in_parts(bytes, lengths[k], 7777)));
        lam_digester_release(&digester);
    }
    free(bytes);
    close(fd);
}

static void a_file_shorter_than_its_prefix_is_a_conflict(void **state)
{
    struct lam_digester digester;
    struct lam_error err = {0};
    int fd;

    (void)state;
    put_text("short", "abc");
    fd = open(at("short"), O_RDONLY);
    assert_ok(lam_digester_init(&digester, &err));
    assert_int_equal(lam_digest_prefix(fd, "short", 4, &digester, &err), LAM_E_CONFLICT);
    lam_digester_release(&digester);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_is_the_hash_of_the_hashes_of_its_blocks),
        cmocka_unit_test(the_digest_of_a_prefix_is_that_of_a_file_that_ends_there),
        cmocka_unit_test(a_file_shorter_than_its_prefix_is_a_conflict),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
