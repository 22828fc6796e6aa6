#include "stream/reader.h"

#include "bus/memory.h"
#include "stream/writer.h"
#include "support/envelope.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 4, CHUNKS = 64, SIZE = 100 };

struct scene {
    struct memory_log *log;
    struct bus *bus;
    struct stream_inbox *inbox;
    struct stream_refusals refusals;
    struct id id;
    struct test_envelope envelope;
    struct mark marks[PARTITIONS];
};

static const char topic[] = "p.out.a";

static void open_scene(struct scene *scene)
{
    const struct bus_topic config = {
        .name = topic, .partitions = PARTITIONS, .retention_ms = -1, .retention_bytes = -1};
    *scene = (struct scene){.log = NULL};
    scene->log = memory_log_new(NULL, NULL, 1);
    CHECK_STATUS(bus_memory_open(scene->log, &scene->bus, &test_error), ANB_OK);
    CHECK_STATUS(bus_topic_ensure(scene->bus, &config, 1000, &test_error), ANB_OK);
    CHECK_STATUS(stream_inbox_new(scene->bus, BUS_BULK, &scene->refusals, &scene->inbox, &test_error), ANB_OK);
    CHECK_STATUS(bus_random_id(scene->bus, &scene->id, &test_error), ANB_OK);
}

static void close_scene(struct scene *scene)
{
    stream_inbox_free(scene->inbox);
    bus_close(scene->bus, 1000);
    memory_log_free(scene->log);
}

static void fill(unsigned char *buffer, int64_t index)
{
    memset(buffer, (int)(index * 7 + 1), SIZE);
}

static struct stream_writer *open_writer(struct scene *scene, struct stream_cipher *cipher)
{
    struct stream_writer *writer = NULL;
    struct stream_writer_config config = {scene->bus, topic, PARTITIONS, scene->id, cipher, SIZE, NULL};
    CHECK_STATUS(stream_writer_open(&config, &writer, &test_error), ANB_OK);
    return writer;
}

static void send(struct scene *scene, int64_t n, bool (*skip)(int64_t index))
{
    scene->envelope = test_envelope_new(&scene->id, PURPOSE_MODEL, n);
    struct stream_cipher *cipher = test_cipher(&scene->envelope, AEAD_SEAL);
    struct stream_writer *writer = open_writer(scene, cipher);
    for (int64_t j = 0; j < n; j++) {
        unsigned char *buffer;
        if (skip && skip(j)) continue;
        CHECK_STATUS(stream_writer_buffer(writer, 1000, &buffer, &test_error), ANB_OK);
        fill(buffer, j);
        CHECK_STATUS(stream_writer_send(writer, j, SIZE, &test_error), ANB_OK);
    }
    CHECK_STATUS(stream_writer_finish(writer, 1000, 15, scene->marks, &test_error), ANB_OK);
    stream_writer_close(writer);
    stream_cipher_free(cipher);
}

static struct stream_reader *open_reader(struct scene *scene)
{
    struct stream_source source = {
        .stream = scene->id, .partitions = 15, .cipher = test_cipher(&scene->envelope, AEAD_OPEN)};
    struct stream_reader *reader = NULL;
    strcpy(source.topic, topic);
    CHECK_STATUS(stream_reader_open(scene->inbox, &source, 1, 15, PARTITIONS, 2 << 20, &reader, &test_error), ANB_OK);
    return reader;
}

/* Reads on until something is not OK; returns that and how far it came. */
static enum anb_status read_all(struct stream_reader *reader, int64_t n, int64_t *n_read)
{
    for (*n_read = 0; *n_read < n; ++*n_read) {
        struct stream_chunk chunk;
        unsigned char expected[SIZE];
        enum anb_status status = stream_reader_next(reader, *n_read, 0, &chunk, &test_error);
        if (status != ANB_OK) return status;
        fill(expected, *n_read);
        CHECK(slice_equal(chunk.payload, slice_of(expected, SIZE)));
        stream_chunk_release(&chunk);
    }
    return ANB_OK;
}

static enum anb_status verify(struct scene *scene, struct stream_reader *reader)
{
    enum anb_status status = ANB_OK;
    for (int p = 0; p < PARTITIONS; p++) stream_reader_set_mark(reader, &scene->marks[p]);
    for (int p = 0; p < PARTITIONS && status == ANB_OK; p++) status = stream_reader_verify(reader, p, &test_error);
    return status;
}

static void what_was_sent_is_read_and_verified(void)
{
    struct scene scene;
    int64_t n;
    open_scene(&scene);
    send(&scene, CHUNKS, NULL);
    struct stream_reader *reader = open_reader(&scene);
    CHECK_EQUAL(read_all(reader, CHUNKS, &n), ANB_OK);
    CHECK_STATUS(verify(&scene, reader), ANB_OK);
    stream_reader_close(reader);
    close_scene(&scene);
}

static void marks_say_where_the_stream_lies(void)
{
    struct scene scene;
    open_scene(&scene);
    send(&scene, 10, NULL);
    struct id first = scene.id;
    CHECK_STATUS(bus_random_id(scene.bus, &scene.id, &test_error), ANB_OK);
    CHECK(!id_equal(&first, &scene.id));
    send(&scene, 5, NULL);
    CHECK_EQUAL(scene.marks[0].first_offset, 3);
    CHECK_EQUAL(scene.marks[0].last_offset, 4);
    CHECK_EQUAL(scene.marks[0].count, 2);
    CHECK_EQUAL(scene.marks[3].first_offset, 2);
    CHECK_EQUAL(scene.marks[3].count, 1);
    close_scene(&scene);
}

static void other_streams_in_between_are_passed_over(void)
{
    struct scene scene;
    int64_t n;
    open_scene(&scene);
    struct id wanted = scene.id;
    CHECK_STATUS(bus_random_id(scene.bus, &scene.id, &test_error), ANB_OK);
    send(&scene, 20, NULL);
    scene.id = wanted;
    send(&scene, CHUNKS, NULL);
    struct stream_reader *reader = open_reader(&scene);
    CHECK_EQUAL(read_all(reader, CHUNKS, &n), ANB_OK);
    stream_reader_close(reader);
    close_scene(&scene);
}

static void a_record_that_is_no_chunk_is_passed_over(void)
{
    struct scene scene;
    int64_t n;
    open_scene(&scene);
    memory_log_put(scene.log, topic, 0, slice_of_text("not a chunk"));
    send(&scene, CHUNKS, NULL);
    struct stream_reader *reader = open_reader(&scene);
    CHECK_EQUAL(read_all(reader, CHUNKS, &n), ANB_OK);
    stream_reader_close(reader);
    close_scene(&scene);
}

static void repeated_chunks_are_dropped(void)
{
    struct scene scene;
    struct memory_faults faults = {.repeat_per_million = 500000};
    int64_t n;
    open_scene(&scene);
    memory_log_set_faults(scene.log, &faults);
    send(&scene, CHUNKS, NULL);
    struct stream_reader *reader = open_reader(&scene);
    CHECK_EQUAL(read_all(reader, CHUNKS, &n), ANB_OK);
    CHECK_STATUS(verify(&scene, reader), ANB_OK);
    stream_reader_close(reader);
    close_scene(&scene);
}

static bool is_20(int64_t index)
{
    return index == 20;
}

static void a_missing_chunk_is_found_when_a_later_one_comes(void)
{
    struct scene scene;
    int64_t n;
    open_scene(&scene);
    send(&scene, CHUNKS, is_20);
    struct stream_reader *reader = open_reader(&scene);
    CHECK_EQUAL(read_all(reader, CHUNKS, &n), ANB_CORRUPT);
    CHECK_EQUAL(n, 20);
    stream_reader_close(reader);
    close_scene(&scene);
}

static bool is_last(int64_t index)
{
    return index == CHUNKS - 1;
}

static void a_cut_stream_is_waited_for_until_its_mark_is_known(void)
{
    struct scene scene;
    int64_t n;
    open_scene(&scene);
    send(&scene, CHUNKS, is_last);
    struct stream_reader *reader = open_reader(&scene);
    CHECK_EQUAL(read_all(reader, CHUNKS, &n), ANB_AGAIN);
    CHECK_EQUAL(n, CHUNKS - 1);
    for (int p = 0; p < PARTITIONS; p++) stream_reader_set_mark(reader, &scene.marks[p]);
    struct stream_chunk chunk;
    CHECK_STATUS(stream_reader_next(reader, CHUNKS - 1, 0, &chunk, &test_error), ANB_CORRUPT);
    stream_reader_close(reader);
    close_scene(&scene);
}

/* Copies the log's record `from` of partition 1 to its end after changing it. */
static void forge(struct scene *scene, int64_t from, void (*change)(struct buf *record))
{
    struct buf record;
    buf_init(&record, 1 << 20);
    CHECK_STATUS(memory_log_get(scene->log, topic, 1, from, &record), ANB_OK);
    change(&record);
    memory_log_put(scene->log, topic, 1, buf_slice(&record));
    buf_fini(&record);
}

static void flip_last_byte(struct buf *record)
{
    record->data[record->size - 1] ^= 1;
}

static void an_altered_chunk_is_refused(void)
{
    struct scene scene;
    struct stream_source source = {.stream = {{0}}, .partitions = 15, .start_offsets = {0, 1, 0, 0}};
    struct stream_reader *reader;
    int64_t n;
    open_scene(&scene);
    send(&scene, 2, NULL);
    forge(&scene, 0, flip_last_byte); /* chunk 1 stands at offset 0 as it was, and altered at offset 1 */
    source.stream = scene.id;
    source.cipher = test_cipher(&scene.envelope, AEAD_OPEN);
    strcpy(source.topic, topic);
    CHECK_STATUS(stream_reader_open(scene.inbox, &source, 1, 15, PARTITIONS, 2 << 20, &reader, &test_error), ANB_OK);
    CHECK_EQUAL(read_all(reader, 2, &n), ANB_CORRUPT);
    CHECK_EQUAL(n, 1);
    stream_reader_close(reader);
    close_scene(&scene);
}

static void a_close_that_says_something_else_is_refused(void)
{
    struct scene scene;
    int64_t n;
    open_scene(&scene);
    send(&scene, CHUNKS, NULL);
    struct stream_reader *reader = open_reader(&scene);
    CHECK_EQUAL(read_all(reader, CHUNKS, &n), ANB_OK);
    scene.marks[2].digest.bytes[5] ^= 1;
    CHECK_STATUS(verify(&scene, reader), ANB_CORRUPT);
    scene.marks[2].digest.bytes[5] ^= 1;
    scene.marks[1].content.bytes[5] ^= 1;
    CHECK_STATUS(verify(&scene, reader), ANB_CORRUPT);
    scene.marks[1].content.bytes[5] ^= 1;
    scene.marks[2].count++;
    CHECK_STATUS(verify(&scene, reader), ANB_CORRUPT);
    CHECK_EQUAL(atomic_load(&scene.refusals.counts[STREAM_REFUSED_BAD_CLOSE]), 3);
    stream_reader_close(reader);
    close_scene(&scene);
}

static void a_failed_delivery_fails_the_stream(void)
{
    struct scene scene;
    struct memory_faults faults = {.fail_append_per_million = 1000000};
    open_scene(&scene);
    memory_log_set_faults(scene.log, &faults);
    struct test_envelope envelope = test_envelope_new(&scene.id, PURPOSE_UPDATE, 1);
    struct stream_cipher *cipher = test_cipher(&envelope, AEAD_SEAL);
    struct stream_writer *writer = open_writer(&scene, cipher);
    unsigned char *buffer;
    CHECK_STATUS(stream_writer_buffer(writer, 0, &buffer, &test_error), ANB_OK);
    fill(buffer, 0);
    CHECK_STATUS(stream_writer_send(writer, 0, SIZE, &test_error), ANB_OK);
    CHECK_STATUS(stream_writer_finish(writer, 1000, 15, scene.marks, &test_error), ANB_UNAVAILABLE);
    stream_writer_close(writer);
    stream_cipher_free(cipher);
    close_scene(&scene);
}

static void shares_must_cover_each_partition_once(void)
{
    struct scene scene;
    struct stream_reader *reader;
    struct stream_source sources[2] = {{.partitions = 3}, {.partitions = 6}};
    open_scene(&scene);
    strcpy(sources[0].topic, topic);
    strcpy(sources[1].topic, topic);
    struct test_envelope envelope = test_envelope_new(&scene.id, PURPOSE_UPDATE, 1);
    for (int s = 0; s < 2; s++) sources[s].cipher = test_cipher(&envelope, AEAD_OPEN);
    CHECK_STATUS(stream_reader_open(scene.inbox, sources, 2, 15, PARTITIONS, 100, &reader, &test_error), ANB_INVALID);
    for (int s = 0; s < 2; s++) sources[s].cipher = test_cipher(&envelope, AEAD_OPEN);
    sources[1].partitions = 4;
    CHECK_STATUS(stream_reader_open(scene.inbox, sources, 2, 15, PARTITIONS, 100, &reader, &test_error), ANB_INVALID);
    close_scene(&scene);
}

TEST_MAIN("stream", TEST(what_was_sent_is_read_and_verified), TEST(marks_say_where_the_stream_lies),
          TEST(other_streams_in_between_are_passed_over), TEST(a_record_that_is_no_chunk_is_passed_over),
          TEST(repeated_chunks_are_dropped), TEST(a_missing_chunk_is_found_when_a_later_one_comes),
          TEST(a_cut_stream_is_waited_for_until_its_mark_is_known), TEST(an_altered_chunk_is_refused),
          TEST(a_close_that_says_something_else_is_refused), TEST(a_failed_delivery_fails_the_stream),
          TEST(shares_must_cover_each_partition_once))
