// SPDX-License-Identifier: Apache-2.0
#include "server/spent.h"

namespace gemma3n::server {

Spent SpentOnMedia(const std::vector<Turn>& turns, const ModelFacts& facts) {
  int64_t pictures = 0, clips = 0;
  for (const Turn& turn : turns) {
    for (const Part& part : turn.parts) {
      pictures += part.is_picture();
      clips += std::holds_alternative<std::shared_ptr<const AudioClip>>(part.content);
      const auto* const film = std::get_if<std::shared_ptr<const VideoClip>>(&part.content);
      if (film == nullptr) continue;
      pictures += static_cast<int64_t>((*film)->frames.size());
      clips += !(*film)->audio.samples.empty() && facts.hears;
    }
  }
  return {.image = pictures * facts.image_tokens, .audio = clips * facts.audio_tokens};
}

Spent SpentOf(Spent media, const GenerateResult& result) {
  media.prompt = static_cast<int64_t>(result.prompt_token_ids.size());
  media.cached = result.timings.cached_tokens;
  media.answer = static_cast<int64_t>(result.token_ids.size());
  return media;
}

Spent SpentOf(const Call& call, const Service& service, std::span<const GenerateResult> results) {
  const ModelFacts& facts = service.engine.facts();
  Spent spent{.image = call.pictures * facts.image_tokens,
              .audio = call.clips * facts.audio_tokens};
  for (size_t i = 0; i < results.size(); ++i) {
    spent.answer += static_cast<int64_t>(results[i].token_ids.size());
    if (i % call.choices_per_prompt != 0) continue;  // the choices of a prompt share it
    spent.prompt += static_cast<int64_t>(results[i].prompt_token_ids.size());
    spent.cached += results[i].timings.cached_tokens;
  }
  return spent;
}

}  // namespace gemma3n::server
