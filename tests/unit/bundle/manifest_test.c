/* Manifests: what is refused of text, name and archive, then what comes back as it was written. */
#include "bundle/manifest.h"

#include "base/file.h"
#include "support/tar.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct bundle_limits limits = {BUNDLE_MAX_FILES, BUNDLE_MAX_BYTES};
enum { NOW_S = 1700000000 };

/* An archive of files with these contents; NULL content: left out. */
static int archive(const char *train, const char *extra)
{
    struct buf tar;
    buf_init(&tar, 1 << 20);
    tar_file(&tar, "train.py", train);
    tar_file(&tar, "job.yaml", "name: digits\n");
    if (extra) tar_file(&tar, extra, "x");
    tar_end(&tar);
    int fd = memfd_create("archive", MFD_CLOEXEC);
    if (fd < 0 || file_write_all(fd, tar.data, tar.size, 0, NULL) != ANB_OK) abort();
    buf_fini(&tar);
    return fd;
}

static int64_t size_of(int fd)
{
    return lseek(fd, 0, SEEK_END);
}

static struct manifest *manifest_of(int fd)
{
    struct manifest *manifest = NULL;
    REQUIRE(manifest_new("demo", "rosa", "r-1", &manifest, &test_error) == ANB_OK);
    manifest->signed_s = NOW_S;
    manifest->expires_s = NOW_S + MANIFEST_VALID_S;
    CHECK_STATUS(manifest_take_archive(manifest, fd, size_of(fd), &test_error), ANB_OK);
    return manifest;
}

static struct manifest *usual(void)
{
    int fd = archive("print(1)\n", NULL);
    struct manifest *manifest = manifest_of(fd);
    close(fd);
    return manifest;
}

static char *text_of(const struct manifest *manifest)
{
    struct buf text;
    buf_init(&text, MANIFEST_MAX_BYTES);
    CHECK_STATUS(manifest_write(manifest, &text, &test_error), ANB_OK);
    return buf_take_text(&text);
}

static void says(const char *words)
{
    CHECK(strstr(test_error.text, words) != NULL);
    if (!strstr(test_error.text, words)) printf("no \"%s\" in: %s\n", words, test_error.text);
}

static void bad_names_are_refused(void)
{
    struct manifest *manifest = NULL;
    CHECK_STATUS(manifest_new("De mo", "rosa", "r", &manifest, &test_error), ANB_INVALID);
    CHECK_STATUS(manifest_new("demo", "", "r", &manifest, &test_error), ANB_INVALID);
    CHECK_STATUS(manifest_new("demo", "rosa", "", &manifest, &test_error), ANB_INVALID);
    CHECK_STATUS(manifest_new("demo", "rosa", "a b", &manifest, &test_error), ANB_INVALID);
}

static void refused_text(const char *text, const char *words)
{
    struct manifest *manifest = NULL;
    CHECK_STATUS(manifest_read(slice_of_text(text), &manifest, &test_error), ANB_CORRUPT);
    CHECK(!manifest);
    says(words);
}

static void texts_that_are_no_manifest_are_refused(void)
{
    refused_text("", "not a manifest");
    refused_text("{}", "its form is not anabranch-1");
    refused_text("{\"manifest\":\"anabranch-1\",\"project\":\"demo\",\"submitter\":\"rosa\",\"request\":\"r\"}",
                 "its times are none");
}

/* Replace the first `from` in the usual manifest's text; it must no longer be read. */
static void refused_change(const char *from, const char *to)
{
    struct manifest *manifest = usual();
    char *text = text_of(manifest), *changed = NULL, *at = strstr(text, from);
    REQUIRE(at != NULL);
    REQUIRE(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    refused_text(changed, "not a manifest");
    free(changed);
    free(text);
    manifest_free(manifest);
}

static void other_forms_of_the_same_are_refused(void)
{
    refused_change(",\n\"archive\"", ", \n\"archive\"");
    refused_change("\"request\":\"r-1\"", "\"request\":\"r\\u002d1\"");
    refused_change("\"files\":[", "\"more\":1,\"files\":[");
    refused_change("]}\n", "]}");
    refused_change("]}\n", "]}\n ");
    refused_change("\"job.yaml\"", "\"zzz.yaml\""); /* out of order */
    refused_change("\"train.py\"", "\"job.yaml\""); /* twice */
    refused_change("\"train.py\"", "\"/train.py\"");
    refused_change("\"train.py\"", "\"x/../t\"");
    refused_change("\"bytes\":9,", "\"bytes\":-9,");
}

static void what_was_written_is_read_as_it_was(void)
{
    struct manifest *manifest = usual(), *again = NULL;
    memset(manifest->model.layout.bytes, 7, DIGEST_BYTES);
    manifest->model.bytes = 1234;
    char *text = text_of(manifest);
    CHECK_STATUS(manifest_read(slice_of_text(text), &again, &test_error), ANB_OK);
    REQUIRE(again != NULL);
    CHECK_TEXT(again->project, "demo");
    CHECK_TEXT(again->submitter, "rosa");
    CHECK_TEXT(again->request, "r-1");
    CHECK_EQUAL(again->expires_s, NOW_S + MANIFEST_VALID_S);
    CHECK_EQUAL(again->model.bytes, 1234);
    CHECK_EQUAL(again->n_files, 2);
    CHECK_TEXT(again->files[0].path, "job.yaml"); /* sorted, whatever the archive's order */
    CHECK(digest_equal(&again->archive, &manifest->archive));
    REQUIRE(manifest_find(again, "train.py") != NULL);
    CHECK_EQUAL(manifest_find(again, "train.py")->bytes, 9);
    CHECK(!manifest_find(again, "train"));
    free(text);
    manifest_free(again);
    manifest_free(manifest);
}

static void refused_claim(const char *project, const char *request, const char *submitter, int64_t now_s,
                          const char *words)
{
    struct manifest *manifest = usual();
    CHECK_STATUS(manifest_check(manifest, project, request, submitter, now_s, &test_error), ANB_DENIED);
    says(words);
    manifest_free(manifest);
}

static void a_manifest_for_something_else_is_denied(void)
{
    refused_claim("other", "r-1", "rosa", NOW_S, "is of project demo, not other");
    refused_claim("demo", "r-2", "rosa", NOW_S, "is of request \"r-1\", not \"r-2\"");
    refused_claim("demo", "r-1", "jan", NOW_S, "is by rosa, not jan");
}

static void a_manifest_of_another_time_is_denied(void)
{
    refused_claim("demo", "r-1", "rosa", NOW_S - MANIFEST_CLOCK_S - 1, "from now: a clock is wrong");
    refused_claim("demo", "r-1", "rosa", NOW_S + MANIFEST_VALID_S + MANIFEST_CLOCK_S + 1, "expired");
    struct manifest *manifest = usual();
    CHECK_STATUS(manifest_check(manifest, "demo", "r-1", "rosa", NOW_S - MANIFEST_CLOCK_S, &test_error), ANB_OK);
    CHECK_STATUS(manifest_check(manifest, "demo", "r-1", "rosa", NOW_S + MANIFEST_VALID_S, &test_error), ANB_OK);
    manifest_free(manifest);
}

/* The usual manifest against this archive; `lies`: its submitter has signed just this archive, but other files. */
static void refused_archive(int fd, bool lies, const char *words)
{
    struct manifest *manifest = usual();
    if (lies) {
        manifest->archive_bytes = size_of(fd);
        REQUIRE(digest_of_file(fd, 0, size_of(fd), &manifest->archive, &test_error) == ANB_OK);
    }
    CHECK_STATUS(manifest_check_archive(manifest, fd, size_of(fd), &limits, &test_error), ANB_CORRUPT);
    says(words);
    manifest_free(manifest);
    close(fd);
}

static void archives_that_are_not_the_signed_one_are_refused(void)
{
    refused_archive(archive("print(2)\n", NULL), false, "was altered after it was signed");
    refused_archive(archive("print(1)\n", "more.py"), false, "bytes, the signed one has");
}

static void files_that_are_not_the_signed_ones_are_refused_by_name(void)
{
    refused_archive(archive("print(2)\n", NULL), true, "train.py: altered after it was signed");
    refused_archive(archive("print(1)\n", "a.py"), true, "a.py: in the job folder, but not signed");
    refused_archive(archive("print(1)\n", "z.py"), true, "z.py: in the job folder, but not signed");
    struct buf tar;
    buf_init(&tar, 1 << 20);
    tar_file(&tar, "job.yaml", "name: digits\n");
    tar_end(&tar);
    int fd = memfd_create("archive", MFD_CLOEXEC);
    REQUIRE(file_write_all(fd, tar.data, tar.size, 0, NULL) == ANB_OK);
    buf_fini(&tar);
    refused_archive(fd, true, "train.py: signed, but missing in the job folder");
}

static void an_archive_that_ends_too_early_is_refused(void)
{
    int fd = archive("print(1)\n", NULL);
    struct manifest *manifest = manifest_of(fd);
    REQUIRE(ftruncate(fd, 100) == 0);
    CHECK_STATUS(manifest_check_archive(manifest, fd, manifest->archive_bytes, &limits, &test_error), ANB_CORRUPT);
    says("too early");
    manifest_free(manifest);
    close(fd);
}

static void the_signed_archive_is_taken(void)
{
    int fd = archive("print(1)\n", NULL);
    struct manifest *manifest = manifest_of(fd);
    CHECK_STATUS(manifest_check_archive(manifest, fd, size_of(fd), &limits, &test_error), ANB_OK);
    manifest_free(manifest);
    close(fd);
}

static void a_signature_holds_for_its_key_and_just_this_text(void)
{
    struct manifest *manifest = usual();
    struct key *key = NULL;
    struct buf text;
    struct slice body;
    struct signature signature;
    struct digest digest;
    buf_init(&text, MANIFEST_MAX_BYTES);
    REQUIRE(key_make(&key, &test_error) == ANB_OK);
    CHECK_STATUS(manifest_sign(manifest, key, &text, &test_error), ANB_OK);
    CHECK_STATUS(signature_split(buf_slice(&text), "a manifest", &body, &signature, &test_error), ANB_OK);
    REQUIRE(digest_of(body, &digest, &test_error) == ANB_OK);
    struct slice bytes = slice_of(digest.bytes, DIGEST_BYTES);
    CHECK_STATUS(sign_verify(key, MANIFEST_PURPOSE, bytes, &signature, &test_error), ANB_OK);
    CHECK_STATUS(sign_verify(key, "anabranch roster", bytes, &signature, &test_error), ANB_DENIED);
    digest.bytes[0] ^= 1;
    CHECK_STATUS(sign_verify(key, MANIFEST_PURPOSE, bytes, &signature, &test_error), ANB_DENIED);
    buf_fini(&text);
    key_free(key);
    manifest_free(manifest);
}

TEST_MAIN("manifest", TEST(bad_names_are_refused), TEST(texts_that_are_no_manifest_are_refused),
          TEST(other_forms_of_the_same_are_refused), TEST(a_manifest_for_something_else_is_denied),
          TEST(a_manifest_of_another_time_is_denied), TEST(archives_that_are_not_the_signed_one_are_refused),
          TEST(files_that_are_not_the_signed_ones_are_refused_by_name), TEST(an_archive_that_ends_too_early_is_refused),
          TEST(what_was_written_is_read_as_it_was), TEST(the_signed_archive_is_taken),
          TEST(a_signature_holds_for_its_key_and_just_this_text))
