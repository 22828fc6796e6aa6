/* A node's kit: the files that `anabranch provision` makes for it, read into what it goes by.
 *
 * The owner frees it with kit_fini, which wipes the keys and the passphrase. Main thread. */
#ifndef ANB_NODE_KIT_H
#define ANB_NODE_KIT_H

#include "base/options.h"
#include "node/trust.h"

struct kit_files { /* paths; the last may be NULL */
    char *identity_key, *encryption_key, *certificate, *root, *roster, *key_passphrase_file;
};

#define KIT_OPTIONS(type, files)                                                                                       \
    OPTION_OPTIONAL_PATH_ENTRY(type, files.identity_key, "identity-key",                                               \
                               "the private key this node signs with (PEM, of its kit)"),                              \
        OPTION_OPTIONAL_PATH_ENTRY(type, files.encryption_key, "encryption-key",                                       \
                                   "the private key that others seal to for this node (PEM, of its kit)"),             \
        OPTION_OPTIONAL_PATH_ENTRY(type, files.certificate, "certificate",                                             \
                                   "this node's certificate (PEM, of its kit)"),                                       \
        OPTION_OPTIONAL_PATH_ENTRY(type, files.root, "root",                                                           \
                                   "the certificate of the project's root (PEM, of its kit)"),                         \
        OPTION_OPTIONAL_PATH_ENTRY(type, files.roster, "roster",                                                       \
                                   "the signed list of the project's nodes (of its kit)"),                             \
        OPTION_OPTIONAL_PATH_ENTRY(type, files.key_passphrase_file, "key-passphrase-file",                             \
                                   "the first line of this file decrypts both private keys")

struct kit {
    struct node_trust *trust;
    char *passphrase; /* NULL: the keys are not encrypted */
};

/* INVALID with what is missing and how to get it, before anything is read. */
enum anb_status kit_check(const struct kit_files *files, struct anb_error *err);
enum anb_status kit_open(const struct kit_files *files, const char *project, const char *name, struct kit *kit,
                         struct anb_error *err);
void kit_fini(struct kit *kit);

#endif
