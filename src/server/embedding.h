// SPDX-License-Identifier: Apache-2.0
// Texts -> vectors, whatever the dialect: the mean over a text's positions, <bos> among them, of
// what the model's head reads (GenerateResult::prompt_embedding). They are computed by the worker,
// beside answers under way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/chat.h"

namespace gemma3n::server {

constexpr size_t kMostEmbeddingInputs = 2048;

// What is embedded: a text, which gets <bos> in front, or ids as they are.
struct EmbeddingInput {
  std::string text = "";
  std::vector<int32_t> ids = {};
};

struct EmbeddingOptions {
  std::optional<int64_t> dimensions;  // the first so many numbers; 1 to ModelFacts::hidden_size
  bool normalize = true;              // to length 1, behind the cut
  bool truncate = false;              // what is longer than a context, instead of refusing it
};

struct Embeddings {
  std::vector<std::vector<float>> vectors;  // one for each input, in their order
  int64_t tokens = 0;                       // that were read
};

// Nothing when the client left. Throws Refusal: kInvalidValue for no or too many inputs, an empty
// one, ids that the model does not have; kContextLength; what Worker::Submit throws. Messages name
// `param`, the path of the inputs. The request's body is forgotten: its JSON should be gone, too.
std::optional<Embeddings> Embed(const Service& service, const Request& request, Exchange& exchange,
                                std::vector<EmbeddingInput> inputs, const EmbeddingOptions& options,
                                const std::string& param);

// "[0.5,1]": the fewest digits that give the same floats again. Written by hand: thousands of
// vectors as JSON values would take several times their text.
std::string NumbersText(const std::vector<float>& vector);

}  // namespace gemma3n::server
