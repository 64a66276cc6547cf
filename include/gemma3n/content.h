// SPDX-License-Identifier: Apache-2.0
// What goes into a conversation and what comes out of it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gemma3n/elastic.h"
#include "gemma3n/media.h"
#include "gemma3n/size.h"

namespace gemma3n {

class Constraint;  // gemma3n/constraint.h

// What the bytes of a picture, a sound or a film are known by, such as the start of their SHA-256;
// zeros: by nothing.
using ContentId = std::array<uint8_t, 16>;

// Text, or something to look at or listen to. Media are shared, never changed: a Part that is
// handed in again with the same picture, or with one of the same id, is not encoded again.
struct Part {
  std::variant<std::string, std::shared_ptr<const Image>, std::shared_ptr<const ImageFile>,
               std::shared_ptr<const AudioClip>, std::shared_ptr<const VideoClip>>
      content;
  ContentId id = {};

  Part(std::string text) : content(std::move(text)) {}    // NOLINT(google-explicit-constructor)
  Part(const char* text) : content(std::string(text)) {}  // NOLINT(google-explicit-constructor)
  explicit Part(Image image) : content(std::make_shared<const Image>(std::move(image))) {}
  explicit Part(ImageFile file) : content(std::make_shared<const ImageFile>(std::move(file))) {}
  explicit Part(AudioClip clip) : content(std::make_shared<const AudioClip>(std::move(clip))) {}
  explicit Part(VideoClip film) : content(std::make_shared<const VideoClip>(std::move(film))) {}

  bool is_picture() const {
    return std::holds_alternative<std::shared_ptr<const Image>>(content) ||
           std::holds_alternative<std::shared_ptr<const ImageFile>>(content);
  }
};

enum class Role { kSystem, kUser, kModel };

struct Turn {
  Role role = Role::kUser;
  std::vector<Part> parts;
};

// How the next token is chosen. Unset fields take the model's own defaults
// (generation_config.json).
struct SamplingOptions {
  std::optional<double> temperature;  // >= 0; 0 takes the likeliest token
  std::optional<int64_t> top_k;       // 0: all
  std::optional<double> top_p;        // [0, 1]; 0: the likeliest
  double min_p = 0;                   // share of the likeliest token's probability, [0, 1]
  double typical_p = 1;               // [0, 1]; 1: none (Meister et al. 2023)
  double repetition_penalty = 1;      // > 0; 1: none. Over the prompt and the answer
  int64_t repetition_window = -1;     // of so many of the last tokens; -1: of all
  // Taken from a token's logit once it stands in the answer, and for each time it does.
  double presence_penalty = 0, frequency_penalty = 0;  // [-2, 2]
  std::map<int32_t, double> logit_bias;
  std::optional<uint64_t> seed;  // unset: a new one each time
};

// Guessing tokens ahead and checking several at once. Answers are the same to the last bit, sampled
// ones too; only the time they take changes. docs/matformer.md.
enum class Speculation {
  kOff,
  kLookup,  // guesses: what followed the last few tokens where they stood before
  kDraft,   // guesses: a smaller size of the model, which shares the lower layers
  kAuto,    // both, each as long as it measurably pays
};

// What becomes of a conversation that was read at another size whose keys and values differ.
enum class SizeChange {
  kReread,        // it is read again before the answer
  kRereadBehind,  // the old size begins to answer, and after each token a piece is read again; the
                  // new size takes over when all is. Not together with speculation
  kKeepCache,     // the new size goes on with what the old one has computed: not exact
};

struct TokenLogprob {
  int32_t id;
  double logprob;                                     // natural logarithm, before sampling settings
  std::vector<std::pair<int32_t, double>> likeliest;  // at most top_logprobs, best first
};

struct GenerateOptions {
  SamplingOptions sampling;
  int64_t max_tokens = 1024;
  std::vector<std::string> stop;  // the answer ends before any of these
  int top_logprobs = -1;          // >= 0: log-probabilities of each token, and of so many others
  int64_t image_size = 0;         // side pictures are stretched to; 0: the model's default
  // The prompt is one text that is not laid out as a conversation: <bos>, then the parts.
  bool raw = false;
  // Together with `raw`: the prompt is these ids as they are, and the turns are empty.
  std::vector<int32_t> raw_ids = {};
  // Together with `top_logprobs`: also of the prompt's tokens. `max_tokens` may be 0 then.
  bool prompt_logprobs = false;
  // With `top_logprobs`: told of each token, before its text; of a scored prompt's first. Or empty.
  std::function<void(const TokenLogprob&)> on_logprob = nullptr;
  // Also the mean of the hidden states at the prompt's positions, where nothing is answered:
  // `max_tokens` is 0. Not together with `prompt_logprobs` or `elastic`.
  bool prompt_embedding = false;
  // What the answer may be: tokens that would lead out of it are never taken, and the answer ends
  // where it is complete. Null: anything. Not together with speculation.
  std::shared_ptr<const Constraint> constraint = nullptr;
  // The size to answer with; unset: the engine's. What a session holds of the conversation is kept
  // where both sizes have the same layers up to the last one that writes keys and values, and the
  // same widths below it; else `size_change` says how the new one gets to it (docs/matformer.md).
  std::optional<ModelSize> size;
  SizeChange size_change = SizeChange::kReread;
  Speculation speculation = Speculation::kOff;
  // The size that guesses; unset: the answer's with its upper layers narrowed. Up to the last layer
  // that writes keys and values it must be the answer's own.
  std::optional<ModelSize> draft;
  // Change the size while the answer is written; not together with speculation. Once it has
  // begun, sizes whose keys and values would differ are passed over where size_change is kReread.
  std::optional<ElasticOptions> elastic;
  std::function<void(const SizeSwitch&)> on_size_switch;  // told of each change; may be empty
};

enum class FinishReason {
  kStop,       // the model ended its turn, or a stop text came
  kLength,     // max_tokens, or the end of the context
  kCancelled,  // the callback returned false
};
const char* FinishReasonName(FinishReason reason);  // "stop", "length", "cancelled"

struct Timings {
  double load_ms = 0, image_ms = 0, audio_ms = 0, prefill_ms = 0, decode_ms = 0;
  double first_text_ms = 0;       // from the request to the first text of the answer; 0: no text
  int64_t images = 0, clips = 0;  // encoded for this answer
  int64_t image_tokens = 0, audio_tokens = 0;  // of those
  int64_t prefill_tokens = 0;  // computed for this answer; what the cache held is not counted
  int64_t cached_tokens = 0;
  int64_t decode_tokens = 0;
  int64_t guessed_tokens = 0, accepted_tokens = 0;  // by speculation
  int64_t reread_tokens = 0;                        // read again while the answer was written
};

struct GenerateResult {
  std::string text;
  std::vector<int32_t> token_ids;         // of the answer, without the token that ended it
  std::vector<int32_t> prompt_token_ids;  // placeholders included
  FinishReason finish_reason = FinishReason::kStop;
  std::vector<TokenLogprob> logprobs;  // of token_ids, where asked for
  // Of the token that ended it, where they are asked for and one did.
  std::optional<TokenLogprob> end_logprob;
  // Of prompt_token_ids, where asked for; nothing comes before the first, whose logprob is 0.
  std::vector<TokenLogprob> prompt_logprobs;
  // Where asked for: of what the head reads (last_hidden_state of Transformers: the streams of the
  // last layer merged, behind the final norm) the mean over the prompt's positions, [hidden_size].
  std::vector<float> prompt_embedding;
  std::vector<SizeSwitch> size_switches;
  Timings timings;
};

// Whole characters of the answer as they come, once for each token: empty where the token gives no
// text yet. Returning false ends the answer with what it has.
using TextCallback = std::function<bool(const std::string& text)>;

// What long work tells while it runs: `done` of `total`, in the unit that `what` says. Returning
// false cancels the work.
struct Progress {
  std::string what;  // "reading the prompt", "picture 2 of 3"
  int64_t done;
  int64_t total;
};
using ProgressCallback = std::function<bool(const Progress& progress)>;

}  // namespace gemma3n
