/* Whose question is asked next. Those that wait are in groups by the domain that they lie below
 * (the last two labels of the name), and the groups take turns: names whose servers are silent hold
 * their places for long, and of names below one domain anybody can make up as many as he likes. So
 * a group has an eighth of the places at most, and within it the newest comes first: when more come
 * than there are places, the oldest are about to be too late, and in their order all would be. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"
#include "base/list.h"

struct turns;
struct turn_group;

/* One question; a part of the caller's own. */
struct turn {
    struct list link;
    struct turn_group *group;
    bool is_running;
};

/* So many may run, and so many wait, a quarter of them in one group. */
struct turns *turns_new(size_t running_limit, size_t waiting_limit, uint64_t seed);
/* All that was in it has left. NULL is fine. */
void turns_free(struct turns *turns);
/* From now on it waits. False: too many do already. */
MUST_CHECK bool turns_wait(struct turns *turns, struct turn *turn, struct bytes name);
/* The next one, which runs from now on; NULL: none waits, or none may run. */
struct turn *turns_next(struct turns *turns);
/* It waits or runs no more. */
void turns_leave(struct turns *turns, struct turn *turn);
