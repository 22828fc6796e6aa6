/* What Kafka needs: an identity for each broker, one for the operator, and the settings that demand them of all who
 * come.
 *
 * A broker knows a node by the common name of its certificate, "hospital-a", itself as "broker.broker-1" and the
 * operator as "operator.operator": names of nodes have no dot, so none can be mistaken for another. */
#include "base/file.h"
#include "cli/provision.h"

#include <stdio.h>

enum { DAY_S = 86400, HOUR_S = 3600, TEXT_CEILING_BYTES = 65536, BROKER_NAME_BYTES = 32 };

static void name_broker(size_t index, char name[BROKER_NAME_BYTES])
{
    snprintf(name, BROKER_NAME_BYTES, "broker-%zu", index + 1);
}

/* -- an identity in the form Kafka reads: key and certificate in one file, the root in another */

static enum anb_status write_store(const char *folder, const struct key *key, const struct certificate *certificate,
                                   struct anb_error *err)
{
    struct buf pem;
    buf_init(&pem, TEXT_CEILING_BYTES);
    enum anb_status status = buf_reserve(&pem, TEXT_CEILING_BYTES, err);
    if (status == ANB_OK) status = key_write_pem(key, NULL, &pem, err);
    if (status == ANB_OK) status = certificate_write_pem(certificate, &pem, err);
    if (status == ANB_OK) status = provision_write(folder, "keystore.pem", buf_slice(&pem), err);
    key_fini_buf(&pem);
    return status;
}

static enum anb_status write_identity(const struct provision *provision, const struct certificate_subject *subject,
                                      const char *folder, struct anb_error *err)
{
    struct key *key = NULL;
    struct certificate *certificate = NULL;
    const struct certificate_times times = {provision->now_s - HOUR_S,
                                            provision->now_s + provision->project.valid_days * DAY_S};
    enum anb_status status = key_make(&key, err);
    if (status == ANB_OK)
        status = certificate_issue(provision->root, provision->root_key, subject, key, &times, &certificate, err);
    if (status == ANB_OK) status = write_store(folder, key, certificate, err);
    if (status == ANB_OK) status = provision_write_certificate(folder, "truststore.pem", provision->root, err);
    certificate_free(certificate);
    key_free(key);
    return status;
}

/* -- settings */

static enum anb_status append_stores(const char *place, struct buf *out, struct anb_error *err)
{
    return buf_printf(out, err,
                      "ssl.keystore.type=PEM\nssl.keystore.location=%s/keystore.pem\n"
                      "ssl.truststore.type=PEM\nssl.truststore.location=%s/truststore.pem\n"
                      "ssl.enabled.protocols=TLSv1.3\n",
                      place, place);
}

static enum anb_status append_names(const struct provision_project *project, struct buf *out, struct anb_error *err)
{
    static const char *const units[] = {"broker", "operator"};
    enum anb_status status =
        buf_printf(out, err, "ssl.principal.mapping.rules=RULE:^CN=([a-z0-9-]+),OU=node,O=%s$/$1/", project->name);
    for (size_t i = 0; i < 2 && status == ANB_OK; i++)
        status = buf_printf(out, err, ",RULE:^CN=([a-z0-9-]+),OU=%s,O=%s$/%s.$1/", units[i], project->name, units[i]);
    if (status == ANB_OK) status = buf_append_text(out, ",DEFAULT\nsuper.users=User:operator.operator", err);
    for (size_t i = 0; i < project->n_brokers && status == ANB_OK; i++) {
        char name[BROKER_NAME_BYTES];
        name_broker(i, name);
        status = buf_printf(out, err, ";User:broker.%s", name);
    }
    return status == ANB_OK ? buf_append_text(out, "\n", err) : status;
}

/* To be put behind the broker's own settings. */
static enum anb_status append_server(const struct provision_project *project, const struct provision_broker *broker,
                                     const char *place, struct buf *out, struct anb_error *err)
{
    enum anb_status status =
        buf_printf(out, err,
                   "# TLS 1.3 with client certificates on every listener; nothing is allowed that no rule allows.\n"
                   "listeners=SSL://%s:%d,CONTROLLER://%s:%d\nadvertised.listeners=SSL://%s:%d\n"
                   "controller.listener.names=CONTROLLER\nlistener.security.protocol.map=SSL:SSL,CONTROLLER:SSL\n"
                   "inter.broker.listener.name=SSL\nssl.client.auth=required\n"
                   "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
                   "allow.everyone.if.no.acl.found=false\nauto.create.topics.enable=false\n",
                   broker->host, broker->port, broker->host, broker->port + 1, broker->host, broker->port);
    if (status == ANB_OK) status = append_names(project, out, err);
    return status == ANB_OK ? append_stores(place, out, err) : status;
}

static enum anb_status append_client(const char *place, struct buf *out, struct anb_error *err)
{
    enum anb_status status = buf_append_text(out, "security.protocol=SSL\n", err);
    return status == ANB_OK ? append_stores(place, out, err) : status;
}

/* -- folders */

static enum anb_status begin_part(const struct provision *provision, const char *part,
                                  char folder[PROVISION_PATH_BYTES], char place[PROVISION_PATH_BYTES],
                                  struct anb_error *err)
{
    enum anb_status status = provision_path(provision->folder, part, folder, err);
    if (status == ANB_OK) status = provision_path(provision->place, part, place, err);
    return status == ANB_OK ? file_make_folders(folder, err) : status;
}

static enum anb_status write_broker(const struct provision *provision, size_t index, struct anb_error *err)
{
    char name[BROKER_NAME_BYTES], part[64], folder[PROVISION_PATH_BYTES], place[PROVISION_PATH_BYTES];
    const struct provision_broker *broker = &provision->project.brokers[index];
    const char *const host = broker->host;
    struct buf text;
    name_broker(index, name);
    snprintf(part, sizeof part, "brokers/%s", name);
    buf_init(&text, TEXT_CEILING_BYTES);
    const struct certificate_subject subject = {CERTIFICATE_BROKER, provision->project.name, name, &host, 1};
    enum anb_status status = begin_part(provision, part, folder, place, err);
    if (status == ANB_OK) status = write_identity(provision, &subject, folder, err);
    if (status == ANB_OK) status = append_server(&provision->project, broker, place, &text, err);
    if (status == ANB_OK) status = provision_write(folder, "server.properties", buf_slice(&text), err);
    buf_fini(&text);
    return status;
}

static enum anb_status write_operator(const struct provision *provision, struct anb_error *err)
{
    char folder[PROVISION_PATH_BYTES], place[PROVISION_PATH_BYTES];
    struct buf text;
    const struct certificate_subject subject = {CERTIFICATE_OPERATOR, provision->project.name, "operator", NULL, 0};
    buf_init(&text, TEXT_CEILING_BYTES);
    enum anb_status status = begin_part(provision, "operator", folder, place, err);
    if (status == ANB_OK) status = write_identity(provision, &subject, folder, err);
    if (status == ANB_OK) status = append_client(place, &text, err);
    if (status == ANB_OK) status = provision_write(folder, "client.properties", buf_slice(&text), err);
    buf_fini(&text);
    return status;
}

enum anb_status provision_brokers_write(const struct provision *provision, struct anb_error *err)
{
    if (!provision->project.broker_tls) return ANB_OK;
    enum anb_status status = write_operator(provision, err);
    for (size_t i = 0; i < provision->project.n_brokers && status == ANB_OK; i++)
        status = write_broker(provision, i, err);
    return status;
}
