// SPDX-License-Identifier: Apache-2.0
#include "model/npy_observer.h"

#include "tensor/npy.h"

namespace gemma3n {
namespace {

std::string FileName(const Observation& observation) {
  const std::string name = std::string(observation.name) + ".npy";
  if (observation.layer < 0) return name;
  const std::string number = std::to_string(observation.layer);
  return "layer_" + (number.size() < 2 ? "0" + number : number) + "." + name;
}

}  // namespace

void NpyObserver::Observe(const Observation& observation) {
  Values& values = values_[FileName(observation)];
  values.width = observation.width;
  for (int64_t row = 0; row < observation.rows.rows; ++row) {
    const float* begin = observation.rows.data + row * observation.rows.stride;
    values.floats.insert(values.floats.end(), begin, begin + observation.width);
  }
}

void NpyObserver::Write(const std::filesystem::path& directory) const {
  for (const auto& [name, values] : values_) {
    const int64_t positions = static_cast<int64_t>(values.floats.size()) / values.width;
    WriteNpy(directory / name, {positions, values.width}, values.floats);
  }
}

}  // namespace gemma3n
