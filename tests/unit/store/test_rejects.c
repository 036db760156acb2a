/* Rejects in segments: kind, place, reason and raw bytes come back by position. */
#include "segment_fixture.h"

#include "rejects.h"

static void rejects_of_all_blocks_come_back_in_their_order(void **state)
{
    uint64_t seed = first_seed();
    struct lam_target target = {&lam_fs_system, *state, "rejects.h5", LAM_SEGMENT_QUARANTINE};
    struct lam_error err = {0};
    struct lam_block *blocks[3];
    struct lam_segment_entry entry;
    struct lam_arena arena;
    struct lam_map *map;
    uint64_t at = 0;

    lam_arena_init(&arena, (size_t)16 << 20);
    for (size_t b = 0; b < 3; b++) {
        blocks[b] = lam_block_new(100, (size_t)16 << 20);
        for (size_t i = 0; i < (b == 1 ? 0 : 40 + b); i++) {
            struct lam_reject reject = {.pos = {(uint32_t)below(&seed, 5), (uint32_t)below(&seed, 5), {0}, random64(&seed)},
                                        .kind = (uint8_t)below(&seed, 2),
                                        .arrival_us = (int64_t)random64(&seed),
                                        .place = random_text(&arena, &seed, 30),
                                        .reason = random_text(&arena, &seed, 30),
                                        .raw = random_text(&arena, &seed, 3000)};

            lam_position_set_partition(&reject.pos, (uint32_t)below(&seed, 1000));
            assert_ok(lam_block_add_reject(blocks[b], &reject, &err));
        }
    }
    lam_segment_entry_init(&entry);
    assert_ok(lam_rejects_write(&target, blocks, 3, &entry, &err));
    assert_ok(lam_segment_check(&lam_fs_system, *state, &entry, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    assert_ok(lam_map_need(map, LAM_COLUMNS_ALL, &err));
    for (size_t b = 0; b < 3; b++)
        for (size_t i = 0; i < lam_block_rejects(blocks[b]); i++) {
            const struct lam_reject *want = lam_block_reject(blocks[b], i);
            struct lam_reject got;

            lam_rejects_get(map, at++, &got);
            assert_int_equal(lam_position_cmp(&got.pos, &want->pos), 0);
            assert_int_equal(got.kind, want->kind);
            assert_true(got.arrival_us == want->arrival_us);
            assert_sv_equal(got.place, want->place);
            assert_sv_equal(got.reason, want->reason);
            assert_sv_equal(got.raw, want->raw);
        }
    assert_int_equal(lam_map_rows(map), at);
    lam_map_unref(map);
    for (size_t b = 0; b < 3; b++)
        lam_block_free(blocks[b]);
    lam_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rejects_of_all_blocks_come_back_in_their_order),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
