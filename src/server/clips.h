// SPDX-License-Identifier: Apache-2.0
// Sound of any length -> clips that a model hears at once.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gemma3n/content.h"

namespace gemma3n::server {

using Clips = std::vector<std::shared_ptr<const AudioClip>>;

// 16 kHz; cut where it is quiet, so that no clip is longer than `most_s`.
Clips CutClips(std::span<const float> samples, double most_s);

// A part of each.
std::vector<Part> PartsOf(const Clips& clips);

}  // namespace gemma3n::server
