#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "smtp/proxy.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define IPV4 "\xC0\0\2\1\xC0\0\2\2\xDC\4\0\x19"
#define IPV6                                                                                       \
    "\x20\1\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\2\xDC\4\0\x19"
#define V6_LONGEST "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

static const struct {
    const char *name;
    struct bytes input; /* a header, and what follows it */
    const char *result; /* "192.0.2.1 56324", "own address", or the fault; "more": it is cut */
    const char *following;
} rows[] = {
    {"v1, IPv4", BYTES_INIT("PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\r\nEHLO x\r\n"),
     "192.0.2.1 56324", "EHLO x\r\n"},
    {"v1, IPv6", BYTES_INIT("PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n"), "2001:db8::1 56324",
     ""},
    {"v1, the longest", BYTES_INIT("PROXY TCP6 " V6_LONGEST " " V6_LONGEST " 65535 65535\r\n"),
     V6_LONGEST " 65535", ""},
    {"v1, unknown", BYTES_INIT("PROXY UNKNOWN\r\nE"), "own address", "E"},
    {"v1, unknown with more", BYTES_INIT("PROXY UNKNOWN " V6_LONGEST " " V6_LONGEST " 1 2\r\n"),
     "own address", ""},
    {"v1, cut", BYTES_INIT("PROXY TCP4 192.0.2.1 192.0"), "more", ""},
    {"v1, no CR", BYTES_INIT("PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\n"),
     "its line does not end in CRLF", ""},
    {"v1, family and address differ", BYTES_INIT("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"),
     "its addresses cannot be read", ""},
    {"v1, or so", BYTES_INIT("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"),
     "its addresses cannot be read", ""},
    {"v1, other family", BYTES_INIT("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"),
     "its addresses cannot be read", ""},
    {"v1, unknown glued", BYTES_INIT("PROXY UNKNOWNS\r\n"), "its addresses cannot be read", ""},
    {"v1, port too large", BYTES_INIT("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"),
     "its addresses cannot be read", ""},
    {"v1, port with a zero in front", BYTES_INIT("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"),
     "its addresses cannot be read", ""},
    {"v1, two spaces", BYTES_INIT("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"),
     "its addresses cannot be read", ""},
    {"v1, a port too few", BYTES_INIT("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"),
     "its addresses cannot be read", ""},
    {"v1, too long",
     BYTES_INIT("PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456"
                "7890123456789012345678901234567890\r\n"),
     "its line is too long", ""},
    {"v1, small letters", BYTES_INIT("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), "it is none", ""},
    {"a greeting", BYTES_INIT("EHLO client.example\r\n"), "it is none", ""},
    {"nearly", BYTES_INIT("PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n"), "it is none", ""},
    {"nothing yet", BYTES_INIT(""), "more", ""},

    {"v2, IPv4", BYTES_INIT(V2 "\x21\x11\0\x0C" IPV4 "EHLO x\r\n"), "192.0.2.1 56324",
     "EHLO x\r\n"},
    {"v2, IPv6", BYTES_INIT(V2 "\x21\x21\0\x24" IPV6), "2001:db8::1 56324", ""},
    {"v2, with TLVs", BYTES_INIT(V2 "\x21\x11\0\x12" IPV4 "\4\0\3abcE"), "192.0.2.1 56324", "E"},
    {"v2, for itself", BYTES_INIT(V2 "\x20\0\0\0E"), "own address", "E"},
    {"v2, for itself, with an address", BYTES_INIT(V2 "\x20\x11\0\x0C" IPV4), "own address", ""},
    {"v2, a Unix socket", BYTES_INIT(V2 "\x21\x31\0\4abcdE"), "own address", "E"},
    {"v2, no family", BYTES_INIT(V2 "\x21\0\0\0"), "own address", ""},
    {"v2, cut", BYTES_INIT(V2 "\x21\x11\0\x0C\xC0\0"), "more", ""},
    {"v2, shorter than its address", BYTES_INIT(V2 "\x21\x11\0\x0B" IPV4),
     "it is shorter than its addresses", ""},
    {"v2, shorter than an IPv6 address", BYTES_INIT(V2 "\x21\x21\0\x0C" IPV4),
     "it is shorter than its addresses", ""},
    {"v2, version", BYTES_INIT(V2 "\x11\x11\0\x0C" IPV4),
     "it is of a version, or has a command, that is not known", ""},
    {"v2, command", BYTES_INIT(V2 "\x22\x11\0\x0C" IPV4),
     "it is of a version, or has a command, that is not known", ""},
    {"v2, not quite", BYTES_INIT("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0C" IPV4), "it is none", ""},
};

static void read_pieces(struct proxy *proxy, struct bytes input, size_t piece, struct buf *out)
{
    enum proxy_status status = PROXY_MORE;
    proxy_init(proxy);
    while (input.len && status == PROXY_MORE) {
        size_t len = input.len < piece ? input.len : piece;
        uint8_t *exact = malloc(len);
        memcpy(exact, input.at, len);
        struct bytes rest = {exact, len};
        status = proxy_read(proxy, &rest);
        input = bytes_from(input, len - rest.len);
        free(exact);
    }
    if (status == PROXY_MORE)
        buf_add(out, BYTES("more"));
    else if (status == PROXY_BAD)
        buf_add(out, bytes_of(proxy->fault));
    else if (!proxy->has_client)
        buf_add(out, BYTES("own address"));
    else {
        ip_print(out, &proxy->ip);
        buf_addf(out, " %u", proxy->port);
    }
    buf_add(out, BYTES("|"));
    if (status == PROXY_DONE)
        buf_add(out, input);
    buf_add_byte(out, 0);
}

static void test_headers(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf wanted;
        buf_init(&wanted, 1000);
        buf_addf(&wanted, "%s|%s", rows[i].result, rows[i].following);
        buf_add_byte(&wanted, 0);
        print_message("  %s\n", rows[i].name);
        for (size_t piece = 1; piece <= rows[i].input.len + 1; piece++) {
            struct proxy proxy;
            struct buf out;
            buf_init(&out, 1000);
            read_pieces(&proxy, rows[i].input, piece, &out);
            assert_string_equal((const char *)out.at, (const char *)wanted.at);
            buf_done(&out);
        }
        buf_done(&wanted);
    }
}

/* As long as a length of 16 bits allows, and nothing of it is kept. */
static void test_longest(void **state)
{
    struct proxy proxy;
    struct buf input;
    buf_init(&input, 70000);
    buf_add(&input, BYTES(V2 "\x21\x11\xFF\xFF" IPV4));
    while (input.len < 16 + 65535)
        buf_add_byte(&input, 'x');
    buf_add(&input, BYTES("EHLO"));
    struct bytes rest = buf_view(&input);
    proxy_init(&proxy);
    assert_int_equal(proxy_read(&proxy, &rest), PROXY_DONE);
    assert_true(bytes_equal(rest, BYTES("EHLO")));
    assert_true(proxy.has_client);
    buf_done(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers),
                                       cmocka_unit_test(test_longest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
