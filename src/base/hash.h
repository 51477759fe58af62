/* A hash of bytes under a seed that peers cannot know; the same for the same seed everywhere. */
#pragma once

#include "base/bytes.h"

uint64_t hash_bytes(struct bytes bytes, uint64_t seed);
