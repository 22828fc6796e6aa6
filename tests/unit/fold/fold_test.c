#include "fold/fold.h"

#include "bus/memory.h"
#include "support/envelope.h"
#include "support/model.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 4, MAX_SITES = 5 };

struct sender { /* one object on its way into an outbox, chunk by chunk */
    struct test_model model;
    struct test_envelope envelope;
    struct stream_cipher *cipher;
    struct stream_writer *writer;
    struct chunk_walk walk;
    struct stream_source source;
    struct mark marks[PARTITIONS];
    enum encoding encoding;
    bool is_change;
};

struct scene {
    struct memory_log *log;
    struct bus *bus;
    struct stream_inbox *inbox;
    struct stream_refusals refusals;
    int32_t chunk_bytes;
    int n_sites;
    double weights[MAX_SITES];
    struct sender senders[MAX_SITES];
    char topics[MAX_SITES][32];
};

static void make_topic(struct scene *scene, const char *name)
{
    const struct bus_topic config = {.name = name, .partitions = PARTITIONS, .retention_ms = -1, .retention_bytes = -1};
    CHECK_STATUS(bus_topic_ensure(scene->bus, &config, 1000, &test_error), ANB_OK);
}

static void open_sender(struct scene *scene, struct sender *sender, const char *topic, struct test_model model)
{
    sender->model = model;
    strcpy(sender->source.topic, topic);
    sender->source.partitions = 15;
    CHECK_STATUS(bus_random_id(scene->bus, &sender->source.stream, &test_error), ANB_OK);
    sender->envelope =
        test_envelope_new(&sender->source.stream, PURPOSE_UPDATE, chunks_count(model.layout, scene->chunk_bytes));
    sender->cipher = test_cipher(&sender->envelope, AEAD_SEAL);
    struct stream_writer_config config = {scene->bus,
                                          topic,
                                          PARTITIONS,
                                          sender->source.stream,
                                          sender->cipher,
                                          (size_t)scene->chunk_bytes + ENCODING_ROOM,
                                          NULL};
    CHECK_STATUS(stream_writer_open(&config, &sender->writer, &test_error), ANB_OK);
    chunk_walk_begin(&sender->walk, model.layout, scene->chunk_bytes);
}

static void close_sender(struct sender *sender)
{
    stream_writer_close(sender->writer);
    stream_cipher_free(sender->cipher);
    test_model_free(&sender->model);
}

static void open_scene(struct scene *scene, int n_sites, int64_t n, int32_t chunk_bytes)
{
    *scene = (struct scene){.n_sites = n_sites, .chunk_bytes = chunk_bytes, .weights = {1, 2.5, 3, 0.25, 7}};
    scene->log = memory_log_new(NULL, NULL, 1);
    CHECK_STATUS(bus_memory_open(scene->log, &scene->bus, &test_error), ANB_OK);
    CHECK_STATUS(stream_inbox_new(scene->bus, BUS_BULK, &scene->refusals, &scene->inbox, &test_error), ANB_OK);
    make_topic(scene, "p.out.agg");
    for (int k = 0; k < n_sites; k++) {
        snprintf(scene->topics[k], sizeof scene->topics[k], "p.out.site-%d", k);
        make_topic(scene, scene->topics[k]);
        open_sender(scene, &scene->senders[k], scene->topics[k], test_model_mixed(n, (uint64_t)k + 1));
    }
}

static void close_scene(struct scene *scene)
{
    for (int k = 0; k < scene->n_sites; k++) close_sender(&scene->senders[k]);
    stream_inbox_free(scene->inbox);
    bus_close(scene->bus, 1000);
    memory_log_free(scene->log);
}

/* The chunk's one run of f32 in blocks, each with a scale of 0.5 and the codes 3 * block + element, mod 100. */
static size_t fill_int8(const struct sender *sender, const struct chunk_place *place, unsigned char *buffer)
{
    const struct tensor_entry *tensor = layout_tensor(sender->model.layout, 0);
    int64_t first = place->begin / 4, end = place->end / 4, n_blocks = 0;
    const float scale = 0.5f;
    CHECK_EQUAL(place->end <= tensor->end, true);
    for (int64_t b = first / ENCODING_BLOCK; b <= (end - 1) / ENCODING_BLOCK; b++)
        memcpy(buffer + n_blocks++ * ENCODING_SCALE_BYTES, &scale, sizeof scale);
    for (int64_t i = first; i < end; i++)
        buffer[n_blocks * ENCODING_SCALE_BYTES + i - first] = (unsigned char)((i / ENCODING_BLOCK * 3 + i) % 100);
    return (size_t)(n_blocks * ENCODING_SCALE_BYTES + end - first);
}

static bool send_one(struct sender *sender)
{
    struct chunk_place place;
    unsigned char *buffer;
    if (!chunk_walk_next(&sender->walk, &place)) return false;
    const unsigned char *from = place.is_layout ? layout_text(sender->model.layout).data : sender->model.data;
    size_t size = (size_t)(place.end - place.begin);
    CHECK_STATUS(stream_writer_buffer(sender->writer, 1000, &buffer, &test_error), ANB_OK);
    if (sender->encoding == ENCODING_INT8 && !place.is_layout)
        size = fill_int8(sender, &place, buffer);
    else
        memcpy(buffer, from + place.begin, size);
    CHECK_STATUS(stream_writer_send(sender->writer, place.index, size, &test_error), ANB_OK);
    return true;
}

struct folder { /* one aggregator with its share */
    struct fold_input inputs[MAX_SITES];
    struct stream_reader *base;
    struct test_envelope envelope;
    struct stream_cipher *cipher;
    struct stream_writer *writer;
    struct fold *fold;
    struct stream_source source;
};

/* A reader of what the sender sends. */
static struct stream_reader *open_reader(struct scene *scene, const struct sender *sender, uint64_t partitions)
{
    struct stream_reader *reader = NULL;
    struct stream_source source = sender->source;
    source.cipher = test_cipher(&sender->envelope, AEAD_OPEN);
    CHECK_STATUS(stream_reader_open(scene->inbox, &source, 1, partitions, PARTITIONS, 2 << 20, &reader, &test_error),
                 ANB_OK);
    return reader;
}

static void open_folder(struct scene *scene, struct folder *folder, uint64_t partitions, struct sender *base)
{
    *folder = (struct folder){.source = {.partitions = partitions, .topic = "p.out.agg"}};
    for (int k = 0; k < scene->n_sites; k++)
        folder->inputs[k] = (struct fold_input){.site = scene->topics[k],
                                                .weight = scene->weights[k],
                                                .encoding = scene->senders[k].encoding,
                                                .is_change = scene->senders[k].is_change,
                                                .reader = open_reader(scene, &scene->senders[k], partitions)};
    if (base) folder->base = open_reader(scene, base, partitions);
    CHECK_STATUS(bus_random_id(scene->bus, &folder->source.stream, &test_error), ANB_OK);
    folder->envelope = test_envelope_new(&folder->source.stream, PURPOSE_MODEL,
                                         chunks_count(scene->senders[0].model.layout, scene->chunk_bytes));
    folder->cipher = test_cipher(&folder->envelope, AEAD_SEAL);
    struct stream_writer_config writer = {
        scene->bus, "p.out.agg", PARTITIONS, folder->source.stream, folder->cipher, (size_t)scene->chunk_bytes, NULL};
    CHECK_STATUS(stream_writer_open(&writer, &folder->writer, &test_error), ANB_OK);
    struct fold_config config = {
        fold_rule_find("fedavg"), scene->senders[0].model.layout, scene->chunk_bytes, PARTITIONS,    partitions,
        folder->inputs,           (size_t)scene->n_sites,         folder->base,       folder->writer};
    CHECK_STATUS(fold_new(&config, &folder->fold, &test_error), ANB_OK);
}

static void close_folder(struct scene *scene, struct folder *folder)
{
    for (int k = 0; k < scene->n_sites; k++) stream_reader_close(folder->inputs[k].reader);
    stream_reader_close(folder->base);
    fold_free(folder->fold);
    stream_writer_close(folder->writer);
    stream_cipher_free(folder->cipher);
}

static enum anb_status step(struct folder *folder, size_t *culprit)
{
    return fold_step(folder->fold, 0, culprit, &test_error);
}

/* The model that the folders wrote together, layout left out. */
static unsigned char *read_model(struct scene *scene, struct folder *folders, int n_folders)
{
    struct stream_source sources[PARTITIONS];
    struct stream_reader *reader;
    struct chunk_walk walk;
    struct chunk_place place;
    const struct layout *layout = scene->senders[0].model.layout;
    unsigned char *data = malloc((size_t)layout_data_bytes(layout));
    for (int f = 0; f < n_folders; f++) {
        sources[f] = folders[f].source;
        sources[f].cipher = test_cipher(&folders[f].envelope, AEAD_OPEN);
    }
    CHECK_STATUS(
        stream_reader_open(scene->inbox, sources, (size_t)n_folders, 15, PARTITIONS, 2 << 20, &reader, &test_error),
        ANB_OK);
    chunk_walk_begin(&walk, layout, scene->chunk_bytes);
    while (chunk_walk_next(&walk, &place)) {
        struct stream_chunk chunk;
        enum anb_status status = stream_reader_next(reader, place.index, 0, &chunk, &test_error);
        CHECK_EQUAL(status, ANB_OK);
        if (status != ANB_OK) break;
        if (!place.is_layout)
            memcpy(data + place.begin, chunk.payload.data, chunk.payload.size);
        else
            CHECK(slice_equal(chunk.payload,
                              slice_of((const char *)layout_text(layout).data + place.begin, chunk.payload.size)));
        stream_chunk_release(&chunk);
    }
    stream_reader_close(reader);
    return data;
}

static void check_model(struct scene *scene, struct folder *folders, int n_folders)
{
    const struct layout *layout = scene->senders[0].model.layout;
    struct test_model models[MAX_SITES];
    unsigned char *expected = malloc((size_t)layout_data_bytes(layout));
    for (int k = 0; k < scene->n_sites; k++) models[k] = scene->senders[k].model;
    test_fedavg(models, scene->weights, (size_t)scene->n_sites, expected);
    unsigned char *got = read_model(scene, folders, n_folders);
    CHECK(memcmp(got, expected, (size_t)layout_data_bytes(layout)) == 0);
    free(got);
    free(expected);
}

/* All chunks arrive in an order drawn from the seed, and each folder works whenever it can. */
static void run_in_any_order(int n_folders, unsigned seed)
{
    static const uint64_t shares[3][3] = {{15}, {5, 10}, {9, 2, 4}};
    struct scene scene;
    struct folder folders[3];
    size_t culprit;
    int n_done = 0;
    bool done[3] = {false};
    open_scene(&scene, 3, 200, 64);
    for (int f = 0; f < n_folders; f++) open_folder(&scene, &folders[f], shares[n_folders - 1][f], NULL);
    for (int turns = 0; n_done < n_folders && turns < 100000; turns++) {
        send_one(&scene.senders[rand_r(&seed) % 3]);
        int f = rand_r(&seed) % n_folders;
        if (done[f] || rand_r(&seed) % 3) continue;
        enum anb_status status = step(&folders[f], &culprit);
        done[f] = status == ANB_CLOSED;
        n_done += done[f];
        CHECK(status == ANB_CLOSED || status == ANB_AGAIN);
    }
    CHECK_EQUAL(n_done, n_folders);
    check_model(&scene, folders, n_folders);
    for (int f = 0; f < n_folders; f++) close_folder(&scene, &folders[f]);
    close_scene(&scene);
}

static void any_arrival_order_and_any_shares_give_the_same_bits(void)
{
    for (unsigned seed = 1; seed <= 100; seed++)
        for (int n = 1; n <= 3; n++) run_in_any_order(n, seed);
}

static void chunks_of_any_size_give_the_same_bits(void)
{
    static const int32_t sizes[] = {8, 24, 56, 1000, 983040};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct scene scene;
        struct folder folder;
        size_t culprit;
        open_scene(&scene, 4, 100, sizes[i]);
        open_folder(&scene, &folder, 15, NULL);
        for (int k = 0; k < 4; k++)
            while (send_one(&scene.senders[k])) {}
        CHECK_EQUAL(step(&folder, &culprit), ANB_CLOSED);
        check_model(&scene, &folder, 1);
        close_folder(&scene, &folder);
        close_scene(&scene);
    }
}

static void the_first_chunks_are_out_before_the_last_are_in(void)
{
    struct scene scene;
    struct folder folder;
    size_t culprit;
    open_scene(&scene, 2, 1000, 64);
    open_folder(&scene, &folder, 15, NULL);
    for (int i = 0; i < 20; i++)
        for (int k = 0; k < 2; k++) send_one(&scene.senders[k]);
    CHECK_EQUAL(step(&folder, &culprit), ANB_AGAIN);
    int64_t out = 0;
    for (int p = 0; p < PARTITIONS; p++) out += memory_log_end(scene.log, "p.out.agg", p);
    CHECK_EQUAL(out, 20);
    close_folder(&scene, &folder);
    close_scene(&scene);
}

static void diff_updates_are_added_to_the_base(void)
{
    struct scene scene;
    struct folder folder;
    struct sender base = {.writer = NULL};
    size_t culprit;
    open_scene(&scene, 3, 50, 64);
    make_topic(&scene, "p.out.base");
    for (int k = 0; k < 3; k++) { /* integers: the sums are exact */
        close_sender(&scene.senders[k]);
        open_sender(&scene, &scene.senders[k], scene.topics[k], test_model_integers(50, (uint64_t)k));
        scene.senders[k].is_change = true;
        scene.weights[k] = 1 << k;
    }
    open_sender(&scene, &base, "p.out.base", test_model_integers(50, 9));
    open_folder(&scene, &folder, 15, &base);
    for (int k = 0; k < 3; k++)
        while (send_one(&scene.senders[k])) {}
    while (send_one(&base)) {}
    CHECK_EQUAL(step(&folder, &culprit), ANB_CLOSED);
    float *got = (float *)read_model(&scene, &folder, 1);
    for (int i = 0; i < 50; i++) {
        double sum = 0;
        for (int k = 0; k < 3; k++) sum += scene.weights[k] * ((float *)scene.senders[k].model.data)[i];
        double base_value = ((float *)base.model.data)[i];
        CHECK_EQUAL(got[i], (float)((sum + 7 * base_value) / 7));
    }
    free(got);
    close_folder(&scene, &folder);
    close_sender(&base);
    close_scene(&scene);
}

/* One site sends its whole model, one a change as it is, one a change in int8: what counts is what they mean. */
static void sites_may_encode_in_their_own_way(void)
{
    static const int32_t sizes[] = {64, 1024, 2000, 983040};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct scene scene;
        struct folder folder;
        struct sender base = {.writer = NULL};
        size_t culprit;
        enum { N = 700 };
        open_scene(&scene, 3, 50, sizes[s]);
        make_topic(&scene, "p.out.base");
        for (int k = 0; k < 3; k++) {
            close_sender(&scene.senders[k]);
            open_sender(&scene, &scene.senders[k], scene.topics[k], test_model_integers(N, (uint64_t)k));
            scene.senders[k].is_change = k > 0;
            scene.weights[k] = 1 << k;
        }
        scene.senders[2].encoding = ENCODING_INT8;
        open_sender(&scene, &base, "p.out.base", test_model_integers(N, 9));
        open_folder(&scene, &folder, 15, &base);
        for (int k = 0; k < 3; k++)
            while (send_one(&scene.senders[k])) {}
        while (send_one(&base)) {}
        CHECK_EQUAL(step(&folder, &culprit), ANB_CLOSED);
        float *got = (float *)read_model(&scene, &folder, 1);
        for (int i = 0; i < N; i++) {
            double received = ((float *)base.model.data)[i], whole = ((float *)scene.senders[0].model.data)[i];
            double plain = ((float *)scene.senders[1].model.data)[i], int8 = 0.5 * ((i / 256 * 3 + i) % 100);
            CHECK_EQUAL(got[i], (float)((whole + 2 * (received + plain) + 4 * (received + int8)) / 7));
        }
        free(got);
        close_folder(&scene, &folder);
        close_sender(&base);
        close_scene(&scene);
    }
}

static void an_encoding_that_was_not_announced_is_refused(void)
{
    struct scene scene;
    struct folder folder;
    size_t culprit;
    open_scene(&scene, 2, 1000, 983040);
    open_folder(&scene, &folder, 15, NULL);
    fold_free(folder.fold);
    folder.inputs[1].encoding = ENCODING_F16;
    struct fold_config config = {fold_rule_find("fedavg"),
                                 scene.senders[0].model.layout,
                                 scene.chunk_bytes,
                                 PARTITIONS,
                                 15,
                                 folder.inputs,
                                 2,
                                 NULL,
                                 folder.writer};
    CHECK_STATUS(fold_new(&config, &folder.fold, &test_error), ANB_OK);
    for (int k = 0; k < 2; k++)
        while (send_one(&scene.senders[k])) {}
    CHECK_EQUAL(step(&folder, &culprit), ANB_CORRUPT);
    CHECK_EQUAL(culprit, 1);
    close_folder(&scene, &folder);
    close_scene(&scene);
}

static void changes_without_a_model_are_refused(void)
{
    struct fold_input input = {.weight = 1, .is_change = true};
    struct fold_config config = {.rule = fold_rule_find("fedavg"), .inputs = &input, .n_inputs = 1};
    struct fold *fold;
    CHECK_STATUS(fold_new(&config, &fold, &test_error), ANB_INVALID);
}

static void another_layout_is_refused_and_its_site_named(void)
{
    struct scene scene;
    struct folder folder;
    size_t culprit;
    open_scene(&scene, 3, 100, 64);
    close_sender(&scene.senders[1]);
    open_sender(&scene, &scene.senders[1], scene.topics[1], test_model_mixed(101, 2));
    open_folder(&scene, &folder, 15, NULL);
    for (int k = 0; k < 3; k++)
        while (send_one(&scene.senders[k])) {}
    CHECK_EQUAL(step(&folder, &culprit), ANB_CORRUPT);
    CHECK_EQUAL(culprit, 1);
    CHECK(strstr(test_error.text, "p.out.site-1") != NULL);
    close_folder(&scene, &folder);
    close_scene(&scene);
}

static void weights_that_add_up_to_nothing_are_refused(void)
{
    static const double bad[] = {0, NAN, INFINITY, -1};
    for (size_t i = 0; i < 4; i++) {
        struct fold_input input = {.weight = bad[i]};
        struct fold_config config = {.rule = fold_rule_find("fedavg"), .inputs = &input, .n_inputs = 1};
        struct fold *fold;
        CHECK_STATUS(fold_new(&config, &fold, &test_error), ANB_INVALID);
    }
}

static void rules_are_known_by_name(void)
{
    CHECK(fold_rule_find("fedavg") != NULL);
    CHECK(fold_rule_find("FedAvg") == NULL);
}

static void nan_in_an_update_is_counted(void)
{
    struct scene scene;
    struct folder folder;
    size_t culprit;
    open_scene(&scene, 2, 100, 64);
    float nan_value = NAN;
    memcpy(scene.senders[1].model.data + 40, &nan_value, 4);
    open_folder(&scene, &folder, 15, NULL);
    for (int k = 0; k < 2; k++)
        while (send_one(&scene.senders[k])) {}
    CHECK_EQUAL(step(&folder, &culprit), ANB_CLOSED);
    CHECK_EQUAL(fold_nonfinite(folder.fold), 1);
    close_folder(&scene, &folder);
    close_scene(&scene);
}

TEST_MAIN("fold", TEST(any_arrival_order_and_any_shares_give_the_same_bits),
          TEST(chunks_of_any_size_give_the_same_bits), TEST(the_first_chunks_are_out_before_the_last_are_in),
          TEST(diff_updates_are_added_to_the_base), TEST(sites_may_encode_in_their_own_way),
          TEST(an_encoding_that_was_not_announced_is_refused), TEST(changes_without_a_model_are_refused),
          TEST(another_layout_is_refused_and_its_site_named), TEST(weights_that_add_up_to_nothing_are_refused),
          TEST(rules_are_known_by_name), TEST(nan_in_an_update_is_counted))
