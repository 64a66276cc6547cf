// SPDX-License-Identifier: Apache-2.0
// What `gemma3n lab` scores sizes on: items with expected answers, plain texts, or what is built
// in.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/eval_items.h"
#include "gemma3n/perplexity.h"

namespace gemma3n::cli {

struct LabItem {
  Item item;
  std::filesystem::path file;  // beside which its media lie
};

// One thing that is scored: an item's answer, or a piece of a text.
struct LabPassage {
  int item = -1;     // of LabData::items, or -1
  std::string text;  // where it is no item
  bool held_out = false;
};

struct LabData {
  std::string name;  // "eval.jsonl", "the built-in text"
  std::vector<LabItem> items;
  std::vector<LabPassage> passages;
  uint64_t hash = 14695981039346656037u;  // of all of it, contents of media excepted

  bool has_held_out() const;
};

struct LabDataOptions {
  std::vector<std::string> files;  // none: what is built in
  std::string model;
  int64_t limit = 0;       // passages; 0: all
  double held_out = 0.25;  // share of the passages that the search does not see
};

// Throws Error (kUsage).
LabData ReadLabData(const LabDataOptions& options);

// The media are loaded as passages are asked for.
Passages PassagesOf(const LabData& data);
std::vector<Turn> TurnsOf(const LabItem& item);

// The answers that items with choices have to choose from, one after the other.
struct ChoicePassage {
  size_t item;
  size_t choice;
};
std::vector<ChoicePassage> ChoicesOf(const LabData& data);
Passages PassagesOf(const LabData& data, const std::vector<ChoicePassage>& choices);

// FNV-1a of 64 bits, going on from `hash`.
uint64_t HashOf(const std::string& text, uint64_t hash);

}  // namespace gemma3n::cli
