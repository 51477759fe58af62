/* Any bytes made fit: the same however they are cut, within what the host takes and the growth that
 * is promised, and fit already when it is done again. The first byte says for what host, the second
 * how the input is cut. */
#include <stdlib.h>

#include "mail/downgrade.h"
#include "mail/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool run(const struct downgrade_goal *goal, struct bytes text, size_t step, struct buf *out)
{
    struct downgrade *downgrade = downgrade_new(goal);
    for (struct bytes rest = text; rest.len; rest = bytes_from(rest, step))
        downgrade_scan(downgrade, bytes_sub(rest, 0, step));
    bool is_good = downgrade_decide(downgrade) == DOWNGRADE_GOOD;
    ASSERT(is_good == !downgrade_reason(downgrade).len);
    buf_init(out, SIZE_MAX);
    if (!is_good) {
        buf_add(out, downgrade_reason(downgrade));
    } else {
        downgrade_begin(downgrade);
        for (struct bytes rest = text; rest.len; rest = bytes_from(rest, step))
            downgrade_write(downgrade, bytes_sub(rest, 0, step), out);
        downgrade_end(downgrade, out);
    }
    downgrade_free(downgrade);
    return is_good;
}

static void check_fit(const struct downgrade_goal *goal, struct bytes text)
{
    size_t line = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        ASSERT(byte != 0 && (byte < 0x80 || goal->body == BODY_8BITMIME));
        if (byte == '\r' && i + 1 < text.len && text.at[i + 1] == '\n') {
            i++;
            line = 0;
            continue;
        }
        ASSERT(byte != '\r' && byte != '\n' && ++line <= TRANSFER_LINE_MOST);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MORE = 4096 };
    if (size < 2)
        return 0;
    struct downgrade_goal goal = {.body = data[0] & 1 ? BODY_8BITMIME : BODY_7BIT};
    goal.has_8bit_fields = goal.body == BODY_8BITMIME && data[0] & 2;
    struct bytes text = {data + 2, size - 2};
    struct buf whole, cut, again;
    bool is_good = run(&goal, text, SIZE_MAX, &whole);
    ASSERT(run(&goal, text, 1 + data[1] % 16, &cut) == is_good);
    ASSERT(bytes_equal(buf_view(&whole), buf_view(&cut)));
    if (is_good) {
        check_fit(&goal, buf_view(&whole));
        ASSERT(whole.len <= text.len * DOWNGRADE_GROWTH + MORE);
        ASSERT(run(&goal, buf_view(&whole), SIZE_MAX, &again));
        ASSERT(bytes_equal(buf_view(&whole), buf_view(&again)));
        buf_done(&again);
    }
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
