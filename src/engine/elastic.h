// SPDX-License-Identifier: Apache-2.0
// One elastic answer: watches its pace and the system, and changes the decoder's size.
#pragma once

#include <functional>
#include <vector>

#include "engine/elastic_policy.h"
#include "engine/loaded_model.h"
#include "engine/system_state.h"
#include "gemma3n/elastic.h"

namespace gemma3n {

class Elastic {
 public:
  // The decoder runs the request's size, from which the answer moves along UsableRungs. Throws
  // Error (kUsage) for wishes out of range and sizes that are not the model's.
  Elastic(const LoadedModel& model, const GenerateOptions& options);

  // After token `token` of the answer, which took `seconds`: gives the decoder its size for the
  // next. What has changed, or nothing.
  std::optional<SizeSwitch> Next(int64_t token, double seconds, Decoder& decoder);

 private:
  bool reacts_to_system_, watches_watts_;
  std::vector<ModelSize> rungs_;
  std::vector<SubmodelShape> shapes_;
  ElasticPolicy policy_;
  SystemWatch watch_;
};

}  // namespace gemma3n
