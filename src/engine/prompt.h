// SPDX-License-Identifier: Apache-2.0
// A conversation -> the positions of a prompt: token ids, and for each place of a soft token which
// picture or clip it belongs to.
//
// A film is laid out as its frames, each after its time as "mm:ss", then its soundtrack: the way
// Google's video tutorial lays films out, with times added so that questions can ask for them.
#pragma once

#include <vector>

#include "engine/loaded_model.h"
#include "engine/medium.h"
#include "gemma3n/content.h"

namespace gemma3n {

// What stands at a position, wherever its prompt is.
struct PromptPosition {
  int32_t id;
  MediumKey medium;  // of a soft token; else of no medium
  int64_t row;       // which of its soft tokens
  bool is_soft() const { return medium.is_medium(); }
  friend bool operator==(const PromptPosition&, const PromptPosition&) = default;
};

struct Prompt {
  struct Item {
    int32_t id;
    int medium = -1;  // index into media, or -1 for text
    int64_t row = 0;  // which of its soft tokens
  };
  std::vector<Item> items;
  std::vector<Medium> media;
  std::string text;  // as laid out, before it is tokenized

  // What stands there.
  PromptPosition At(size_t index) const;
  std::vector<int32_t> ids() const;
  std::vector<PromptPosition> positions() const;
};

// Throws Error (kMedia) for a clip that this model, which hears, cannot take.
void CheckClip(const LoadedModel& model, int64_t samples, int sample_rate_hz);

// Throws Error (kRequest, kMedia) for what this model cannot take, and (kModel) when its files were
// changed since they were loaded.
Prompt LayOut(const LoadedModel& model, const std::vector<Turn>& turns,
              const GenerateOptions& options, bool open_answer);

}  // namespace gemma3n
