// SPDX-License-Identifier: Apache-2.0
#include "convert/output_file.h"

#include <string>

#include "gemma3n/error.h"

namespace gemma3n {

void CheckOutputFile(const std::filesystem::path& path, bool may_replace) {
  if (std::filesystem::is_directory(path)) {
    throw Error(ErrorKind::kUsage, path.string() + ": expected a file's name, found a directory");
  }
  if (std::filesystem::exists(path) && !may_replace) {
    throw Error(ErrorKind::kUsage, path.string() + ": exists; replace it with --force");
  }
}

void CheckFreeSpace(const std::filesystem::path& path, uint64_t bytes) {
  std::error_code error;
  const auto parent = std::filesystem::absolute(path).parent_path();
  const std::filesystem::space_info space = std::filesystem::space(parent, error);
  if (!error && space.available < bytes) {
    throw Error(ErrorKind::kResources,
                path.string() + ": needs " + std::to_string(bytes / 1'000'000) + " MB, " +
                    std::to_string(space.available / 1'000'000) + " MB are free");
  }
}

}  // namespace gemma3n
