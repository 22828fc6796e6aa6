/* Certificates and requests are made here, and read and verified in certificate.c. */
#include "crypto/certificate_names.h"

#include <ctype.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { VERSION_3 = 2, SERIAL_BYTES = 16 };

static enum anb_status failed(struct anb_error *err)
{
    return crypto_fail(err, ANB_FATAL, "cannot make a certificate");
}

/* -- alternative names */

/* What stands behind "DNS:" or "IP:" goes through OpenSSL's small language of extensions: no commas there. */
static bool host_is_plain(const char *host)
{
    size_t length = strlen(host);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)host[i]) && !strchr(".-:", host[i])) return false;
    return length > 0 && length <= 253;
}

static bool host_is_address(const char *host)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(host);
    ASN1_OCTET_STRING_free(address);
    return address != NULL;
}

static enum anb_status write_hosts(const struct certificate_subject *subject, char names[ALTERNATIVE_NAMES_BYTES],
                                   struct anb_error *err)
{
    size_t used = 0;
    if (subject->n_hosts < 1 || subject->n_hosts > CERTIFICATE_MAX_HOSTS)
        return anb_fail(err, ANB_INVALID, "the certificate of a %s needs 1..%d host names", subject_unit(subject->kind),
                        CERTIFICATE_MAX_HOSTS);
    for (size_t i = 0; i < subject->n_hosts; i++) {
        const char *host = subject->hosts[i];
        if (!host_is_plain(host)) return anb_fail(err, ANB_INVALID, "\"%.64s\" is no host name or address", host);
        used += (size_t)snprintf(names + used, ALTERNATIVE_NAMES_BYTES - used, "%s%s:%s", i ? "," : "",
                                 host_is_address(host) ? "IP" : "DNS", host);
    }
    return ANB_OK;
}

static enum anb_status write_names(const struct certificate_subject *subject, char names[ALTERNATIVE_NAMES_BYTES],
                                   struct anb_error *err)
{
    char uri[URI_BYTES];
    if (subject_has_hosts(subject->kind)) return write_hosts(subject, names, err);
    subject_uri(subject, uri);
    snprintf(names, ALTERNATIVE_NAMES_BYTES, "URI:%s", uri);
    return ANB_OK;
}

/* -- parts of a certificate */

static bool extend(X509 *x509, X509V3_CTX *context, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    bool done = extension && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool set_serial(X509 *x509)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and as long as it looks */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
    BN_free(number);
    return set;
}

static bool set_times(X509 *x509, const struct certificate_times *times)
{
    return ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)times->from_s) &&
           ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)times->until_s);
}

static bool set_names(X509 *x509, X509_NAME *subject, const X509 *issuer)
{
    return subject && X509_set_subject_name(x509, subject) == 1 &&
           X509_set_issuer_name(x509, issuer ? X509_get_subject_name(issuer) : subject) == 1;
}

/* All but the extensions. */
static X509 *begin(X509_NAME *subject, const X509 *issuer, const struct key *key, const struct certificate_times *times)
{
    X509 *x509 = X509_new();
    if (x509 && X509_set_version(x509, VERSION_3) == 1 && set_serial(x509) && set_times(x509, times) &&
        set_names(x509, subject, issuer) && X509_set_pubkey(x509, key->evp) == 1)
        return x509;
    X509_free(x509);
    return NULL;
}

static enum anb_status check_times(const struct certificate_times *times, struct anb_error *err)
{
    const int64_t last_s = INT64_C(253402300799); /* the end of the year 9999: X.509 cannot say more */
    if (times->from_s >= 0 && times->from_s < times->until_s && times->until_s <= last_s) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "a certificate must begin before it ends, and end before the year 10000");
}

static enum anb_status finish(X509 *x509, bool complete, const struct key *signer, struct certificate **out,
                              struct anb_error *err)
{
    if (complete && X509_sign(x509, signer->evp, EVP_sha256()) > 0) return certificate_wrap(x509, out, err);
    X509_free(x509);
    return failed(err);
}

/* -- root */

enum anb_status certificate_make_root(const struct key *key, const char *project, const struct certificate_times *times,
                                      struct certificate **root, struct anb_error *err)
{
    X509V3_CTX context;
    enum anb_status status = name_check("project", project, err);
    if (status == ANB_OK) status = check_times(times, err);
    if (status != ANB_OK) return status;
    X509_NAME *name = subject_name(project, "root", NULL);
    X509 *x509 = begin(name, NULL, key, times);
    X509_NAME_free(name);
    X509V3_set_ctx(&context, x509, x509, NULL, NULL, 0);
    bool complete = x509 && extend(x509, &context, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    extend(x509, &context, NID_key_usage, "critical,keyCertSign,digitalSignature") &&
                    extend(x509, &context, NID_subject_key_identifier, "hash");
    return finish(x509, complete, key, root, err);
}

/* -- all others */

static const char *extended_usage(enum certificate_kind kind)
{
    if (kind == CERTIFICATE_BROKER) return "serverAuth,clientAuth";
    return kind == CERTIFICATE_REST ? "serverAuth" : "clientAuth";
}

static bool extend_leaf(X509 *x509, X509 *issuer, enum certificate_kind kind, const char *names)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    return extend(x509, &context, NID_basic_constraints, "critical,CA:FALSE") &&
           extend(x509, &context, NID_key_usage, "critical,digitalSignature") &&
           extend(x509, &context, NID_ext_key_usage, extended_usage(kind)) &&
           extend(x509, &context, NID_subject_key_identifier, "hash") &&
           extend(x509, &context, NID_authority_key_identifier, "keyid:always") &&
           extend(x509, &context, NID_subject_alt_name, names);
}

enum anb_status certificate_issue(const struct certificate *root, const struct key *root_key,
                                  const struct certificate_subject *subject, const struct key *subject_key,
                                  const struct certificate_times *times, struct certificate **out,
                                  struct anb_error *err)
{
    char names[ALTERNATIVE_NAMES_BYTES];
    enum anb_status status = subject_check(subject, err);
    if (status == ANB_OK) status = check_times(times, err);
    if (status == ANB_OK) status = write_names(subject, names, err);
    if (status != ANB_OK) return status;
    X509_NAME *name = subject_name(subject->project, subject_unit(subject->kind), subject->name);
    X509 *x509 = begin(name, root->x509, subject_key, times);
    X509_NAME_free(name);
    bool complete = x509 && extend_leaf(x509, root->x509, subject->kind, names);
    return finish(x509, complete, root_key, out, err);
}

/* -- requests */

static bool add_names(X509_REQ *request, const char *names)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    bool done = extension && extensions && sk_X509_EXTENSION_push(extensions, extension) > 0 &&
                X509_REQ_add_extensions(request, extensions) == 1;
    sk_X509_EXTENSION_free(extensions);
    X509_EXTENSION_free(extension);
    return done;
}

static bool fill_request(X509_REQ *request, const struct key *key, const struct certificate_subject *subject,
                         const char *names)
{
    X509_NAME *name = subject_name(subject->project, subject_unit(subject->kind), subject->name);
    bool done = name && X509_REQ_set_version(request, 0) == 1 && X509_REQ_set_subject_name(request, name) == 1 &&
                X509_REQ_set_pubkey(request, key->evp) == 1 && add_names(request, names) &&
                X509_REQ_sign(request, key->evp, EVP_sha256()) > 0;
    X509_NAME_free(name);
    return done;
}

enum anb_status certificate_request_make(const struct key *key, const struct certificate_subject *subject,
                                         struct buf *out, struct anb_error *err)
{
    char names[ALTERNATIVE_NAMES_BYTES];
    unsigned char *der = NULL;
    enum anb_status status = subject_check(subject, err);
    if (status == ANB_OK) status = write_names(subject, names, err);
    if (status != ANB_OK) return status;
    X509_REQ *request = X509_REQ_new();
    int size = request && fill_request(request, key, subject, names) ? i2d_X509_REQ(request, &der) : -1;
    X509_REQ_free(request);
    if (size <= 0) return crypto_fail(err, ANB_FATAL, "cannot make a request for a certificate");
    status = buf_append(out, slice_of(der, (size_t)size), err);
    OPENSSL_free(der);
    return status;
}
