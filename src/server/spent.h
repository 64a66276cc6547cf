// SPDX-License-Identifier: Apache-2.0
// How many tokens a call took, whatever a dialect calls them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/call.h"

namespace gemma3n::server {

// What a call cost; the choices of one prompt share it.
struct Spent {
  int64_t prompt = 0, cached = 0, answer = 0;
  int64_t image = 0, audio = 0;  // of the prompt

  int64_t text() const { return prompt > image + audio ? prompt - image - audio : 0; }
};
// On the media of a prompt.
Spent SpentOnMedia(const std::vector<Turn>& turns, const ModelFacts& facts);
// On an answer to it.
Spent SpentOf(Spent media, const GenerateResult& result);
Spent SpentOf(const Call& call, const Service& service, std::span<const GenerateResult> results);

}  // namespace gemma3n::server
