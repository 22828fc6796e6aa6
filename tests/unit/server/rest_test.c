/* A whole server on the in-memory bus, spoken to over real sockets. Where a test needs what a site or an aggregator
 * would say, it writes that to the control log itself. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "bundle/manifest.h"
#include "bus/memory.h"
#include "node/node.h"
#include "server/server.h"
#include "support/identity.h"
#include "support/raw_http.h"
#include "support/schema.h"
#include "support/test.h"
#include "tensor/safetensors.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_BODY = 1 << 16 };

struct stage { /* a server and the thread that owns it */
    struct bus *bus;
    struct node_trust *trust;
    struct node *node;
    struct server server;
    pthread_t owner;
    atomic_bool stop;
    char folder[256];
    char token[TOKEN_TEXT_BYTES]; /* of ann, an admin */
};

static struct identities *identities; /* of the nodes, and the keys of ann and leo */

static struct memory_log *memory;
static struct stage first, second;
static struct doc *openapi;
static struct raw_reply reply;

static void *own(void *context)
{
    struct stage *stage = context;
    while (!atomic_load(&stage->stop)) {
        int64_t before = node_control_offset(stage->node);
        int64_t wait_ms = conductor_step(stage->server.conductor);
        node_poll(stage->node, wait_ms < 5 ? wait_ms : 5, NULL);
        server_tell(&stage->server, before);
    }
    return NULL;
}

/* As her certificate would let her. */
static void make_token(struct stage *stage)
{
    const struct user ann = {.name = "ann", .role = USER_ADMIN, .is_certified = true};
    const struct token_wish wish = {.days = 1};
    struct token made;
    if (users_create_token(stage->server.users, &ann, &wish, clock_wall_ms(), stage->token, &made, &test_error) !=
        ANB_OK)
        abort();
}

static void start_one(struct stage *stage, const char *name)
{
    memset(stage, 0, sizeof *stage);
    snprintf(stage->folder, sizeof stage->folder, "%s/%s", test_folder(), name);
    stage->trust = identities_trust(identities, name);
    const struct node_config config = {.project = "p",
                                       .name = name,
                                       .role = ROLE_SERVER,
                                       .trust = stage->trust,
                                       .version = "1",
                                       .partitions = 2,
                                       .keep_history = true,
                                       .timeout_ms = 5000,
                                       .outbox_retention_ms = -1,
                                       .outbox_retention_bytes = -1};
    const struct server_config server = {.data_folder = stage->folder,
                                         .listen = "127.0.0.1:0",
                                         .model_limit_bytes = 1 << 20,
                                         .log_limit_bytes = 1 << 20};
    if (bus_memory_open(memory, &stage->bus, &test_error) != ANB_OK ||
        node_open(&config, stage->bus, &stage->node, &test_error) != ANB_OK ||
        server_start(&stage->server, stage->node, &server, &test_error) != ANB_OK ||
        pthread_create(&stage->owner, NULL, own, stage) != 0) {
        printf("%s\n", test_error.text);
        abort();
    }
    while (!conductor_is_ready(stage->server.conductor)) clock_sleep_ms(1);
    make_token(stage);
}

static void stop_one(struct stage *stage, const char *reason)
{
    atomic_store(&stage->stop, true);
    pthread_join(stage->owner, NULL);
    server_stop(&stage->server);
    node_close(stage->node, reason);
    bus_close(stage->bus, 1000);
    node_trust_free(stage->trust);
}

static void begin(void)
{
    log_setup("server", getenv("REST_LOG") ? LOG_DEBUG : LOG_ERROR);
    memory = memory_log_new(NULL, NULL, 1);
    openapi = openapi_load();
    identities = identities_new("p");
    identities_add(identities, "server-1", 1 << ROSTER_SERVER);
    identities_add(identities, "server-2", 1 << ROSTER_SERVER);
    identities_add(identities, "ann", 1 << ROSTER_ADMIN);
    identities_add(identities, "leo", 1 << ROSTER_LEAD);
    identities_sign(identities);
    start_one(&first, "server-1");
}

static void end(void)
{
    stop_one(&first, "stopped");
    file_remove_folder(first.folder, NULL);
    memory_log_free(memory);
    identities_free(identities);
    doc_free(openapi);
}

/* -- asking */

static void ask(const struct stage *stage, const char *method, const char *target, int code, const char *schema)
{
    char request[512];
    snprintf(request, sizeof request,
             "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n", method,
             target, stage->token);
    raw_ask(http_address(stage->server.http), request, &reply);
    if (reply.code != code) printf("%s %s gave %d, not %d: %s\n", method, target, reply.code, code, raw_body(&reply));
    CHECK_EQUAL(reply.code, code);
    if (schema) CHECK_STATUS(schema_check_text(openapi, schema, raw_body(&reply), &test_error), ANB_OK);
}

static void put_file(const char *folder, const char *name, const void *data, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_STATUS(file_write(path, slice_of(data, size), &test_error), ANB_OK);
}

static size_t make_model(char model[512])
{
    static const char head[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    memset(model, 0, 512);
    model[0] = (char)(sizeof head - 1);
    memcpy(model + 8, head, sizeof head - 1);
    return 8 + sizeof head - 1 + 8;
}

static size_t make_bundle(const char *job_file, const char *text, bool with_model, char *out)
{
    char folder[256], path[256], model[512];
    snprintf(folder, sizeof folder, "%s/job", test_folder());
    snprintf(path, sizeof path, "%s/bundle.tar", test_folder());
    file_remove_folder(folder, NULL);
    CHECK_STATUS(file_make_folders(folder, &test_error), ANB_OK);
    put_file(folder, job_file, text, strlen(text));
    size_t model_bytes = make_model(model);
    if (with_model) put_file(folder, "first.safetensors", model, model_bytes);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK_STATUS(bundle_pack(folder, NULL, fd, &test_error), ANB_OK);
    ssize_t size = pread(fd, out, MAX_BODY, 0);
    close(fd);
    return size > 0 ? (size_t)size : 0;
}

static int open_bytes(const void *data, size_t size)
{
    int fd = memfd_create("part", MFD_CLOEXEC);
    CHECK_STATUS(file_write_all(fd, data, size, 0, &test_error), ANB_OK);
    return fd;
}

/* What the user's command line would sign; a model that is none is left out. */
static void sign(const char *signer, const char *request, struct slice bundle, struct slice model, struct buf *out)
{
    struct manifest *manifest = NULL;
    struct safetensors file = {0};
    int bundle_fd = open_bytes(bundle.data, bundle.size), model_fd = open_bytes(model.data, model.size);
    CHECK_STATUS(manifest_new("p", "ann", request, &manifest, &test_error), ANB_OK);
    manifest->signed_s = clock_wall_ms() / 1000;
    manifest->expires_s = manifest->signed_s + MANIFEST_VALID_S;
    CHECK_STATUS(manifest_take_archive(manifest, bundle_fd, (int64_t)bundle.size, &test_error), ANB_OK);
    if (safetensors_open(model_fd, "model", &file, NULL) == ANB_OK) {
        struct manifest_model *signed_model = &manifest->model;
        signed_model->layout = *layout_digest(file.layout);
        signed_model->bytes = layout_data_bytes(file.layout);
        CHECK_STATUS(digest_of_file(model_fd, file.data_offset, signed_model->bytes, &signed_model->data, &test_error),
                     ANB_OK);
        safetensors_fini(&file);
    }
    CHECK_STATUS(manifest_sign(manifest, identities_key(identities, signer), out, &test_error), ANB_OK);
    manifest_free(manifest);
    close(bundle_fd);
    close(model_fd);
}

static void add_part(char *body, size_t *size, const char *name, const void *data, size_t data_size)
{
    *size += (size_t)sprintf(body + *size, "--BOUND\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", name);
    memcpy(body + *size, data, data_size);
    *size += data_size;
    *size += (size_t)sprintf(body + *size, "\r\n");
}

struct submission_text {
    const char *job_file, *spec, *request;
    bool model_in_bundle;
    const char *model;          /* NULL: a good one; "": none */
    const char *signer;         /* NULL: ann, who submits; "": nobody */
    const char *signed_request; /* NULL: as `request` */
};

static void add_manifest(char *body, size_t *size, const struct submission_text *text, struct slice bundle,
                         struct slice model)
{
    static int number;
    char request[32];
    struct buf manifest;
    const char *signer = text->signer ? text->signer : "ann";
    snprintf(request, sizeof request, "unnamed-%d", number++);
    if (!*signer) return;
    buf_init(&manifest, MAX_BODY);
    sign(signer,
         text->signed_request ? text->signed_request
         : text->request      ? text->request
                              : request,
         bundle, model, &manifest);
    add_part(body, size, "manifest", manifest.data, manifest.size);
    buf_fini(&manifest);
}

/* The request, whole; the caller frees. */
static char *make_request(const struct stage *stage, const struct submission_text *text, size_t *size)
{
    char *body = malloc(4 * MAX_BODY), *bundle = malloc(MAX_BODY), model[512];
    size_t body_size = 0, model_bytes = make_model(model);
    size_t bundle_bytes = make_bundle(text->job_file, text->spec, text->model_in_bundle, bundle);
    if (text->model && *text->model) model_bytes = strlen(strcpy(model, text->model));
    add_part(body, &body_size, "bundle", bundle, bundle_bytes);
    add_manifest(body, &body_size, text, slice_of(bundle, bundle_bytes), slice_of(model, model_bytes));
    if (!text->model || *text->model) add_part(body, &body_size, "model", model, model_bytes);
    if (text->request) add_part(body, &body_size, "request", text->request, strlen(text->request));
    body_size += (size_t)sprintf(body + body_size, "--BOUND--\r\n");
    char *request = malloc(body_size + 512);
    *size = (size_t)sprintf(request,
                            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
                            "boundary=BOUND\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n",
                            stage->token, body_size);
    memcpy(request + *size, body, body_size);
    *size += body_size;
    free(body);
    free(bundle);
    return request;
}

static void send_request(const struct stage *stage, const char *request, size_t size, struct raw_reply *into)
{
    int fd = raw_connect(http_address(stage->server.http));
    raw_send(fd, request, size);
    raw_finish(fd, 20000, into);
}

static void submit_text(const struct stage *stage, const struct submission_text *text, int code)
{
    size_t size;
    char *request = make_request(stage, text, &size);
    send_request(stage, request, size, &reply);
    free(request);
    if (reply.code != code) printf("submit gave %d, not %d: %s\n", reply.code, code, raw_body(&reply));
    CHECK_EQUAL(reply.code, code);
}

#define SPEC "name: digits\nrounds: 2\nsites: {minimum: 1}\ntrainer: {command: [./train]}\n"

static const struct submission_text good = {.job_file = "job.yaml", .spec = SPEC, .request = "run-7"};

/* The job's id in the last reply, in `target` with `behind` it. */
static const char *target_of(const char *text, const char *behind, char target[128])
{
    const char *at = strstr(text, "\"id\":\"");
    snprintf(target, 128, "/v1/jobs/%.16s%s", at ? at + 6 : "none", behind);
    return target;
}

/* -- the tests */

static void check_refused_submission(const struct submission_text *text, int code, const char *word)
{
    submit_text(&first, text, code);
    CHECK(strstr(raw_body(&reply), word) != NULL);
    CHECK_STATUS(schema_check_text(openapi, "Error", raw_body(&reply), &test_error), ANB_OK);
}

static void bad_submissions_are_refused_with_the_place(void)
{
    begin();
    check_refused_submission(
        &(struct submission_text){"job.yaml", "name: a\nrounds: 0\n", NULL, false, NULL, NULL, NULL}, 400,
        "job.yaml:2: ");
    check_refused_submission(&(struct submission_text){"job.json", "{\"nam\": 1}", NULL, false, NULL, NULL, NULL}, 400,
                             "job.json:1");
    check_refused_submission(&(struct submission_text){"other.yaml", SPEC, NULL, false, NULL, NULL, NULL}, 400,
                             "neither job.yaml");
    check_refused_submission(&(struct submission_text){"job.yaml", SPEC, NULL, false, "", NULL, NULL}, 400,
                             "no initial model");
    check_refused_submission(&(struct submission_text){"job.yaml", SPEC, NULL, false, "nonsense", NULL, NULL}, 400,
                             "model");
    check_refused_submission(
        &(struct submission_text){"job.yaml", SPEC "model: x/y.safetensors\n", NULL, false, "", NULL, NULL}, 400,
        "y.safetensors");
    ask(&first, "GET", "/v1/jobs", 200, "Jobs");
    CHECK(strstr(raw_body(&reply), "{\"jobs\":[]}") != NULL);
    end();
}

static void a_job_that_is_not_signed_by_its_submitter_is_refused(void)
{
    begin();
    struct submission_text text = good;
    text.signer = "";
    check_refused_submission(&text, 400, "part \\\"manifest\\\" is missing");
    text.signer = "leo";
    check_refused_submission(&text, 400, "the job is not signed as it must be");
    text.signer = "server-1";
    check_refused_submission(&text, 400, "the job is not signed as it must be");
    text.signer = NULL;
    text.signed_request = "run-6";
    check_refused_submission(&text, 400, "the manifest is of request \\\"run-6\\\", not \\\"run-7\\\"");
    ask(&first, "GET", "/v1/jobs", 200, "Jobs");
    CHECK(strstr(raw_body(&reply), "{\"jobs\":[]}") != NULL);
    end();
}

/* Change one byte in the named part of a request that was good. */
static void refused_with_a_byte_changed(const char *part, size_t behind, const char *words)
{
    size_t size;
    char *request = make_request(&first, &good, &size), *at = memmem(request, size, part, strlen(part));
    REQUIRE(at != NULL);
    at[strlen(part) + behind] ^= 1;
    send_request(&first, request, size, &reply);
    CHECK_EQUAL(reply.code, 400);
    CHECK(strstr(raw_body(&reply), words) != NULL);
    if (!strstr(raw_body(&reply), words)) printf("no \"%s\" in: %s\n", words, raw_body(&reply));
    free(request);
}

static void a_part_that_was_altered_after_it_was_signed_is_refused(void)
{
    begin();
    refused_with_a_byte_changed("name: digit", 0, "altered after it was signed");
    refused_with_a_byte_changed("\"data_offsets\":[0,8]}}", 3, "the model is not the one that was signed");
    refused_with_a_byte_changed("{\"manifest\":\"anabranch-1\",\"project\":\"", 0,
                                "the manifest is of project q, not p");
    refused_with_a_byte_changed("\"signed_s\":", 3, "the job is not signed as it must be");
    end();
}

static void a_job_is_submitted_once_for_each_request_id(void)
{
    char once[128], again[128];
    begin();
    submit_text(&first, &good, 201);
    CHECK_STATUS(schema_check_text(openapi, "OneJob", raw_body(&reply), &test_error), ANB_OK);
    target_of(raw_body(&reply), "", once);
    submit_text(&first, &good, 200);
    CHECK_TEXT(target_of(raw_body(&reply), "", again), once);
    submit_text(&first, &(struct submission_text){"job.yaml", SPEC, NULL, false, NULL, NULL, NULL}, 201);
    CHECK(strcmp(target_of(raw_body(&reply), "", again), once) != 0);
    ask(&first, "GET", once, 200, "OneJob");
    end();
}

struct sender {
    pthread_t thread;
    struct raw_reply reply;
};

static char *shared_request;
static size_t shared_size;

static void *send_shared(void *context)
{
    struct sender *sender = context;
    send_request(&first, shared_request, shared_size, &sender->reply);
    return NULL;
}

static void of_two_at_once_with_one_request_id_one_is_new(void)
{
    static struct sender senders[4];
    char target[128], other[128];
    int n_new = 0;
    begin();
    shared_request = make_request(&first, &good, &shared_size);
    for (int i = 0; i < 4; i++) pthread_create(&senders[i].thread, NULL, send_shared, &senders[i]);
    for (int i = 0; i < 4; i++) pthread_join(senders[i].thread, NULL);
    for (int i = 0; i < 4; i++) {
        n_new += senders[i].reply.code == 201;
        CHECK(senders[i].reply.code == 201 || senders[i].reply.code == 200);
        CHECK_TEXT(target_of(raw_body(&senders[i].reply), "", target),
                   target_of(raw_body(&senders[0].reply), "", other));
    }
    CHECK_EQUAL(n_new, 1);
    free(shared_request);
    end();
}

static void a_model_inside_the_bundle_is_found(void)
{
    begin();
    submit_text(&first,
                &(struct submission_text){"job.yaml", SPEC "model: first.safetensors\n", "run-8", true, "", NULL, NULL},
                201);
    end();
}

static void jobs_are_aborted_and_deleted(void)
{
    char target[128], abort_target[128];
    begin();
    submit_text(&first, &good, 201);
    target_of(raw_body(&reply), "/abort", abort_target);
    target_of(raw_body(&reply), "", target);
    ask(&first, "DELETE", target, 409, "Error");
    ask(&first, "POST", abort_target, 200, "OneJob");
    CHECK(strstr(raw_body(&reply), "\"outcome\":\"aborted\"") != NULL);
    ask(&first, "POST", abort_target, 200, "OneJob");
    ask(&first, "DELETE", target, 204, NULL);
    ask(&first, "DELETE", target, 404, "Error");
    ask(&first, "GET", target, 404, "Error");
    ask(&first, "POST", abort_target, 404, "Error");
    end();
}

static void what_is_not_there_is_not_found(void)
{
    char target[128];
    begin();
    ask(&first, "GET", "/v1/jobs/0123456789abcdef", 404, "Error");
    ask(&first, "GET", "/v1/jobs/0123456789abcdef/logs", 404, "Error");
    ask(&first, "GET", "/v1/jobs/0123456789abcdef/model", 404, "Error");
    submit_text(&first, &good, 201);
    ask(&first, "GET", target_of(raw_body(&reply), "/model", target), 404, "Error");
    end();
}

static void wrong_queries_are_refused(void)
{
    char target[128];
    begin();
    submit_text(&first, &good, 201);
    static struct raw_reply kept;
    kept = reply;
    ask(&first, "GET", target_of(raw_body(&kept), "?rounds=some", target), 400, "Error");
    ask(&first, "GET", target_of(raw_body(&kept), "?wait_s=61", target), 400, "Error");
    ask(&first, "GET", target_of(raw_body(&kept), "/logs?limit=0", target), 400, "Error");
    ask(&first, "GET", target_of(raw_body(&kept), "/logs?limit=5001", target), 400, "Error");
    ask(&first, "GET", target_of(raw_body(&kept), "?rounds=none&wait_s=0", target), 200, "OneJob");
    end();
}

static void log_lines_of_known_jobs_are_kept(void)
{
    char target[128], logs[128];
    begin();
    submit_text(&first, &good, 201);
    target_of(raw_body(&reply), "", target);
    target_of(raw_body(&reply), "/logs?wait_s=10", logs);
    node_telemetry(first.node, "0123456789abcdef", 0, "stdout", NULL, 0, -1, "of no job");
    node_telemetry(first.node, target + strlen("/v1/jobs/"), 0, "stdout", NULL, 0, -1, "hello from the trainer");
    ask(&first, "GET", logs, 200, "Lines");
    CHECK(strstr(raw_body(&reply), "hello from the trainer") != NULL);
    CHECK(strstr(raw_body(&reply), "of no job") == NULL);
    CHECK(strstr(raw_body(&reply), "\"next\":1") != NULL);
    stop_one(&first, NULL); /* a restart: nothing stands twice */
    start_one(&first, "server-1");
    logs[strlen(logs) - strlen("?wait_s=10")] = 0;
    ask(&first, "GET", logs, 200, "Lines");
    CHECK(strstr(raw_body(&reply), "\"next\":1") != NULL);
    end();
}

static void the_state_of_the_server_has_its_form(void)
{
    begin();
    ask(&first, "GET", "/health", 200, "Health");
    CHECK(strstr(raw_body(&reply), "\"leading\":true") != NULL);
    ask(&first, "GET", "/ready", 200, "Ready");
    ask(&first, "GET", "/v1/sites", 200, "Sites");
    ask(&first, "GET", "/v1/aggregators", 200, "Aggregators");
    ask(&first, "GET", "/metrics", 200, NULL);
    CHECK(strstr(raw_body(&reply), "anabranch_leading 1\n") != NULL);
    end();
}

/* Every name is declared once, has the prefix, and counters end in _total. */
static void metrics_follow_the_conventions(void)
{
    char name[128], type[32], line[64];
    begin();
    ask(&first, "GET", "/metrics", 200, NULL);
    for (const char *at = raw_body(&reply); (at = strstr(at, "# TYPE ")) != NULL; at++) {
        REQUIRE(sscanf(at, "# TYPE %127s %31s", name, type) == 2);
        CHECK(strncmp(name, "anabranch_", 10) == 0 || strncmp(name, "process_", 8) == 0);
        bool is_total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
        CHECK_EQUAL(is_total, strcmp(type, "counter") == 0);
        snprintf(line, sizeof line, "# TYPE %.50s ", name);
        CHECK(strstr(strstr(raw_body(&reply), line) + 1, line) == NULL);
    }
    end();
}

static void a_follower_refuses_changes_with_the_leaders_name(void)
{
    begin();
    start_one(&second, "server-2"); /* claims a higher epoch */
    while (conductor_leads(first.server.conductor)) clock_sleep_ms(1);
    submit_text(&first, &good, 503);
    CHECK(strstr(raw_body(&reply), "server-2") != NULL);
    ask(&first, "GET", "/v1/jobs", 200, "Jobs");
    ask(&first, "GET", "/ready", 200, "Ready");
    submit_text(&second, &good, 201);
    stop_one(&second, "stopped");
    file_remove_folder(second.folder, NULL);
    end();
}

static void a_follower_leads_again_when_the_leader_has_gone(void)
{
    begin();
    start_one(&second, "server-2");
    while (conductor_leads(first.server.conductor)) clock_sleep_ms(1);
    stop_one(&second, "stopped");
    while (!conductor_leads(first.server.conductor)) clock_sleep_ms(1);
    submit_text(&first, &good, 201);
    file_remove_folder(second.folder, NULL);
    end();
}

static void two_servers_never_share_a_data_folder(void)
{
    struct folders folders;
    begin();
    CHECK_STATUS(folders_open(first.folder, "p", &folders, &test_error), ANB_DENIED);
    stop_one(&first, "stopped");
    CHECK_STATUS(folders_open(first.folder, "q", &folders, &test_error), ANB_DENIED);
    CHECK(strstr(test_error.text, "project p") != NULL);
    start_one(&first, "server-1");
    end();
}

TEST_MAIN("server_rest", TEST(bad_submissions_are_refused_with_the_place),
          TEST(a_job_that_is_not_signed_by_its_submitter_is_refused),
          TEST(a_part_that_was_altered_after_it_was_signed_is_refused),
          TEST(a_job_is_submitted_once_for_each_request_id), TEST(of_two_at_once_with_one_request_id_one_is_new),
          TEST(a_model_inside_the_bundle_is_found), TEST(jobs_are_aborted_and_deleted),
          TEST(what_is_not_there_is_not_found), TEST(wrong_queries_are_refused), TEST(log_lines_of_known_jobs_are_kept),
          TEST(the_state_of_the_server_has_its_form), TEST(metrics_follow_the_conventions),
          TEST(a_follower_refuses_changes_with_the_leaders_name), TEST(a_follower_leads_again_when_the_leader_has_gone),
          TEST(two_servers_never_share_a_data_folder))
