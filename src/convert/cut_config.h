// SPDX-License-Identifier: Apache-2.0
// config.json of a smaller model that is cut out of a larger one.
#pragma once

#include <string>

#include "model/config.h"
#include "model/submodel.h"

namespace gemma3n {

// Which encoders the cut model is to leave out of those that its source has.
struct LeftOut {
  bool vision = false, audio = false;
  // Neither encoder is there any more: a text model, as Transformers knows it
  // (Gemma3nForCausalLM), which would give a whole one encoders of random weights.
  bool text_only = false;
};

// `text` is the source's config.json, which has been read as `full`; all other fields stay.
std::string CutConfig(const std::string& text, const TextConfig& full, const SubmodelShape& shape,
                      const LeftOut& left_out);

}  // namespace gemma3n
