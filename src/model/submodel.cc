// SPDX-License-Identifier: Apache-2.0
#include "model/submodel.h"

namespace gemma3n {

Submodel Submodel::Full(const TextConfig& config) {
  Submodel submodel{.layers = {}, .last_key_value_layer = -1};
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    submodel.layers.push_back(layer);
    if (config.kv_source_layer(layer) == layer) submodel.last_key_value_layer = layer;
  }
  return submodel;
}

}  // namespace gemma3n
