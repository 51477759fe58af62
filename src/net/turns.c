#include "net/turns.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"

enum {
    KEY_LIMIT = 128, /* two labels, and the dot between them */
    GROUPS_RUNNING = 8,
    GROUPS_WAITING = 4,
};

struct turn_group {
    struct list ready; /* in turns->ready: something waits, and may run */
    struct list waiting;
    size_t waiting_count, running_count;
    size_t key_len;
    uint8_t key[KEY_LIMIT];
};

struct turns {
    struct map *groups;
    struct list ready;
    size_t running_limit, waiting_limit;
    size_t running_count, waiting_count;
};

struct turns *turns_new(size_t running_limit, size_t waiting_limit, uint64_t seed)
{
    struct turns *turns = NEW(struct turns);
    turns->groups = map_new(seed);
    turns->running_limit = running_limit;
    turns->waiting_limit = waiting_limit;
    list_init(&turns->ready);
    return turns;
}

void turns_free(struct turns *turns)
{
    if (!turns)
        return;
    ASSERT(map_count(turns->groups) == 0);
    map_free(turns->groups);
    free(turns);
}

/* --- Groups -------------------------------------------------------------------------------------
 */

static size_t share(size_t limit, size_t groups)
{
    return limit / groups ? limit / groups : 1;
}

/* The last two labels, in small letters; of what the DNS could not have, the end. */
static struct bytes key_of(struct bytes name, uint8_t room[KEY_LIMIT])
{
    size_t last = bytes_find_last(name, '.');
    struct bytes before = bytes_sub(name, 0, last < name.len ? last : 0);
    size_t second = bytes_find_last(before, '.');
    struct bytes domain = second < before.len ? bytes_from(name, second + 1) : name;
    if (domain.len > KEY_LIMIT)
        domain = bytes_from(domain, domain.len - KEY_LIMIT);
    for (size_t i = 0; i < domain.len; i++)
        room[i] = ascii_lower(domain.at[i]);
    return (struct bytes){room, domain.len};
}

static struct turn_group *group_for(struct turns *turns, struct bytes name)
{
    uint8_t room[KEY_LIMIT];
    struct bytes key = key_of(name, room);
    struct turn_group *group = map_find(turns->groups, key);
    if (group)
        return group;
    group = NEW(struct turn_group);
    list_init(&group->ready);
    list_init(&group->waiting);
    group->key_len = key.len;
    memcpy(group->key, room, key.len);
    map_add(turns->groups, key, group);
    return group;
}

/* After any change: is it in the ring of those that may go on, is it needed at all? */
static void group_settle(struct turns *turns, struct turn_group *group)
{
    bool is_ready = group->waiting_count > 0 &&
                    group->running_count < share(turns->running_limit, GROUPS_RUNNING);
    if (!is_ready)
        list_remove(&group->ready);
    else if (list_is_empty(&group->ready))
        list_append(&turns->ready, &group->ready);
    if (group->waiting_count + group->running_count > 0)
        return;
    map_take(turns->groups, (struct bytes){group->key, group->key_len});
    free(group);
}

/* --- Turns --------------------------------------------------------------------------------------
 */

bool turns_wait(struct turns *turns, struct turn *turn, struct bytes name)
{
    if (turns->waiting_count >= turns->waiting_limit)
        return false;
    struct turn_group *group = group_for(turns, name);
    bool has_room = group->waiting_count < share(turns->waiting_limit, GROUPS_WAITING);
    if (has_room) {
        *turn = (struct turn){.group = group};
        list_init(&turn->link);
        list_prepend(&group->waiting, &turn->link);
        group->waiting_count++;
        turns->waiting_count++;
    }
    group_settle(turns, group);
    return has_room;
}

struct turn *turns_next(struct turns *turns)
{
    struct turn_group *group = LIST_FIRST(&turns->ready, struct turn_group, ready);
    if (!group || turns->running_count >= turns->running_limit)
        return NULL;
    struct turn *turn = LIST_FIRST(&group->waiting, struct turn, link);
    list_remove(&turn->link);
    turn->is_running = true;
    group->waiting_count--;
    group->running_count++;
    turns->waiting_count--;
    turns->running_count++;
    /* To the end of the ring. */
    list_remove(&group->ready);
    group_settle(turns, group);
    return turn;
}

void turns_leave(struct turns *turns, struct turn *turn)
{
    struct turn_group *group = turn->group;
    if (turn->is_running) {
        group->running_count--;
        turns->running_count--;
    } else {
        list_remove(&turn->link);
        group->waiting_count--;
        turns->waiting_count--;
    }
    turn->group = NULL;
    group_settle(turns, group);
}
