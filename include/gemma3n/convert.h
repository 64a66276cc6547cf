// SPDX-License-Identifier: Apache-2.0
// Making models: a complete checkpoint of random weights, for tests and measurements, files of
// quantized ones, and smaller ones cut out of a larger.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "gemma3n/content.h"
#include "gemma3n/error.h"
#include "gemma3n/perplexity.h"

namespace gemma3n {

struct SynthOptions {
  std::string like = "tiny";  // "e2b", "e4b", "tiny", or the path of a config.json
  uint64_t seed = 0;
  std::string dtype = "bf16";            // "bf16", "f16", "f32"
  std::filesystem::path tokenizer;       // a tokenizer.json to copy; empty: a small one is written
  std::filesystem::path out;             // directory; a model of ours that is there is replaced
  bool force = false;                    // also one that is not ours
  uint64_t shard_bytes = 5'000'000'000;  // a larger model is split
};

// Writes the checkpoint in Hugging Face form: the same bytes for the same options on every machine.
// Returns false when the callback cancelled; nothing that looks complete is then left behind.
// Throws Error (kUsage, kModel, kResources), for wrong options before a file is touched.
bool Synthesize(const SynthOptions& options, const ProgressCallback& on_progress = nullptr);

struct QuantizeOptions {
  std::filesystem::path model;      // a model directory or a GGUF file
  std::filesystem::path projector;  // of a GGUF model: the file with its encoders
  std::filesystem::path out;        // a file
  // What is written: "packed", our own form (docs/format.md), or "gguf" (docs/gguf.md).
  std::string to = "packed";
  // Packed: "q4": 4 bits, but 8 for small matrices that matter; "q8": 8 bits; "bf16": as stored; or
  // a file of rules (docs/quantization.md). Norms and the small matrices of AltUp are always as
  // stored. What is stored in blocks, as in quantized GGUF files, and not rounded again becomes
  // F16, and vectors F32. GGUF: "q4_0", "q8_0", "f16". Empty: "q4" or "q4_0".
  std::string recipe;
  // The encoders of pictures and sound in "q4" and "q8": "int8" (8 bits) or "float" (as stored).
  std::string encoders = "int8";
  // Written beside GGUF: a second file, for the encoders; empty: they are left out.
  std::filesystem::path mmproj;
  bool force = false;  // replace files that are there
  // Told of what stops nothing but is worth knowing, a line each. May be empty.
  std::function<void(const std::string& note)> on_note;
  // With calibration text: "nearest", each weight on its own; "weighted", steps by what flows
  // through them; "feedback", what one weight loses is made up for by others.
  std::string rounding = "feedback";
  // With calibration text, instead of a recipe: which of the decoder's matrices get 8 bits is
  // measured, so that the mean over all that are quantized stays at or below this. 0: the recipe
  // decides.
  double bits = 0;
  std::filesystem::path save_recipe;  // what `bits` chose, as a file of rules; empty: none
};

// Writes a model as one file, or as a GGUF file and one of its encoders. Returns false when the
// callback cancelled; nothing is left behind then. Throws Error (kUsage, kModel, kResources), for
// wrong options before a file is touched.
bool Quantize(const QuantizeOptions& options, const ProgressCallback& on_progress = nullptr);
// The same, rounding and choosing by what flows through the matrices while the model reads `text`,
// which may hold pictures and sound. Throws also Error (kRequest, kMedia).
bool Quantize(const QuantizeOptions& options, const Passages& text,
              const ProgressCallback& on_progress = nullptr);

struct SliceOptions {
  std::filesystem::path model;  // a model directory, a packed file or a GGUF file
  std::filesystem::path out;    // a directory, or a file, in the form of `to`
  // What of it, as EngineOptions::size: "e2b", "ffn=8192 skip=20-24", FILE.json; "full" is all.
  std::string size = "full";
  // The form of what is written, "hf", "packed" or "gguf"; it is that of `model`, since no weight
  // is rounded anew. Empty: that.
  std::string to;
  bool vision = true, audio = true;      // false: without the encoder of pictures, of sound
  uint64_t shard_bytes = 5'000'000'000;  // a larger directory's weights are split
  bool force = false;                    // replace a model that is there
  // Told of what stops nothing but is worth knowing, a line each. May be empty.
  std::function<void(const std::string& note)> on_note;
};

// Writes a size of a model as a model of its own: the same bytes of the weights that are kept, so
// that its logits are those of the size run from the whole, bit for bit. Returns false when the
// callback, which hears of bytes, cancelled; nothing is left behind then. Throws Error (kUsage,
// kModel, kResources), for wrong options before a file is touched.
bool Slice(const SliceOptions& options, const ProgressCallback& on_progress = nullptr);

}  // namespace gemma3n
