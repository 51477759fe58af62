/* A PROXY header: however it is cut, the same is read of it, and never a byte behind it. The first
 * byte says how it is cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/proxy.h"

static enum proxy_status read_all(struct proxy *proxy, struct bytes input, size_t piece,
                                  size_t *taken)
{
    enum proxy_status status = PROXY_MORE;
    proxy_init(proxy);
    *taken = 0;
    while (*taken < input.len && status == PROXY_MORE) {
        struct bytes part = bytes_sub(input, *taken, piece), rest = part;
        status = proxy_read(proxy, &rest);
        ASSERT(status != PROXY_MORE || rest.len == 0);
        *taken += part.len - rest.len;
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy whole, cut;
    size_t whole_taken, cut_taken;
    if (size < 1)
        return 0;
    struct bytes input = {data + 1, size - 1};
    enum proxy_status status = read_all(&whole, input, SIZE_MAX, &whole_taken);
    ASSERT(read_all(&cut, input, (size_t)data[0] % 32 + 1, &cut_taken) == status);
    ASSERT(whole_taken == cut_taken && whole.has_client == cut.has_client);
    ASSERT(whole_taken <= 16 + UINT16_MAX);
    ASSERT((status == PROXY_BAD) == (whole.fault != NULL));
    if (whole.has_client)
        ASSERT(memcmp(&whole.ip, &cut.ip, sizeof whole.ip) == 0 && whole.port == cut.port);
    /* A header stands for itself: what is read of it does not depend on what follows. */
    if (status == PROXY_DONE) {
        ASSERT(read_all(&cut, bytes_sub(input, 0, whole_taken), SIZE_MAX, &cut_taken) ==
               PROXY_DONE);
        ASSERT(cut_taken == whole_taken);
    }
    return 0;
}
