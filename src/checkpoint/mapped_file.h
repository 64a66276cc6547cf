// SPDX-License-Identifier: Apache-2.0
// A file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace gemma3n {

class MappedFile {
 public:
  // Opens a plain file that is not empty; throws Error (kModel) naming it.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Hints for the pages of a part of bytes(): single rows here and there, all of it soon, or not
  // needed again for a while.
  enum class Advice { kRandom, kWillNeed, kDontNeed };
  void Advise(std::span<const std::byte> part, Advice advice) const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace gemma3n
