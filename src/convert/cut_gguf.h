// SPDX-License-Identifier: Apache-2.0
// A GGUF file's model, cut: under the names and with the metadata that such files have.
#pragma once

#include <vector>

#include "checkpoint/gguf.h"
#include "convert/cut.h"
#include "convert/gguf_writer.h"

namespace gemma3n {

// In the order of the source's bytes. `cutter` goes by the names of Hugging Face's whole model.
std::vector<CutTensor> CutGgufTensors(const Gguf& source, const Cutter& cutter);

// The source's metadata, but for what tells of layers.
GgufMetadata CutGgufMetadata(const Gguf& source, const TextConfig& full,
                             const SubmodelShape& shape);

}  // namespace gemma3n
