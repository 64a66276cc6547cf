// SPDX-License-Identifier: Apache-2.0
// A file mapped read-only into memory.
//
// The bytes are the file's own: who cuts or overwrites it changes them under us. A cut is met by
// MappingGuard; CheckUnchanged finds what was overwritten. A new file moved into its place does no
// harm, the old one stays mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/mapping_guard.h"

namespace gemma3n {

// Moves `bytes` of memory to `to`, in the place of what is mapped there; false where it cannot.
// Then there may be nothing left at `to`, and everything is still at `from`.
using MoveMemory = bool (*)(void* from, size_t bytes, void* to);
bool MoveByRemapping(void* from, size_t bytes, void* to);

class MappedFile {
 public:
  // Opens a plain file that is not empty; throws Error (kModel) naming it.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Throws Error (kModel) if the file's size or time of change differ from when it was opened.
  void CheckUnchanged() const;

  // Hints for the pages of a part of bytes(): single rows here and there, all of it soon, not
  // needed again for a while; all of it, but nothing of what lies behind it; in order, as at
  // first.
  enum class Advice { kRandom, kWillNeed, kDontNeed, kNoFurther, kInOrder };
  void Advise(std::span<const std::byte> part, Advice advice) const;

  // Puts a copy of `part`, with the rest of its pages, in the place of the file's pages: memory of
  // this process alone, on huge pages where the system gives them, that stays where it is when
  // memory is short. The bytes stay the same. False where that fails: `part` is the file's as
  // before. Throws Error (kResources) where it can then not even be mapped again. Not while others
  // read `part`; `move` is for tests.
  bool MakeResident(std::span<const std::byte> part, MoveMemory move = MoveByRemapping) const;

 private:
  struct Stamp {
    int64_t size, seconds, nanoseconds;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  Stamp ReadStamp() const;
  void MapAgain(uintptr_t from, size_t bytes) const;

  std::filesystem::path path_;
  int descriptor_;
  Stamp stamp_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  mutable std::vector<std::span<const std::byte>> resident_;  // what is no longer the file's
  std::unique_ptr<MappingGuard> guard_;
};

}  // namespace gemma3n
