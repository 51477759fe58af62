/* Names and passwords: what comes out is UTF-8, within the limit, and its own form; and a name that
 * is taken is a password too, but for case. */
#include <stdint.h>
#include <stdlib.h>

#include "mail/precis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check(bool (*prepare)(struct buf *, struct bytes), struct bytes text)
{
    struct buf once, twice;
    buf_init(&once, PRECIS_LIMIT);
    buf_init(&twice, PRECIS_LIMIT);
    bool is_good = prepare(&once, text);
    ASSERT(is_good || once.len == 0);
    if (is_good) {
        ASSERT(once.len && bytes_is_utf8(buf_view(&once)));
        ASSERT(prepare(&twice, buf_view(&once)));
        ASSERT(bytes_equal(buf_view(&once), buf_view(&twice)));
    }
    buf_done(&once);
    buf_done(&twice);
    return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = {data, size};
    bool is_name = check(precis_username, text);
    bool is_password = check(precis_password, text);
    ASSERT(!is_name || is_password);
    return 0;
}
