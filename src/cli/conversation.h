// SPDX-License-Identifier: Apache-2.0
// The turns of a chat as files: JSON that can be loaded again, Markdown to read.
#pragma once

#include <string>
#include <vector>

#include "gemma3n/content.h"
#include "gemma3n/fit_context.h"

namespace gemma3n::cli {

struct Conversation {
  std::string system;
  std::vector<Turn> turns;  // user and model in turn, the user first; each message answered

  std::vector<Turn> WithSystem() const;
  bool HoldsMedia() const;
};

// The texts of a turn, without its media.
std::string TextOf(const Turn& turn);

// "picture", "sound", "film", "text".
const char* WhatItIs(const Part& part);
// "2 pictures and 1 sound of earlier messages and the 4 oldest turns left out, the context is full"
std::string WhatIsLeftOut(const std::vector<Turn>& turns, const LeftOut& left_out);

std::string AsJson(const Conversation& conversation);
std::string AsMarkdown(const Conversation& conversation);
// Reads what AsJson gave. Throws Error (kUsage).
Conversation LoadConversation(const std::string& path);

// Replaces the file as a whole or leaves it as it was. Throws Error (kUsage, kResources).
void WriteFile(const std::string& path, const std::string& text);

}  // namespace gemma3n::cli
