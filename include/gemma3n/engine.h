// SPDX-License-Identifier: Apache-2.0
// A loaded model and the conversations held with it.
//
//   auto engine = Engine::Load({.model = "models/nano"});
//   auto session = engine->NewSession();
//   auto result = session->Generate({{Role::kUser, {Part(LoadImage("cat.png")), "What is this?"}}},
//                                   {}, [](const std::string& text) { std::cout << text; return
//                                   true; });
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gemma3n/content.h"
#include "gemma3n/error.h"
#include "gemma3n/perplexity.h"
#include "gemma3n/size.h"

namespace gemma3n {

// How a session keeps the keys and values of its positions: in float32 as the reference does, in
// half of that, or in 8 bits with a scale for each row of each head. kAuto: in half where the
// model's weights are quantized, else in float32.
enum class KvType { kAuto, kF32, kF16, kInt8 };

struct EngineOptions {
  // A Hugging Face model directory, a packed file, or a GGUF file.
  std::filesystem::path model;
  std::filesystem::path projector;  // of a GGUF model: the file with its encoders (mmproj)
  int threads = 0;                  // 0: as many as this process may run on
  // Of the sessions to come, as NewSession takes it: a context that memory cannot hold is refused
  // before weights are read. Unset: that is left to NewSession.
  std::optional<int64_t> context;
  KvType kv = KvType::kAuto;
  // Copy the weights that every token reads into memory of this process, on huge pages, instead of
  // reading them from the mapped file. Where memory does not hold them, they stay mapped and a note
  // says so.
  bool resident = false;
  // What part of the model runs, as Engine::ParseSize takes it; empty: all of it.
  std::string size;
};

struct ModelFacts {
  bool sees = false, hears = false;
  int64_t max_context = 0;  // positions the model was made for
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;  // numbers of GenerateResult::prompt_embedding
  int64_t image_tokens = 0, audio_tokens = 0;
  int64_t default_image_size = 0;  // pixels
  double max_clip_seconds = 0;
  // What somebody who uses this model should know, a line each: that its chat template is not
  // Gemma's, that its files hold tensors which nothing reads, that memory does not hold its
  // weights.
  std::vector<std::string> notes;
};

class Lab;          // gemma3n/lab.h
class Listening;    // gemma3n/listening.h
class PrefixCache;  // gemma3n/prefix_cache.h
class Session;

// Immutable after loading. Sessions of one engine share its threads: their calls must not overlap
// in time.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Throws Error (kModel), and what NewSession throws for `context`.
  static std::shared_ptr<Engine> Load(const EngineOptions& options);
  virtual ~Engine() = default;

  virtual const ModelFacts& facts() const = 0;
  // What requests that ask for no other size are answered with.
  virtual const ModelSize& size() const = 0;
  // "full"; a published size of E4B such as "e2b" or "E2.98B (block-level)"; "2.54B", the published
  // one of at most so many effective parameters that scores best; "ffn=8192 ffn=16384@4,20-24
  // skip=20-24"; or a .json file of such a size (docs/matformer.md). Throws Error (kUsage) with the
  // reason why the model cannot be cut so.
  virtual ModelSize ParseSize(const std::string& text) const = 0;
  // Throws Error (kUsage) for a size that is not of this model.
  virtual SizeFacts FactsOf(const ModelSize& size) const = 0;
  // Sizes below this one to move along, itself first, dearest first: narrower and fewer layers
  // above the last one that writes keys and values, then, which only a SizeChange other than
  // kReread can use in the middle of an answer, narrower ones everywhere. Throws as FactsOf.
  virtual std::vector<ModelSize> Ladder(const ModelSize& size) const = 0;
  // `context` positions; 0: as many as the model was made for. Throws Error (kRequest, kResources).
  virtual std::unique_ptr<Session> NewSession(int64_t context = 0) = 0;

  // Ids of a text; control tokens are text unless `parse_control_tokens`. <bos> first where asked.
  virtual std::vector<int32_t> Tokenize(const std::string& text, bool parse_control_tokens,
                                        bool add_bos) const = 0;
  virtual std::string Detokenize(std::span<const int32_t> ids, bool skip_control_tokens) const = 0;
  virtual std::string Piece(int32_t id) const = 0;

  // The prompt of a conversation as ids, placeholders of media included.
  virtual std::vector<int32_t> PromptIds(const std::vector<Turn>& turns,
                                         const GenerateOptions& options) = 0;
  // The prompt as text, with one placeholder for each run of soft tokens.
  virtual std::string PromptText(const std::vector<Turn>& turns,
                                 const GenerateOptions& options) = 0;
  // Logits of every position of `ids`, [ids, vocab_size] float32, written as .npy. Returns false,
  // and writes nothing, when the callback cancelled. Throws Error (kUsage, kRequest, kResources),
  // and (kModel) when the model's files were changed meanwhile.
  virtual bool WriteLogits(std::span<const int32_t> ids, const std::filesystem::path& npy,
                           const ProgressCallback& on_progress = nullptr) = 0;
  // Every intermediate of one pass over a conversation's prompt, as .npy files in `directory`.
  // Returns false when the callback cancelled. Throws Error (kUsage, kRequest, kResources).
  virtual bool Dump(const std::vector<Turn>& turns, const GenerateOptions& options,
                    const std::filesystem::path& directory,
                    const ProgressCallback& on_progress = nullptr) = 0;
  // How well the model foresees given text. Nothing when the callback cancelled; no file is left
  // behind then. Throws Error (kUsage, kRequest, kMedia, kModel, kResources).
  virtual std::optional<PerplexityReport> Perplexity(
      const Passages& passages, const PerplexityOptions& options,
      const ProgressCallback& on_progress = nullptr) = 0;
  // To score and time sizes of the model.
  virtual std::unique_ptr<Lab> NewLab() = 0;
};

// One conversation: what has been computed of it stays, so that the next turn costs only what is
// new.
class Session {
 public:
  virtual ~Session() = default;

  // Answers a whole conversation that ends with a user's turn, or goes on with the answer that it
  // ends with; what is new of that is returned. Throws Error (kRequest, kMedia)
  // before anything is computed where the conversation cannot be answered, (kMedia) later for an
  // ImageFile that was changed meanwhile and no longer decodes, and (kModel), also when text was
  // given already, if the model's files were changed meanwhile.
  virtual GenerateResult Generate(const std::vector<Turn>& turns, const GenerateOptions& options,
                                  const TextCallback& on_text = nullptr,
                                  const ProgressCallback& on_progress = nullptr) = 0;
  // Reads a conversation while its one clip that has no samples yet is being said. Throws Error
  // (kUsage) where there is not one such clip, and what Generate does before it computes.
  virtual std::unique_ptr<Listening> Listen(const std::vector<Turn>& turns,
                                            const GenerateOptions& options) = 0;
  // From now on it takes what others of this owner have left in the cache, and leaves there what it
  // computes. What it holds itself is forgotten where it was another owner's. Throws Error (kUsage)
  // while a request is under way, and for a cache of another engine's sessions.
  virtual void Share(std::shared_ptr<PrefixCache> cache, const std::string& owner) = 0;
  virtual int64_t context() const = 0;   // positions there are
  virtual int64_t position() const = 0;  // positions in use
};

}  // namespace gemma3n
