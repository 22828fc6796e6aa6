/* The rules for names in a bundle. */
#include "bundle/member.h"
#include "support/test.h"

#include <string.h>

static void refuse(const char *name)
{
    char path[MEMBER_PATH_BYTES];
    CHECK_STATUS(member_path(name, path, &test_error), ANB_INVALID);
}

static void clean(const char *name, const char *expected)
{
    char path[MEMBER_PATH_BYTES];
    CHECK_STATUS(member_path(name, path, &test_error), ANB_OK);
    CHECK_TEXT(path, expected);
}

static void bad_names_are_refused(void)
{
    refuse(NULL);
    refuse("");
    refuse("/");
    refuse("..");
    refuse("a/../b");
    refuse("./..");
    refuse("\xff\xfe");
    refuse("tab\there");
}

static void names_are_cleaned(void)
{
    clean("a", "a");
    clean("./a//b/./c/", "a/b/c");
    clean("./", "");
    clean("...", "...");
    clean("a..b", "a..b");
}

static void add(struct members *members, const char *path, bool is_folder, int64_t size, enum anb_status expected)
{
    CHECK_STATUS(members_add(members, path, is_folder, size, &test_error), expected);
}

static void folders_may_be_named_again_files_not(void)
{
    struct members members;
    REQUIRE(members_init(&members, &(struct bundle_limits){100, 100}, NULL) == ANB_OK);
    add(&members, "a/b/c", false, 1, ANB_OK);
    add(&members, "a", true, 0, ANB_OK);
    add(&members, "a/b", true, 0, ANB_OK);
    add(&members, "a/b", false, 1, ANB_EXISTS);
    add(&members, "a/b/c", true, 0, ANB_EXISTS);
    add(&members, "a/b/c/d", false, 1, ANB_EXISTS);
    add(&members, "a/bc", false, 1, ANB_OK);
    CHECK_EQUAL(members.n_files, 4);
    members_fini(&members);
}

static void bytes_and_files_are_limited(void)
{
    struct members members;
    REQUIRE(members_init(&members, &(struct bundle_limits){2, 100}, NULL) == ANB_OK);
    add(&members, "a", false, 101, ANB_TOO_LARGE);
    add(&members, "a", false, -1, ANB_TOO_LARGE);
    add(&members, "a", false, 100, ANB_OK);
    add(&members, "b", false, 1, ANB_TOO_LARGE);
    add(&members, "b", false, 0, ANB_OK);
    add(&members, "c", false, 0, ANB_TOO_LARGE);
    members_fini(&members);
}

TEST_MAIN("member", TEST(bad_names_are_refused), TEST(names_are_cleaned), TEST(folders_may_be_named_again_files_not),
          TEST(bytes_and_files_are_limited))
