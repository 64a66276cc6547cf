// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a file that is to be written, found before its first byte is.
#pragma once

#include <cstdint>
#include <filesystem>

namespace gemma3n {

// Throws Error (kUsage) where `path` is a directory, or exists and may not be replaced.
void CheckOutputFile(const std::filesystem::path& path, bool may_replace);
// Throws Error (kResources) where fewer than `bytes` are free beside `path`.
void CheckFreeSpace(const std::filesystem::path& path, uint64_t bytes);

}  // namespace gemma3n
