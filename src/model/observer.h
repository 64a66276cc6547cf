// SPDX-License-Identifier: Apache-2.0
// A look at the values between the steps of a forward pass, for `gemma3n dump` and for tests. The
// names are listed in docs/decoder.md.
#pragma once

#include <string_view>

#include "ops/linear.h"

namespace gemma3n {

struct Observation {
  std::string_view name;   // such as "query"
  int layer;               // the full model's layer number; -1 outside the layers
  int64_t first_position;  // of rows.data; the following rows belong to the following positions
  ops::ConstRows rows;
  int64_t width;  // floats of each row
};

// Called by the thread that runs the forward pass, in its order. Values live during the call only.
// Positions come in chunks, as they are computed; layers that were skipped for a position are not
// seen for it.
class DecoderObserver {
 public:
  virtual ~DecoderObserver() = default;
  virtual void Observe(const Observation& observation) = 0;
};

}  // namespace gemma3n
