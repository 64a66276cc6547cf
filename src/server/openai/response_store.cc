// SPDX-License-Identifier: Apache-2.0
#include "server/openai/response_store.h"

#include <algorithm>

namespace gemma3n::server {
namespace {

size_t BytesOf(const std::vector<ResponseItem>& items) {
  size_t bytes = 0;
  for (const ResponseItem& item : items) bytes += sizeof(item) + item.id.size() + item.json.size();
  return bytes;
}

size_t BytesOf(const KeptResponse& response) {
  size_t bytes = sizeof(response) + response.json.size() + BytesOf(response.input) +
                 BytesOf(response.output) + response.dialogue.system.size();
  for (const Turn& turn : response.dialogue.turns) {
    for (const Part& part : turn.parts) bytes += sizeof(part) + MediaReader::BytesOf(part);
  }
  for (const auto& [id, name] : response.dialogue.names) bytes += 64 + id.size() + name.size();
  return bytes;
}

}  // namespace

void ResponseStore::DropOld(Clock::time_point now) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const bool old = at->until <= now;
    if (old) bytes_ -= at->bytes;
    at = old ? entries_.erase(at) : std::next(at);
  }
}

void ResponseStore::Keep(const std::string& owner, const std::string& id, KeptResponse response,
                         Clock::time_point now) {
  const size_t bytes = BytesOf(response);
  const std::lock_guard lock(mutex_);
  DropOld(now);
  if (bytes > limits_.bytes) return;
  entries_.push_front({owner, id, std::make_shared<const KeptResponse>(std::move(response)), bytes,
                       now + limits_.life});
  bytes_ += bytes;
  size_t of_owner = 0;
  for (auto at = entries_.begin(); at != entries_.end();) {
    const bool one_too_many = at->owner == owner && ++of_owner > limits_.responses;
    if (one_too_many) bytes_ -= at->bytes;
    at = one_too_many ? entries_.erase(at) : std::next(at);
  }
  while (bytes_ > limits_.bytes) {
    bytes_ -= entries_.back().bytes;
    entries_.pop_back();
  }
}

std::shared_ptr<const KeptResponse> ResponseStore::Find(const std::string& owner,
                                                        const std::string& id,
                                                        Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  DropOld(now);
  for (const Entry& entry : entries_) {
    if (entry.id == id && entry.owner == owner) return entry.response;
  }
  return nullptr;
}

bool ResponseStore::Forget(const std::string& owner, const std::string& id) {
  const std::lock_guard lock(mutex_);
  for (auto at = entries_.begin(); at != entries_.end(); ++at) {
    if (at->id != id || at->owner != owner) continue;
    bytes_ -= at->bytes;
    entries_.erase(at);
    return true;
  }
  return false;
}

std::optional<std::string> ResponseStore::FindItem(const std::string& owner,
                                                   const std::string& id) {
  const std::lock_guard lock(mutex_);
  DropOld(Clock::now());
  for (const Entry& entry : entries_) {
    if (entry.owner != owner) continue;
    for (const auto* items : {&entry.response->output, &entry.response->input}) {
      for (const ResponseItem& item : *items) {
        if (item.id == id) return item.json;
      }
    }
  }
  return std::nullopt;
}

void ResponseStore::Begin(const std::string& owner, const std::string& id, std::string json,
                          std::weak_ptr<Answering> answering) {
  const std::lock_guard lock(mutex_);
  running_[id] = {owner, std::move(json), std::move(answering)};
}

void ResponseStore::End(const std::string& id) {
  const std::lock_guard lock(mutex_);
  running_.erase(id);
}

std::optional<std::string> ResponseStore::Cancel(const std::string& owner, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto running = running_.find(id);
  if (running == running_.end() || running->second.owner != owner) return std::nullopt;
  const std::shared_ptr<Answering> answering = running->second.answering.lock();
  if (answering == nullptr) return std::nullopt;
  answering->Cancel();
  return running->second.json;
}

}  // namespace gemma3n::server
