/* Endpoints: views lie inside the text, what is read is one kind of place, and a domain is found
 * by the pattern that names it. */
#include "queue/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct bytes whole, struct bytes part)
{
    ASSERT(part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
}

static void check_endpoint(struct bytes text)
{
    struct endpoint found;
    struct error err = {0};
    if (!endpoint_scan(text, &found, &err)) {
        ASSERT(err.text[0]);
        return;
    }
    check_inside(text, found.host);
    check_inside(text, found.unix_path);
    ASSERT(bytes_equal(found.name, text));
    ASSERT((found.host.len > 0) + (found.unix_path.len > 0) == (found.kind != ENDPOINT_MX));
    ASSERT((found.unix_path.len > 0) == (found.port == 0));
    ASSERT(found.unix_path.len == 0 || found.kind == ENDPOINT_LMTP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size}, pattern, domain;
    check_endpoint(input);
    bytes_cut(input, '\n', &pattern, &domain);
    struct routes *routes = routes_new(1);
    struct endpoint endpoint = {.kind = ENDPOINT_SMTP, .host = BYTES("h"), .port = 25};
    if (routes_add(routes, pattern, &endpoint)) {
        ASSERT(!routes_add(routes, pattern, &endpoint));
        if (bytes_equal_nocase(pattern, domain) || bytes_equal(pattern, BYTES("*")))
            ASSERT(routes_find(routes, domain) || domain.len > 256);
        else if (routes_find(routes, domain))
            ASSERT(pattern.at[0] == '.' && bytes_ends_nocase(domain, pattern));
    } else {
        ASSERT(!routes_find(routes, domain));
    }
    routes_free(routes);
    return 0;
}
