#include "base/file.h"
#include "server/store_file.h"
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[256], path[300];

static void set_folder(void)
{
    snprintf(folder, sizeof folder, "%s/00000000000000a1", test_folder());
    snprintf(path, sizeof path, "%s/" STORE_FILE_NAME, folder);
}

static enum anb_status fill_with_text(void *context, int fd, struct anb_error *err)
{
    return file_write_all(fd, context, strlen(context), 0, err);
}

static enum anb_status fill_much(void *context, int fd, struct anb_error *err)
{
    static char zeros[1 << 16];
    enum anb_status status = ANB_OK;
    (void)context;
    for (int i = 0; i < 64 && status == ANB_OK; i++)
        status = file_write_all(fd, zeros, sizeof zeros, (int64_t)i * (int64_t)sizeof zeros, err);
    return status;
}

static enum anb_status fill_then_fail(void *context, int fd, struct anb_error *err)
{
    fill_with_text(context, fd, NULL);
    return anb_fail(err, ANB_NO_SPACE, "disk full");
}

static void check_content(const char *expected)
{
    struct buf text;
    buf_init(&text, 4096);
    CHECK_STATUS(file_read(path, &text, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&text), expected);
    buf_fini(&text);
}

static void after_a_failure_nothing_is_left(void)
{
    char beside[300];
    struct stored_file stored;
    set_folder();
    CHECK_STATUS(store_file(folder, fill_then_fail, (char[]){"half"}, &stored, &test_error), ANB_NO_SPACE);
    snprintf(beside, sizeof beside, "%s/incoming.tmp", folder);
    CHECK(access(path, F_OK) != 0);
    CHECK(access(beside, F_OK) != 0);
}

static void after_a_failure_the_old_model_still_stands(void)
{
    struct stored_file stored;
    set_folder();
    CHECK_STATUS(store_file(folder, fill_with_text, (char[]){"old"}, &stored, &test_error), ANB_OK);
    CHECK_STATUS(store_file(folder, fill_then_fail, (char[]){"new"}, &stored, &test_error), ANB_NO_SPACE);
    check_content("old");
}

/* The kernel refuses writes beyond the limit, as a full disk does. */
static void a_disk_that_takes_no_more_is_an_error_not_an_end(void)
{
    struct rlimit old, small;
    struct stored_file stored;
    set_folder();
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){1 << 20, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    enum anb_status status = store_file(folder, fill_much, NULL, &stored, &test_error);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(status == ANB_IO || status == ANB_NO_SPACE);
    CHECK(strstr(test_error.text, "cannot write") != NULL);
}

static void a_folder_that_cannot_be_made_is_told(void)
{
    struct stored_file stored;
    CHECK(store_file("/proc/anabranch", fill_with_text, (char[]){"x"}, &stored, &test_error) != ANB_OK);
    CHECK(strstr(test_error.text, "/proc/anabranch") != NULL);
}

static void size_and_digest_are_those_of_the_file(void)
{
    struct stored_file stored;
    struct digest expected;
    set_folder();
    CHECK_STATUS(store_file(folder, fill_with_text, (char[]){"the bytes"}, &stored, &test_error), ANB_OK);
    CHECK_STATUS(digest_of(slice_of_text("the bytes"), &expected, &test_error), ANB_OK);
    CHECK(digest_equal(&stored.digest, &expected));
    CHECK_EQUAL(stored.bytes, 9);
    check_content("the bytes");
}

TEST_MAIN("server_store_file", TEST(after_a_failure_nothing_is_left), TEST(after_a_failure_the_old_model_still_stands),
          TEST(a_disk_that_takes_no_more_is_an_error_not_an_end), TEST(a_folder_that_cannot_be_made_is_told),
          TEST(size_and_digest_are_those_of_the_file))
