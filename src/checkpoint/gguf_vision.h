// SPDX-License-Identifier: Apache-2.0
// GGUF files do not say how a vision encoder is built; its tensors do.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "checkpoint/gguf.h"

namespace gemma3n {

// vision_config.model_args as in Hugging Face's configurations: the stem's width and the blocks of
// every stage. Null where the file has no vision encoder.
nlohmann::ordered_json GgufVisionArgs(const Gguf& gguf);

}  // namespace gemma3n
