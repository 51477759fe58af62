/* Paths and addresses: views lie inside the input, an address found is found again alone, its
 * local part survives being unquoted and quoted, and no smaller charset takes more. */
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct bytes whole, struct bytes part)
{
    ASSERT(part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
}

static void check_address(struct bytes input, const struct address *found)
{
    check_inside(input, found->whole);
    check_inside(found->whole, found->local);
    check_inside(found->whole, found->domain);
    struct address again;
    ASSERT(address_parse(found->whole, ADDRESS_UTF8, &again) == PATH_OK);
    ASSERT(bytes_equal(again.local, found->local) && bytes_equal(again.domain, found->domain));
    ASSERT(found->is_literal ? address_literal_is_valid(found->domain)
                             : domain_is_valid(found->domain, ADDRESS_UTF8));
    struct buf value, printed, second;
    buf_init(&value, 1000);
    buf_init(&printed, 1000);
    buf_init(&second, 1000);
    address_local_value(&value, found->local);
    address_print_local(&printed, buf_view(&value));
    address_local_value(&second, buf_view(&printed));
    ASSERT(bytes_equal(buf_view(&value), buf_view(&second)));
    buf_add_byte(&printed, '@');
    buf_add(&printed, found->domain);
    ASSERT(address_parse(buf_view(&printed), ADDRESS_UTF8, &again) == PATH_OK);
    buf_done(&value);
    buf_done(&printed);
    buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size}, rest = input;
    struct address found;
    enum path_status status = path_parse(&rest, ADDRESS_UTF8, &found);
    ASSERT(status != PATH_NEEDS_UTF8);
    if (status == PATH_OK && found.domain.len)
        check_address(input, &found);
    struct bytes ascii_rest = input;
    enum path_status ascii_status = path_parse(&ascii_rest, ADDRESS_ASCII, &found);
    ASSERT(ascii_status == status || (ascii_status == PATH_NEEDS_UTF8 && status == PATH_OK));
    if (address_parse(input, ADDRESS_UTF8, &found) == PATH_OK) {
        ASSERT(found.whole.len == size);
        check_address(input, &found);
    }
    return 0;
}
