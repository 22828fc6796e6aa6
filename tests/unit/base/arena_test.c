#include "base/arena.h"

#include "support/test.h"

#include <stdalign.h>
#include <string.h>

static void allocation_beyond_the_ceiling_gives_null(void)
{
    struct arena arena;
    arena_init(&arena, 64);
    CHECK(arena_alloc(&arena, 65) == NULL);
    CHECK(arena_alloc(&arena, 48) != NULL);
    CHECK(arena_alloc(&arena, 17) == NULL);
    CHECK(arena_alloc(&arena, 16) != NULL);
    CHECK(arena_alloc(&arena, 1) == NULL);
    CHECK_EQUAL(arena.used, 64);
    arena_fini(&arena);
}

static void sizes_that_overflow_give_null(void)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    CHECK(arena_alloc(&arena, SIZE_MAX) == NULL);
    CHECK(arena_alloc(&arena, SIZE_MAX - 40) == NULL);
    CHECK(arena_alloc_array(&arena, SIZE_MAX / 2, 3) == NULL);
    CHECK(arena_alloc_array(&arena, (size_t)1 << 32, (size_t)1 << 32) == NULL);
    CHECK(arena_text(&arena, slice_of("x", SIZE_MAX)) == NULL);
    CHECK_EQUAL(arena.used, 0);
    arena_fini(&arena);
}

static void memory_is_zeroed_and_aligned_even_when_used_again(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size < 300; size++) {
            unsigned char *memory = arena_alloc(&arena, size);
            REQUIRE(memory != NULL);
            CHECK_EQUAL((uintptr_t)memory % alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++) CHECK_EQUAL(memory[i], 0);
            memset(memory, 0xff, size);
        }
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void allocations_do_not_overlap(void)
{
    struct arena arena;
    char *texts[500];
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < 500; i++) {
        char text[32];
        memset(text, 'a' + i % 26, sizeof text);
        texts[i] = arena_text(&arena, slice_of(text, (size_t)(i % 32)));
        REQUIRE(texts[i] != NULL);
    }
    for (int i = 0; i < 500; i++) {
        CHECK_EQUAL(strlen(texts[i]), (size_t)(i % 32));
        for (int c = 0; c < i % 32; c++) CHECK_EQUAL(texts[i][c], 'a' + i % 26);
    }
    arena_fini(&arena);
}

static void reset_arena_has_its_whole_ceiling_again(void)
{
    struct arena arena;
    arena_init(&arena, 100000);
    for (int i = 0; i < 100; i++) {
        CHECK(arena_alloc(&arena, 60000) != NULL);
        CHECK(arena_alloc(&arena, 60000) == NULL);
        arena_reset(&arena);
        CHECK_EQUAL(arena.used, 0);
    }
    arena_fini(&arena);
    CHECK_EQUAL(arena.ceiling, 100000);
}

static void nothing_is_something(void)
{
    struct arena arena;
    arena_init(&arena, 0);
    CHECK(arena_alloc(&arena, 0) != NULL);
    CHECK(arena_alloc_array(&arena, 0, 100) != NULL);
    CHECK(arena_alloc(&arena, 1) == NULL);
    arena_fini(&arena);
}

TEST_MAIN("arena", TEST(allocation_beyond_the_ceiling_gives_null), TEST(sizes_that_overflow_give_null),
          TEST(memory_is_zeroed_and_aligned_even_when_used_again), TEST(allocations_do_not_overlap),
          TEST(reset_arena_has_its_whole_ceiling_again), TEST(nothing_is_something))
