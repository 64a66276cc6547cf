// SPDX-License-Identifier: Apache-2.0
// Everything a checkpoint holds, loaded once and only read afterwards, and the threads that work
// on it.
#pragma once

#include <memory>

#include "audio/encoder.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "gemma3n/engine.h"
#include "model/config.h"
#include "model/decoder.h"
#include "model/weights.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "vision/encoder.h"

namespace gemma3n {

// How the names of the encoders' tensors begin.
inline constexpr char kVisionTensors[] = "model.vision_tower.";
inline constexpr char kAudioTensors[] = "model.audio_tower.";

struct LoadedModel {
  explicit LoadedModel(const EngineOptions& options);

  ThreadPool pool;
  std::unique_ptr<Checkpoint> checkpoint;
  ModelConfig config;
  GenerationConfig generation;
  std::unique_ptr<Tokenizer> tokenizer;
  ChatTemplate chat_template;
  DecoderWeights weights;
  ModelSize size;                         // of requests that ask for no other
  std::unique_ptr<VisionEncoder> vision;  // null where the model does not see
  std::unique_ptr<AudioEncoder> audio;    // null where the model does not hear
  ModelFacts facts;
  ops::KeyValueType kv_type;  // of its sessions
  double load_ms;

  // The layers and widths of a size. Throws Error (kUsage) where this model cannot be cut so.
  SubmodelShape ShapeOf(const ModelSize& wanted) const;
  ModelSize ParseSize(const std::string& text) const;
  // One for the model's size.
  std::unique_ptr<Decoder> NewDecoder(DecoderObserver* observer = nullptr);

 private:
  void LoadTensors();
};

}  // namespace gemma3n
