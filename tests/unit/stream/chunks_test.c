#include "stream/chunks.h"
#include "support/model.h"
#include "support/test.h"

static struct layout *mixed(int64_t n)
{
    struct test_model model = test_model_mixed(n, 1);
    struct layout *layout = NULL;
    CHECK_STATUS(layout_parse(layout_text(model.layout), &layout, &test_error), ANB_OK);
    test_model_free(&model);
    return layout;
}

static void check_table(int64_t n, int32_t chunk_bytes)
{
    struct layout *layout = mixed(n);
    struct chunk_walk walk;
    struct chunk_place place;
    int64_t index = 0, text = 0, data = 0;
    chunk_walk_begin(&walk, layout, chunk_bytes);
    while (chunk_walk_next(&walk, &place)) {
        CHECK_EQUAL(place.index, index++);
        CHECK(place.end > place.begin && place.end - place.begin <= chunk_bytes);
        int64_t *at = place.is_layout ? &text : &data;
        CHECK(!place.is_layout || data == 0);
        CHECK_EQUAL(place.begin, *at);
        *at = place.end;
    }
    CHECK_EQUAL(text, (int64_t)layout_text(layout).size);
    CHECK_EQUAL(data, layout_data_bytes(layout));
    CHECK_EQUAL(index, chunks_count(layout, chunk_bytes));
    layout_free(layout);
}

static void chunks_cover_text_and_data_once_in_order(void)
{
    for (int64_t n = 1; n < 60; n++)
        for (int32_t chunk_bytes = 8; chunk_bytes < 80; chunk_bytes += 3) check_table(n, chunk_bytes);
    check_table(1000000, 983040);
}

static void no_element_is_split(void)
{
    for (int64_t n = 1; n < 40; n++)
        for (int32_t chunk_bytes = 8; chunk_bytes < 70; chunk_bytes++) {
            struct layout *layout = mixed(n);
            struct chunk_walk walk;
            struct chunk_place place;
            chunk_walk_begin(&walk, layout, chunk_bytes);
            while (chunk_walk_next(&walk, &place)) {
                if (place.is_layout || place.end == layout_data_bytes(layout)) continue;
                const struct tensor_entry *tensor = layout_tensor(layout, layout_find(layout, place.end));
                CHECK_EQUAL((place.end - tensor->begin) % (int64_t)dtype_bytes(tensor->dtype), 0);
            }
            layout_free(layout);
        }
}

static void a_model_without_data_has_only_layout_chunks(void)
{
    struct layout *layout;
    CHECK_STATUS(layout_parse(slice_of_text("{}"), &layout, &test_error), ANB_OK);
    CHECK_EQUAL(chunks_count(layout, CHUNK_DEFAULT_BYTES), 1);
    layout_free(layout);
}

TEST_MAIN("chunks", TEST(chunks_cover_text_and_data_once_in_order), TEST(no_element_is_split),
          TEST(a_model_without_data_has_only_layout_chunks))
