// SPDX-License-Identifier: Apache-2.0
#include "model/matformer_presets.h"

namespace gemma3n {
namespace {

constexpr MatformerPreset kPresets[] = {
    {"Main model", 3.98, 62.3, "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"},
    {"E3.79B (layer-level)", 3.79, 63.4, "....WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"},
    {"E3.79B (block-level)", 3.74, 62.0, ".....WWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"},
    {"E3.59B (layer-level)", 3.59, 63.4, "....WWWWWWWWWWWWWWWWWWWWWWWWWW....W"},
    {"E3.49B (block-level)", 3.49, 61.4, ".....WWWWWWWWWWWWWWWWWWWWWWWWW....."},
    {"E3.39B (layer-level)", 3.39, 63.0, "....W....WWWWWWWWWWWWWWWWWWWWW....W"},
    {"E3.24B (block-level)", 3.24, 60.7, "..........WWWWWWWWWWWWWWWWWWWW....."},
    {"E3.18B (layer-level)", 3.18, 61.8, "....W....WWWWWWWWWWWWWWWW....W....W"},
    {"E2.98B (layer-level)", 2.98, 59.5, "...............WWWWWWWWWW.....WWWWW"},
    {"E2.98B (block-level)", 2.98, 59.5, "..........WWWWWWWWWWWWWWW.........."},
    {"E2.73B (block-level)", 2.73, 57.1, "...............WWWWWWWWWW.........."},
    {"E2.69B (layer-level)", 2.69, 57.7, "....W....W....W....WWWWWW.........."},
    {"E2.54B (layer-level)", 2.54, 55.4, "....W...............WWWWW.........."},
    {"E2.49B (block-level)", 2.49, 54.5, "....................WWWWW.........."},
    {"E1.96B (layer-level)", 1.96, 53.4, "....W...............-----.........."},
    {"official E2B Model", 1.91, 50.9, "....................-----.........."},
};

}  // namespace

std::span<const MatformerPreset> MatformerPresets() {
  return kPresets;
}

}  // namespace gemma3n
