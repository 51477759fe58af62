/* Authentication-Results: whatever is put into ours, it is one field with short lines, and cut out
 * as ours; of a section that was cut nothing more is cut, and what is left was in it. */
#include "auth/authres.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct bytes id = BYTES_INIT("mx.example.org");

static void check_printed(struct bytes input)
{
    struct bytes first, second, third;
    bytes_cut(input, '\n', &first, &second);
    bytes_cut(second, '\n', &second, &third);
    struct authres_result results[] = {
        {"spf", "fail", first, {{"smtp.mailfrom", second}, {"smtp.helo", third}}},
        {"dkim", "pass", second, {{"header.d", first}, {"header.b", third}}},
    };
    struct buf out, rest_of_it;
    buf_init(&out, AUTHRES_RESULT_BYTES * 3);
    buf_init(&rest_of_it, AUTHRES_RESULT_BYTES * 3);
    authres_print(&out, id, results, COUNT(results));
    ASSERT(!out.overflowed && bytes_is_ascii(buf_view(&out)));
    struct header_field field;
    struct bytes rest = buf_view(&out);
    ASSERT(header_next(&rest, &field) && rest.len == 0 && !field.is_odd);
    ASSERT(authres_cut(&rest_of_it, buf_view(&out), id) == 1 && rest_of_it.len == 0);
    buf_done(&out);
    buf_done(&rest_of_it);
}

static void check_cut(struct bytes section)
{
    struct buf once, twice;
    buf_init(&once, section.len);
    buf_init(&twice, section.len);
    size_t count = authres_cut(&once, section, id);
    ASSERT(!once.overflowed && (count > 0 || once.len == 0));
    ASSERT(count == 0 || once.len < section.len);
    ASSERT(authres_cut(&twice, buf_view(&once), id) == 0 && twice.len == 0);
    buf_done(&once);
    buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size};
    struct buf section;
    check_printed(input);
    check_cut(input);
    (void)authres_says(input, "dmarc", "pass");
    buf_init(&section, size + 100);
    buf_add(&section, BYTES("Authentication-Results:"));
    buf_add(&section, input);
    check_cut(buf_view(&section));
    buf_done(&section);
    return 0;
}
