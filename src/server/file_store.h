// SPDX-License-Identifier: Apache-2.0
// Files that clients leave here to speak of later. They are files without a name (spool.h): what a
// client says is never part of a path, and nothing is left when the process ends.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/spool.h"

namespace gemma3n::server {

// Valid until the file is deleted, and longer for who holds `bytes`.
struct StoredFile {
  std::string id;                          // [a-z0-9-]{1,40}
  std::string label;                       // as its owner calls it; never a path
  std::string type;                        // as its owner says; what it is, its bytes decide
  std::string purpose;                     // what OpenAI's clients say it is for
  int64_t created_at = 0, expires_at = 0;  // seconds since 1970; of Add: 0 for as late as may be
  std::shared_ptr<const Spool> bytes;
};

// Safe to use from several threads. An owner sees nothing of another's files.
class FileStore {
 public:
  struct Limits {
    uint64_t bytes = 2ull << 30;  // of all files together
    size_t files = 256;
    double seconds = 48 * 3600;  // that a file is kept
  };
  // `now`: seconds since 1970; null: the clock's.
  explicit FileStore(const Limits& limits, std::function<int64_t()> now = nullptr);

  // Keeps the bytes under `id`, or under a new one where that is "". Throws Refusal (kInvalidValue)
  // for an id that is not as ids are, or is taken; (kTooLarge) for a file that is larger than all
  // may be together; (kFull) where the others leave no room.
  StoredFile Add(const std::string& owner, const StoredFile& file);

  // Both throw Refusal (kNotFound), for others' files as well.
  StoredFile Get(const std::string& owner, const std::string& id) const;
  void Delete(const std::string& owner, const std::string& id);

  std::vector<StoredFile> List(const std::string& owner) const;  // newest first
  uint64_t bytes() const;

  static bool IsId(const std::string& id);

 private:
  struct Entry {
    std::string owner;
    StoredFile file;
  };
  int64_t Now() const;
  void DropExpired() const;  // under the mutex
  std::list<Entry>::iterator Find(const std::string& owner, const std::string& id) const;

  const Limits limits_;
  const std::function<int64_t()> now_;
  mutable std::mutex mutex_;
  mutable std::list<Entry> entries_;  // newest first
  mutable uint64_t bytes_ = 0;
};

}  // namespace gemma3n::server
