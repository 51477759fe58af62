/* Packets of the keeper's channel: whatever is read prints to the same bytes, and all views lie
 * within. */
#include "daemon/keeper_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_own(struct bytes own)
{
    struct bytes address;
    for (size_t count = 0; keeper_next_own(&own, &address); count++)
        ASSERT(count < KEEPER_OWN_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size};
    struct keeper_request request;
    struct keeper_answer answer;
    struct buf printed;
    keeper_packet_init(&printed);
    if (keeper_request_scan(input, &request))
        ASSERT(keeper_request_print(&printed, &request) && bytes_equal(buf_view(&printed), input));
    buf_clear(&printed);
    if (keeper_answer_scan(input, &answer)) {
        ASSERT(keeper_answer_print(&printed, &answer) && bytes_equal(buf_view(&printed), input));
        check_own(answer.own);
    }
    keeper_packet_done(&printed);
    return 0;
}
