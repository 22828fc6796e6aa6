/* A project's identities, made and kept in one folder that stays offline:
 *
 *     project.yaml                          the project file, as it was given
 *     root/root.pem root/root-key.pem       the root: whoever has this key is the project
 *     roster                                the signed list, newest version
 *     kits/NAME/                            what a node or user gets: keys, certificate, root, roster, settings
 *     brokers/broker-N/                     what a Kafka broker gets
 *     operator/                             what sets the broker's access rules: acls.sh and its identity
 *
 * Folders are 0700, files 0600. Nothing that holds a key is ever written over; a folder is filled under another name
 * and then renamed, so it is whole or not there. One command at a time works in a project's folder. One thread. */
#ifndef ANB_CLI_PROVISION_H
#define ANB_CLI_PROVISION_H

#include "base/doc.h"
#include "base/options.h"
#include "crypto/passphrase.h"
#include "trust/roster.h"

enum { PROVISION_PATH_BYTES = 1024, PROVISION_MAX_BROKERS = 16, PROVISION_MAX_DAYS = 3650, HOST_MAX_BYTES = 253 };

/* Options of the verbs that work in a project's folder. */
#define PROVISION_ENTRIES(type)                                                                                        \
    OPTION_TEXT_ENTRY(type, folder, "folder", ".", "the project's folder"),                                            \
        OPTION_OPTIONAL_ENTRY(type, passphrase_file, "passphrase-file",                                                \
                              "the first line of this file decrypts the root's key")
#define PROVISION_KIT_ENTRY(type)                                                                                      \
    OPTION_OPTIONAL_ENTRY(type, kit_passphrase_file, "kit-passphrase-file",                                            \
                          "encrypt the keys in the kit with the first line of this file")

/* -- the project file (provision_project.c) ----------------------------------------------------------------------- */

struct provision_broker {
    char host[HOST_MAX_BYTES + 1];
    int port;
};

struct provision_member {
    enum certificate_kind kind; /* node or user */
    char name[NAME_MAX_BYTES + 1];
    unsigned roles;  /* as in the roster */
    char *addresses; /* of a server, for its users: "a,b"; NULL: none. Owned by the project */
};

struct provision_project {
    char name[NAME_MAX_BYTES + 1];
    struct provision_broker brokers[PROVISION_MAX_BROKERS];
    size_t n_brokers;
    bool broker_tls;
    int64_t partitions, valid_days;
    struct provision_member *members; /* owned */
    size_t n_members;
};

/* INVALID with file and line for whatever does not fit. */
enum anb_status provision_project_parse(struct slice text, const char *file, struct provision_project *project,
                                        struct anb_error *err);
void provision_project_fini(struct provision_project *project);
/* "server,aggregator": all of one kind. */
enum anb_status provision_roles_parse(const char *words, enum certificate_kind *kind, unsigned *roles,
                                      struct anb_error *err);
/* "a:9093,b:9093" */
enum anb_status provision_bootstrap(const struct provision_project *project, struct buf *out, struct anb_error *err);

/* -- the folder (provision_folder.c) ------------------------------------------------------------------------------ */

struct provision {
    char folder[PROVISION_PATH_BYTES]; /* absolute */
    char place[PROVISION_PATH_BYTES];  /* where the folder will be: the same, but while it is created */
    struct provision_project project;
    struct certificate *root;
    struct key *root_key; /* NULL until provision_unlock */
    struct roster *roster;
    int64_t now_s;
    const char *addresses; /* of the command line, before those of the project file; NULL: none */
    int lock_fd;           /* -1: none */
};

/* Lock the folder and read all of it but the root's key. Call provision_close, whatever comes out. */
enum anb_status provision_open(const char *folder, struct provision *provision, struct anb_error *err);
/* The root's key, with the passphrase in `passphrase_file` (NULL: it is not encrypted). */
enum anb_status provision_unlock(struct provision *provision, const char *passphrase_file, struct anb_error *err);
/* Sign the next version and write it, and the access rules that go with it. */
enum anb_status provision_publish(struct provision *provision, struct anb_error *err);
void provision_close(struct provision *provision);

/* FOLDER/`part`; INVALID when that is too long. */
enum anb_status provision_path(const char *folder, const char *part, char path[PROVISION_PATH_BYTES],
                               struct anb_error *err);
/* Begin a folder that becomes `path` when provision_folder_finish renames it; EXISTS when there is one. */
enum anb_status provision_folder_begin(const char *path, char beside[PROVISION_PATH_BYTES], struct anb_error *err);
/* With `status` OK it gets its name, else it is removed; returns the first failure. */
enum anb_status provision_folder_finish(const char *beside, const char *path, enum anb_status status,
                                        struct anb_error *err);
/* FOLDER/NAME, 0600. */
enum anb_status provision_write(const char *folder, const char *name, struct slice bytes, struct anb_error *err);
enum anb_status provision_write_key(const char *folder, const char *name, const struct key *key, const char *passphrase,
                                    struct anb_error *err);
enum anb_status provision_write_certificate(const char *folder, const char *name, const struct certificate *certificate,
                                            struct anb_error *err);

/* -- a whole project (provision_create.c) -------------------------------------------------------------------------- */

struct provision_wish {
    const char *folder;              /* made anew; NULL: named as the project */
    const char *passphrase_file;     /* encrypts the root's key; NULL: it is not */
    const char *kit_passphrase_file; /* the same for the keys in the kits */
};

/* All of it from the text of a project file. Call provision_close, whatever comes out. */
enum anb_status provision_create(struct slice text, const char *file, const struct provision_wish *wish,
                                 struct provision *provision, struct anb_error *err);

/* -- kits (provision_kit.c) ---------------------------------------------------------------------------------------- */

/* A member's keys; those of a request are public halves only. */
struct provision_keys {
    struct key *identity, *encryption; /* encryption: nodes; NULL else */
};

enum anb_status provision_keys_make(enum certificate_kind kind, struct provision_keys *keys, struct anb_error *err);
void provision_keys_fini(struct provision_keys *keys);
/* Both keys as PEM into `folder`. */
enum anb_status provision_keys_write(const struct provision_keys *keys, const char *folder, const char *passphrase,
                                     struct anb_error *err);

/* Issue the member's certificate and put it into the roster, whose next version is not signed yet. */
enum anb_status provision_enrol(struct provision *provision, const struct provision_member *member,
                                const struct provision_keys *keys, struct anb_error *err);
/* Write a kit folder for a member of the signed roster: certificate, root, roster, settings; with `keys`, those too. */
enum anb_status provision_kit_write(const struct provision *provision, const char *name,
                                    const struct provision_keys *keys, const char *passphrase, const char *path,
                                    struct anb_error *err);

/* policy.yaml of a site, which refuses all jobs until it is edited (provision_policy.c). */
enum anb_status provision_policy_write(const char *folder, struct anb_error *err);

/* Sign the roster with what was changed in it, then write a kit for `name`: kits/NAME, or kits/NAME.VERSION when that
 * is there already. Says where. */
enum anb_status provision_hand_out(struct provision *provision, const char *name, const struct provision_keys *keys,
                                   const char *passphrase, struct anb_error *err);

/* -- what a server shows to users (provision_rest.c) --------------------------------------------------------------- */

#define PROVISION_ADDRESSES_ENTRY(type)                                                                                \
    OPTION_OPTIONAL_ENTRY(type, addresses, "addresses",                                                                \
                          "host names and IP addresses by which users reach this server, with commas")

/* INVALID unless it is "a,b": host names or addresses. NULL is fine. */
enum anb_status provision_addresses_check(const char *addresses, struct anb_error *err);
/* A new key and its certificate into `folder`. */
enum anb_status provision_rest_write(const struct provision *provision, const char *name, const char *passphrase,
                                     const char *folder, struct anb_error *err);

/* -- requests (provision_request.c) -------------------------------------------------------------------------------- */

struct provision_request {
    char project[NAME_MAX_BYTES + 1];
    struct provision_member member;
    struct provision_keys keys; /* public halves */
};

/* The request in a file's text, signed by its own identity key. Free its keys with provision_keys_fini. */
enum anb_status provision_request_parse(struct slice text, struct provision_request *request, struct anb_error *err);

/* -- brokers (provision_broker.c, provision_acls.c) --------------------------------------------------------------- */

/* brokers/broker-N for every broker of the project file, and operator/; nothing when they are without TLS. */
enum anb_status provision_brokers_write(const struct provision *provision, struct anb_error *err);
/* operator/acls.sh, unless the brokers are without TLS, and its text, for the roster as it is now. */
enum anb_status provision_acls_write(const struct provision *provision, struct anb_error *err);
enum anb_status provision_acls(const struct provision *provision, struct buf *out, struct anb_error *err);

#endif
