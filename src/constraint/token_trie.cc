// SPDX-License-Identifier: Apache-2.0
#include "constraint/token_trie.h"

#include <algorithm>
#include <atomic>
#include <limits>

namespace gemma3n {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// A token of more bytes is never allowed; tokenizer files hold pieces of up to 1 KiB.
constexpr size_t kMostBytes = 4096;

uint64_t NextNumber() {
  static std::atomic<uint64_t> number{0};
  return ++number;
}

}  // namespace

bool TokenMask::Has(int32_t id) const {
  if (bits.empty()) return std::binary_search(few.begin(), few.end(), id);
  const auto at = static_cast<size_t>(id);
  return at / 64 < bits.size() && (bits[at / 64] >> (at % 64) & 1) != 0;
}

void TokenMask::Apply(std::span<float> logits) const {
  if (bits.empty()) {
    size_t next = 0;
    for (int32_t id : few) {
      const auto at = static_cast<size_t>(id);
      std::fill(logits.begin() + static_cast<ptrdiff_t>(next),
                logits.begin() + static_cast<ptrdiff_t>(at), kNever);
      next = at + 1;
    }
    std::fill(logits.begin() + static_cast<ptrdiff_t>(next), logits.end(), kNever);
    return;
  }
  for (size_t word = 0; word * 64 < logits.size(); ++word) {
    const uint64_t set = bits[word];
    if (set == ~uint64_t{0}) continue;
    const size_t end = std::min(logits.size(), word * 64 + 64);
    for (size_t at = word * 64; at < end; ++at) {
      if ((set >> (at % 64) & 1) == 0) logits[at] = kNever;
    }
  }
}

TokenTrie::TokenTrie(std::vector<std::string> bytes, std::span<const int32_t> ends)
    : bytes_(std::move(bytes)), number_(NextNumber()) {
  for (int32_t id : ends) {
    if (id >= 0 && static_cast<size_t>(id) < bytes_.size() && !IsEnd(id)) ends_.push_back(id);
  }
  for (size_t id = 0; id < bytes_.size(); ++id) {
    if (bytes_[id].empty() || bytes_[id].size() > kMostBytes || IsEnd(static_cast<int32_t>(id))) {
      continue;
    }
    tokens_.push_back(static_cast<int32_t>(id));
    longest_ = std::max(longest_, static_cast<uint32_t>(bytes_[id].size()));
  }
  std::sort(tokens_.begin(), tokens_.end(), [&](int32_t a, int32_t b) {
    const int order = BytesOf(a).compare(BytesOf(b));
    return order != 0 ? order < 0 : a < b;
  });
  std::vector<uint32_t> open;  // the nodes above, one for each byte of the token before
  std::string_view before;
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    const std::string_view text = BytesOf(tokens_[i]);
    size_t same = 0;
    while (same < std::min(text.size(), before.size()) && text[same] == before[same]) ++same;
    while (open.size() > same) {
      nodes_[open.back()].next = static_cast<uint32_t>(nodes_.size());
      open.pop_back();
    }
    for (size_t at = same; at < text.size(); ++at) {
      open.push_back(static_cast<uint32_t>(nodes_.size()));
      // Nodes on the way to a token hold none: those of a node come before all below it.
      nodes_.push_back({0, i, static_cast<uint16_t>(at + 1), static_cast<uint8_t>(text[at])});
    }
    before = text;
  }
  for (uint32_t node : open) nodes_[node].next = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back(
      {static_cast<uint32_t>(nodes_.size()), static_cast<uint32_t>(tokens_.size()), 0, 0});
}

bool TokenTrie::IsEnd(int32_t id) const {
  return std::find(ends_.begin(), ends_.end(), id) != ends_.end();
}

TokenMask TokenTrie::Allowed(Walker& walker, Walker::Place place, Walker::Place& kept) const {
  TokenMask mask;
  mask.bits.resize((bytes_.size() + 63) / 64);
  const auto allow = [&](int32_t id) {
    mask.bits[static_cast<size_t>(id) / 64] |= uint64_t{1} << (static_cast<size_t>(id) % 64);
    ++mask.count;
    if (mask.count <= TokenMask::kFew) mask.few.push_back(id);
  };
  // Behind the one that is kept: those after so many bytes.
  std::vector<Walker::Place> places(longest_ + size_t{2}, place);
  places[0] = kept;
  for (size_t at = 0; at + 1 < nodes_.size();) {
    const Node& node = nodes_[at];
    const Walker::Place next = walker.Step(places[node.depth], node.byte);
    if (next == Walker::kDead) {
      at = node.next;
      continue;
    }
    places[node.depth + size_t{1}] = next;
    if (walker.Bytes() > Walker::kMostBytes) {
      walker.Forget(std::span(places).first(node.depth + size_t{2}));
    }
    for (uint32_t i = node.first_token; i < nodes_[at + 1].first_token; ++i) allow(tokens_[i]);
    ++at;
  }
  if (walker.MayEnd(places[1])) {
    for (int32_t id : ends_) allow(id);
  }
  kept = places[0];
  if (mask.count <= TokenMask::kFew) {
    mask.bits.clear();
    mask.bits.shrink_to_fit();
    std::sort(mask.few.begin(), mask.few.end());
  } else {
    mask.few.clear();
    mask.few.shrink_to_fit();
  }
  return mask;
}

}  // namespace gemma3n
