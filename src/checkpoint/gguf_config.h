// SPDX-License-Identifier: Apache-2.0
// What GGUF files say of a model (gemma3n.*, clip.*, general.*), as the JSON files that a Hugging
// Face directory has. What the metadata does not say comes from the tensors' shapes, or is what all
// of Gemma 3n's released models have.
#pragma once

#include <string>

#include "checkpoint/gguf.h"
#include "checkpoint/gguf_tokenizer.h"

namespace gemma3n {

// The files of one model; `projector` is null where there is none. They must outlive this.
struct GgufFiles {
  const Gguf* model;
  const Gguf* projector;
};

// Throw Error (kModel) naming file and key, expected and found.
std::string GgufConfigJson(const GgufFiles& files, const GgufTokenizer& tokenizer);
std::string GgufGenerationConfigJson(const GgufFiles& files, const GgufTokenizer& tokenizer);
std::string GgufPreprocessorConfigJson(const GgufFiles& files);
std::string GgufTokenizerConfigJson(const GgufTokenizer& tokenizer);

// How many rows of the per-layer table count: converters append rows, zeros or copies of the first,
// to have as many as embed_tokens, and ids of those use row 0. The file must have the table.
int64_t GgufPerLayerVocabulary(const Gguf& gguf);

// That `gguf` is a Gemma 3n, or the projector of one; says what it is instead.
void CheckIsGgufModel(const Gguf& gguf);
void CheckIsGgufProjector(const Gguf& gguf);

}  // namespace gemma3n
