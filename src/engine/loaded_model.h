// SPDX-License-Identifier: Apache-2.0
// Everything a checkpoint holds, loaded once and only read afterwards, and the threads that work
// on it.
#pragma once

#include <memory>
#include <set>
#include <string>

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

class TokenTrie;

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
  bool resident = false;      // whether weights were to be copied into memory
  double load_ms;
  std::set<const DecoderState*> states;  // of the sessions there are

  // What those have yet to take of the memory that is free now.
  int64_t PromisedBytes() const;

  // The layers and widths of a size. Throws Error (kUsage) where this model cannot be cut so.
  SubmodelShape ShapeOf(const ModelSize& wanted) const;
  ModelSize ParseSize(const std::string& text) const;
  // The vocabulary by its bytes, for constrained answers; made when it is first asked for.
  std::shared_ptr<const TokenTrie> Tokens();
  // Looks at the weights of an encoder before it is used: of packed files only then, since a look
  // at each of their tensors reads much of them. `tensors` is kVisionTensors or kAudioTensors.
  // Throws Error (kModel).
  void CheckEncoder(const char* tensors);
  // Gives what this size does not read back to the system; it is read anew from the file when it
  // is.
  void GiveBackOutside(const SubmodelShape& shape) const;
  // One for the model's size. Those that live at once share their scratch.
  std::unique_ptr<Decoder> NewDecoder(DecoderObserver* observer = nullptr);

 private:
  void LoadTensors();
  // Tells the system which parts of the files this size leaves unread.
  void AdviseSize(const std::string& text) const;
  void CheckWeights();

  std::set<std::string> checked_encoders_;
  std::weak_ptr<Activations> activations_;
  std::shared_ptr<const TokenTrie> tokens_;
};

}  // namespace gemma3n
