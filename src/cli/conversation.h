// SPDX-License-Identifier: Apache-2.0
// The turns of a chat as files: JSON that can be loaded again, Markdown to read.
#pragma once

#include <string>
#include <vector>

#include "gemma3n/content.h"

namespace gemma3n::cli {

struct Conversation {
  std::string system;
  std::vector<Turn> turns;  // user and model in turn, the user first; each message answered

  std::vector<Turn> WithSystem() const;
  bool HoldsMedia() const;
};

// The texts of a turn, without its media.
std::string TextOf(const Turn& turn);

std::string AsJson(const Conversation& conversation);
std::string AsMarkdown(const Conversation& conversation);
// Reads what AsJson gave. Throws Error (kUsage).
Conversation LoadConversation(const std::string& path);

// Replaces the file as a whole or leaves it as it was. Throws Error (kUsage, kResources).
void WriteFile(const std::string& path, const std::string& text);

}  // namespace gemma3n::cli
