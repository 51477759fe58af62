#include "cli/bench_size.h"

#include "base/random.h"
#include "daemon/schema.h"

static bool scan_range(struct bytes text, struct bench_size_part *out)
{
    struct bytes least, most;
    if (!bytes_cut(text, '-', &least, &most))
        most = least;
    return schema_scan_size(least, &out->least) && schema_scan_size(most, &out->most) &&
           out->least > 0 && out->least <= out->most && out->most <= BENCH_SIZE_MOST;
}

static bool scan_part(struct bytes text, bool is_table, struct bench_size_part *out)
{
    struct bytes weight = BYTES("1"), range = text;
    if (is_table && !bytes_cut(text, ':', &weight, &range))
        return false;
    return scan_u64(weight, BENCH_WEIGHT_MOST, &out->weight) && out->weight > 0 &&
           scan_range(range, out);
}

bool bench_sizes_scan(struct bytes text, struct bench_sizes *out, struct error *err)
{
    struct bench_sizes sizes = {.count = 0};
    bool is_table = bytes_find(text, ':') < text.len, has_more = true;
    struct bytes part, rest = text;
    while (has_more) {
        has_more = bytes_cut(rest, ',', &part, &rest);
        if ((has_more && !is_table) || sizes.count == BENCH_SIZE_PARTS ||
            !scan_part(part, is_table, &sizes.parts[sizes.count]))
            return error_set(err, 0,
                             "%.*s: write a size from 1 to 256M (4K), a range (1K-64K), or at most "
                             "16 of them with weights (70:2K,25:8K-32K,5:1M)",
                             BYTES_ARGS(bytes_sub(text, 0, 60)));
        sizes.total += sizes.parts[sizes.count++].weight;
    }
    *out = sizes;
    return true;
}

uint64_t bench_sizes_draw(const struct bench_sizes *sizes, uint64_t *seed)
{
    uint64_t place = random_next(seed) % sizes->total;
    const struct bench_size_part *part = sizes->parts;
    while (place >= part->weight)
        place -= part++->weight;
    return part->least + random_next(seed) % (part->most - part->least + 1);
}
