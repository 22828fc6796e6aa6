/* Which descriptors of a trainer are taken. */
#include "support/test.h"
#include "update.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char header[] = "{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";

static int make(int seals, size_t data_bytes)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    uint64_t size = strlen(header);
    REQUIRE(pwrite(fd, &size, 8, 0) == 8);
    REQUIRE(pwrite(fd, header, size, 8) == (ssize_t)size);
    REQUIRE(ftruncate(fd, (off_t)(8 + size + data_bytes)) == 0);
    REQUIRE(fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

static void check(int fd, const char *words)
{
    struct safetensors file;
    CHECK_EQUAL(update_check(fd, &file, &test_error), ANB_INVALID);
    CHECK(strstr(test_error.text, words) != NULL);
    close(fd);
}

enum { ALL = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static void what_is_no_memfd_is_refused(void)
{
    int ends[2];
    char path[256];
    REQUIRE(pipe(ends) == 0);
    close(ends[1]);
    check(ends[0], "not a memfd");
    snprintf(path, sizeof path, "%s/file", test_folder());
    check(open(path, O_CREAT | O_RDWR, 0600), "not");
    check(-1, "not a memfd");
}

static void what_can_still_change_is_refused(void)
{
    check(make(0, 4), "not sealed");
    check(make(F_SEAL_SHRINK | F_SEAL_GROW, 4), "not sealed");
    check(make(F_SEAL_SHRINK | F_SEAL_WRITE, 4), "not sealed");
    check(make(F_SEAL_GROW | F_SEAL_WRITE, 4), "not sealed");
}

static void what_is_not_exactly_a_model_is_refused(void)
{
    check(make(ALL, 3), "the model");
    check(make(ALL, 5), "the model");
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    fcntl(fd, F_ADD_SEALS, ALL);
    check(fd, "the model");
}

static void a_sealed_model_is_taken(void)
{
    struct safetensors file;
    int fd = make(ALL, 4);
    CHECK_STATUS(update_check(fd, &file, &test_error), ANB_OK);
    CHECK_EQUAL(layout_data_bytes(file.layout), 4);
    safetensors_fini(&file);
    close(fd);
}

static void what_the_agent_seals_stays(void)
{
    int fd;
    CHECK_STATUS(update_new_memfd("m", &fd, &test_error), ANB_OK);
    CHECK_EQUAL(write(fd, "x", 1), 1);
    CHECK_STATUS(update_seal(fd, &test_error), ANB_OK);
    CHECK_EQUAL(pwrite(fd, "y", 1, 0), -1);
    CHECK(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    close(fd);
}

TEST_MAIN("client update", TEST(what_is_no_memfd_is_refused), TEST(what_can_still_change_is_refused),
          TEST(what_is_not_exactly_a_model_is_refused), TEST(a_sealed_model_is_taken), TEST(what_the_agent_seals_stays))
