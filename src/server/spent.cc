// SPDX-License-Identifier: Apache-2.0
#include "server/spent.h"

namespace gemma3n::server {

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
