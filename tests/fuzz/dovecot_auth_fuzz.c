/* Lines from Dovecot's auth socket: what is read lies within them, and unescaping makes nothing
 * longer. */
#include "auth/dovecot_auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = {data, size}, text;
    while (rest.len) {
        (void)bytes_cut(rest, '\n', &text, &rest);
        struct dovecot_line line = dovecot_scan_line(text);
        ASSERT(line.user.len == 0 ||
               (line.user.at >= text.at && line.user.at + line.user.len <= text.at + text.len));
        struct buf plain;
        buf_init(&plain, line.user.len + 1);
        dovecot_unescape(&plain, line.user);
        ASSERT(!plain.overflowed && plain.len <= line.user.len);
        buf_done(&plain);
    }
    return 0;
}
