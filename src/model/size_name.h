// SPDX-License-Identifier: Apache-2.0
// What a user writes for a size of the model -> the layers and widths that it means.
//
//   full                         all of it
//   e4b, e2b, E2.98B (block-level)   a published size, of a model of E4B's shape; any case
//   2.54B                        the published size of at most so many effective parameters that
//                                scores best
//   ffn=8192 skip=20-24          all layers but these, so wide; ffn=16384@4,20-24 says it of some
//   FILE.json                    {"skipped_layers": [20, 21], "ffn_widths": [of kept layers]}
#pragma once

#include <string>

#include "model/config.h"
#include "model/submodel.h"

namespace gemma3n {

struct NamedShape {
  std::string name;  // "full", a published name, or what was written
  SubmodelShape shape;
};

// Empty text is the full size. Throws Error (kUsage) for what is not understood or names layers
// that the model does not have; CheckShape says whether the model can be cut so.
NamedShape ParseSize(const std::string& text, const TextConfig& config);

// The shape in the form of such a file.
std::string SizeAsJson(const NamedShape& size, const TextConfig& config);

}  // namespace gemma3n
