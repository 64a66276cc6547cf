// SPDX-License-Identifier: Apache-2.0
#include "constraint/code_points.h"

#include <algorithm>

namespace gemma3n {
namespace {

constexpr char32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

}  // namespace

CodePoints::CodePoints(std::vector<Range> ranges) {
  std::vector<Range> split;
  for (const Range& range : ranges) {
    if (range.low < kFirstSurrogate) {
      split.push_back({range.low, std::min<char32_t>(range.high, kFirstSurrogate - 1)});
    }
    if (range.high > kLastSurrogate) {
      split.push_back({std::max<char32_t>(range.low, kLastSurrogate + 1), range.high});
    }
  }
  std::sort(split.begin(), split.end());
  for (const Range& range : split) {
    if (!ranges_.empty() && range.low <= ranges_.back().high + 1) {
      ranges_.back().high = std::max(ranges_.back().high, range.high);
    } else {
      ranges_.push_back(range);
    }
  }
}

CodePoints CodePoints::All() {
  return {{0, kLast}};
}

bool CodePoints::Has(char32_t code_point) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
    return code_point >= range.low && code_point <= range.high;
  });
}

CodePoints CodePoints::Complement() const {
  std::vector<Range> others;
  char32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.low > next) others.push_back({next, range.low - 1});
    next = range.high + 1;
  }
  if (next <= kLast) others.push_back({next, kLast});
  return CodePoints(std::move(others));
}

CodePoints CodePoints::And(const CodePoints& other) const {
  std::vector<Range> both;
  for (size_t i = 0, j = 0; i < ranges_.size() && j < other.ranges_.size();) {
    const Range &a = ranges_[i], &b = other.ranges_[j];
    const Range shared{std::max(a.low, b.low), std::min(a.high, b.high)};
    if (shared.low <= shared.high) both.push_back(shared);
    (a.high < b.high ? i : j) += 1;
  }
  return CodePoints(std::move(both));
}

CodePoints CodePoints::Or(const CodePoints& other) const {
  std::vector<Range> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePoints(std::move(all));
}

}  // namespace gemma3n
