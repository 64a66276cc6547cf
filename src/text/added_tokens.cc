// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include <algorithm>

namespace gemma3n {
namespace {

uint8_t ByteAt(std::string_view text, size_t at) {
  return static_cast<uint8_t>(text[at]);
}

}  // namespace

void AddedTokenMatcher::Seal() {
  // std::string compares bytes as unsigned, which is the order that Narrow searches in.
  const auto before = [](const Token& a, const Token& b) { return a.content < b.content; };
  if (!std::is_sorted(tokens_.begin(), tokens_.end(), before)) {
    std::sort(tokens_.begin(), tokens_.end(), before);
  }
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    Range& range = by_first_[ByteAt(tokens_[i].content, 0)];
    if (range.begin == range.end) range.begin = i;
    range.end = i + 1;
  }
}

std::vector<int32_t> AddedTokenMatcher::Ids() const {
  std::vector<int32_t> ids;
  ids.reserve(tokens_.size());
  for (const Token& token : tokens_) ids.push_back(token.id);
  return ids;
}

// The part of `range` whose byte at `depth` is `byte`; all of `range` agree on the bytes before.
AddedTokenMatcher::Range AddedTokenMatcher::Narrow(Range range, size_t depth, uint8_t byte) const {
  const auto byte_of = [&](const Token& token) {
    return depth < token.content.size() ? int{ByteAt(token.content, depth)} : -1;
  };
  const auto first = tokens_.begin() + range.begin;
  const auto last = tokens_.begin() + range.end;
  const auto begin =
      std::partition_point(first, last, [&](const Token& token) { return byte_of(token) < byte; });
  const auto end =
      std::partition_point(begin, last, [&](const Token& token) { return byte_of(token) == byte; });
  return {static_cast<uint32_t>(begin - tokens_.begin()),
          static_cast<uint32_t>(end - tokens_.begin())};
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::LongestAt(std::string_view text,
                                                                     size_t at) const {
  std::optional<Match> longest;
  Range range = by_first_[ByteAt(text, at)];
  for (size_t depth = 1; range.begin < range.end; ++depth) {
    // The shortest of those that share a prefix comes first.
    const Token& shortest = tokens_[range.begin];
    if (shortest.content.size() == depth) longest = Match{at, depth, shortest.id};
    if (at + depth == text.size()) break;
    range = Narrow(range, depth, ByteAt(text, at + depth));
  }
  return longest;
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::Next(std::string_view text,
                                                                size_t from) const {
  for (size_t at = from; at < text.size(); ++at) {
    const Range& range = by_first_[ByteAt(text, at)];
    if (range.begin == range.end) continue;
    if (auto match = LongestAt(text, at)) return match;
  }
  return std::nullopt;
}

}  // namespace gemma3n
