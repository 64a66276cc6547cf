// SPDX-License-Identifier: Apache-2.0
// Counts how often a program asks for memory. A program that calls this has its operator new
// replaced.
#pragma once

#include <cstdint>

namespace gemma3n {

int64_t AllocationCount();  // so far, by all threads

}  // namespace gemma3n
