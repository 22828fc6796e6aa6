/* Bundles: hostile archives first, then what travels, and that it travels the same everywhere. */
#include "bundle/bundle.h"

#include "base/file.h"
#include "crypto/digest.h"
#include "support/tar.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct bundle_limits small = {.max_files = 4, .max_bytes = 4096};
static const struct bundle_limits normal = {.max_files = BUNDLE_MAX_FILES, .max_bytes = BUNDLE_MAX_BYTES};
static struct buf tar;

/* An empty folder of its own for each test. */
static const char *fresh_folder(void)
{
    static char path[256];
    static int count;
    snprintf(path, sizeof path, "%s/%d", test_folder(), count++);
    if (file_make_folders(path, NULL) != ANB_OK) abort();
    return path;
}

static const char *in(const char *folder, const char *name)
{
    static char path[2][512];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int open_bytes(struct slice bytes)
{
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    if (fd < 0 || file_write_all(fd, bytes.data, bytes.size, 0, NULL) != ANB_OK) abort();
    return fd;
}

static void begin(void)
{
    buf_init(&tar, 1 << 20);
}

static size_t count_entries(const char *folder)
{
    char command[600], line[32] = "";
    snprintf(command, sizeof command, "find '%s' -mindepth 1 | wc -l", folder);
    FILE *pipe = popen(command, "r");
    if (!pipe || !fgets(line, sizeof line, pipe)) abort();
    pclose(pipe);
    return strtoul(line, NULL, 10);
}

/* Both ways in refuse what stands in `tar`, with these words; frees it. */
static void refuse(const struct bundle_limits *limits, enum anb_status expected, const char *words)
{
    const char *folder = fresh_folder();
    int fd = open_bytes(buf_slice(&tar));
    CHECK_STATUS(bundle_unpack(fd, limits, folder, &test_error), expected);
    CHECK(strstr(test_error.text, words) != NULL);
    lseek(fd, 0, SEEK_SET);
    strcpy(test_error.text, "");
    CHECK_STATUS(bundle_read(fd, limits, NULL, NULL, &test_error), expected);
    CHECK(strstr(test_error.text, words) != NULL);
    if (!strstr(test_error.text, words)) printf("no \"%s\" in: %s\n", words, test_error.text);
    close(fd);
    buf_fini(&tar);
}

static void refuse_name(const char *name, const char *words)
{
    begin();
    if (strlen(name) > 99) tar_long_name(&tar, name);
    tar_file(&tar, name, "x");
    tar_end(&tar);
    refuse(&normal, ANB_INVALID, words);
}

static void refuse_type(char type, const char *link, const char *words)
{
    begin();
    tar_file(&tar, "good", "x");
    tar_header(&tar, "member", type, 0, link);
    tar_end(&tar);
    refuse(&normal, ANB_INVALID, words);
}

static void links_of_both_kinds_are_refused(void)
{
    refuse_type('2', "/etc/passwd", "member: links");
    refuse_type('2', "good", "member: links");
    refuse_type('1', "good", "member: links");
    refuse_type('1', "/etc/passwd", "member: links");
}

static void devices_and_pipes_are_refused(void)
{
    refuse_type('3', "", "member: only files and folders");
    refuse_type('4', "", "member: only files and folders");
    refuse_type('6', "", "member: only files and folders");
}

static void paths_that_lead_out_are_refused(void)
{
    refuse_name("../evil", "..");
    refuse_name("a/../../evil", "..");
    refuse_name("a/..", "..");
    refuse_name("/etc/evil", "absolute");
    refuse_name("//evil", "absolute");
}

static void names_with_odd_characters_are_refused(void)
{
    refuse_name("a\nlevel=error", "0x0a");
    refuse_name("a\\b", "0x5c");
    refuse_name("a\x7f", "0x7f");
}

static void names_that_are_too_long_or_too_deep_are_refused(void)
{
    char name[2100];
    memset(name, 'n', sizeof name);
    name[300] = 0;
    refuse_name(name, "too long");
    for (int i = 0; i < 1500; i++) name[i] = i % 200 == 199 ? '/' : 'n';
    name[1500] = 0;
    refuse_name(name, "too long");
    for (int i = 0; i < 80; i++) name[i] = i % 2 ? '/' : 'd';
    strcpy(name + 80, "f");
    refuse_name(name, "too many folders deep");
}

static void file_that_stands_twice_is_refused(void)
{
    begin();
    tar_file(&tar, "a/job.yaml", "one");
    tar_file(&tar, "./a//job.yaml", "two");
    tar_end(&tar);
    refuse(&normal, ANB_EXISTS, "a/job.yaml: stands in the bundle twice");
}

static void file_and_folder_of_one_name_are_refused(void)
{
    begin();
    tar_file(&tar, "a", "one");
    tar_file(&tar, "a/b", "two");
    tar_end(&tar);
    refuse(&normal, ANB_EXISTS, "a is a file, not a folder");
    begin();
    tar_file(&tar, "a/b", "two");
    tar_file(&tar, "a", "one");
    tar_end(&tar);
    refuse(&normal, ANB_EXISTS, "a: stands in the bundle twice");
}

static void more_files_than_the_limit_are_refused(void)
{
    begin();
    for (char c = 'a'; c < 'f'; c++) tar_file(&tar, (char[2]){c}, "");
    tar_end(&tar);
    refuse(&small, ANB_TOO_LARGE, "more than 4 files and folders");
    begin();
    tar_file(&tar, "a/b/c/d/e", "folders count, too");
    tar_end(&tar);
    refuse(&small, ANB_TOO_LARGE, "more than 4 files and folders");
}

static void more_bytes_than_the_limit_are_refused_before_they_are_read(void)
{
    static char content[3001];
    memset(content, 'x', sizeof content - 1);
    begin();
    tar_file(&tar, "a", content);
    tar_file(&tar, "b", content);
    tar_end(&tar);
    refuse(&small, ANB_TOO_LARGE, "b: with it the files have more than 4096 bytes");
    begin();
    tar_header(&tar, "bomb", '0', (uint64_t)1 << 60, "");
    refuse(&normal, ANB_TOO_LARGE, "bomb");
}

/* GNU's sparse files: a header of 512 bytes may stand for a file of any size. */
static void sparse_bomb_is_refused(void)
{
    begin();
    char block[TAR_BLOCK_BYTES];
    tar_header(&tar, "sparse", 'S', 0, "");
    memcpy(block, tar.data, sizeof block);
    memcpy(block + 257, "ustar  ", 8);
    memcpy(block + 386, "77777777777", 12); /* one piece of data, at 8 GiB, of no bytes */
    memcpy(block + 398, "00000000000", 12);
    memcpy(block + 483, "77777777777", 12);
    memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof block; i++) sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
    buf_clear(&tar);
    REQUIRE(buf_append(&tar, slice_of(block, sizeof block), NULL) == ANB_OK);
    tar_end(&tar);
    refuse(&normal, ANB_TOO_LARGE, "sparse");
}

static void archive_that_is_cut_off_is_refused(void)
{
    begin();
    tar_header(&tar, "a", '0', 2000, "");
    REQUIRE(buf_append_text(&tar, "only this much", NULL) == ANB_OK);
    refuse(&normal, ANB_CORRUPT, "a");
}

static void bytes_that_are_no_archive_are_refused(void)
{
    begin();
    for (int i = 0; i < 200; i++) REQUIRE(buf_append_text(&tar, "no archive ", NULL) == ANB_OK);
    refuse(&normal, ANB_CORRUPT, "the archive");
    begin();
    refuse(&normal, ANB_CORRUPT, "the archive");
}

static void compressed_archive_is_refused(void)
{
    begin();
    REQUIRE(buf_append(&tar, slice_of("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10), NULL) == ANB_OK);
    refuse(&normal, ANB_CORRUPT, "the archive");
}

static void unpacking_does_not_go_through_a_link_that_stands_in_the_folder(void)
{
    const char *folder = fresh_folder();
    begin();
    tar_file(&tar, "sub/file", "x");
    tar_end(&tar);
    REQUIRE(symlink("/tmp", in(folder, "sub")) == 0);
    int fd = open_bytes(buf_slice(&tar));
    CHECK(bundle_unpack(fd, &normal, folder, &test_error) != ANB_OK);
    CHECK(access("/tmp/file", F_OK) != 0);
    close(fd);
    buf_fini(&tar);
}

static void missing_member_is_not_found(void)
{
    begin();
    tar_file(&tar, "a", "x");
    tar_end(&tar);
    struct buf out;
    buf_init(&out, 100);
    int fd = open_bytes(buf_slice(&tar));
    CHECK_STATUS(bundle_read(fd, &normal, "job.yaml", &out, &test_error), ANB_NOT_FOUND);
    close(fd);
    buf_fini(&tar);
}

static void member_beyond_the_bufs_ceiling_is_too_large(void)
{
    begin();
    tar_file(&tar, "job.yaml", "longer than five");
    tar_end(&tar);
    struct buf out;
    buf_init(&out, 5);
    int fd = open_bytes(buf_slice(&tar));
    CHECK_STATUS(bundle_read(fd, &normal, "job.yaml", &out, &test_error), ANB_TOO_LARGE);
    CHECK_EQUAL(out.size, 0);
    close(fd);
    buf_fini(&out);
    buf_fini(&tar);
}

static void write_text(const char *folder, const char *name, const char *text, mode_t mode)
{
    if (file_write(in(folder, name), slice_of_text(text), NULL) != ANB_OK || chmod(in(folder, name), mode) != 0)
        abort();
}

static const char *make_job_folder(void)
{
    static char folder[256];
    strcpy(folder, fresh_folder());
    CHECK_STATUS(file_make_folders(in(folder, "data/empty"), &test_error), ANB_OK);
    CHECK_STATUS(file_make_folders(in(folder, "__pycache__"), &test_error), ANB_OK);
    write_text(folder, "job.yaml", "name: digits\n", 0600);
    write_text(folder, "train.py", "#!/usr/bin/env python3\n", 0700);
    write_text(folder, "data/Maße 水.csv", "1,2\n", 0666);
    write_text(folder, "model.safetensors", "large", 0644);
    write_text(folder, ".hidden", "no", 0644);
    write_text(folder, "__pycache__/x.pyc", "no", 0644);
    return folder;
}

static int pack(const char *folder, const char *skip, enum anb_status expected)
{
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    CHECK_STATUS(bundle_pack(folder, skip, fd, &test_error), expected);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void digest_fd(int fd, struct digest *digest)
{
    struct buf bytes;
    char path[64];
    buf_init(&bytes, 1 << 20);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_STATUS(file_read(path, &bytes, &test_error), ANB_OK);
    CHECK_STATUS(digest_of(buf_slice(&bytes), digest, &test_error), ANB_OK);
    buf_fini(&bytes);
}

static mode_t mode_of(const char *folder, const char *name)
{
    struct stat info;
    return stat(in(folder, name), &info) == 0 ? info.st_mode & 07777 : 0;
}

static void folder_with_a_link_is_not_packed(void)
{
    const char *folder = make_job_folder();
    REQUIRE(symlink("job.yaml", in(folder, "zz-link")) == 0);
    close(pack(folder, NULL, ANB_INVALID));
    CHECK(strstr(test_error.text, "zz-link is a link") != NULL);
}

static void folder_with_a_pipe_is_not_packed(void)
{
    const char *folder = make_job_folder();
    REQUIRE(mkfifo(in(folder, "pipe"), 0600) == 0);
    close(pack(folder, NULL, ANB_INVALID));
    CHECK(strstr(test_error.text, "pipe: only files and folders") != NULL);
}

static void missing_folder_is_not_packed(void)
{
    close(pack("/nowhere/at/all", NULL, ANB_NOT_FOUND));
}

static void folder_travels_whole_without_what_is_left_out(void)
{
    char folder[256];
    strcpy(folder, make_job_folder());
    int fd = pack(folder, "model.safetensors", ANB_OK);
    strcpy(folder, fresh_folder());
    CHECK_STATUS(bundle_unpack(fd, &normal, folder, &test_error), ANB_OK);
    CHECK_EQUAL(count_entries(folder), 5);
    CHECK_EQUAL(mode_of(folder, "job.yaml"), 0644);
    CHECK_EQUAL(mode_of(folder, "train.py"), 0755);
    CHECK_EQUAL(mode_of(folder, "data/Maße 水.csv"), 0644);
    CHECK(mode_of(folder, "data/empty") != 0);
    close(fd);
}

static void one_member_can_be_read(void)
{
    struct buf out;
    buf_init(&out, 100);
    int fd = pack(make_job_folder(), NULL, ANB_OK);
    CHECK_STATUS(bundle_read(fd, &normal, "data/Maße 水.csv", &out, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&out), "1,2\n");
    close(fd);
    buf_fini(&out);
}

static void same_folder_gives_the_same_bytes(void)
{
    struct digest first, second;
    int fd = pack(make_job_folder(), NULL, ANB_OK);
    digest_fd(fd, &first);
    close(fd);
    fd = pack(make_job_folder(), NULL, ANB_OK);
    digest_fd(fd, &second);
    close(fd);
    CHECK(digest_equal(&first, &second));
}

static void archives_of_other_programs_are_read(void)
{
    const char *folder = fresh_folder();
    begin();
    tar_header(&tar, "./", '5', 0, "");
    tar_file(&tar, "./job.yaml", "name: x\n");
    tar_header(&tar, "./lib/", '5', 0, "");
    tar_file(&tar, "./lib/a.py", "");
    tar_end(&tar);
    int fd = open_bytes(buf_slice(&tar));
    CHECK_STATUS(bundle_unpack(fd, &normal, folder, &test_error), ANB_OK);
    CHECK_EQUAL(count_entries(folder), 3);
    close(fd);
    buf_fini(&tar);
}

TEST_MAIN("bundle", TEST(links_of_both_kinds_are_refused), TEST(devices_and_pipes_are_refused),
          TEST(paths_that_lead_out_are_refused), TEST(names_with_odd_characters_are_refused),
          TEST(names_that_are_too_long_or_too_deep_are_refused), TEST(file_that_stands_twice_is_refused),
          TEST(file_and_folder_of_one_name_are_refused), TEST(more_files_than_the_limit_are_refused),
          TEST(more_bytes_than_the_limit_are_refused_before_they_are_read), TEST(sparse_bomb_is_refused),
          TEST(archive_that_is_cut_off_is_refused), TEST(bytes_that_are_no_archive_are_refused),
          TEST(compressed_archive_is_refused), TEST(unpacking_does_not_go_through_a_link_that_stands_in_the_folder),
          TEST(missing_member_is_not_found), TEST(member_beyond_the_bufs_ceiling_is_too_large),
          TEST(folder_with_a_link_is_not_packed), TEST(folder_with_a_pipe_is_not_packed),
          TEST(missing_folder_is_not_packed), TEST(folder_travels_whole_without_what_is_left_out),
          TEST(one_member_can_be_read), TEST(same_folder_gives_the_same_bytes),
          TEST(archives_of_other_programs_are_read))
