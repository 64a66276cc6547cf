// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace gemma3n {

// Hands memory that was freed, but that the allocator keeps for later, back to the system. Worth
// its time after work whose large buffers are not soon needed again; does nothing where the C
// library has no such call.
void GiveBackFreedMemory();

}  // namespace gemma3n
