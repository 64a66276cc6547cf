// SPDX-License-Identifier: Apache-2.0
// Gathers what a forward pass shows its observer, and writes it as .npy files: the decoder's part
// of `gemma3n dump`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/observer.h"

namespace gemma3n {

class NpyObserver : public DecoderObserver {
 public:
  void Observe(const Observation& observation) override;

  // Writes each value as [positions, width] under its name: "embedding.npy", "layer_07.query.npy".
  // Throws Error (kResources).
  void Write(const std::filesystem::path& directory) const;

 private:
  struct Values {
    int64_t width;
    std::vector<float> floats;  // [positions, width]
  };
  std::map<std::string, Values> values_;  // by file name
};

}  // namespace gemma3n
