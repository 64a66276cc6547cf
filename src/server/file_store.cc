// SPDX-License-Identifier: Apache-2.0
#include "server/file_store.h"

#include <algorithm>
#include <ctime>
#include <random>

#include "server/refusal.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostId = 40, kNewId = 29;
constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";

// Nobody else's can be guessed, though guessing would not help.
std::string NewId() {
  std::random_device random;
  std::uniform_int_distribution<size_t> digit(0, kDigits.size() - 1);
  std::string id = "file-";
  while (id.size() < kNewId) id += kDigits[digit(random)];
  return id;
}

}  // namespace

FileStore::FileStore(const Limits& limits, std::function<int64_t()> now)
    : limits_(limits), now_(std::move(now)) {}

bool FileStore::IsId(const std::string& id) {
  return !id.empty() && id.size() <= kMostId && std::all_of(id.begin(), id.end(), [](char c) {
    return c == '-' || kDigits.find(c) != kDigits.npos;
  });
}

int64_t FileStore::Now() const {
  return now_ ? now_() : static_cast<int64_t>(std::time(nullptr));
}

void FileStore::DropExpired() const {
  const int64_t now = Now();
  entries_.remove_if([&](const Entry& entry) {
    if (entry.file.expires_at > now) return false;
    bytes_ -= entry.file.bytes->size();
    return true;
  });
}

std::list<FileStore::Entry>::iterator FileStore::Find(const std::string& owner,
                                                      const std::string& id) const {
  DropExpired();
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.owner == owner && entry.file.id == id;
  });
  if (found == entries_.end()) {
    throw Refusal(Reason::kNotFound, "there is no file '" + Shown(id) + "'");
  }
  return found;
}

StoredFile FileStore::Add(const std::string& owner, const StoredFile& file) {
  if (!file.id.empty() && !IsId(file.id)) {
    throw Refusal(
        Reason::kInvalidValue,
        "the file's id: expected 1 to 40 of a-z, 0-9 and -, found '" + Shown(file.id) + "'");
  }
  const uint64_t size = file.bytes->size();
  if (size > limits_.bytes) {
    throw Refusal(Reason::kTooLarge, "the file is larger than " + std::to_string(limits_.bytes) +
                                         " bytes, the most that files may have together");
  }
  const std::lock_guard lock(mutex_);
  DropExpired();
  if (bytes_ + size > limits_.bytes || entries_.size() >= limits_.files) {
    throw Refusal(Reason::kFull, "files that are kept leave no room for this one: delete some");
  }
  Entry entry{owner, file};
  if (entry.file.id.empty()) entry.file.id = NewId();
  for (const Entry& other : entries_) {
    if (other.file.id == entry.file.id && other.owner == owner) {
      throw Refusal(Reason::kInvalidValue, "there is a file '" + Shown(file.id) + "' already");
    }
  }
  entry.file.created_at = Now();
  const int64_t latest = entry.file.created_at + static_cast<int64_t>(limits_.seconds);
  entry.file.expires_at = file.expires_at == 0 ? latest : std::min(file.expires_at, latest);
  bytes_ += size;
  entries_.push_front(std::move(entry));
  return entries_.front().file;
}

StoredFile FileStore::Get(const std::string& owner, const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return Find(owner, id)->file;
}

void FileStore::Delete(const std::string& owner, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = Find(owner, id);
  bytes_ -= found->file.bytes->size();
  entries_.erase(found);
}

std::vector<StoredFile> FileStore::List(const std::string& owner) const {
  const std::lock_guard lock(mutex_);
  DropExpired();
  std::vector<StoredFile> files;
  for (const Entry& entry : entries_) {
    if (entry.owner == owner) files.push_back(entry.file);
  }
  return files;
}

uint64_t FileStore::bytes() const {
  const std::lock_guard lock(mutex_);
  DropExpired();
  return bytes_;
}

}  // namespace gemma3n::server
