// SPDX-License-Identifier: Apache-2.0
// Sizes of the model (MatFormer) by the names that requests may use.
#pragma once

#include <string>
#include <vector>

#include "server/chat.h"
#include "server/json.h"

namespace gemma3n::server {

// The size that a request asks for, unset where it asks for none. Names are those of `--size` but
// for files. Throws Refusal (kInvalidValue, kUnsupportedValue).
std::optional<ModelSize> ReadSize(const Field& field, const Service& service);

struct OfferedSize {
  std::string name;   // as a request asks for it
  std::string label;  // as a reader knows it
  SizeFacts facts;
  int64_t layers = 0;
  std::string kind;  // "full", "published" or "ladder"
};

// Sizes to choose among, dearest first: the full one, the published ones where the model has their
// shape, else those that an elastic answer moves along.
std::vector<OfferedSize> OfferedSizes(Engine& engine);

// "ffn=512@0-4 ffn=256@5 skip=6": the layers and widths as `--size` takes them; a width of 0 leaves
// a layer out.
std::string WidthsAsText(const std::vector<int64_t>& widths);
// Of a size: the widths of all layers of the model.
std::vector<int64_t> WidthsOf(const ModelSize& size, size_t layers);

}  // namespace gemma3n::server
