#include "base/file.h"

#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path(const char *name)
{
    static char paths[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", test_folder(), name);
    return paths[turn];
}

static void check_content(const char *name, const char *expected)
{
    struct buf bytes;
    buf_init(&bytes, 1000);
    CHECK_STATUS(file_read(path(name), &bytes, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&bytes), expected);
    buf_fini(&bytes);
}

static void missing_file_is_not_found_and_named(void)
{
    struct buf bytes;
    buf_init(&bytes, 10);
    CHECK_STATUS(file_read("/nowhere/file", &bytes, &test_error), ANB_NOT_FOUND);
    CHECK(strstr(test_error.text, "/nowhere/file") != NULL);
    CHECK_STATUS(file_read("/", &bytes, &test_error), ANB_IO);
    buf_fini(&bytes);
}

static void file_beyond_the_ceiling_leaves_the_buf_as_it_was(void)
{
    struct buf bytes;
    buf_init(&bytes, 100000);
    CHECK_STATUS(buf_append_text(&bytes, "before", &test_error), ANB_OK);
    CHECK_STATUS(file_read("/dev/zero", &bytes, &test_error), ANB_TOO_LARGE);
    CHECK(strstr(test_error.text, "/dev/zero") != NULL);
    CHECK_TEXT(buf_text(&bytes), "before");
    buf_fini(&bytes);
}

static void file_is_not_written_where_no_folder_is(void)
{
    CHECK_STATUS(file_write("/nowhere/file", slice_of_text("x"), &test_error), ANB_NOT_FOUND);
    char name[5000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    CHECK_STATUS(file_write(name, slice_of_text("x"), &test_error), ANB_INVALID);
}

static void full_disk_is_no_space_and_leaves_nothing(void)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    CHECK_STATUS(file_write_all(fd, "x", 1, 0, &test_error), ANB_NO_SPACE);
    close(fd);
}

static void written_file_replaces_the_old_one_and_nothing_stays_beside_it(void)
{
    CHECK_STATUS(file_write(path("f"), slice_of_text("old and long"), &test_error), ANB_OK);
    CHECK_STATUS(file_write(path("f"), slice_of_text("new"), &test_error), ANB_OK);
    check_content("f", "new");
    CHECK_STATUS(file_write(path("f"), slice_of(NULL, 0), &test_error), ANB_OK);
    check_content("f", "");
    CHECK_EQUAL(unlink(path("f")), 0);
}

static void folders_are_made_with_all_above_them(void)
{
    struct stat info;
    CHECK_STATUS(file_make_folders(path("a/b//c"), &test_error), ANB_OK);
    CHECK_STATUS(file_make_folders(path("a/b/c/"), &test_error), ANB_OK);
    CHECK(stat(path("a/b/c"), &info) == 0 && S_ISDIR(info.st_mode));
    CHECK_STATUS(file_make_folders("/", &test_error), ANB_OK);
    CHECK_STATUS(file_make_folders("", &test_error), ANB_INVALID);
}

static void file_in_a_folder_s_place_is_an_error(void)
{
    CHECK_STATUS(file_write(path("file"), slice_of_text("x"), &test_error), ANB_OK);
    CHECK_STATUS(file_make_folders(path("file"), &test_error), ANB_EXISTS);
    CHECK_STATUS(file_make_folders(path("file/below"), &test_error), ANB_IO);
}

static void folder_is_removed_but_links_are_not_followed(void)
{
    CHECK_STATUS(file_make_folders(path("keep"), &test_error), ANB_OK);
    CHECK_STATUS(file_write(path("keep/me"), slice_of_text("x"), &test_error), ANB_OK);
    CHECK_STATUS(file_make_folders(path("gone/deep"), &test_error), ANB_OK);
    CHECK_EQUAL(symlink(path("keep"), path("gone/link")), 0);
    CHECK_STATUS(file_remove_folder(path("gone"), &test_error), ANB_OK);
    CHECK(access(path("gone"), F_OK) != 0);
    check_content("keep/me", "x");
    CHECK_STATUS(file_remove_folder(path("gone"), &test_error), ANB_OK);
}

static void bytes_are_written_at_their_offset(void)
{
    int fd = open(path("at"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    CHECK_STATUS(file_write_all(fd, "world", 5, 6, &test_error), ANB_OK);
    CHECK_STATUS(file_write_all(fd, "hello ", 6, 0, &test_error), ANB_OK);
    close(fd);
    check_content("at", "hello world");
}

TEST_MAIN("file", TEST(missing_file_is_not_found_and_named), TEST(file_beyond_the_ceiling_leaves_the_buf_as_it_was),
          TEST(file_is_not_written_where_no_folder_is), TEST(full_disk_is_no_space_and_leaves_nothing),
          TEST(written_file_replaces_the_old_one_and_nothing_stays_beside_it),
          TEST(folders_are_made_with_all_above_them), TEST(file_in_a_folder_s_place_is_an_error),
          TEST(folder_is_removed_but_links_are_not_followed), TEST(bytes_are_written_at_their_offset))
