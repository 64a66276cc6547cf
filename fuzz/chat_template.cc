// SPDX-License-Identifier: Apache-2.0
// What people write is never taken for the template's own words: a prompt has as many turns and
// places of media as it was given. Turns end in 0xff, their parts in 0xfe; a part may be 0xfd or
// 0xfc, a picture or a clip.
#include "text/chat_template.h"

#include <algorithm>
#include <cstdlib>

#include "gemma3n/error.h"
#include "nano_text.h"

using namespace gemma3n;

namespace {

constexpr int64_t kImageTokens = 3, kAudioTokens = 2;

void Expect(bool holds) {
  if (!holds) std::abort();
}

std::vector<std::string> Split(const std::string& text, char end) {
  std::vector<std::string> pieces(1);
  for (const char c : text) {
    if (c == end) {
      pieces.emplace_back();
    } else {
      pieces.back() += c;
    }
  }
  return pieces;
}

std::vector<ChatTurn> TurnsOf(const std::string& text, bool has_system) {
  std::vector<ChatTurn> turns;
  for (const std::string& turn : Split(text, '\xff')) {
    const size_t i = turns.size() + (has_system ? 0 : 1);
    turns.push_back({i == 0 ? "system" : i % 2 == 1 ? "user" : "assistant", {}});
    for (const std::string& part : Split(turn, '\xfe')) {
      const auto kind = part == "\xfd"   ? ChatPart::Kind::kImage
                        : part == "\xfc" ? ChatPart::Kind::kAudio
                                         : ChatPart::Kind::kText;
      turns.back().parts.push_back({kind, kind == ChatPart::Kind::kText ? part : ""});
    }
  }
  return turns;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto chat =
      ChatTemplate::Load(NanoCheckpoint(), NanoTokenizer(), kImageTokens, kAudioTokens);
  if (size == 0) return 0;
  const bool has_system = data[0] % 2 == 1, open = data[0] / 2 % 2 == 1;
  const auto turns = TurnsOf({reinterpret_cast<const char*>(data + 1), size - 1}, has_system);
  int64_t images = 0, clips = 0;
  const size_t shown = turns.size() - (has_system ? 1 : 0);
  for (size_t i = has_system ? 1 : 0; i < turns.size(); ++i) {
    for (const ChatPart& part : turns[i].parts) {
      images += part.kind == ChatPart::Kind::kImage;
      clips += part.kind == ChatPart::Kind::kAudio;
    }
  }
  const RenderedPrompt prompt = chat.Render(turns, open);
  const std::vector<int32_t> ids = NanoTokenizer().Encode(prompt.text, prompt.plain);
  const auto count = [&](int32_t id) { return std::count(ids.begin(), ids.end(), id); };
  const bool goes_on = open && shown > 0 && shown % 2 == 0;
  const auto turn_count = static_cast<int64_t>(shown);
  Expect(count(chat.bos_id()) == 1 && ids[0] == chat.bos_id());
  Expect(count(chat.image_id()) == images * kImageTokens);
  Expect(count(chat.audio_id()) == clips * kAudioTokens);
  Expect(count(*NanoTokenizer().Find("<start_of_turn>")) ==
         turn_count + (open && !goes_on ? 1 : 0));
  Expect(count(*NanoTokenizer().Find("<end_of_turn>")) == turn_count - (goes_on ? 1 : 0));
  chat.RenderRaw(turns);
  return 0;
}
