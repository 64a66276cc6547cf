// SPDX-License-Identifier: Apache-2.0
#include "watching/prompt_places.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "gemma3n/describe.h"

namespace gemma3n {
namespace {

// Nothing where a place stays empty.
std::optional<std::string> FilledLine(const std::string& line,
                                      const std::map<std::string, std::string>& words) {
  std::string filled;
  for (size_t at = 0; at < line.size();) {
    const size_t end = line[at] == '{' ? line.find('}', at) : std::string::npos;
    const auto word =
        end == std::string::npos ? words.end() : words.find(line.substr(at + 1, end - at - 1));
    if (word == words.end()) {
      filled += line[at++];
    } else {
      if (word->second.empty()) return std::nullopt;
      filled += word->second;
      at = end + 1;
    }
  }
  return filled;
}

}  // namespace

std::string Filled(const std::string& prompt, const std::map<std::string, std::string>& words) {
  std::string filled;
  bool first = true;
  for (size_t begin = 0; begin <= prompt.size();) {
    const size_t end = std::min(prompt.find('\n', begin), prompt.size());
    if (const auto line = FilledLine(prompt.substr(begin, end - begin), words)) {
      filled += (first ? "" : "\n") + *line;
      first = false;
    }
    begin = end + 1;
  }
  return filled;
}

std::string FrameTime(double seconds) {
  const auto whole = static_cast<long long>(std::max(0.0, seconds));
  char text[32];
  std::snprintf(text, sizeof(text), "%02lld:%02lld", whole / 60, whole % 60);
  return text;
}

std::string FilmTime(double seconds) {
  const auto whole = static_cast<long long>(std::max(0.0, seconds));
  char text[40];
  std::snprintf(text, sizeof(text), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                whole % 60);
  return text;
}

}  // namespace gemma3n
