// SPDX-License-Identifier: Apache-2.0
// The sizes of Gemma 3n E4B that Google published with MatFormer Lab (the data set
// google/gemma3n-slicing-configs), with the score of each.
#pragma once

#include <span>

namespace gemma3n {

struct MatformerPreset {
  const char* name;     // as published
  double billions;      // effective parameters, as published
  double mmlu_percent;  // of the pretrained model, as published
  const char* layers;   // a character for each of 35: 'W' 16384 neurons, '.' 8192, '-' left out
};

constexpr int kPresetLayers = 35;
constexpr int kPresetWidth = 16384;  // of the full model

// The largest first.
std::span<const MatformerPreset> MatformerPresets();

}  // namespace gemma3n
