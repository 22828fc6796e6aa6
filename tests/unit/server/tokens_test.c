/* Tokens: only the whole text of one that is in the file counts, and the file never holds what was shown. */
#include "base/file.h"
#include "server/tokens.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[512];
static struct tokens *tokens;
static char text[TOKEN_TEXT_BYTES];
static struct token made;

static void open_tokens(void)
{
    snprintf(path, sizeof path, "%s/tokens.json", test_folder());
    CHECK_STATUS(tokens_open(path, &tokens, &test_error), ANB_OK);
    REQUIRE(tokens != NULL);
}

static void make(const char *name, int64_t created_ms, int64_t expires_ms)
{
    struct token wish = {.role = USER_MEMBER, .created_ms = created_ms, .expires_ms = expires_ms};
    snprintf(wish.name, sizeof wish.name, "%s", name);
    snprintf(wish.creator, sizeof wish.creator, "ann");
    CHECK_STATUS(tokens_create(tokens, &wish, text, &made, &test_error), ANB_OK);
}

static void begin(void)
{
    open_tokens();
    make("mia", 1000, 2000);
}

static void end(void)
{
    tokens_close(tokens);
    unlink(path);
}

static void a_text_that_is_not_wholly_a_token_is_none(void)
{
    char bad[2 * TOKEN_TEXT_BYTES];
    begin();
    CHECK(tokens_find(tokens, "") == NULL);
    for (size_t length = 0; length < strlen(text); length++) {
        snprintf(bad, sizeof bad, "%.*s", (int)length, text);
        CHECK(tokens_find(tokens, bad) == NULL);
    }
    snprintf(bad, sizeof bad, "%s0", text);
    CHECK(tokens_find(tokens, bad) == NULL);
    snprintf(bad, sizeof bad, " %s", text);
    CHECK(tokens_find(tokens, bad) == NULL);
    snprintf(bad, sizeof bad, "%s%s", text, text);
    CHECK(tokens_find(tokens, bad) == NULL);
    end();
}

static void a_token_with_one_digit_changed_is_none(void)
{
    begin();
    for (size_t i = 0; i < strlen(text); i++) {
        char changed[TOKEN_TEXT_BYTES];
        memcpy(changed, text, sizeof changed);
        changed[i] = changed[i] == '0' ? '1' : '0';
        CHECK(tokens_find(tokens, changed) == NULL);
        changed[i] = 'g';
        CHECK(tokens_find(tokens, changed) == NULL);
    }
    end();
}

static void the_secret_of_one_does_not_go_with_the_id_of_another(void)
{
    char first[TOKEN_TEXT_BYTES], mixed[TOKEN_TEXT_BYTES];
    begin();
    memcpy(first, text, sizeof first);
    make("max", 1000, 2000);
    snprintf(mixed, sizeof mixed, "%.20s%s", first, text + 20);
    CHECK(tokens_find(tokens, mixed) == NULL);
    CHECK(tokens_find(tokens, first) != NULL && tokens_find(tokens, text) != NULL);
    end();
}

static void a_revoked_token_is_none_also_after_a_restart(void)
{
    char other[TOKEN_TEXT_BYTES], id[TOKEN_ID_BYTES];
    begin();
    memcpy(other, text, sizeof other);
    make("max", 1000, 2000);
    memcpy(id, made.id, sizeof id);
    CHECK_STATUS(tokens_revoke(tokens, "0123456789abcdef", &test_error), ANB_NOT_FOUND);
    CHECK_STATUS(tokens_revoke(tokens, id, &test_error), ANB_OK);
    CHECK_STATUS(tokens_revoke(tokens, id, &test_error), ANB_NOT_FOUND);
    CHECK(tokens_find(tokens, text) == NULL);
    tokens_close(tokens);
    open_tokens();
    CHECK(tokens_find(tokens, text) == NULL);
    REQUIRE(tokens_find(tokens, other) != NULL);
    CHECK_TEXT(tokens_find(tokens, other)->name, "mia");
    end();
}

static void the_file_is_private_and_has_digests_only(void)
{
    struct buf file;
    struct stat info;
    begin();
    buf_init(&file, 1 << 20);
    CHECK_STATUS(file_read(path, &file, &test_error), ANB_OK);
    CHECK(strstr(buf_text(&file), text + 21) == NULL);
    CHECK(strstr(buf_text(&file), made.id) != NULL);
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    buf_fini(&file);
    end();
}

static void expired_ones_are_forgotten_when_another_is_made(void)
{
    begin();
    make("max", 1999, 3000);
    CHECK_EQUAL(tokens_count(tokens), 2);
    make("leo", 2000, 3000);
    CHECK_EQUAL(tokens_count(tokens), 2);
    CHECK_TEXT(tokens_at(tokens, 0)->name, "max");
    end();
}

static void a_token_that_cannot_be_kept_is_not_given_out(void)
{
    struct token wish = {.role = USER_MEMBER, .expires_ms = 1, .name = "mia", .creator = "ann"};
    snprintf(path, sizeof path, "%s/none/tokens.json", test_folder());
    CHECK_STATUS(tokens_open(path, &tokens, &test_error), ANB_OK);
    CHECK(tokens_create(tokens, &wish, text, &made, &test_error) != ANB_OK);
    CHECK_EQUAL(tokens_count(tokens), 0);
    tokens_close(tokens);
}

#define ENTRY(id, digest, name, role)                                                                                  \
    "{\"tokens\":[{\"id\":\"" id "\",\"digest\":\"" digest "\",\"name\":\"" name "\",\"role\":\"" role                 \
    "\",\"creator\":\"ann\",\"created_ms\":1,\"expires_ms\":2}]}"
#define ID "0123456789abcdef"
#define DIGEST ID ID ID ID

static void a_file_that_is_not_ours_is_refused(void)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "{\"tokens\":{}}",
                                      "{\"tokens\":[1]}",
                                      ENTRY("0123", DIGEST, "mia", "member"),
                                      ENTRY(ID, ID, "mia", "member"),
                                      ENTRY(ID, DIGEST, "Mia", "member"),
                                      ENTRY(ID, DIGEST, "", "member"),
                                      ENTRY(ID, DIGEST, "mia", "root"),
                                      ENTRY(ID, DIGEST, "mia", "member") "x"};
    static struct token items[TOKENS_MAX];
    size_t count;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(tokens_read(slice_of_text(bad[i]), "tokens.json", items, &count, &test_error) != ANB_OK);
    CHECK_STATUS(tokens_read(slice_of_text(ENTRY(ID, DIGEST, "mia", "lead")), "t", items, &count, &test_error), ANB_OK);
    CHECK(count == 1 && items[0].role == USER_LEAD);
}

TEST_MAIN("server_tokens", TEST(a_text_that_is_not_wholly_a_token_is_none),
          TEST(a_token_with_one_digit_changed_is_none), TEST(the_secret_of_one_does_not_go_with_the_id_of_another),
          TEST(a_revoked_token_is_none_also_after_a_restart), TEST(the_file_is_private_and_has_digests_only),
          TEST(expired_ones_are_forgotten_when_another_is_made), TEST(a_token_that_cannot_be_kept_is_not_given_out),
          TEST(a_file_that_is_not_ours_is_refused))
