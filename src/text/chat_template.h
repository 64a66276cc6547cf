// SPDX-License-Identifier: Apache-2.0
// A conversation -> the prompt's token ids, exactly as Gemma 3n's own template and processor make
// them. The template is code here; one that a checkpoint carries is never run, only compared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "text/tokenizer.h"

namespace gemma3n {

struct ChatPart {
  enum class Kind { kText, kImage, kAudio };
  Kind kind = Kind::kText;
  std::string text;  // of kText
};

struct ChatTurn {
  std::string role;  // "system", "user", "model" (or "assistant")
  std::vector<ChatPart> parts;
};

// A prompt as text, and the parts of it that somebody typed: control tokens in those stay text.
struct RenderedPrompt {
  std::string text;
  std::vector<TextRange> plain;
};

class ChatTemplate {
 public:
  ChatTemplate() = default;
  // The names of the control tokens come from tokenizer_config.json, with Gemma 3n's as defaults;
  // all of them must be in the vocabulary. Those that decide where a turn or a medium is must be
  // control tokens, so that nobody can type them. Throws Error (kModel).
  static ChatTemplate Load(const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                           int64_t image_tokens, int64_t audio_tokens);

  // A system turn may come first; then user and model take turns, the user first. With
  // `open_answer` the prompt ends where the model's answer begins, or, where the last turn is the
  // model's, where that goes on. Throws Error (kRequest).
  RenderedPrompt Render(const std::vector<ChatTurn>& turns, bool open_answer) const;

  // The parts of all turns one after the other behind <bos>, without roles or trimming.
  RenderedPrompt RenderRaw(const std::vector<ChatTurn>& turns) const;

  enum class Origin { kGemma, kNone, kForeign };
  // What the checkpoint carries: Gemma's template, none (a base model), or something else.
  Origin origin() const { return origin_; }

  int32_t bos_id() const { return bos_id_; }
  // The id that stands for a row of a picture or a clip; -1 where there are none.
  int32_t image_id() const { return image_id_; }
  int32_t audio_id() const { return audio_id_; }

 private:
  void AppendParts(const std::vector<ChatPart>& parts, bool trim, RenderedPrompt& prompt) const;

  std::string bos_, image_, audio_;  // image_ and audio_: what a placeholder becomes
  int32_t bos_id_ = -1, image_id_ = -1, audio_id_ = -1;
  Origin origin_ = Origin::kNone;
};

}  // namespace gemma3n
