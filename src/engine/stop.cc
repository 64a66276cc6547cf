// SPDX-License-Identifier: Apache-2.0
#include "engine/stop.h"

#include <algorithm>
#include <utility>

#include "gemma3n/error.h"

namespace gemma3n {

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty()) throw Error(ErrorKind::kRequest, "stop: expected a text, found an empty one");
  }
}

std::string StopMatcher::Push(const std::string& text) {
  if (stopped_) return {};
  held_ += text;
  // The stop text that is complete first, wherever tokens part; of two, the one that began first.
  constexpr size_t kNone = std::string::npos;
  std::pair<size_t, size_t> first{kNone, kNone};  // its end and beginning
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at != kNone) first = std::min(first, {at + stop.size(), at});
  }
  if (first.second != kNone) {
    stopped_ = true;
    std::string shown = held_.substr(0, first.second);
    held_.clear();
    return shown;
  }
  size_t keep = 0;  // bytes at the end that begin a stop text
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) keep = n;
    }
  }
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return shown;
}

std::string StopMatcher::Finish() {
  return std::exchange(held_, {});
}

}  // namespace gemma3n
