/* The broker's access rules as a script of kafka-acls calls: what each node may write and what its roles need to read.
 * Running it again changes nothing. Nodes that were revoked are denied everything, which stands above any rule that
 * allows. */
#include "cli/provision.h"

#include <stdio.h>

static const char head[] = "#!/bin/sh\n"
                           "# Access rules of project %s for roster version %lld, made by anabranch provision. It may "
                           "be run again at any time.\n"
                           "# KAFKA_ACLS: the command of the Kafka distribution (kafka-acls.sh).\n"
                           "set -eu\n"
                           "here=$(cd \"$(dirname \"$0\")\" && pwd)\n"
                           "acls() {\n"
                           "    ${KAFKA_ACLS:-kafka-acls.sh} --bootstrap-server \"${BOOTSTRAP:-%s}\" --command-config "
                           "\"$here/client.properties\" --force \"$@\"\n"
                           "}\n\n";

enum { BOOTSTRAP_CEILING_BYTES = 8192, TOPICS_CEILING_BYTES = 1 << 18 };

static bool is_node(const struct roster_member *member, unsigned roles)
{
    return member->kind == CERTIFICATE_NODE && (member->roles & roles);
}

static bool any_node(const struct roster *roster, unsigned roles)
{
    for (size_t i = 0; i < roster->n_members; i++)
        if (is_node(roster->members[i], roles)) return true;
    return false;
}

/* acls --add --allow-principal User:a --allow-principal User:b `rest`: nothing when nobody has one of the roles. */
static enum anb_status allow(const struct roster *roster, unsigned roles, struct buf *out, const char *rest,
                             struct anb_error *err)
{
    if (!any_node(roster, roles)) return ANB_OK;
    enum anb_status status = buf_append_text(out, "acls --add", err);
    for (size_t i = 0; i < roster->n_members && status == ANB_OK; i++)
        if (is_node(roster->members[i], roles))
            status = buf_printf(out, err, " --allow-principal User:%s", roster->members[i]->name);
    return status == ANB_OK ? buf_printf(out, err, " %s\n", rest) : status;
}

enum { SERVERS = 1 << ROSTER_SERVER, AGGREGATORS = 1 << ROSTER_AGGREGATOR, SITES = 1 << ROSTER_SITE };
enum { ALL = SERVERS | AGGREGATORS | SITES, REST_BYTES = 256 };

/* Control, pulse and telemetry; the server makes topics, all below the project's name. */
static enum anb_status allow_shared(const struct roster *roster, struct buf *out, struct anb_error *err)
{
    static const struct {
        unsigned roles;
        const char *operations, *first, *second; /* topics, behind the project's name and a dot */
    } rules[] = {
        {ALL, "--operation Describe --operation Read --operation Write", "control", NULL},
        {ALL, "--operation Describe --operation Write", "pulse", "telemetry"},
        {SERVERS, "--operation Read", "pulse", "telemetry"},
        {SERVERS, "--operation Create --operation Describe --resource-pattern-type prefixed", "", NULL},
    };
    enum anb_status status = ANB_OK;
    for (size_t i = 0; i < sizeof rules / sizeof *rules && status == ANB_OK; i++) {
        char rest[REST_BYTES];
        int used =
            snprintf(rest, sizeof rest, "%s --topic %s.%s", rules[i].operations, roster->project, rules[i].first);
        if (rules[i].second)
            snprintf(rest + used, sizeof rest - (size_t)used, " --topic %s.%s", roster->project, rules[i].second);
        status = allow(roster, rules[i].roles, out, rest, err);
    }
    return status;
}

/* Who reads this node's outbox: aggregators fold what sites and they themselves send, sites train on what servers and
 * aggregators send, servers store what aggregators send. */
static unsigned readers_of(const struct roster_member *member)
{
    unsigned readers = AGGREGATORS;
    if (member->roles & (SERVERS | AGGREGATORS)) readers |= SITES;
    if (member->roles & AGGREGATORS) readers |= SERVERS;
    return readers;
}

/* One call for all outboxes with these readers. */
static enum anb_status allow_readers(const struct roster *roster, unsigned readers, struct buf *out,
                                     struct anb_error *err)
{
    struct buf rest;
    bool any = false;
    buf_init(&rest, TOPICS_CEILING_BYTES);
    enum anb_status status = buf_append_text(&rest, "--operation Describe --operation Read", err);
    for (size_t i = 0; i < roster->n_members && status == ANB_OK; i++) {
        if (!is_node(roster->members[i], ALL) || readers_of(roster->members[i]) != readers) continue;
        status = buf_printf(&rest, err, " --topic %s.out.%s", roster->project, roster->members[i]->name);
        any = true;
    }
    if (status == ANB_OK && any) status = allow(roster, readers, out, buf_text(&rest), err);
    buf_fini(&rest);
    return status;
}

static enum anb_status allow_outboxes(const struct roster *roster, struct buf *out, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (size_t i = 0; i < roster->n_members && status == ANB_OK; i++)
        if (is_node(roster->members[i], ALL))
            status = buf_printf(out, err,
                                "acls --add --allow-principal User:%s --operation Describe --operation Write "
                                "--operation Delete --topic %s.out.%s\n",
                                roster->members[i]->name, roster->project, roster->members[i]->name);
    for (unsigned readers = 1; readers <= ALL && status == ANB_OK; readers++)
        status = allow_readers(roster, readers, out, err);
    return status;
}

static enum anb_status deny_revoked(const struct roster *roster, struct buf *out, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    if (roster->n_revoked == 0) return ANB_OK;
    status = buf_append_text(out, "acls --add", err);
    for (size_t i = 0; i < roster->n_revoked && status == ANB_OK; i++)
        status = buf_printf(out, err, " --deny-principal User:%s", roster->revoked[i].name);
    return status == ANB_OK ? buf_append_text(out, " --operation All --topic '*' --group '*' --cluster\n", err)
                            : status;
}

enum anb_status provision_acls(const struct provision *provision, struct buf *out, struct anb_error *err)
{
    struct buf bootstrap;
    const struct roster *roster = provision->roster;
    buf_init(&bootstrap, BOOTSTRAP_CEILING_BYTES);
    enum anb_status status = provision_bootstrap(&provision->project, &bootstrap, err);
    if (status == ANB_OK)
        status = buf_printf(out, err, head, roster->project, (long long)roster->version, buf_text(&bootstrap));
    buf_fini(&bootstrap);
    if (status == ANB_OK) status = deny_revoked(roster, out, err);
    if (status == ANB_OK) status = allow_shared(roster, out, err);
    return status == ANB_OK ? allow_outboxes(roster, out, err) : status;
}
