#include "server/metrics.h"

#include "job/machine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct page { /* the first failure stays */
    struct buf *out;
    enum anb_status status;
    struct anb_error *err;
};

#define PUT(page, ...)                                                                                                 \
    do {                                                                                                               \
        if ((page)->status == ANB_OK) (page)->status = buf_printf((page)->out, (page)->err, __VA_ARGS__);              \
    } while (0)

static void put_family(struct page *page, const char *name, const char *type, const char *help)
{
    PUT(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_one(struct page *page, const char *name, const char *type, const char *help, double value)
{
    put_family(page, name, type, help);
    PUT(page, "%s %.17g\n", name, value);
}

/* -- the federation, under its lock */

static void put_jobs(struct page *page, const struct federation *federation)
{
    int64_t phases[4] = {0}, outcomes[3] = {0}, rounds = 0, bytes = 0;
    for (size_t i = 0; i < federation_n_jobs(federation); i++) {
        const struct job_state *job = federation_job_at(federation, i);
        phases[job->phase]++;
        if (job->phase == JOB_ENDED) outcomes[job->outcome]++;
        rounds += job->n_forgotten;
        bytes += job->forgotten_bytes;
        for (size_t r = 0; r < job->n_rounds; r++) {
            if (job->rounds[r]->phase != ROUND_CLOSED) continue;
            rounds++;
            bytes += job->rounds[r]->bytes;
        }
    }
    put_family(page, "anabranch_jobs", "gauge", "Jobs by phase.");
    for (int i = 0; i < 4; i++)
        PUT(page, "anabranch_jobs{phase=\"%s\"} %lld\n", job_machine.states[i], (long long)phases[i]);
    put_family(page, "anabranch_jobs_ended", "gauge", "Ended jobs by outcome; a deleted job is no longer counted.");
    for (int i = 0; i < 3; i++)
        PUT(page, "anabranch_jobs_ended{outcome=\"%s\"} %lld\n", outcome_words[i], (long long)outcomes[i]);
    put_one(page, "anabranch_rounds_closed", "gauge", "Closed rounds of the jobs that are known.", (double)rounds);
    put_one(page, "anabranch_update_bytes", "gauge", "Bytes of the updates that counted in those rounds.",
            (double)bytes);
}

static void put_nodes(struct page *page, const struct federation *federation, int64_t now_ms)
{
    int64_t up[3] = {0}, alive[3] = {0};
    for (const struct node_state *node = federation_nodes(federation); node; node = node->next) {
        if (node->up) up[node->role]++;
        if (node_is_alive(node, now_ms)) alive[node->role]++;
    }
    put_family(page, "anabranch_nodes_up", "gauge", "Nodes that have started and not ended, by role.");
    for (int i = 0; i < 3; i++) PUT(page, "anabranch_nodes_up{role=\"%s\"} %lld\n", role_words[i], (long long)up[i]);
    put_family(page, "anabranch_nodes_alive", "gauge", "Nodes that were heard of lately, by role.");
    for (int i = 0; i < 3; i++)
        PUT(page, "anabranch_nodes_alive{role=\"%s\"} %lld\n", role_words[i], (long long)alive[i]);
}

static void put_refusals(struct page *page, const struct federation *federation, int64_t n_foreign)
{
    put_family(page, "anabranch_records_refused_total", "counter",
               "Control records refused since the log began, by reason.");
    PUT(page, "anabranch_records_refused_total{reason=\"undecodable\"} %lld\n", (long long)n_foreign);
    for (size_t i = 0; i < federation_n_refusals(federation); i++) {
        const char *reason;
        int64_t count;
        federation_refusal_at(federation, i, &reason, &count);
        PUT(page, "anabranch_records_refused_total{reason=\"%s\"} %lld\n", reason, (long long)count);
    }
}

/* Reasons come from other nodes, but only in the characters of word_copy; a quote would end the label. */
static const char *label(const char *reason)
{
    return strpbrk(reason, "\"\\") ? "?" : reason;
}

static void put_stream_refusals(struct page *page, const struct federation *federation)
{
    put_family(page, "anabranch_stream_refusals_total", "counter",
               "What nodes did not accept in streams since they started, by reason, as their pulses say.");
    for (const struct node_state *node = federation_nodes(federation); node; node = node->next)
        for (size_t i = 0; i < node->n_refusals; i++)
            PUT(page, "anabranch_stream_refusals_total{node=\"%s\",reason=\"%s\"} %lld\n", node->name,
                label(node->refusals[i].reason), (long long)node->refusals[i].count);
}

/* -- this process */

static void put_http(struct page *page, struct http *http)
{
    struct http_counters counters;
    http_count(http, &counters);
    put_family(page, "anabranch_http_responses_total", "counter", "Answers of the REST endpoint, by class of code.");
    for (int i = 2; i < 6; i++)
        PUT(page, "anabranch_http_responses_total{class=\"%dxx\"} %llu\n", i, (unsigned long long)counters.answers[i]);
    put_one(page, "anabranch_http_connections", "gauge", "Open connections.", (double)counters.connections);
    put_one(page, "anabranch_http_waiting", "gauge", "Requests that wait for something to happen.",
            (double)counters.waiting);
    put_one(page, "anabranch_http_cut_off_total", "counter", "Connections cut off because head or body took too long.",
            (double)counters.cut_off);
}

static void put_stores(struct page *page, struct server *server)
{
    struct store_counters stored;
    struct telemetry_counters telemetry;
    store_count(server->store, &stored);
    telemetry_count(server->telemetry, &telemetry);
    put_one(page, "anabranch_models_stored_total", "counter", "Models stored.", (double)stored.models);
    put_one(page, "anabranch_models_stored_bytes_total", "counter", "Bytes of the models stored.",
            (double)stored.bytes);
    put_one(page, "anabranch_models_failed_total", "counter", "Models that could not be stored.",
            (double)stored.failures);
    put_family(page, "anabranch_telemetry_records_total", "counter", "Telemetry records read, by what became of them.");
    PUT(page, "anabranch_telemetry_records_total{result=\"kept\"} %llu\n", (unsigned long long)telemetry.lines);
    PUT(page, "anabranch_telemetry_records_total{result=\"refused\"} %llu\n", (unsigned long long)telemetry.refused);
    PUT(page, "anabranch_telemetry_records_total{result=\"log-full\"} %llu\n", (unsigned long long)telemetry.full);
    PUT(page, "anabranch_telemetry_records_total{result=\"failed\"} %llu\n", (unsigned long long)telemetry.failed);
}

static double resident_bytes(void)
{
    long long pages = 0, skipped;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%lld %lld", &skipped, &pages) != 2) pages = 0;
    if (file) fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void put_process(struct page *page, struct server *server)
{
    put_family(page, "anabranch_build_info", "gauge", "Always 1.");
    PUT(page, "anabranch_build_info{version=\"%s\"} 1\n", ANB_VERSION);
    put_one(page, "anabranch_leading", "gauge", "1 when this server leads.", conductor_leads(server->conductor));
    put_one(page, "anabranch_control_offset", "gauge", "Offset of the next control record.",
            (double)node_control_offset(server->node));
    put_one(page, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
}

enum anb_status metrics_write(struct server *server, struct buf *out, struct anb_error *err)
{
    struct page page = {out, ANB_OK, err};
    int64_t now_ms = bus_now_ms(node_bus(server->node)), n_foreign = node_n_foreign(server->node);
    const struct federation *federation = node_lock(server->node);
    put_jobs(&page, federation);
    put_nodes(&page, federation, now_ms);
    put_refusals(&page, federation, n_foreign);
    put_stream_refusals(&page, federation);
    put_one(&page, "anabranch_roster_version", "gauge", "Version of the roster in force.",
            (double)node_trust_version(node_trust(server->node)));
    put_one(&page, "anabranch_leader_epoch", "gauge", "Highest epoch claimed.", (double)federation_epoch(federation));
    node_unlock(server->node);
    put_one(&page, "anabranch_records_unheard_total", "counter",
            "Control records that said something in confidence that did not open.",
            (double)node_n_unheard(server->node));
    put_one(&page, "anabranch_pulses_refused_total", "counter", "Pulses that were not believed.",
            (double)node_n_false_pulses(server->node));
    put_http(&page, server->http);
    put_stores(&page, server);
    put_process(&page, server);
    return page.status;
}
