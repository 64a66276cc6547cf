// SPDX-License-Identifier: Apache-2.0
// Says what happened when a mapped file is cut while it is in use: touching a page that is no
// longer there raises SIGBUS, on whatever thread computes, where no exception can start. The
// process then writes one line and ends as for any bad model.
//
// The handler answers for guarded ranges alone; every other SIGBUS goes on to whoever had the
// signal before, as a rule the default action.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace gemma3n {

class MappingGuard {
 public:
  // Guards `bytes`, a mapping of the file that `name` tells people.
  MappingGuard(std::span<const std::byte> bytes, const std::string& name);
  ~MappingGuard();
  MappingGuard(const MappingGuard&) = delete;
  MappingGuard& operator=(const MappingGuard&) = delete;

 private:
  struct Range;
  static Range& FreeRange();
  static void Install();
  static void Handle(int signal, void* info);

  Range* range_;
};

}  // namespace gemma3n
