#include "server/tls.h"

#include "base/file.h"
#include "crypto/key.h"

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

enum { CERTIFICATE_CEILING_BYTES = 1 << 18 };

struct tls {
    struct buf certificate, key, passphrase, root; /* zero-terminated */
    bool has_passphrase;
};

static const char *text_of(const struct buf *bytes)
{
    return (const char *)bytes->data;
}

/* Without tickets: every connection shows its certificate anew. */
const char *tls_priorities(void)
{
    return "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:+AEAD:+ECDHE-ECDSA:+ECDHE-RSA:"
           "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+CTYPE-X509:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-"
           "SHA256:"
           "+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256:+COMP-NULL:%SERVER_PRECEDENCE:%NO_"
           "TICKETS";
}

const char *tls_certificate(const struct tls *tls)
{
    return text_of(&tls->certificate);
}

const char *tls_key(const struct tls *tls)
{
    return text_of(&tls->key);
}

const char *tls_passphrase(const struct tls *tls)
{
    return tls->has_passphrase ? text_of(&tls->passphrase) : NULL;
}

const char *tls_root(const struct tls *tls)
{
    return text_of(&tls->root);
}

static gnutls_datum_t datum_of(const struct buf *bytes)
{
    return (gnutls_datum_t){(unsigned char *)bytes->data, (unsigned)bytes->size};
}

/* What would else be one word, "failed", when the endpoint starts. */
static enum anb_status check(const struct tls *tls, const struct tls_files *files, struct anb_error *err)
{
    gnutls_certificate_credentials_t credentials;
    const gnutls_datum_t certificate = datum_of(&tls->certificate), key = datum_of(&tls->key);
    if (gnutls_certificate_allocate_credentials(&credentials) != GNUTLS_E_SUCCESS)
        return anb_fail(err, ANB_NO_MEMORY, "no memory for TLS");
    int code = gnutls_certificate_set_x509_key_mem2(credentials, &certificate, &key, GNUTLS_X509_FMT_PEM,
                                                    tls_passphrase(tls), 0);
    gnutls_certificate_free_credentials(credentials);
    if (code >= 0) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "REST cannot be served with %s and %s: %s", files->certificate, files->key,
                    gnutls_strerror(code));
}

static enum anb_status read_text(const char *path, struct buf *out, struct anb_error *err)
{
    enum anb_status status = buf_reserve(out, 1, err);
    if (status == ANB_OK) status = file_read(path, out, err);
    if (status == ANB_OK) buf_text(out);
    return status;
}

static enum anb_status read_passphrase(const char *path, struct tls *tls, struct anb_error *err)
{
    if (!path) return ANB_OK;
    enum anb_status status = read_text(path, &tls->passphrase, err);
    if (status != ANB_OK) return status;
    tls->passphrase.size = strcspn(text_of(&tls->passphrase), "\r\n");
    buf_text(&tls->passphrase);
    tls->has_passphrase = true;
    return ANB_OK;
}

static void init(struct tls *tls)
{
    buf_init(&tls->certificate, CERTIFICATE_CEILING_BYTES);
    buf_init(&tls->key, KEY_FILE_MAX_BYTES);
    buf_init(&tls->passphrase, PASSPHRASE_MAX_BYTES);
    buf_init(&tls->root, CERTIFICATE_CEILING_BYTES);
}

enum anb_status tls_open(const struct tls_files *files, struct tls **tls, struct anb_error *err)
{
    struct tls *opened = calloc(1, sizeof *opened);
    if (!opened) return anb_fail(err, ANB_NO_MEMORY, "no memory for TLS");
    init(opened);
    /* Whole from the start: no copy of a secret is left behind by growing. */
    enum anb_status status = buf_reserve(&opened->key, KEY_FILE_MAX_BYTES, err);
    if (status == ANB_OK) status = buf_reserve(&opened->passphrase, PASSPHRASE_MAX_BYTES, err);
    if (status == ANB_OK) status = read_text(files->certificate, &opened->certificate, err);
    if (status == ANB_OK) status = read_text(files->key, &opened->key, err);
    if (status == ANB_OK) status = read_text(files->root, &opened->root, err);
    if (status == ANB_OK) status = read_passphrase(files->passphrase_file, opened, err);
    if (status == ANB_OK) status = check(opened, files, err);
    if (status == ANB_OK)
        *tls = opened;
    else
        tls_close(opened);
    return status;
}

void tls_close(struct tls *tls)
{
    if (!tls) return;
    buf_fini(&tls->certificate);
    key_fini_buf(&tls->key);
    key_fini_buf(&tls->passphrase);
    buf_fini(&tls->root);
    free(tls);
}

struct slice tls_peer(struct MHD_Connection *connection)
{
    unsigned count = 0;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const gnutls_datum_t *shown =
        info ? gnutls_certificate_get_peers((gnutls_session_t)info->tls_session, &count) : NULL;
    return shown && count > 0 ? slice_of(shown[0].data, shown[0].size) : slice_of(NULL, 0);
}
