// SPDX-License-Identifier: Apache-2.0
#include "cli/film_span.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "cli/options.h"
#include "cli/paste.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

bool IsFile(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

// Fields of sixty, of which only the last may have a fraction.
std::optional<double> ParseTime(const std::string& text) {
  double time = 0;
  int fields = 0;
  for (size_t begin = 0; begin <= text.size(); ++fields) {
    const size_t end = std::min(text.find(':', begin), text.size());
    const std::string field = text.substr(begin, end - begin);
    const bool last = end == text.size();
    const bool plain = field.find_first_not_of(last ? "0123456789." : "0123456789") == field.npos;
    const std::optional<double> number = plain ? ParseNumber(field) : std::nullopt;
    if (!number || fields == 3 || (fields > 0 && *number >= 60)) return std::nullopt;
    time = time * 60 + *number;
    begin = end + 1;
  }
  return time;
}

// Puts FROM-TO into the options; false when the text is something else.
bool TakeSpan(const std::string& text, VideoOptions& video) {
  const size_t dash = std::min(text.find('-'), text.size());
  const std::optional<double> from = ParseTime(text.substr(0, dash));
  const std::optional<double> to =
      dash < text.size() ? ParseTime(text.substr(dash + 1)) : std::nullopt;
  if (!from || !to) return false;
  video.from_s = *from;
  video.to_s = *to;
  return true;
}

}  // namespace

FilmSpan ParseFilmSpan(const std::string& typed, const VideoOptions& video) {
  const size_t space = typed.find_last_of(" \t");
  if (space == std::string::npos || IsFile(typed)) return {typed, video};
  const std::string path = PlainPath(typed.substr(0, space));
  if (!IsFile(path)) return {typed, video};
  const std::string span = typed.substr(space + 1);
  FilmSpan film{path, video};
  if (TakeSpan(span, film.video)) return film;
  throw Error(
      ErrorKind::kUsage,
      path + ": span of the film: expected FROM-TO such as 65-80 or 1:05-1:20, found " + span);
}

}  // namespace gemma3n::cli
