// SPDX-License-Identifier: Apache-2.0
// A conversation -> the positions of a prompt: token ids, and for each place of a soft token which
// picture or clip it belongs to.
//
// A film is laid out as its frames, each after its time as "mm:ss", then its soundtrack: the way
// Google's video tutorial lays films out, with times added so that questions can ask for them.
#pragma once

#include <memory>
#include <vector>

#include "engine/loaded_model.h"
#include "gemma3n/content.h"

namespace gemma3n {

// A picture or a clip of the conversation. What it is made of belongs to `owner`.
struct Medium {
  std::shared_ptr<const void> owner;
  const Image* image = nullptr;  // one of these three
  const ImageFile* file = nullptr;
  const AudioClip* clip = nullptr;
  int64_t image_size = 0;  // side the picture is stretched to

  // Whether two media give the same soft tokens.
  friend bool operator==(const Medium& a, const Medium& b) {
    return a.image == b.image && a.file == b.file && a.clip == b.clip &&
           a.image_size == b.image_size;
  }
};

// What stands at a position, wherever its prompt is.
struct PromptPosition {
  int32_t id;
  Medium medium;  // of a soft token; else nobody owns it
  int64_t row;    // which of its soft tokens
  bool is_soft() const { return medium.owner != nullptr; }
  friend bool operator==(const PromptPosition& a, const PromptPosition& b) {
    return a.id == b.id && a.row == b.row && a.is_soft() == b.is_soft() && a.medium == b.medium;
  }
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
