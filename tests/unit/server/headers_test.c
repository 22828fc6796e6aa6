#include "server/headers.h"
#include "support/test.h"

static int64_t body_bytes;

static enum anb_status check(const char *const *pairs)
{
    struct headers headers = {.n_fields = 0};
    for (; *pairs; pairs += 2) headers_note(&headers, pairs[0], pairs[1]);
    body_bytes = -7;
    return headers_check(&headers, &body_bytes, &test_error);
}

#define CHECK_FIELDS(expected, ...) CHECK_STATUS(check((const char *const[]){__VA_ARGS__, NULL}), expected)

static void a_second_content_length_is_refused(void)
{
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Content-Length", "5", "content-length", "5");
}

static void content_length_with_transfer_encoding_is_refused(void)
{
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Content-Length", "5", "Transfer-Encoding", "chunked");
}

static void unknown_and_repeated_transfer_encodings_are_refused(void)
{
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Transfer-Encoding", "gzip, chunked");
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Transfer-Encoding", "identity");
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked");
}

static void host_must_stand_exactly_once(void)
{
    CHECK_FIELDS(ANB_INVALID, "Accept", "*/*");
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "HOST", "b");
}

static void content_length_is_digits_only(void)
{
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Content-Length", "");
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Content-Length", "+5");
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Content-Length", "5 6");
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Content-Length", "0x10");
    CHECK_FIELDS(ANB_INVALID, "Host", "a", "Content-Length", "9999999999999999999");
}

static void too_many_fields_are_refused(void)
{
    struct headers headers = {.n_fields = 0};
    headers_note(&headers, "Host", "a");
    for (int i = 0; i < HEADERS_MAX; i++) headers_note(&headers, "X-Filler", NULL);
    CHECK_STATUS(headers_check(&headers, &body_bytes, &test_error), ANB_INVALID);
}

static void the_length_of_the_body_is_told(void)
{
    CHECK_FIELDS(ANB_OK, "Host", "a");
    CHECK_EQUAL(body_bytes, 0);
    CHECK_FIELDS(ANB_OK, "host", "a", "Content-Length", "17179869184");
    CHECK_EQUAL(body_bytes, 17179869184);
    CHECK_FIELDS(ANB_OK, "Host", "a", "Transfer-Encoding", "Chunked");
    CHECK_EQUAL(body_bytes, -1);
}

static enum anb_status check_origin(const char *host, const char *origin, bool on_loopback)
{
    struct headers headers = {.host = host, .origin = origin};
    return headers_check_origin(&headers, on_loopback, &test_error);
}

static void pages_of_another_origin_are_refused(void)
{
    CHECK_STATUS(check_origin("127.0.0.1:8500", "http://evil.example", true), ANB_DENIED);
    CHECK_STATUS(check_origin("127.0.0.1:8500", "http://127.0.0.1:8501", true), ANB_DENIED);
    CHECK_STATUS(check_origin("127.0.0.1:8500", "null", true), ANB_DENIED);
    CHECK_STATUS(check_origin("127.0.0.1:8500", "http://127.0.0.1:8500", true), ANB_OK);
    CHECK_STATUS(check_origin("127.0.0.1:8500", NULL, true), ANB_OK);
}

static void on_loopback_a_foreign_host_name_is_refused(void)
{
    CHECK_STATUS(check_origin("evil.example:8500", NULL, true), ANB_DENIED);
    CHECK_STATUS(check_origin("localhost.evil.example", NULL, true), ANB_DENIED);
    CHECK_STATUS(check_origin("", NULL, true), ANB_DENIED);
    CHECK_STATUS(check_origin("localhost:8500", NULL, true), ANB_OK);
    CHECK_STATUS(check_origin("[::1]:8500", NULL, true), ANB_OK);
    CHECK_STATUS(check_origin("server.example:8500", NULL, false), ANB_OK);
}

TEST_MAIN("server_headers", TEST(a_second_content_length_is_refused),
          TEST(content_length_with_transfer_encoding_is_refused),
          TEST(unknown_and_repeated_transfer_encodings_are_refused), TEST(host_must_stand_exactly_once),
          TEST(content_length_is_digits_only), TEST(too_many_fields_are_refused), TEST(the_length_of_the_body_is_told),
          TEST(pages_of_another_origin_are_refused), TEST(on_loopback_a_foreign_host_name_is_refused))
