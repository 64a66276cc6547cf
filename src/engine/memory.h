// SPDX-License-Identifier: Apache-2.0
// What a model takes beside its mapped files, and what the system has left: a process that the
// kernel ends in the middle of an answer cannot say why.
#pragma once

#include <cstdint>
#include <string>

#include "base/control_groups.h"
#include "model/config.h"
#include "ops/key_value_rows.h"

namespace gemma3n {

// Bytes that this process may still take: the least of what the system gives without swapping, what
// its control groups (versions 1 and 2) leave, and its limit of address space. -1 where nothing is
// known.
int64_t FreeMemory();
// What the control groups leave: their limit less what is used and not page cache. -1: no limit.
int64_t FreeInControlGroups(const ControlGroupPlaces& places = {});

// "1.2 GB", "34.5 MB".
std::string BytesAsText(int64_t bytes);

// The positions that a session of `asked` gets, 0 asking for as many as the model was made for.
// Throws Error (kRequest) for a number out of range.
int64_t ContextOf(const TextConfig& config, int64_t asked);
// Throws Error (kResources) where a conversation of `context` positions needs more than is free,
// less what is `promised`: memory of other conversations that these have yet to fill. Weights do
// not count: their pages are the file's.
void CheckContextFits(const TextConfig& config, int64_t context, ops::KeyValueType type,
                      int64_t promised = 0);
// What to say when the weights that each token of an answer reads do not fit into `free` bytes, as
// FreeMemory gives them: their pages are then read from the disk again and again. Else "".
std::string MemoryNote(int64_t weight_bytes, int64_t free);
// The same check for `bytes` of `what`, such as "logits of 4096 tokens".
void CheckFits(const std::string& what, int64_t bytes);

}  // namespace gemma3n
