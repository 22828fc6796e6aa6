/* What a program calls: open, receive, send, close; and the few messages behind it (docs/protocol.md). */
#include "library.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What the agent said. Texts are the message's, freed by message_fini. */
struct message {
    char *type, *job, *site, *id, *task, *name, *reason;
    int64_t round, total_rounds;
    int fd; /* -1: none */
};

int fail(struct anb_client *client, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(client->error, sizeof client->error, format, values);
    va_end(values);
    return -1;
}

static bool is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

static void message_fini(struct message *message)
{
    free(message->type);
    free(message->job);
    free(message->site);
    free(message->id);
    free(message->task);
    free(message->name);
    free(message->reason);
    if (message->fd >= 0) close(message->fd);
    *message = (struct message){.fd = -1};
}

static void read_field(struct json_cursor *cursor, const char *key, struct message *out)
{
    const struct {
        const char *key;
        char **text;
    } texts[] = {{"type", &out->type}, {"job", &out->job},   {"site", &out->site},    {"id", &out->id},
                 {"task", &out->task}, {"name", &out->name}, {"reason", &out->reason}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].key, key) != 0) continue;
        struct json_cursor ahead = *cursor; /* null is fine, and a key said twice counts once */
        char *text = *texts[i].text ? NULL : json_text(&ahead);
        if (text) *texts[i].text = text;
    }
    if (strcmp(key, "round") == 0)
        out->round = json_integer(cursor);
    else if (strcmp(key, "total_rounds") == 0)
        out->total_rounds = json_integer(cursor);
    else
        json_skip(cursor);
}

static bool read_message(const char *packet, size_t size, struct message *out)
{
    struct json_cursor cursor = json_over(packet, size);
    if (!json_enter(&cursor, '{')) return false;
    for (char *key; (key = json_key(&cursor)); free(key)) read_field(&cursor, key, out);
    return json_done(&cursor) && out->type;
}

/* The next message: 1, 0 when the time is over, -1 when the agent is gone or speaks nonsense. */
static int next_message(struct anb_client *client, int timeout_ms, struct message *out)
{
    char *packet = malloc(MESSAGE_MAX_BYTES);
    if (!packet) return fail(client, "no memory for a message");
    *out = (struct message){.fd = -1};
    long size = link_receive(client, timeout_ms, packet, &out->fd);
    int rc = size > 0 ? 1 : (int)size;
    if (size < 0) {
        client->over = true;
        fail(client, "the agent is gone");
    } else if (size > 0 && !read_message(packet, (size_t)size, out)) {
        message_fini(out);
        client->over = true;
        rc = fail(client, "what the agent sent is no message");
    }
    free(packet);
    return rc;
}

static int say(struct anb_client *client, const char *text)
{
    struct json_text out = {.ceiling = MESSAGE_MAX_BYTES};
    json_put(&out, text);
    int rc = link_send(client, &out, -1);
    json_fini(&out);
    return rc;
}

/* -- the link */

static int connect_to(struct anb_client *client, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return fail(client, "the path %s is too long for a socket", path);
    strcpy(address.sun_path, path);
    client->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (client->socket < 0 || connect(client->socket, (struct sockaddr *)&address, sizeof address) != 0)
        return fail(client, "no agent listens at %s: %s", path, strerror(errno));
    return 0;
}

static int greet(struct anb_client *client)
{
    struct message message;
    if (say(client, "{\"type\":\"hello\",\"protocol\":1,\"library\":\"libanabranch " ANB_VERSION "\"}") != 0)
        return fail(client, "the agent is gone");
    if (next_message(client, -1, &message) < 0) return -1;
    int rc = 0;
    if (is(message.type, "welcome") && message.job && message.site) {
        client->job = message.job;
        client->site = message.site;
        message.job = message.site = NULL;
    } else {
        rc = fail(client, "the agent refuses this program: %s", message.reason ? message.reason : "no welcome");
    }
    message_fini(&message);
    return rc;
}

struct anb_client *anb_open(const char *path, char *why, size_t why_size)
{
    struct anb_client *client = calloc(1, sizeof *client);
    if (!path) path = getenv("ANABRANCH_SOCKET");
    if (!client || !path) {
        snprintf(why, why_size, "%s",
                 client ? "ANABRANCH_SOCKET is not set: a trainer is started by the agent of its site, not by hand"
                        : "no memory");
        free(client);
        return NULL;
    }
    pthread_mutex_init(&client->send_lock, NULL);
    client->socket = -1;
    client->round = client->total_rounds = -1;
    if (connect_to(client, path) == 0 && greet(client) == 0) return client;
    snprintf(why, why_size, "%s", client->error);
    anb_close(client);
    return NULL;
}

void anb_close(struct anb_client *client)
{
    if (!client) return;
    if (client->socket >= 0) close(client->socket);
    image_close(&client->model);
    free(client->job);
    free(client->site);
    free(client->task);
    free(client->task_name);
    pthread_mutex_destroy(&client->send_lock);
    free(client);
}

/* -- tasks */

static enum anb_answer take_task(struct anb_client *client, struct message *message)
{
    client->asked = false;
    if (message->fd < 0 || !message->id || !message->name) {
        fail(client, "the agent sent a task without its model or name");
        return ANB_FAILED;
    }
    free(client->task);
    free(client->task_name);
    client->task = message->id;
    client->task_name = message->name;
    message->id = message->name = NULL;
    client->round = (int32_t)message->round;
    client->total_rounds = (int32_t)message->total_rounds;
    client->has_task = true;
    return image_open(client, message->fd) == 0 ? ANB_TASK : ANB_FAILED;
}

/* Messages that are not known are skipped: a newer agent may say more. */
static enum anb_answer await_task(struct anb_client *client, int timeout_ms)
{
    for (;;) {
        struct message message;
        int rc = next_message(client, timeout_ms, &message);
        if (rc <= 0) return rc == 0 ? ANB_WAITED : ANB_FAILED;
        enum anb_answer answer = ANB_WAITED;
        if (is(message.type, "task")) answer = take_task(client, &message);
        if (is(message.type, "end")) answer = ANB_ENDED;
        message_fini(&message);
        if (answer != ANB_WAITED) return answer;
    }
}

enum anb_answer anb_receive(struct anb_client *client, int timeout_ms)
{
    if (client->over) return ANB_ENDED;
    image_close(&client->model);
    client->has_task = false;
    if (!client->asked && say(client, "{\"type\":\"next\"}") != 0) {
        client->over = true;
        fail(client, "the agent is gone");
        return ANB_FAILED;
    }
    client->asked = true;
    enum anb_answer answer = await_task(client, timeout_ms);
    client->over |= answer == ANB_ENDED;
    return answer;
}

/* -- the answer */

static void put_result(struct json_text *out, const struct anb_client *client, const struct anb_update *update)
{
    json_put(out, "{\"type\":\"result\",\"task\":");
    json_put_text(out, client->task);
    json_put(out, update->params_type == ANB_DIFF ? ",\"params_type\":\"DIFF\"" : ",\"params_type\":\"FULL\"");
    json_put(out, ",\"weight\":");
    json_put_real(out, update->weight);
    json_put(out, ",\"metrics\":{");
    if (update->metrics.size > 0) json_put(out, update->metrics.data);
    json_put(out, "}}");
}

static int await_verdict(struct anb_client *client)
{
    for (;;) {
        struct message message;
        if (next_message(client, -1, &message) < 0) return -1;
        int rc = 1;
        if (is(message.type, "accepted") || is(message.type, "end")) rc = 0;
        if (is(message.type, "end")) client->over = true;
        if (is(message.type, "refused"))
            rc = fail(client, "the agent refuses the result: %s", message.reason ? message.reason : "");
        message_fini(&message);
        if (rc <= 0) return rc;
    }
}

static int send_update(struct anb_client *client, struct anb_update *update)
{
    if (!client->has_task) return fail(client, "there is no open task: call anb_receive first");
    bool model = update->n_tensors > 0;
    if (model && update_seal(update) != 0) return -1;
    struct json_text out = {.ceiling = MESSAGE_MAX_BYTES};
    put_result(&out, client, update);
    int rc = link_send(client, &out, model ? update->fd : -1);
    if (rc != 0 && !out.failed) {
        client->over = true;
        fail(client, "the agent is gone");
    }
    json_fini(&out);
    if (rc == 0) rc = await_verdict(client);
    if (rc == 0) client->has_task = false;
    return rc;
}

int anb_send(struct anb_client *client, struct anb_update *update)
{
    int rc = update ? send_update(client, update) : fail(client, "there is no update to send");
    anb_update_free(update);
    return rc;
}

void anb_log(struct anb_client *client, const char *key, double value, int64_t step)
{
    struct json_text out = {.ceiling = MESSAGE_MAX_BYTES};
    json_put(&out, "{\"type\":\"log\",\"key\":");
    json_put_text(&out, key);
    json_put(&out, ",\"value\":");
    json_put_real(&out, value);
    json_put(&out, ",\"step\":");
    if (step < 0)
        json_put(&out, "null");
    else
        json_put_integer(&out, step);
    json_put(&out, "}");
    if (!out.failed) link_send(client, &out, -1); /* a number that is lost harms nobody */
    json_fini(&out);
}

int anb_give_up(struct anb_client *client, const char *reason)
{
    struct json_text out = {.ceiling = MESSAGE_MAX_BYTES};
    json_put(&out, "{\"type\":\"failed\",\"reason\":");
    json_put_text(&out, reason);
    json_put(&out, "}");
    int rc = link_send(client, &out, -1);
    json_fini(&out);
    client->has_task = false;
    return rc == 0 ? 0 : fail(client, "the agent is gone");
}

/* -- questions */

const char *anb_error(const struct anb_client *client)
{
    return client->error;
}

const char *anb_job(const struct anb_client *client)
{
    return client->job;
}

const char *anb_site(const struct anb_client *client)
{
    return client->site;
}

const char *anb_task_name(const struct anb_client *client)
{
    return client->task_name ? client->task_name : "";
}

bool anb_is_train(const struct anb_client *client)
{
    return is(client->task_name, "train");
}

bool anb_is_evaluate(const struct anb_client *client)
{
    return is(client->task_name, "evaluate");
}

int32_t anb_round(const struct anb_client *client)
{
    return client->round;
}

int32_t anb_total_rounds(const struct anb_client *client)
{
    return client->total_rounds;
}

size_t anb_n_tensors(const struct anb_client *client)
{
    return client->model.n_tensors;
}

const struct anb_tensor *anb_tensor_at(const struct anb_client *client, size_t index)
{
    return index < client->model.n_tensors ? &client->model.tensors[index] : NULL;
}

const struct anb_tensor *anb_tensor(const struct anb_client *client, const char *name)
{
    for (size_t i = 0; i < client->model.n_tensors; i++) {
        if (strcmp(client->model.tensors[i].name, name) == 0) return &client->model.tensors[i];
    }
    return NULL;
}
