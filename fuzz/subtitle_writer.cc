// SPDX-License-Identifier: Apache-2.0
// Whatever was said (behind 16 bytes of times, up to a 0 its text, then its translation) is one
// cue: nothing in it ends the cue or begins another.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "gemma3n/subtitles.h"

namespace {

size_t Count(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += what.size()) ++count;
  return count;
}

// Readers take CR, LF and both for the end of a line; an empty line ends a cue.
void Check(std::string_view cue, bool silent) {
  if (!cue.ends_with("\n\n") || Count(cue, "-->") != 1) std::abort();
  cue.remove_suffix(silent ? 3 : 2);
  if (cue.find("\n\n") != cue.npos || cue.find('\r') != cue.npos || cue.ends_with('\n')) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 16) return 0;
  double times[2];
  std::memcpy(times, data, sizeof(times));
  const std::string said(reinterpret_cast<const char*>(data + 16), size - 16);
  const size_t end = said.find('\0');
  gemma3n::Segment segment{.start_s = times[0], .end_s = times[1], .text = said.substr(0, end)};
  if (end != said.npos) segment.translation = said.substr(end + 1);
  const bool silent = (segment.text + segment.translation).find_first_not_of("\r\n") == said.npos;
  Check(gemma3n::SrtCue(size, segment), silent);
  Check(gemma3n::VttCue(segment), silent);
  return 0;
}
