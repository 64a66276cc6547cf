// SPDX-License-Identifier: Apache-2.0
// Small files that hold secrets: for their owner's eyes alone, and whole or not there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace gemma3n::server {

// Nothing when there is none, or one that others may read or have made.
std::optional<std::string> ReadPrivateFile(const std::filesystem::path& path);
// Makes the directory, too. Throws Error (kResources).
void WritePrivateFile(const std::filesystem::path& path, const std::string& text);

}  // namespace gemma3n::server
