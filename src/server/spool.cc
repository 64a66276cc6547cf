// SPDX-License-Identifier: Apache-2.0
#include "server/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace gemma3n::server {
namespace {

// Whose file system or memory it is does not concern clients.
[[noreturn]] void CannotKeep(const char* what) {
  std::fprintf(stderr, "uploads: %s: %s; set TMPDIR to a directory with room\n", what,
               std::strerror(errno));
  throw Refusal(Reason::kInternal, "this server cannot keep uploads at the moment");
}

// Not every file system knows nameless files.
int NamelessFile(const std::string& directory) {
  const int file = open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  std::string path = directory + "/gemma3n-upload-XXXXXX";
  const int named = mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) unlink(path.c_str());
  return named;
}

int TemporaryFile() {
  const char* chosen = std::getenv("TMPDIR");
  std::vector<std::string> directories = {"/var/tmp", "/tmp"};
  if (chosen != nullptr && *chosen != 0) directories = {chosen};
  for (const std::string& directory : directories) {
    const int file = NamelessFile(directory);
    if (file >= 0) return file;
  }
  CannotKeep("cannot make a temporary file");
}

}  // namespace

void DiskBudget::Take(uint64_t bytes) {
  if ((taken_ += bytes) <= most_bytes_) return;
  taken_ -= bytes;
  throw Refusal(Reason::kBusy, "other uploads fill the room that this server has for them");
}

Spool::Spool(std::shared_ptr<DiskBudget> budget)
    : budget_(std::move(budget)), file_(TemporaryFile()) {}

Spool::~Spool() {
  budget_->GiveBack(size_);
}

void Spool::Take(std::string_view piece) {
  budget_->Take(piece.size());
  size_ += piece.size();
  uint64_t offset = size_ - piece.size();
  while (!piece.empty()) {
    const ssize_t wrote =
        pwrite(descriptor(), piece.data(), piece.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) CannotKeep("cannot write to a temporary file");
    piece.remove_prefix(static_cast<size_t>(wrote));
    offset += static_cast<uint64_t>(wrote);
  }
}

size_t Spool::Read(uint64_t offset, std::span<char> bytes) const {
  size_t count = 0;
  while (count < bytes.size()) {
    const ssize_t got = pread(descriptor(), bytes.data() + count, bytes.size() - count,
                              static_cast<off_t>(offset + count));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) CannotKeep("cannot read a temporary file");
    if (got == 0) break;
    count += static_cast<size_t>(got);
  }
  return count;
}

std::string Spool::Text() const {
  std::string text(size_, '\0');
  text.resize(Read(0, text));
  return text;
}

}  // namespace gemma3n::server
