// SPDX-License-Identifier: Apache-2.0
// How fast a model runs here, part by part, on made-up ids, pictures and sounds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gemma3n/engine.h"

namespace gemma3n {

// The most memory that was resident during a measurement, and what it was made of when it was
// (nearly) that much. Pages of the model's file stay resident from one measurement to the next.
struct PeakMemory {
  int64_t resident_bytes = 0;
  int64_t anonymous_bytes = 0;
  int64_t file_bytes = 0;
};

struct Measurement {
  std::vector<double> seconds;  // of each repetition
  PeakMemory memory;
};

// A model and the means to time its parts. Every measurement is repeated `repetitions` times and
// gives nullopt when its callback cancelled. One at a time.
class Benchmark {
 public:
  // Loads the model `repetitions` times, which `loading` tells of; null when cancelled. Throws what
  // Engine::Load does.
  static std::unique_ptr<Benchmark> Load(const EngineOptions& options, int repetitions,
                                         const ProgressCallback& on_progress = nullptr);
  virtual ~Benchmark() = default;

  virtual const ModelFacts& facts() const = 0;
  virtual int threads() const = 0;
  virtual std::string float_kernels() const = 0;    // the instruction set, such as "avx512"
  virtual std::string integer_kernels() const = 0;  // the same for quantized weights
  virtual std::string kv_type() const = 0;          // "f32", "f16" or "int8"
  virtual const Measurement& loading() const = 0;

  // A prompt of `tokens` tokens up to its logits. Throws Error (kRequest, kResources).
  virtual std::optional<Measurement> Prefill(int64_t tokens,
                                             const ProgressCallback& on_progress) = 0;
  // `tokens` steps after `depth` positions, which are computed first and not timed. Tokens are
  // given, not sampled. Throws as Prefill.
  virtual std::optional<Measurement> Decode(int64_t tokens, int64_t depth,
                                            const ProgressCallback& on_progress) = 0;
  // A picture of size x size pixels to its soft tokens. Throws Error (kRequest).
  virtual std::optional<Measurement> EncodeImage(int64_t size,
                                                 const ProgressCallback& on_progress) = 0;
  // A clip to its soft tokens. Throws Error (kRequest).
  virtual std::optional<Measurement> EncodeClip(double seconds,
                                                const ProgressCallback& on_progress) = 0;

  // A text that makes a raw prompt of `tokens` tokens, <bos> included.
  virtual std::string TextOfLength(int64_t tokens) const = 0;
};

// What this process, or another of the same user, holds now, with its peak since it began. Zeros
// where the system does not say.
PeakMemory MemoryOfProcess(int process_id);

}  // namespace gemma3n
