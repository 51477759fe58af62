/* A zone on file: whatever is read answers all questions, addresses have their sizes, and a name
 * that goes round in a circle ends. */
#include "base/error.h"
#include "facts/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"a.example", "b.example", "c", "nowhere.example"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {.text = ""};
    struct zone *zone = zone_parse((struct bytes){data, size}, &err);
    ASSERT(zone || err.text[0]);
    if (!zone)
        return 0;
    struct facts *facts = facts_new();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(names); i++) {
            for (enum fact_type type = 0; type <= FACT_SRV; type++) {
                const struct answer *answer = facts_ask(facts, type, bytes_of(names[i]));
                ASSERT(round == 0 || answer);
                if (!answer)
                    continue;
                ASSERT((answer->status == ANSWER_FOUND) == (answer->count > 0));
                if (answer->count && (type == FACT_A || type == FACT_AAAA))
                    ASSERT(answer->records[0].data.len == (type == FACT_A ? 4 : 16));
            }
        }
        zone_answer(zone, facts);
    }
    facts_free(facts);
    zone_free(zone);
    return 0;
}
