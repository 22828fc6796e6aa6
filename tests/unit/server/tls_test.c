/* What REST is served with: files that do not go together are told before the endpoint starts. */
#include "base/file.h"
#include "crypto/certificate.h"
#include "crypto/key.h"
#include "server/tls.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

static char folder[300], certificate[400], key[400], other_key[400], locked_key[400], passphrase[400], wrong[400];
static struct tls *tls;

static void put(const char *path, struct slice bytes)
{
    CHECK_STATUS(file_write(path, bytes, &test_error), ANB_OK);
}

static void put_key(const char *path, const struct key *made, const char *secret)
{
    struct buf pem;
    buf_init(&pem, KEY_FILE_MAX_BYTES);
    CHECK_STATUS(key_write_pem(made, secret, &pem, &test_error), ANB_OK);
    put(path, buf_slice(&pem));
    buf_fini(&pem);
}

static void name_files(void)
{
    static const struct {
        char *path;
        const char *name;
    } all[] = {{certificate, "rest-certificate.pem"}, {key, "rest-key.pem"},      {other_key, "other-key.pem"},
               {locked_key, "locked-key.pem"},        {passphrase, "passphrase"}, {wrong, "wrong"}};
    snprintf(folder, sizeof folder, "%s", test_folder());
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) snprintf(all[i].path, 400, "%s/%s", folder, all[i].name);
}

/* A root that serves as the certificate, too, its key with and without a passphrase, and another key. */
static void begin(void)
{
    struct key *made = NULL, *other = NULL;
    struct certificate *root = NULL;
    struct buf pem;
    const struct certificate_times times = {1, 4085942400};
    name_files();
    buf_init(&pem, 1 << 16);
    CHECK_STATUS(key_make(&made, &test_error), ANB_OK);
    CHECK_STATUS(key_make(&other, &test_error), ANB_OK);
    CHECK_STATUS(certificate_make_root(made, "p", &times, &root, &test_error), ANB_OK);
    CHECK_STATUS(certificate_write_pem(root, &pem, &test_error), ANB_OK);
    put(certificate, buf_slice(&pem));
    put_key(key, made, NULL);
    put_key(other_key, other, NULL);
    put_key(locked_key, made, "open sesame");
    put(passphrase, slice_of_text("open sesame\nnot this line\n"));
    put(wrong, slice_of_text("open barley\n"));
    certificate_free(root);
    key_free(made);
    key_free(other);
    buf_fini(&pem);
}

static enum anb_status try(const char *certificate_file, const char *key_file, const char *passphrase_file)
{
    const struct tls_files files = {certificate_file, key_file, passphrase_file, certificate};
    tls = NULL;
    enum anb_status status = tls_open(&files, &tls, &test_error);
    CHECK((tls != NULL) == (status == ANB_OK));
    return status;
}

static void files_that_do_not_go_together_are_told(void)
{
    begin();
    CHECK_STATUS(try(certificate, other_key, NULL), ANB_INVALID);
    CHECK(strstr(test_error.text, "other-key.pem") != NULL);
    CHECK_STATUS(try(key, key, NULL), ANB_INVALID);
    CHECK_STATUS(try(certificate, certificate, NULL), ANB_INVALID);
    CHECK_STATUS(try(certificate, "/nonexistent", NULL), ANB_NOT_FOUND);
}

static void an_encrypted_key_needs_its_passphrase(void)
{
    begin();
    CHECK_STATUS(try(certificate, locked_key, NULL), ANB_INVALID);
    CHECK_STATUS(try(certificate, locked_key, wrong), ANB_INVALID);
    CHECK_STATUS(try(certificate, locked_key, passphrase), ANB_OK);
    CHECK_TEXT(tls_passphrase(tls), "open sesame");
    tls_close(tls);
}

static void a_key_without_a_passphrase_takes_none_into_account(void)
{
    begin();
    CHECK_STATUS(try(certificate, key, passphrase), ANB_OK);
    tls_close(tls);
    CHECK_STATUS(try(certificate, key, NULL), ANB_OK);
    CHECK(tls_passphrase(tls) == NULL);
    CHECK(strstr(tls_certificate(tls), "BEGIN CERTIFICATE") != NULL);
    tls_close(tls);
}

TEST_MAIN("server_tls", TEST(files_that_do_not_go_together_are_told), TEST(an_encrypted_key_needs_its_passphrase),
          TEST(a_key_without_a_passphrase_takes_none_into_account))
