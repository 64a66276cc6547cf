// SPDX-License-Identifier: Apache-2.0
// Files of prompts with media and expected answers, an object a line (`gemma3n eval --help`).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.h"
#include "gemma3n/perplexity.h"

namespace gemma3n::cli {

struct Item {
  std::string id, task, prompt, system, answer, match;
  std::vector<std::string> images, audio, videos;
  std::vector<std::string> choices;  // the answer among them; may be empty
};

// At most `limit` items; 0: all. Throws Error (kUsage) naming line and field.
std::vector<Item> ReadItems(const std::string& path, int64_t limit);

// The conversation that the item asks for, its media loaded behind those of `media`. `file` is
// where the item stands: its media lie beside it. Throws Error (kMedia).
std::vector<Turn> TurnsOf(const Item& item, const std::filesystem::path& file, MediaArgs media);

// What a file gives to read: of "*.jsonl" the answers of its items, else its text as a whole.
// Throws Error (kUsage) here, and (kMedia) when a passage is made.
Passages PassagesOf(const std::string& file);

}  // namespace gemma3n::cli
