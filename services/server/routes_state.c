/* What a server says about itself and the nodes it knows. */
#include "server/metrics.h"
#include "server/routes.h"
#include "server/server.h"
#include "server/views.h"

enum verdict handle_health(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct doc *doc = doc_new_map();
    (void)request;
    doc_set_text(doc, "status", "ok");
    doc_set_text(doc, "project", node_project(server->node));
    doc_set_text(doc, "node", node_name(server->node));
    doc_set_text(doc, "version", ANB_VERSION);
    doc_set_text(doc, "leader", federation_leader(node_lock(server->node)));
    node_unlock(server->node);
    doc_set_bool(doc, "leading", conductor_leads(server->conductor));
    doc_set_int(doc, "control_offset", node_control_offset(server->node));
    return answer_doc(answer, 200, doc);
}

enum verdict handle_ready(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct anb_error err;
    (void)request;
    if (!conductor_is_ready(server->conductor)) {
        anb_fail(&err, ANB_UNAVAILABLE, "this server has not caught up yet");
        return answer_error(answer, &err);
    }
    struct doc *doc = doc_new_map();
    doc_set_text(doc, "status", "ready");
    return answer_doc(answer, 200, doc);
}

static enum verdict answer_nodes(struct server *server, enum role role, const char *key, struct answer *answer)
{
    struct doc *doc = doc_new_map();
    struct doc *list = doc_set_list(doc, key);
    int64_t now_ms = bus_now_ms(node_bus(server->node));
    view_nodes(list, federation_nodes(node_lock(server->node)), role, now_ms);
    node_unlock(server->node);
    return answer_doc(answer, 200, doc);
}

enum verdict handle_sites(void *context, struct request *request, struct answer *answer)
{
    (void)request;
    return answer_nodes(context, ROLE_CLIENT, "sites", answer);
}

enum verdict handle_aggregators(void *context, struct request *request, struct answer *answer)
{
    (void)request;
    return answer_nodes(context, ROLE_AGGREGATOR, "aggregators", answer);
}

static void view_marks(struct doc *list, const struct node_state *node)
{
    char digest[DIGEST_TEXT_BYTES];
    for (size_t i = 0; i < node->n_audit_marks; i++) {
        struct doc *map = doc_add_map(list);
        doc_set_int(map, "sequence", node->audit_marks[i].line);
        doc_set_text(map, "digest", digest_text(&node->audit_marks[i].digest, digest));
        doc_set_int(map, "time_ms", node->audit_marks[i].time_ms);
    }
}

/* The heads of a node's audit log, as the control log keeps them. */
enum verdict handle_audit(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct anb_error err;
    struct doc *doc = doc_new_map();
    const struct node_state *node = federation_node(node_lock(server->node), request->id);
    doc_set_text(doc, "node", request->id);
    if (node) view_marks(doc_set_list(doc, "heads"), node);
    node_unlock(server->node);
    if (node) return answer_doc(answer, 200, doc);
    doc_free(doc);
    anb_fail(&err, ANB_NOT_FOUND, "no node %s has come up yet", request->id);
    return answer_error(answer, &err);
}

enum verdict handle_metrics(void *context, struct request *request, struct answer *answer)
{
    struct anb_error err;
    (void)request;
    if (metrics_write(context, &answer->body, &err) != ANB_OK) {
        buf_clear(&answer->body);
        return answer_error(answer, &err);
    }
    answer->code = 200;
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return ANSWERED;
}
