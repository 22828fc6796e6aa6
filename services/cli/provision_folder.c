/* The project's folder: opened, locked, read, and given a new version of the roster. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/provision.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_CEILING_BYTES = 1 << 20 };

/* -- paths and files */

enum anb_status provision_path(const char *folder, const char *part, char path[PROVISION_PATH_BYTES],
                               struct anb_error *err)
{
    if (snprintf(path, PROVISION_PATH_BYTES, "%s/%s", folder, part) < PROVISION_PATH_BYTES) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "path too long: %.200s", folder);
}

static enum anb_status read_part(const char *folder, const char *part, struct buf *out, struct anb_error *err)
{
    char path[PROVISION_PATH_BYTES];
    enum anb_status status = provision_path(folder, part, path, err);
    return status == ANB_OK ? file_read(path, out, err) : status;
}

enum anb_status provision_write(const char *folder, const char *name, struct slice bytes, struct anb_error *err)
{
    char path[PROVISION_PATH_BYTES];
    enum anb_status status = provision_path(folder, name, path, err);
    return status == ANB_OK ? file_write(path, bytes, err) : status;
}

enum anb_status provision_write_key(const char *folder, const char *name, const struct key *key, const char *passphrase,
                                    struct anb_error *err)
{
    struct buf pem;
    buf_init(&pem, KEY_FILE_MAX_BYTES);
    enum anb_status status = key_write_pem(key, passphrase, &pem, err);
    if (status == ANB_OK) status = provision_write(folder, name, buf_slice(&pem), err);
    key_fini_buf(&pem);
    return status;
}

enum anb_status provision_write_certificate(const char *folder, const char *name, const struct certificate *certificate,
                                            struct anb_error *err)
{
    struct buf pem;
    buf_init(&pem, FILE_CEILING_BYTES);
    enum anb_status status = certificate_write_pem(certificate, &pem, err);
    if (status == ANB_OK) status = provision_write(folder, name, buf_slice(&pem), err);
    buf_fini(&pem);
    return status;
}

enum anb_status provision_folder_begin(const char *path, char beside[PROVISION_PATH_BYTES], struct anb_error *err)
{
    struct stat info;
    if (lstat(path, &info) == 0)
        return anb_fail(err, ANB_EXISTS, "%s is there already: keys are never written over", path);
    if (snprintf(beside, PROVISION_PATH_BYTES, "%s.part", path) >= PROVISION_PATH_BYTES)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", path);
    enum anb_status status = file_remove_folder(beside, err); /* of a command that was killed */
    return status == ANB_OK ? file_make_folders(beside, err) : status;
}

enum anb_status provision_folder_finish(const char *beside, const char *path, enum anb_status status,
                                        struct anb_error *err)
{
    if (status == ANB_OK && rename(beside, path) != 0) status = anb_fail_errno(err, errno, "cannot make %s", path);
    if (status != ANB_OK) file_remove_folder(beside, NULL);
    return status;
}

/* -- open */

static enum anb_status lock(struct provision *provision, struct anb_error *err)
{
    provision->lock_fd = open(provision->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (provision->lock_fd < 0) return anb_fail_errno(err, errno, "cannot open %s", provision->folder);
    if (flock(provision->lock_fd, LOCK_EX | LOCK_NB) == 0) return ANB_OK;
    return anb_fail(err, ANB_EXISTS, "another anabranch provision command works in %s: wait for it to end",
                    provision->folder);
}

static enum anb_status find_folder(const char *folder, struct provision *provision, struct anb_error *err)
{
    char *whole = realpath(folder, NULL);
    if (!whole) return anb_fail(err, ANB_NOT_FOUND, "no project in %s: anabranch provision create makes one", folder);
    size_t length = strlen(whole);
    if (length < PROVISION_PATH_BYTES) {
        memcpy(provision->folder, whole, length + 1);
        memcpy(provision->place, whole, length + 1);
    }
    free(whole);
    return length < PROVISION_PATH_BYTES ? ANB_OK : anb_fail(err, ANB_INVALID, "path of the folder too long");
}

static enum anb_status read_project(struct provision *provision, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, FILE_CEILING_BYTES);
    enum anb_status status = read_part(provision->folder, "project.yaml", &text, err);
    if (status == ANB_OK) status = provision_project_parse(buf_slice(&text), "project.yaml", &provision->project, err);
    buf_fini(&text);
    return status;
}

static enum anb_status read_root(struct provision *provision, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, FILE_CEILING_BYTES);
    enum anb_status status = read_part(provision->folder, "root/root.pem", &text, err);
    if (status == ANB_OK) status = certificate_read_pem(buf_slice(&text), "root.pem", &provision->root, err);
    buf_fini(&text);
    return status;
}

static enum anb_status parse_roster(const struct provision *provision, struct slice text, struct roster **roster,
                                    struct anb_error *err)
{
    return roster_parse(text, provision->root, provision->project.name, provision->now_s, roster, err);
}

static enum anb_status read_roster(const struct provision *provision, struct roster **roster, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, ROSTER_MAX_BYTES);
    enum anb_status status = read_part(provision->folder, "roster", &text, err);
    if (status == ANB_OK) status = parse_roster(provision, buf_slice(&text), roster, err);
    buf_fini(&text);
    return status;
}

enum anb_status provision_open(const char *folder, struct provision *provision, struct anb_error *err)
{
    *provision = (struct provision){.lock_fd = -1, .now_s = clock_wall_ms() / 1000};
    enum anb_status status = find_folder(folder, provision, err);
    if (status == ANB_OK) status = lock(provision, err);
    if (status == ANB_OK) status = read_project(provision, err);
    if (status == ANB_OK) status = read_root(provision, err);
    if (status == ANB_OK) status = read_roster(provision, &provision->roster, err);
    return status;
}

static bool is_pair(const struct certificate *certificate, const struct key *key)
{
    struct key *named = NULL;
    struct key_point a, b;
    bool same = certificate_key(certificate, &named, NULL) == ANB_OK && key_point(named, &a, NULL) == ANB_OK &&
                key_point(key, &b, NULL) == ANB_OK && memcmp(&a, &b, sizeof a) == 0;
    key_free(named);
    return same;
}

enum anb_status provision_unlock(struct provision *provision, const char *passphrase_file, struct anb_error *err)
{
    struct buf pem;
    char *passphrase = NULL;
    buf_init(&pem, KEY_FILE_MAX_BYTES);
    enum anb_status status = passphrase_read(passphrase_file, &passphrase, err);
    if (status == ANB_OK) status = buf_reserve(&pem, KEY_FILE_MAX_BYTES, err);
    if (status == ANB_OK) status = read_part(provision->folder, "root/root-key.pem", &pem, err);
    if (status == ANB_OK)
        status = key_read_pem(buf_slice(&pem), "root/root-key.pem", passphrase, &provision->root_key, err);
    if (status == ANB_DENIED && !passphrase_file) anb_error_prefix(err, "give --passphrase-file: ");
    if (status == ANB_OK && !is_pair(provision->root, provision->root_key))
        status = anb_fail(err, ANB_CORRUPT, "root/root-key.pem is not the key of root/root.pem");
    passphrase_free(passphrase);
    key_fini_buf(&pem);
    return status;
}

/* -- publish */

enum anb_status provision_acls_write(const struct provision *provision, struct anb_error *err)
{
    struct buf text;
    if (!provision->project.broker_tls) return ANB_OK; /* a broker that knows nobody has no rules */
    buf_init(&text, FILE_CEILING_BYTES);
    enum anb_status status = provision_acls(provision, &text, err);
    if (status == ANB_OK) status = provision_write(provision->folder, "operator/acls.sh", buf_slice(&text), err);
    buf_fini(&text);
    return status;
}

/* What a node that has the last version would refuse must not be written. */
static enum anb_status check_next(const struct provision *provision, struct slice text, struct anb_error *err)
{
    struct roster *last = NULL, *next = NULL;
    enum anb_status status = parse_roster(provision, text, &next, err);
    if (status == ANB_OK && next->version > 1) {
        status = read_roster(provision, &last, err);
        if (status == ANB_OK) status = roster_check_successor(last, next, err);
    }
    roster_free(last);
    roster_free(next);
    return status;
}

enum anb_status provision_publish(struct provision *provision, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, ROSTER_MAX_BYTES);
    enum anb_status status = roster_sign(provision->roster, provision->root_key, provision->now_s, &text, err);
    if (status == ANB_OK) status = check_next(provision, buf_slice(&text), err);
    if (status == ANB_OK) status = provision_write(provision->folder, "roster", buf_slice(&text), err);
    if (status == ANB_OK) status = provision_acls_write(provision, err);
    buf_fini(&text);
    return status;
}

void provision_close(struct provision *provision)
{
    if (provision->lock_fd >= 0) close(provision->lock_fd);
    provision_project_fini(&provision->project);
    certificate_free(provision->root);
    key_free(provision->root_key);
    roster_free(provision->roster);
}
