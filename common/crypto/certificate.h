/* X.509 certificates of a project: one offline root that signs all others, and no certificate between.
 *
 *     kind      subject                             alternative names              usage
 *     root      O=PROJECT, OU=root                  -                              signs certificates and rosters
 *     node      O=PROJECT, OU=node, CN=NAME         anabranch://PROJECT/NAME       signs; TLS client
 *     user      O=PROJECT, OU=user, CN=NAME         anabranch://PROJECT/user/NAME  signs; TLS client
 *     broker    O=PROJECT, OU=broker, CN=NAME       its host names and addresses   signs; TLS server and client
 *     operator  O=PROJECT, OU=operator, CN=NAME     anabranch://PROJECT/operator/NAME  signs; TLS client
 *     rest      O=PROJECT, OU=rest, CN=NAME         host names and addresses       signs; TLS server
 *
 * All on P-256 with ECDSA and SHA-256. What is verified: the root's signature, X.509 strictly, times, purpose, both
 * usages, path length, subject and alternative names. A `struct certificate` is freed with certificate_free; several
 * threads may use one. Times are seconds since 1970. */
#ifndef ANB_CRYPTO_CERTIFICATE_H
#define ANB_CRYPTO_CERTIFICATE_H

#include "crypto/key.h"

enum { CERTIFICATE_MAX_BYTES = 4096, CERTIFICATE_MAX_HOSTS = 16 };

enum certificate_kind {
    CERTIFICATE_NODE,
    CERTIFICATE_USER,
    CERTIFICATE_BROKER,
    CERTIFICATE_OPERATOR,
    CERTIFICATE_REST /* what a server shows to users */
};

struct certificate;

/* Whose certificate it is, or must be. */
struct certificate_subject {
    enum certificate_kind kind;
    const char *project, *name;
    const char *const *hosts; /* broker, rest: host names or addresses; when verifying, not looked at */
    size_t n_hosts;
};

struct certificate_times {
    int64_t from_s, until_s;
};

enum anb_status certificate_make_root(const struct key *key, const char *project, const struct certificate_times *times,
                                      struct certificate **root, struct anb_error *err);
/* A certificate for `subject_key`, of which only the public half is looked at. INVALID for a bad name or host. */
enum anb_status certificate_issue(const struct certificate *root, const struct key *root_key,
                                  const struct certificate_subject *subject, const struct key *subject_key,
                                  const struct certificate_times *times, struct certificate **out,
                                  struct anb_error *err);
void certificate_free(struct certificate *certificate); /* NULL is fine */

/* DER of exactly one certificate, or the first one of a PEM text; `name` stands in error sentences. */
enum anb_status certificate_read_der(struct slice der, const char *name, struct certificate **out,
                                     struct anb_error *err);
enum anb_status certificate_read_pem(struct slice pem, const char *name, struct certificate **out,
                                     struct anb_error *err);
enum anb_status certificate_write_der(const struct certificate *certificate, struct buf *out, struct anb_error *err);
enum anb_status certificate_write_pem(const struct certificate *certificate, struct buf *out, struct anb_error *err);

/* DENIED, with the reason, unless `certificate` is the root's for just this subject and good at `now_s`. */
enum anb_status certificate_verify(const struct certificate *certificate, const struct certificate *root,
                                   const struct certificate_subject *subject, int64_t now_s, struct anb_error *err);
/* DENIED unless it is a root of this project, signed by itself and good at `now_s`. */
enum anb_status certificate_verify_root(const struct certificate *root, const char *project, int64_t now_s,
                                        struct anb_error *err);

enum anb_status certificate_key(const struct certificate *certificate, struct key **public_key, struct anb_error *err);
enum anb_status certificate_times(const struct certificate *certificate, struct certificate_times *times,
                                  struct anb_error *err);

/* A request (PKCS#10, DER) of a node or user that made its own key. */
enum anb_status certificate_request_make(const struct key *key, const struct certificate_subject *subject,
                                         struct buf *out, struct anb_error *err);
/* The public key in a request for just this subject, signed by its private half. DENIED else. */
enum anb_status certificate_request_read(struct slice der, const struct certificate_subject *subject,
                                         struct key **public_key, struct anb_error *err);

#endif
