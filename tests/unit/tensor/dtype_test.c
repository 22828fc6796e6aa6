#include "support/test.h"
#include "tensor/dtype.h"

static void words_that_are_no_dtype_are_refused(void)
{
    static const char *const words[] = {"", "f32", "F32 ", "F8_E4M3", "U16", "C64", "float32"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        enum dtype dtype = DTYPE_BOOL;
        CHECK(!dtype_parse(words[i], &dtype));
        CHECK_EQUAL(dtype, DTYPE_BOOL);
    }
}

static void every_dtype_is_found_by_its_word(void)
{
    for (int i = 0; i < N_DTYPES; i++) {
        enum dtype found = N_DTYPES;
        CHECK(dtype_parse(dtype_word((enum dtype)i), &found));
        CHECK_EQUAL((int)found, i);
    }
}

static void elements_have_the_sizes_of_the_format(void)
{
    CHECK_EQUAL(dtype_bytes(DTYPE_F64), 8);
    CHECK_EQUAL(dtype_bytes(DTYPE_F32), 4);
    CHECK_EQUAL(dtype_bytes(DTYPE_F16), 2);
    CHECK_EQUAL(dtype_bytes(DTYPE_BF16), 2);
    CHECK_EQUAL(dtype_bytes(DTYPE_I64), 8);
    CHECK_EQUAL(dtype_bytes(DTYPE_I8), 1);
    CHECK_EQUAL(dtype_bytes(DTYPE_BOOL), 1);
}

TEST_MAIN("dtype", TEST(words_that_are_no_dtype_are_refused), TEST(every_dtype_is_found_by_its_word),
          TEST(elements_have_the_sizes_of_the_format))
