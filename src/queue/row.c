/* Who is next: the ready deliveries of a lane, in a row for each sender, and the rows of a site's
 * lanes in turns of their senders. So a run of a hundred thousand messages and a single letter of
 * another sender have every second place each. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "queue/queue_state.h"

/* A lane with so many senders has had its share of memory: the rest stand in rows for several. */
enum { ROWS_MOST = 1000, ROWS_SHARED = 64 };

/* Keys of both maps: the lane's number, and 24 bits that tell rows of a lane apart. */
enum { SENDER_BITS = 23 };
static const uint64_t SHARED = 1 << SENDER_BITS;

/* Ready deliveries of one sender in one lane; in the queue's map while there are some. */
struct row {
    struct list deliveries; /* the longest ready first */
    struct list own;        /* in lane->rows */
    struct list turn;       /* in share->rows, while the lane has a site */
    struct share *share;
    uint64_t key;
    size_t count;
    size_t looked_at; /* by the walk for what is past its time: so many at the end */
};

/* The rows of one sender at one site. */
struct share {
    struct list rows; /* the next first */
    struct list turn; /* in site->turns */
    uint64_t key;
};

/* --- Senders -----------------------------------------------------------------------------------
 */

static bool ends_sender(uint8_t byte, bool is_verp)
{
    return byte == '+' || byte == '=' || ascii_is_digit(byte) || (is_verp && byte == '-');
}

/* A mailing list has a reverse-path for each recipient (VERP): list-bounces+ann=example.org@…, all
 * of which are one sender. */
uint32_t sender_hash(struct bytes reverse_path, uint64_t seed)
{
    size_t at = bytes_find_last(reverse_path, '@');
    bool is_verp = bytes_find(bytes_sub(reverse_path, 0, at), '=') < at;
    uint64_t hash = seed;
    size_t len = 0;
    while (len < at && !ends_sender(reverse_path.at[len], is_verp))
        len++;
    struct bytes parts[] = {bytes_sub(reverse_path, 0, len), bytes_from(reverse_path, at)};
    for (size_t i = 0; i < COUNT(parts); i++) {
        uint8_t room[64];
        /* Each piece of 64 under the hash of those before it. */
        for (size_t from = 0; from < parts[i].len || from == 0; from += sizeof room) {
            struct bytes piece = bytes_sub(parts[i], from, sizeof room);
            for (size_t j = 0; j < piece.len; j++)
                room[j] = ascii_lower(piece.at[j]);
            hash = hash_bytes((struct bytes){room, piece.len}, hash);
        }
    }
    return (uint32_t)hash;
}

/* --- Rows --------------------------------------------------------------------------------------
 */

static uint64_t row_key(const struct lane *lane, uint32_t sender, bool is_shared)
{
    uint64_t key = is_shared ? SHARED | sender % ROWS_SHARED : sender & (SHARED - 1);
    return lane->number << (SENDER_BITS + 1) | key;
}

static struct row *row_new(struct queue *queue, struct lane *lane, uint64_t key)
{
    struct row *row = NEW(struct row);
    row->key = key;
    list_init(&row->deliveries);
    list_init(&row->turn);
    list_init(&row->own);
    list_append(&lane->rows, &row->own);
    lane->row_count++;
    table_add(queue->rows, key, row);
    return row;
}

static void row_join(struct queue *queue, struct row *row, struct lane *site)
{
    uint64_t key = site->number << (SENDER_BITS + 1) | (row->key & (2 * SHARED - 1));
    struct share *share = table_find(queue->shares, key);
    if (!share) {
        share = NEW(struct share);
        share->key = key;
        list_init(&share->rows);
        list_init(&share->turn);
        list_append(&site->turns, &share->turn);
        table_add(queue->shares, key, share);
    }
    list_append(&share->rows, &row->turn);
    row->share = share;
}

static void row_leave(struct queue *queue, struct row *row)
{
    struct share *share = row->share;
    if (!share)
        return;
    row->share = NULL;
    list_remove(&row->turn);
    if (!list_is_empty(&share->rows))
        return;
    list_remove(&share->turn);
    table_take(queue->shares, share->key);
    free(share);
}

void rows_add(struct queue *queue, struct delivery *delivery)
{
    struct lane *lane = delivery->lane;
    uint32_t sender = delivery->message->sender;
    uint64_t key = row_key(lane, sender, false);
    struct row *row = table_find(queue->rows, key);
    delivery->is_shared = !row && lane->row_count >= ROWS_MOST;
    if (delivery->is_shared) {
        key = row_key(lane, sender, true);
        row = table_find(queue->rows, key);
    }
    if (!row) {
        row = row_new(queue, lane, key);
        if (lane->site)
            row_join(queue, row, lane->site);
    }
    list_init(&delivery->in.row);
    list_append(&row->deliveries, &delivery->in.row);
    row->count++;
}

void rows_remove(struct queue *queue, struct delivery *delivery)
{
    struct lane *lane = delivery->lane;
    struct row *row =
        table_find(queue->rows, row_key(lane, delivery->message->sender, delivery->is_shared));
    ASSERT(row && row->count > 0);
    list_remove(&delivery->in.row);
    row->count--;
    if (row->count > 0)
        return;
    row_leave(queue, row);
    list_remove(&row->own);
    lane->row_count--;
    table_take(queue->rows, row->key);
    free(row);
}

void rows_join(struct queue *queue, struct lane *lane)
{
    LIST_EACH (&lane->rows, struct row, own, row)
        row_join(queue, row, lane->site);
}

void rows_leave(struct queue *queue, struct lane *lane)
{
    LIST_EACH (&lane->rows, struct row, own, row)
        row_leave(queue, row);
}

void rows_free(struct queue *queue)
{
    size_t place = 0;
    for (void *value; table_next(queue->rows, &place, &value);)
        free(value);
    place = 0;
    for (void *value; table_next(queue->shares, &place, &value);)
        free(value);
    table_free(queue->rows);
    table_free(queue->shares);
}

/* --- Turns -------------------------------------------------------------------------------------
 */

static void rotate(struct list *ring, struct list *first)
{
    list_remove(first);
    list_append(ring, first);
}

struct delivery *rows_next(struct lane *site)
{
    struct share *share = LIST_FIRST(&site->turns, struct share, turn);
    if (!share)
        return NULL;
    struct row *row = LIST_FIRST(&share->rows, struct row, turn);
    rotate(&site->turns, &share->turn);
    rotate(&share->rows, &row->turn);
    return LIST_FIRST(&row->deliveries, struct delivery, in.row);
}

struct delivery *rows_any(struct lane *lane)
{
    struct row *row = LIST_FIRST(&lane->rows, struct row, own);
    return row ? LIST_FIRST(&row->deliveries, struct delivery, in.row) : NULL;
}

/* --- Age ---------------------------------------------------------------------------------------
 */

/* What rode on the lane and is past its time fails. A walk is made only when there is some: each
 * row turned round once, as many deliveries in a step as a step may do. */
void lane_expire(struct queue *queue, struct lane *lane, int64_t now_ms)
{
    if (lane->ready == 0 || now_ms < lane->first_expiry_ms)
        return;
    LIST_EACH (&lane->rows, struct row, own, row)
        row->looked_at = 0;
    lane->first_expiry_ms = INT64_MAX;
    lane->rows_to_look_at = lane->row_count;
    lane_work(queue, lane);
}

/* Looks at the first delivery of the row, which may be freed with it. */
static void look_at_first(struct queue *queue, struct lane *lane, struct row *row, int64_t now_ms)
{
    struct delivery *delivery = LIST_FIRST(&row->deliveries, struct delivery, in.row);
    int64_t expiry_ms = message_expiry(queue, delivery->message);
    row->looked_at++;
    if (row->looked_at >= row->count) {
        lane->rows_to_look_at--;
        rotate(&lane->rows, &row->own);
    }
    if (now_ms >= expiry_ms) {
        row->looked_at--;
        delivery_withdraw(queue, delivery);
        delivery_expire(queue, delivery, now_ms);
        return;
    }
    rotate(&row->deliveries, &delivery->in.row);
    if (expiry_ms < lane->first_expiry_ms)
        lane->first_expiry_ms = expiry_ms;
}

bool lane_expire_some(struct queue *queue, struct lane *lane, int64_t now_ms)
{
    enum { BATCH = 1000 };
    if (lane->rows_to_look_at == 0)
        return false;
    /* It must outlive the last delivery that expires. */
    lane->deliveries++;
    for (size_t i = 0; i < BATCH && lane->rows_to_look_at > 0; i++) {
        struct row *row = LIST_FIRST(&lane->rows, struct row, own);
        if (row)
            look_at_first(queue, lane, row, now_ms);
        else
            lane->rows_to_look_at = 0;
    }
    lane->deliveries--;
    lane_release(queue, lane);
    return true;
}
