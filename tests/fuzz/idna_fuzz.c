/* Domains: a name that the DNS can be asked for is one of ASCII, and stays the same when it is
 * made again. */
#include "mail/address.h"
#include "mail/idna.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size};
    struct buf once, twice;
    buf_init(&once, HOST_NAME_LIMIT);
    buf_init(&twice, HOST_NAME_LIMIT);
    if (idna_to_ascii(input, &once)) {
        ASSERT(!once.overflowed && domain_is_valid(buf_view(&once), ADDRESS_ASCII));
        ASSERT(idna_to_ascii(buf_view(&once), &twice));
        ASSERT(bytes_equal(buf_view(&once), buf_view(&twice)));
    } else {
        ASSERT(once.len == 0);
    }
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
