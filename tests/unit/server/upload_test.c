#include "server/upload.h"
#include "support/test.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

static const struct upload_limits limits = {.bundle_bytes = 1 << 20, .manifest_bytes = 1 << 16, .model_bytes = 2 << 20};
static struct upload upload;

static enum anb_status put(const char *name, int64_t offset, const char *text)
{
    return upload_put(&upload, test_folder(), &limits, name, offset, text, strlen(text), &test_error);
}

static void an_unknown_part_is_refused(void)
{
    upload_init(&upload);
    CHECK_STATUS(put("modell", 0, "x"), ANB_INVALID);
    upload_fini(&upload);
}

static void a_part_that_stands_twice_is_refused(void)
{
    upload_init(&upload);
    CHECK_STATUS(put("bundle", 0, "x"), ANB_OK);
    CHECK_STATUS(put("bundle", 0, "x"), ANB_INVALID);
    CHECK_STATUS(put("request", 0, "a"), ANB_OK);
    CHECK_STATUS(put("request", 0, "a"), ANB_INVALID);
    upload_fini(&upload);
}

static void every_part_has_a_ceiling(void)
{
    upload_init(&upload);
    CHECK_STATUS(put("bundle", 1 << 20, "x"), ANB_TOO_LARGE);
    CHECK_STATUS(put("manifest", 1 << 16, "x"), ANB_TOO_LARGE);
    CHECK_STATUS(put("model", 2 << 20, "x"), ANB_TOO_LARGE);
    CHECK(strstr(test_error.text, "anabranch dev up --bootstrap-servers HOST:PORT") != NULL);
    CHECK_STATUS(put("request", 0, "01234567890123456789012345678901234567890123456789012345678901234"), ANB_INVALID);
    upload_fini(&upload);
}

static void a_model_has_no_ceiling_when_none_is_set(void)
{
    struct upload_limits none = {.bundle_bytes = 1};
    upload_init(&upload);
    CHECK_STATUS(upload_put(&upload, test_folder(), &none, "model", 0, "xyz", 3, &test_error), ANB_OK);
    upload_fini(&upload);
}

static void a_folder_that_is_not_there_is_an_error_with_its_name(void)
{
    upload_init(&upload);
    CHECK_STATUS(upload_put(&upload, "/nowhere/at/all", &limits, "bundle", 0, "x", 1, &test_error), ANB_NOT_FOUND);
    CHECK(strstr(test_error.text, "/nowhere/at/all") != NULL);
    upload_fini(&upload);
}

static void a_submission_without_bundle_is_refused(void)
{
    upload_init(&upload);
    CHECK_STATUS(put("model", 0, "x"), ANB_OK);
    CHECK_STATUS(upload_finish(&upload, &test_error), ANB_INVALID);
    upload_fini(&upload);
}

static void a_submission_without_manifest_is_refused(void)
{
    upload_init(&upload);
    CHECK_STATUS(put("bundle", 0, "x"), ANB_OK);
    CHECK_STATUS(upload_finish(&upload, &test_error), ANB_INVALID);
    upload_fini(&upload);
}

static void a_request_id_has_few_kinds_of_bytes(void)
{
    upload_init(&upload);
    CHECK_STATUS(put("bundle", 0, "x"), ANB_OK);
    CHECK_STATUS(put("manifest", 0, "x"), ANB_OK);
    CHECK_STATUS(put("request", 0, "a b"), ANB_OK);
    CHECK_STATUS(upload_finish(&upload, &test_error), ANB_INVALID);
    upload_fini(&upload);
}

static void parts_arrive_in_pieces_and_leave_no_name_behind(void)
{
    char got[8] = "";
    upload_init(&upload);
    CHECK_STATUS(put("bundle", 0, "ab"), ANB_OK);
    CHECK_STATUS(put("request", 0, "run-"), ANB_OK);
    CHECK_STATUS(put("request", 4, "7"), ANB_OK);
    CHECK_STATUS(put("manifest", 0, "x"), ANB_OK);
    CHECK_STATUS(put("bundle", 2, "cd"), ANB_OK);
    CHECK_STATUS(upload_finish(&upload, &test_error), ANB_OK);
    CHECK_TEXT(upload.request, "run-7");
    CHECK_EQUAL(upload.bundle.bytes, 4);
    CHECK_EQUAL(pread(upload.bundle.fd, got, sizeof got, 0), 4);
    CHECK_TEXT(got, "abcd");
    CHECK_EQUAL(upload.model.fd, -1);
    DIR *folder = opendir(test_folder());
    int n = 0;
    while (folder && readdir(folder)) n++;
    if (folder) closedir(folder);
    CHECK_EQUAL(n, 2); /* . and .. */
    upload_fini(&upload);
}

TEST_MAIN("server_upload", TEST(an_unknown_part_is_refused), TEST(a_part_that_stands_twice_is_refused),
          TEST(every_part_has_a_ceiling), TEST(a_model_has_no_ceiling_when_none_is_set),
          TEST(a_folder_that_is_not_there_is_an_error_with_its_name), TEST(a_submission_without_bundle_is_refused),
          TEST(a_submission_without_manifest_is_refused), TEST(a_request_id_has_few_kinds_of_bytes),
          TEST(parts_arrive_in_pieces_and_leave_no_name_behind))
