#include "tensor/safetensors.h"

#include "base/file.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";

/* An open file of these bytes, already without a name. */
static int file_of(const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/file", test_folder());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    unlink(path);
    if (fd >= 0) file_write_all(fd, bytes, size, 0, NULL);
    return fd;
}

/* Header size as claimed, the text, then so many zeros. */
static int model_of(uint64_t claimed, const char *text, size_t n_data)
{
    unsigned char bytes[1024] = {0};
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(claimed >> (8 * i));
    memcpy(bytes + 8, text, strlen(text));
    return file_of(bytes, 8 + strlen(text) + n_data);
}

static void check_refused(int fd, enum anb_status expected, const char *why)
{
    struct safetensors file = {0};
    test_error.text[0] = 0;
    CHECK_STATUS(safetensors_open(fd, "m.safetensors", &file, &test_error), expected);
    CHECK(file.layout == NULL);
    CHECK(strstr(test_error.text, "m.safetensors") != NULL);
    CHECK(strstr(test_error.text, why) != NULL);
    close(fd);
}

static void file_too_short_for_a_size_is_refused(void)
{
    check_refused(file_of("", 0), ANB_CORRUPT, "too short");
    check_refused(file_of("\1\0\0\0\0\0\0", 7), ANB_CORRUPT, "too short");
}

static void header_size_that_lies_is_refused_without_memory_for_it(void)
{
    check_refused(model_of(UINT64_MAX, header, 8), ANB_TOO_LARGE, "at most 1310720");
    check_refused(model_of(INT64_MAX, header, 8), ANB_TOO_LARGE, "at most 1310720");
    check_refused(model_of(LAYOUT_MAX_BYTES + 1, header, 8), ANB_TOO_LARGE, "at most 1310720");
    check_refused(model_of(LAYOUT_MAX_BYTES, header, 8), ANB_CORRUPT, "cut off inside its header");
    check_refused(model_of(0, "", 0), ANB_INVALID, "begins with '{'");
    check_refused(model_of(strlen(header) - 1, header, 8), ANB_INVALID, "the text ends");
}

static void file_longer_or_shorter_than_its_head_is_refused(void)
{
    check_refused(model_of(strlen(header), header, 7), ANB_CORRUPT, "cut off");
    check_refused(model_of(strlen(header), header, 0), ANB_CORRUPT, "cut off");
    check_refused(model_of(strlen(header), header, 9), ANB_CORRUPT, "too long");
}

static void bad_layout_is_refused_with_the_files_name(void)
{
    check_refused(model_of(3, "{\"}", 0), ANB_INVALID, "the text ends inside quotes");
}

static void descriptors_that_are_no_plain_file_are_refused(void)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    close(ends[1]);
    check_refused(ends[0], ANB_INVALID, "not a plain file");
    check_refused(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ANB_INVALID, "not a plain file");
    check_refused(-1, ANB_IO, "cannot look at");
}

static void good_file_opens_and_says_where_its_data_is(void)
{
    struct safetensors file = {0};
    int fd = model_of(strlen(header), header, 8);
    CHECK_STATUS(safetensors_open(fd, "m.safetensors", &file, &test_error), ANB_OK);
    REQUIRE(file.layout != NULL);
    CHECK_EQUAL(file.data_offset, (int64_t)(8 + strlen(header)));
    CHECK_EQUAL(layout_data_bytes(file.layout), 8);
    safetensors_fini(&file);
    CHECK(file.layout == NULL);
    close(fd);
}

static struct layout *layout_of(const char *text)
{
    struct layout *layout = NULL;
    CHECK_STATUS(layout_parse(slice_of_text(text), &layout, &test_error), ANB_OK);
    REQUIRE(layout != NULL);
    return layout;
}

static void check_round_trip(const char *text, const char *const *metadata)
{
    struct layout *layout = layout_of(text);
    struct buf head;
    buf_init(&head, LAYOUT_MAX_BYTES + 8);
    CHECK_STATUS(safetensors_head(layout, metadata, &head, &test_error), ANB_OK);
    CHECK_EQUAL(head.size % 64, 0);
    int fd = file_of(head.data, head.size);
    CHECK(ftruncate(fd, (off_t)head.size + layout_data_bytes(layout)) == 0);
    struct safetensors file = {0};
    CHECK_STATUS(safetensors_open(fd, "m.safetensors", &file, &test_error), ANB_OK);
    REQUIRE(file.layout != NULL);
    CHECK_EQUAL(file.data_offset, (int64_t)head.size);
    CHECK(digest_equal(layout_digest(file.layout), layout_digest(layout)));
    safetensors_fini(&file);
    close(fd);
    buf_fini(&head);
    layout_free(layout);
}

static void what_head_writes_opens_with_the_same_layout_and_aligned_data(void)
{
    static const char *const none[] = {NULL};
    static const char *const pairs[] = {"format", "pt", "a \"quoted\"\n key", "\xc3\xa9", NULL};
    static const char *const texts[] = {"{}", header, "{\"\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_round_trip(texts[i], NULL);
        check_round_trip(texts[i], none);
        check_round_trip(texts[i], pairs);
    }
}

static void metadata_stands_in_front_of_the_tensors(void)
{
    static const char *const pairs[] = {"k", "v", NULL};
    struct layout *layout = layout_of(header);
    struct buf head;
    buf_init(&head, LAYOUT_MAX_BYTES);
    CHECK_STATUS(safetensors_head(layout, pairs, &head, &test_error), ANB_OK);
    static const char expected[] =
        "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} ";
    CHECK(memcmp(head.data + 8, expected, sizeof expected - 1) == 0);
    buf_fini(&head);
    layout_free(layout);
}

static void metadata_that_is_not_utf8_is_refused_and_nothing_appended(void)
{
    static const char *const pairs[] = {"k", "\xff", NULL};
    struct layout *layout = layout_of(header);
    struct buf head;
    buf_init(&head, 4096);
    CHECK_STATUS(safetensors_head(layout, pairs, &head, &test_error), ANB_INVALID);
    CHECK_EQUAL(head.size, 0);
    buf_fini(&head);
    buf_init(&head, 16);
    CHECK_STATUS(safetensors_head(layout, NULL, &head, &test_error), ANB_TOO_LARGE);
    CHECK_EQUAL(head.size, 0);
    buf_fini(&head);
    layout_free(layout);
}

TEST_MAIN("safetensors", TEST(file_too_short_for_a_size_is_refused),
          TEST(header_size_that_lies_is_refused_without_memory_for_it),
          TEST(file_longer_or_shorter_than_its_head_is_refused), TEST(bad_layout_is_refused_with_the_files_name),
          TEST(descriptors_that_are_no_plain_file_are_refused), TEST(good_file_opens_and_says_where_its_data_is),
          TEST(what_head_writes_opens_with_the_same_layout_and_aligned_data),
          TEST(metadata_stands_in_front_of_the_tensors),
          TEST(metadata_that_is_not_utf8_is_refused_and_nothing_appended))
