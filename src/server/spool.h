// SPDX-License-Identifier: Apache-2.0
// Bytes that are too many for memory: files without a name, which are gone with the process
// however it ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/http.h"

namespace gemma3n::server {

// What all files of a service may hold together. Safe to use from several threads.
class DiskBudget {
 public:
  explicit DiskBudget(uint64_t most_bytes) : most_bytes_(most_bytes) {}
  // Throws Refusal (kBusy).
  void Take(uint64_t bytes);
  void GiveBack(uint64_t bytes) { taken_ -= bytes; }
  uint64_t taken() const { return taken_; }

 private:
  const uint64_t most_bytes_;
  std::atomic<uint64_t> taken_ = 0;
};

// One such file, in TMPDIR, else /var/tmp, else /tmp; readable by this process alone. It is written
// by one thread; afterwards several may read it.
class Spool : public BodySink {
 public:
  // Throws Refusal (kInternal) where no file can be made.
  explicit Spool(std::shared_ptr<DiskBudget> budget);
  ~Spool() override;
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void Take(std::string_view piece) override;  // behind what is there
  void End() override {}

  uint64_t size() const { return size_; }
  // Stands at the beginning of the file.
  int descriptor() const { return file_.descriptor(); }
  // How many bytes were read from `offset` on; fewer than asked for only at the end.
  size_t Read(uint64_t offset, std::span<char> bytes) const;
  std::string Text() const;  // all of it

 private:
  const std::shared_ptr<DiskBudget> budget_;
  Socket file_;
  uint64_t size_ = 0;
};

}  // namespace gemma3n::server
