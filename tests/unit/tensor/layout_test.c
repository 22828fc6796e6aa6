#include "tensor/layout.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum anb_status parse(const char *text, struct layout **layout)
{
    return layout_parse(slice_of_text(text), layout, &test_error);
}

/* The header is refused, and the sentence says `why`. */
static void check_refused(const char *text, const char *why)
{
    struct layout *layout = NULL;
    test_error.text[0] = 0;
    CHECK_STATUS(parse(text, &layout), ANB_INVALID);
    CHECK(layout == NULL);
    CHECK(strstr(test_error.text, why) != NULL);
    if (!strstr(test_error.text, why)) printf("  %s\n  gave: %s\n", text, test_error.text);
    layout_free(layout);
}

#define TENSOR(name, dtype, shape, begin, end)                                                                         \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void text_that_is_no_header_is_refused(void)
{
    check_refused("", "begins with '{'");
    check_refused(" {}", "begins with '{'");
    check_refused("[]", "begins with '{'");
    check_refused("{", "the text ends");
    check_refused("{}x", "more text");
    check_refused("{}{}", "more text");
    check_refused("{,}", "'\"' is expected");
    check_refused("{\"a\"}", "':' is expected");
    check_refused("{\"a\":1}", "'{' is expected");
    check_refused("{\"a\":null}", "'{' is expected");
    check_refused("{\"a\":{\"dtype\":\"F32\"", "the text ends");
    check_refused("{" TENSOR("a", "F32", "[1]", "0", "4") ",}", "'\"' is expected");
    check_refused("{" TENSOR("a", "F32", "[1]", "0", "4") TENSOR("b", "F32", "[1]", "4", "8") "}", "',' is expected");
}

static void every_cut_of_a_good_header_is_refused(void)
{
    static const char text[] = "{\"__metadata__\":{\"k\":\"v\\u00e9\"}," TENSOR("a\\n", "F32", "[2,3]", "0", "24") "}";
    for (size_t size = 0; size + 1 < sizeof text; size++) {
        char *exact = malloc(size + 1); /* its end is the end of the memory, so ASan sees a read too far */
        memcpy(exact, text, size);
        struct layout *layout = NULL;
        CHECK_EQUAL(layout_parse(slice_of(exact, size), &layout, NULL), ANB_INVALID);
        free(exact);
    }
}

static void tensor_with_missing_unknown_or_repeated_keys_is_refused(void)
{
    check_refused("{\"a\":{}}", "\"dtype\" is missing");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "\"data_offsets\" is missing");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "\"shape\" is missing");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", "unknown key \"x\"");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "\"dtype\" stands there twice");
    check_refused("{\"a\":{\"an unknown key of more than 32 bytes\":1}}", "longer than");
}

static void dtype_that_is_not_supported_is_refused_with_the_tensors_name(void)
{
    check_refused("{" TENSOR("block.weight", "F8_E4M3", "[1]", "0", "1") "}", "tensor \"block.weight\": ");
    check_refused("{" TENSOR("a", "F8_E4M3", "[1]", "0", "1") "}", "dtype \"F8_E4M3\" is not supported");
    check_refused("{\"a\":{\"dtype\":7}}", "'\"' is expected");
}

static void numbers_that_are_no_counts_are_refused(void)
{
    check_refused("{" TENSOR("a", "F32", "[-1]", "0", "4") "}", "whole number");
    check_refused("{" TENSOR("a", "F32", "[1.0]", "0", "4") "}", "',' is expected");
    check_refused("{" TENSOR("a", "F32", "[1e2]", "0", "4") "}", "',' is expected");
    check_refused("{" TENSOR("a", "F32", "[01]", "0", "4") "}", "0 in front");
    check_refused("{" TENSOR("a", "F32", "[\"1\"]", "0", "4") "}", "whole number");
    check_refused("{" TENSOR("a", "F32", "[9223372036854775808]", "0", "4") "}", "above 9223372036854775807");
    check_refused("{" TENSOR("a", "F32", "[1]", "-4", "0") "}", "whole number");
    check_refused("{\"a\":{\"data_offsets\":[0]}}", "',' is expected");
    check_refused("{\"a\":{\"data_offsets\":[0,4,8]}}", "']' is expected");
    check_refused("{\"a\":{\"data_offsets\":4}}", "'[' is expected");
    check_refused("{\"a\":{\"shape\":4}}", "'[' is expected");
}

static void shape_that_overflows_is_refused_wherever_its_zero_stands(void)
{
    check_refused("{" TENSOR("a", "F32", "[9223372036854775807]", "0", "4") "}", "too large");
    check_refused("{" TENSOR("a", "U8", "[4294967296,4294967296]", "0", "0") "}", "too large");
    check_refused("{" TENSOR("a", "U8", "[4294967296,4294967296,0]", "0", "0") "}", "too large");
    check_refused("{" TENSOR("a", "U8", "[0,4294967296,4294967296]", "0", "0") "}", "too large");
}

static void more_than_16_dimensions_are_refused(void)
{
    check_refused("{" TENSOR("a", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "0", "1") "}", "more than 16 dim");
}

static void shape_and_bytes_that_disagree_are_refused(void)
{
    check_refused("{" TENSOR("a", "F32", "[2]", "0", "4") "}", "takes 8 bytes");
    check_refused("{" TENSOR("a", "F32", "[0]", "0", "4") "}", "takes 0 bytes");
    check_refused("{" TENSOR("a", "F32", "[]", "0", "0") "}", "takes 4 bytes");
    check_refused("{" TENSOR("a", "U8", "[4]", "4", "0") "}", "are 4 to 0");
}

static void holes_and_overlaps_are_refused(void)
{
    check_refused("{" TENSOR("a", "U8", "[4]", "1", "5") "}", "holes");
    check_refused("{" TENSOR("a", "U8", "[4]", "0", "4") "," TENSOR("b", "U8", "[4]", "5", "9") "}", "holes");
    check_refused("{" TENSOR("a", "U8", "[4]", "0", "4") "," TENSOR("b", "U8", "[4]", "3", "7") "}", "overlap");
    check_refused("{" TENSOR("a", "U8", "[4]", "0", "4") "," TENSOR("b", "U8", "[4]", "0", "4") "}", "overlap");
    check_refused("{" TENSOR("a", "U8", "[4]", "0", "4") "," TENSOR("b", "U8", "[0]", "2", "2") "}", "overlap");
    check_refused("{" TENSOR("a", "U8", "[4]", "0", "4") "," TENSOR("b", "U8", "[0]", "9", "9") "}", "holes");
}

static void repeated_names_are_refused_however_they_are_written(void)
{
    check_refused("{" TENSOR("a", "U8", "[1]", "0", "1") "," TENSOR("a", "U8", "[1]", "1", "2") "}", "\"a\" stands");
    check_refused("{" TENSOR("a", "U8", "[1]", "0", "1") "," TENSOR("\\u0061", "U8", "[1]", "1", "2") "}", "\"a\" st");
    check_refused("{\"__metadata__\":{},\"__metadata__\":{}}", "\"__metadata__\" stands there twice");
}

static void names_that_are_not_utf8_or_hold_a_nul_are_refused(void)
{
    check_refused("{\"\xff\":{}}", "not UTF-8");
    check_refused("{\"\xc0\xaf\":{}}", "not UTF-8");
    check_refused("{\"\xed\xa0\x80\":{}}", "not UTF-8");
    check_refused("{\"a\\u0000\":{}}", "NUL");
    check_refused("{\"\\ud800\":{}}", "surrogate");
    check_refused("{\"\\ud800\\u0041\":{}}", "surrogate");
    check_refused("{\"\\udc00\\ud800\":{}}", "surrogate");
    check_refused("{\"\\u00g0\":{}}", "four digits");
    check_refused("{\"\\x\":{}}", "escape");
    check_refused("{\"a\nb\":{}}", "control character");
    struct layout *layout = NULL;
    CHECK_EQUAL(layout_parse(slice_of("{\"a\0\":{}}", 9), &layout, NULL), ANB_INVALID);
}

static void metadata_that_is_not_pairs_of_texts_is_refused(void)
{
    check_refused("{\"__metadata__\":[]}", "'{' is expected");
    check_refused("{\"__metadata__\":{\"a\":1}}", "'\"' is expected");
    check_refused("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", "'\"' is expected");
    check_refused("{\"__metadata__\":{\"a\":\"b\",}}", "'\"' is expected");
}

static void sentence_about_a_foreign_name_is_short_utf8(void)
{
    char text[1024] = "{\"";
    for (int i = 0; i < 200; i++) strcat(text, "\xe2\x82\xac"); /* cut inside a character */
    strcat(text, "\":{}}");
    check_refused(text, "\"dtype\" is missing");
    CHECK(strlen(test_error.text) < 256);
    CHECK(strstr(test_error.text, "\xe2\x82\xac") != NULL);
    CHECK(strstr(test_error.text, "\xe2\"") == NULL);
}

static void header_above_the_ceiling_is_refused_before_it_is_read(void)
{
    struct layout *layout = NULL;
    CHECK_STATUS(layout_parse(slice_of("{", LAYOUT_MAX_BYTES + 1), &layout, &test_error), ANB_TOO_LARGE);
}

static void make_many(struct buf *text, int n)
{
    buf_init(text, LAYOUT_MAX_BYTES);
    for (int i = 0; i < n; i++)
        buf_printf(text, NULL, "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[%d,%d]}", i ? "," : "{", i, i,
                   i + 1);
    buf_append_text(text, "}", NULL);
}

static void as_many_tensors_as_the_ceiling_are_read_and_one_more_is_refused(void)
{
    for (int more = 0; more < 2; more++) {
        struct buf text;
        struct layout *layout = NULL;
        make_many(&text, LAYOUT_MAX_TENSORS + more);
        CHECK_STATUS(layout_parse(buf_slice(&text), &layout, &test_error), more ? ANB_INVALID : ANB_OK);
        if (layout) CHECK_EQUAL(layout_find(layout, 7777), 7777);
        layout_free(layout);
        buf_fini(&text);
    }
}

static void take_over(const char *header, enum anb_status expected, bool keeps_memory)
{
    struct buf text;
    struct layout *taken = NULL, *parsed = NULL;
    buf_init(&text, LAYOUT_MAX_BYTES);
    CHECK_STATUS(buf_append_text(&text, header, NULL), ANB_OK);
    const void *memory = text.data;
    CHECK_STATUS(layout_take(&text, &taken, &test_error), expected);
    CHECK(text.data == NULL && text.size == 0);
    if (expected != ANB_OK) return;
    CHECK_STATUS(parse(header, &parsed), ANB_OK);
    REQUIRE(taken != NULL && parsed != NULL);
    CHECK(slice_equal(layout_text(taken), layout_text(parsed)));
    CHECK(digest_equal(layout_digest(taken), layout_digest(parsed)));
    if (keeps_memory) CHECK(layout_text(taken).data == memory);
    layout_free(taken);
    layout_free(parsed);
}

static void a_header_is_taken_over_when_it_is_canonical_and_written_anew_when_not(void)
{
    take_over("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,3]}}", ANB_INVALID, false);
    take_over("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", ANB_OK, true);
    take_over("{}", ANB_OK, true);
    take_over("{} ", ANB_OK, false);
    take_over("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]} }", ANB_OK, false);
    take_over("{\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[1,2]},"
              "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
              ANB_OK, false);
}

static void tensors_are_ordered_by_place_and_written_canonically(void)
{
    struct layout *layout = NULL;
    CHECK_STATUS(parse("{ \"__metadata__\" : {\"format\":\"pt\"} ,\n"
                       "\"z\": { \"data_offsets\":[24 ,26], \"shape\" : [ ] , \"dtype\":\"BF16\"},\t"
                       "\"a\\/\\u00e9\\ud83d\\ude00\\u001f\\u0022\":"
                       "{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]} }  ",
                       &layout),
                 ANB_OK);
    REQUIRE(layout != NULL);
    static const char expected[] =
        "{\"a/\xc3\xa9\xf0\x9f\x98\x80\\u001f\\\"\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_"
        "offsets\":[0,24]},\"z\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[24,26]}}";
    CHECK(slice_equal(layout_text(layout), slice_of_text(expected)));
    CHECK_EQUAL(layout_n_tensors(layout), 2);
    CHECK_EQUAL(layout_data_bytes(layout), 26);
    CHECK_EQUAL(layout_tensor(layout, 0)->n_dimensions, 2);
    CHECK_EQUAL(layout_tensor(layout, 0)->shape[1], 3);
    CHECK_TEXT(layout_tensor(layout, 1)->name, "z");
    CHECK_EQUAL(layout_tensor(layout, 1)->n_dimensions, 0);
    layout_free(layout);
}

static void digest_is_that_of_the_canonical_text_and_ignores_metadata_and_order(void)
{
    struct layout *a = NULL, *b = NULL, *other = NULL;
    CHECK_STATUS(parse("{" TENSOR("x", "U8", "[2]", "0", "2") "," TENSOR("y", "I8", "[1]", "2", "3") "}", &a), ANB_OK);
    CHECK_STATUS(parse("{" TENSOR("y", "I8", "[1]", "2",
                                  "3") ",\"__metadata__\":{\"k\":\"v\"}," TENSOR("x", "U8", "[2]", "0", "2") "}",
                       &b),
                 ANB_OK);
    CHECK_STATUS(parse("{" TENSOR("x", "U8", "[2,1]", "0", "2") "," TENSOR("y", "I8", "[1]", "2", "3") "}", &other),
                 ANB_OK);
    REQUIRE(a && b && other);
    struct digest digest;
    CHECK_STATUS(digest_of(layout_text(a), &digest, &test_error), ANB_OK);
    CHECK(digest_equal(&digest, layout_digest(a)));
    CHECK(digest_equal(layout_digest(a), layout_digest(b)));
    CHECK(!digest_equal(layout_digest(a), layout_digest(other)));
    layout_free(a);
    layout_free(b);
    layout_free(other);
}

static void model_without_tensors_has_a_layout(void)
{
    struct layout *layout = NULL;
    CHECK_STATUS(parse("{}", &layout), ANB_OK);
    REQUIRE(layout != NULL);
    CHECK_EQUAL(layout_n_tensors(layout), 0);
    CHECK_EQUAL(layout_data_bytes(layout), 0);
    CHECK(slice_equal(layout_text(layout), slice_of_text("{}")));
    layout_free(layout);
}

static void find_skips_tensors_without_bytes(void)
{
    struct layout *layout = NULL;
    CHECK_STATUS(parse("{" TENSOR("b", "U8", "[0]", "0", "0") "," TENSOR("a", "F32", "[0,7]", "0", "0") "," TENSOR(
                           "c", "U8", "[3]", "0", "3") "," TENSOR("d", "U8", "[0]", "3",
                                                                  "3") "," TENSOR("e", "U8", "[1]", "3",
                                                                                  "4") "," TENSOR("f", "U8", "[0]", "4",
                                                                                                  "4") "}",
                       &layout),
                 ANB_OK);
    REQUIRE(layout != NULL);
    CHECK_TEXT(layout_tensor(layout, 0)->name, "a"); /* one place: ordered by name */
    static const size_t holders[] = {2, 2, 2, 4};
    for (int64_t at = 0; at < layout_data_bytes(layout); at++) CHECK_EQUAL(layout_find(layout, at), holders[at]);
    layout_free(layout);
}

static enum anb_status of_bytes(const char *name, int64_t bytes, struct layout **layout)
{
    const struct layout_part part = {name, bytes};
    return layout_of_bytes(&part, 1, layout, &test_error);
}

static void plain_bytes_in_two_parts_have_two_tensors(void)
{
    static const struct layout_part parts[] = {{"bundle", 7}, {"manifest", 3}}, much[] = {{"a", INT64_MAX}, {"b", 1}};
    struct layout *layout = NULL;
    CHECK_STATUS(layout_of_bytes(much, 2, &layout, &test_error), ANB_INVALID);
    CHECK_STATUS(layout_of_bytes(parts, 2, &layout, &test_error), ANB_OK);
    REQUIRE(layout != NULL);
    CHECK_EQUAL(layout_n_tensors(layout), 2);
    CHECK_TEXT(layout_tensor(layout, 1)->name, "manifest");
    CHECK_EQUAL(layout_tensor(layout, 1)->begin, 7);
    CHECK_EQUAL(layout_tensor(layout, 1)->end, 10);
    layout_free(layout);
}

static void plain_bytes_have_a_layout_of_one_tensor(void)
{
    struct layout *layout = NULL;
    CHECK_STATUS(of_bytes("job \"1\".tar", 12345, &layout), ANB_OK);
    REQUIRE(layout != NULL);
    CHECK_EQUAL(layout_n_tensors(layout), 1);
    CHECK_EQUAL(layout_data_bytes(layout), 12345);
    CHECK_TEXT(layout_tensor(layout, 0)->name, "job \"1\".tar");
    CHECK_EQUAL(layout_tensor(layout, 0)->dtype, DTYPE_U8);
    layout_free(layout);
    layout = NULL;
    CHECK_STATUS(of_bytes("empty", 0, &layout), ANB_OK);
    layout_free(layout);
    CHECK_STATUS(of_bytes("negative", -1, &layout), ANB_INVALID);
    CHECK_STATUS(of_bytes("\xff", 1, &layout), ANB_INVALID);
}

static void canonical_text_parses_to_itself(void)
{
    struct layout *first = NULL, *second = NULL;
    CHECK_STATUS(parse("{" TENSOR("\\b\\f\\u0001\x7f", "I64", "[1]", "0", "8") "}", &first), ANB_OK);
    REQUIRE(first != NULL);
    CHECK_STATUS(layout_parse(layout_text(first), &second, &test_error), ANB_OK);
    REQUIRE(second != NULL);
    CHECK(slice_equal(layout_text(first), layout_text(second)));
    layout_free(first);
    layout_free(second);
}

TEST_MAIN("layout", TEST(text_that_is_no_header_is_refused), TEST(every_cut_of_a_good_header_is_refused),
          TEST(tensor_with_missing_unknown_or_repeated_keys_is_refused),
          TEST(dtype_that_is_not_supported_is_refused_with_the_tensors_name),
          TEST(numbers_that_are_no_counts_are_refused), TEST(shape_that_overflows_is_refused_wherever_its_zero_stands),
          TEST(more_than_16_dimensions_are_refused), TEST(shape_and_bytes_that_disagree_are_refused),
          TEST(holes_and_overlaps_are_refused), TEST(repeated_names_are_refused_however_they_are_written),
          TEST(names_that_are_not_utf8_or_hold_a_nul_are_refused), TEST(metadata_that_is_not_pairs_of_texts_is_refused),
          TEST(sentence_about_a_foreign_name_is_short_utf8),
          TEST(header_above_the_ceiling_is_refused_before_it_is_read),
          TEST(as_many_tensors_as_the_ceiling_are_read_and_one_more_is_refused),
          TEST(a_header_is_taken_over_when_it_is_canonical_and_written_anew_when_not),
          TEST(tensors_are_ordered_by_place_and_written_canonically),
          TEST(digest_is_that_of_the_canonical_text_and_ignores_metadata_and_order),
          TEST(model_without_tensors_has_a_layout), TEST(find_skips_tensors_without_bytes),
          TEST(plain_bytes_have_a_layout_of_one_tensor), TEST(plain_bytes_in_two_parts_have_two_tensors),
          TEST(canonical_text_parses_to_itself))
