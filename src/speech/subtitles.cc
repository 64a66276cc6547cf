// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/subtitles.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace gemma3n {
namespace {

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

// The transcript, and its translation on a line of its own. An empty line would end the cue; a CR
// ends lines for who reads it, too.
std::string Lines(const Segment& segment) {
  std::string lines;
  for (const char c : segment.text + "\n" + segment.translation) {
    const bool ends_line = c == '\n' || c == '\r';
    if (!ends_line) {
      lines += c;
    } else if (!lines.empty() && lines.back() != '\n') {
      lines += '\n';
    }
  }
  if (lines.ends_with('\n')) lines.pop_back();
  return lines;
}

std::string Span(const Segment& segment, char point) {
  return SubtitleTime(segment.start_s, point) + " --> " + SubtitleTime(segment.end_s, point) + "\n";
}

}  // namespace

std::string SubtitleTime(double seconds, char point) {
  const long long ms = std::llround(std::max(0.0, seconds) * 1000);
  char text[40];
  std::snprintf(text, sizeof(text), "%02lld:%02lld:%02lld%c%03lld", ms / 3600000, ms / 60000 % 60,
                ms / 1000 % 60, point, ms % 1000);
  return text;
}

std::string SrtCue(size_t index, const Segment& segment) {
  return std::to_string(index + 1) + "\n" + Span(segment, ',') +
         Replaced(Lines(segment), "-->", "\u2192") + "\n\n";
}

std::string VttCue(const Segment& segment) {
  const std::string text =
      Replaced(Replaced(Replaced(Lines(segment), "&", "&amp;"), "<", "&lt;"), ">", "&gt;");
  return Span(segment, '.') + text + "\n\n";
}

}  // namespace gemma3n
