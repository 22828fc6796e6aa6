/* Opening a stream for many receivers: the time that goes into its key, and the size of the record.
 *
 * A project of N sites in memory; the server opens model streams for a job that invites them all. "first" is the
 * first one under a roster: every certificate is verified for it. Fails when the median of the later ones is above
 * 150 ms or the record above 256 KiB, for 1,000 sites. The last line is one JSON object. */
#include "base/clock.h"
#include "base/doc.h"
#include "base/log.h"
#include "base/options.h"
#include "bus/memory.h"
#include "node/envelope.h"
#include "support/identity.h"
#include "support/test.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_OPENINGS = 9, STATED_SITES = 1000, MOST_MS = 150, MOST_BYTES = 256 << 10 };

struct settings {
    int64_t sites;
};

static const struct option_entry entries[] = {
    OPTION_INT_ENTRY(struct settings, sites, "sites", "1000", 1, 2000, "",
                     "receivers, beside one aggregator and server"),
};

static const struct option_table table = {.program = "bench_seal",
                                          .argument = "",
                                          .summary = "Measure the opening of a stream for many receivers",
                                          .entries = entries,
                                          .n_entries = sizeof entries / sizeof *entries};

struct found {
    double first_ms, median_ms;
    size_t receivers, record_bytes;
};

static void require(enum anb_status status, const struct anb_error *err)
{
    if (status == ANB_OK) return;
    fprintf(stderr, "bench_seal: %s\n", err->text);
    exit(1);
}

static struct identities *make_project(int64_t n_sites)
{
    struct identities *project = identities_new("p");
    identities_add(project, "server", 1 << ROSTER_SERVER);
    identities_add(project, "aggregator", 1 << ROSTER_AGGREGATOR);
    for (int64_t i = 0; i < n_sites; i++) {
        char name[NAME_MAX_BYTES + 1];
        snprintf(name, sizeof name, "site-%lld-of-a-project", (long long)i);
        identities_add(project, name, 1 << ROSTER_SITE);
    }
    identities_sign(project);
    return project;
}

static struct stream_opened describe(const struct id *stream)
{
    static int32_t partitions[] = {0, 1, 2, 3};
    static int64_t offsets[] = {0, 0, 0, 0};
    return (struct stream_opened){.stream = *stream,
                                  .job = "00000000000000a1",
                                  .purpose = PURPOSE_MODEL,
                                  .layout_bytes = 4096,
                                  .data_bytes = 1 << 28,
                                  .chunk_bytes = 983040,
                                  .chunk_count = 275,
                                  .partitions = partitions,
                                  .n_partitions = 4,
                                  .start_offsets = offsets,
                                  .n_start_offsets = 4};
}

static double open_one(struct node *node, const struct job_spec *spec, struct found *found)
{
    struct id stream;
    struct sealed_key sealed;
    struct anb_error err;
    struct buf bytes;
    require(id_random(&stream, &err), &err);
    struct record record = {.kind = RECORD_STREAM_OPENED, .is.stream_opened = describe(&stream)};
    buf_init(&bytes, OPENING_RECORD_MAX_BYTES);
    int64_t begun_us = clock_monotonic_us();
    require(envelope_seal(node, &record.is.stream_opened, spec, &sealed, &err), &err);
    require(wire_encode(&record, &bytes, &err), &err);
    double ms = (double)(clock_monotonic_us() - begun_us) / 1000;
    found->receivers = record.is.stream_opened.n_receivers;
    found->record_bytes = bytes.size;
    sealed_key_fini(&sealed);
    buf_fini(&bytes);
    return ms;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void measure(struct node *node, struct found *found)
{
    struct job_spec any = {.n_site_names = 0};
    double ms[N_OPENINGS];
    found->first_ms = open_one(node, &any, found);
    for (int i = 0; i < N_OPENINGS; i++) ms[i] = open_one(node, &any, found);
    qsort(ms, N_OPENINGS, sizeof *ms, by_size);
    found->median_ms = ms[N_OPENINGS / 2];
}

static int say(const struct found *found, int64_t sites)
{
    bool is_stated = sites == STATED_SITES;
    bool missed = is_stated && (found->median_ms > MOST_MS || found->record_bytes > MOST_BYTES);
    printf("{\"receivers\": %zu, \"first_ms\": %.1f, \"median_ms\": %.1f, \"record_bytes\": %zu}\n", found->receivers,
           found->first_ms, found->median_ms, found->record_bytes);
    if (missed) fprintf(stderr, "bench_seal: at most %d ms and %d bytes are wanted\n", MOST_MS, MOST_BYTES);
    return missed;
}

static struct settings settings;
static struct found found;

/* The identities of tests want to be made inside of a test. */
static void seal(void)
{
    struct bus *bus;
    struct node *node;
    struct identities *project = make_project(settings.sites);
    struct node_trust *trust = identities_trust(project, "server");
    struct memory_log *log = memory_log_new(NULL, NULL, 1);
    const struct node_config config = {.project = "p",
                                       .name = "server",
                                       .role = ROLE_SERVER,
                                       .trust = trust,
                                       .version = "bench",
                                       .partitions = 4,
                                       .timeout_ms = 1000};
    require(bus_memory_open(log, &bus, &test_error), &test_error);
    require(node_open(&config, bus, &node, &test_error), &test_error);
    measure(node, &found);
    node_close(node, "done");
    bus_close(bus, 100);
    memory_log_free(log);
    node_trust_free(trust);
    identities_free(project);
}

int main(int argc, char **argv)
{
    static const struct test_entry work[] = {TEST(seal)};
    struct anb_error err = {.text = ""};
    int n_operands;
    enum anb_status status = options_parse(&table, argc, argv, &settings, &n_operands, &err);
    if (status == ANB_CLOSED) return 0;
    require(status, &err);
    log_setup("bench", LOG_WARN);
    int failed = test_main("seal", work, 1, 1, argv);
    return say(&found, settings.sites) || failed;
}
