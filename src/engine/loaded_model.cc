// SPDX-License-Identifier: Apache-2.0
#include "engine/loaded_model.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "checkpoint/packed_file.h"
#include "checkpoint/weight_sample.h"
#include "constraint/token_trie.h"
#include "convert/report.h"
#include "engine/memory.h"
#include "model/size_name.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

std::unique_ptr<Tokenizer> LoadTokenizer(const Checkpoint& checkpoint, const ModelConfig& config) {
  const std::filesystem::path path = checkpoint.directory() / "tokenizer.json";
  auto tokenizer = [&] {
    if (checkpoint.packed() != nullptr) {
      const auto& texts = checkpoint.packed()->texts();
      const auto compiled = texts.find(Tokenizer::kCompiledFile);
      if (compiled != texts.end()) {
        const auto name = checkpoint.directory() / Tokenizer::kCompiledFile;
        return Tokenizer::ReadCompiled(compiled->second, name.string());
      }
    }
    const JsonValue json = checkpoint.Json("tokenizer.json");
    if (json.IsNull()) throw Error(ErrorKind::kModel, path.string() + ": not found");
    return Tokenizer::Parse(json);
  }();
  if (tokenizer->vocab_size() > config.text.vocab_size) {
    throw Error(ErrorKind::kModel, path.string() + ": expected at most " +
                                       std::to_string(config.text.vocab_size) +
                                       " tokens, the model's vocab_size, found " +
                                       std::to_string(tokenizer->vocab_size()));
  }
  return tokenizer;
}

// The prompt is laid out by the tokenizer's ids and filled in by the config's: the files must
// agree.
void CheckIds(const Checkpoint& checkpoint, const ModelConfig& config, const ChatTemplate& chat) {
  const auto same = [&](const char* field, int32_t ours, int32_t tokenizers) {
    if (ours == tokenizers || tokenizers < 0) return;
    throw Error(ErrorKind::kModel, (checkpoint.directory() / "config.json").string() + ": " +
                                       field + ": expected " + std::to_string(tokenizers) +
                                       " as in tokenizer.json, found " + std::to_string(ours));
  };
  same("bos_token_id", config.bos_token_id, chat.bos_id());
  same("image_token_id", config.image_token_id, chat.image_id());
  same("audio_token_id", config.audio_token_id, chat.audio_id());
  if (chat.image_id() >= 0 && chat.image_id() == chat.audio_id()) {
    throw Error(ErrorKind::kModel,
                (checkpoint.directory() / "tokenizer_config.json").string() +
                    ": image_token and audio_token: expected two tokens, found one");
  }
}

// The reference's processor writes as many placeholders as processor_config.json says, its model
// fills as many as config.json says. Where the first file is silent, the second decides here.
void CheckSoftTokens(const Checkpoint& checkpoint, const ModelFacts& facts) {
  const JsonValue processor = checkpoint.Json("processor_config.json");
  const auto same = [&](const char* field, const char* configs, int64_t ours) {
    const JsonValue stated = processor[field];
    if (ours == 0 || stated.IsNull() || stated.Int() == ours) return;
    stated.Fail(std::to_string(ours) + " as " + configs + " in config.json");
  };
  same("image_seq_length", "vision_soft_tokens_per_image", facts.image_tokens);
  same("audio_seq_length", "audio_soft_tokens_per_image", facts.audio_tokens);
}

constexpr size_t kMostShownTensors = 5;

// What the list of tensors has to say; nothing where the configuration gives no list.
std::optional<ModelReport> TryReport(const Checkpoint& checkpoint) {
  try {
    return ReportOn(checkpoint);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::vector<std::string> WrongTensors(const Checkpoint& checkpoint) {
  const std::optional<ModelReport> report = TryReport(checkpoint);
  if (!report) return {};  // nothing to add to what the loader said
  std::vector<std::string> wrong = report->misshapen;
  for (const std::string& name : report->missing) wrong.push_back(name + ": missing");
  return wrong;
}

// A loader stops at the first tensor that is wrong; whoever mends the files wants to see more of
// them at once.
std::string WithOtherWrongTensors(const std::string& message, const Checkpoint& checkpoint) {
  std::vector<std::string> wrong = WrongTensors(checkpoint);
  const auto told = std::find_if(wrong.begin(), wrong.end(), [&](const std::string& line) {
    return message.find("'" + line.substr(0, line.find_first_of(" :")) + "'") != std::string::npos;
  });
  if (told == wrong.end()) return message;
  wrong.erase(told);
  std::string all = message;
  for (size_t i = 0; i < wrong.size() && i + 1 < kMostShownTensors; ++i) {
    all += (i == 0 ? "; also " : "; ") + wrong[i];
  }
  if (wrong.size() >= kMostShownTensors) {
    all += "; and " + std::to_string(wrong.size() - kMostShownTensors + 1) + " more";
  }
  return all;
}

// A configuration that says nothing of an encoder means the reference's own sizes, which surprises
// where the tensors have others.
std::string WithUnstatedEncoders(const std::string& message, const Checkpoint& checkpoint) {
  std::string all = message;
  for (const std::string name : {"vision", "audio"}) {
    if (checkpoint.config()[name + "_config"].IsObject()) continue;
    if (message.find("." + name + "_tower.") == std::string::npos &&
        message.find(".embed_" + name + ".") == std::string::npos) {
      continue;
    }
    all += "; config.json has no " + name + "_config, which stands for the reference's defaults";
  }
  return all;
}

// Tensors that nobody reads. Not keys and values of sharing layers, which files may carry along.
std::string SurplusNote(const Checkpoint& checkpoint, const ModelReport& report) {
  std::vector<std::string> surplus = report.surplus;
  // The loader takes the vision encoder as it finds it; where the list does not know one that
  // loaded, it cannot say what is surplus in it.
  if (!report.missing.empty()) {
    std::erase_if(surplus, [](const std::string& name) {
      return name.find("vision_tower.") != std::string::npos;
    });
  }
  if (surplus.empty()) return "";
  const std::string first = checkpoint.FileOf(surplus[0]) + ": tensor '" + surplus[0] + "'";
  if (surplus.size() == 1) return first + ": expected none of this name; nothing reads it";
  return first + " and " + std::to_string(surplus.size() - 1) +
         " more: expected none of these names; nothing reads them";
}

std::string TemplateNote(const ChatTemplate& chat_template) {
  switch (chat_template.origin()) {
    case ChatTemplate::Origin::kGemma:
      return "";
    case ChatTemplate::Origin::kNone:
      return "this model has no chat template, as base models have none; Gemma 3n's is used";
    case ChatTemplate::Origin::kForeign:
      return "the chat template in this model's files is not Gemma 3n's; it is not run, Gemma 3n's "
             "is used";
  }
  return "";
}

// What it took to bring the matrices of a quantized GGUF file into a form that is computed with.
std::string ConvertedNote(const Checkpoint& checkpoint) {
  constexpr uint64_t kWorthTelling = 256 << 20;
  const uint64_t bytes = checkpoint.ConvertedBytes();
  if (bytes < kWorthTelling) return "";
  return "its quantized matrices were brought into 8 bits, in " +
         BytesAsText(static_cast<int64_t>(bytes)) +
         " of memory; `gemma3n quantize` makes a file of it that starts at once and is smaller";
}

std::vector<std::string> Notes(const Checkpoint& checkpoint, const ChatTemplate& chat_template) {
  std::vector<std::string> notes = {TemplateNote(chat_template), ConvertedNote(checkpoint)};
  if (const std::optional<ModelReport> report = TryReport(checkpoint)) {
    notes.push_back(SurplusNote(checkpoint, *report));
    notes.push_back(MemoryNote(report->resident_bytes, FreeMemory()));
  }
  std::erase(notes, "");
  return notes;
}

// The tensors that every token of a text may read whole. The table of per-layer embeddings is not
// among them: a token takes one of its rows.
std::vector<std::string> NamesOfTextWeights(const Checkpoint& checkpoint) {
  std::vector<std::string> names = checkpoint.Names();
  std::erase_if(names, [](const std::string& name) {
    for (const char* other : {".vision_tower.", ".audio_tower.", ".embed_vision.", ".embed_audio.",
                              ".embed_tokens_per_layer."}) {
      if (name.find(other) != std::string::npos) return true;
    }
    return false;
  });
  return names;
}

// Copies them into memory; what to say where they do not fit, else "".
std::string MakeResident(const Checkpoint& checkpoint) {
  const std::vector<std::string> names = NamesOfTextWeights(checkpoint);
  int64_t bytes = 0;
  for (const std::string& name : names) {
    const TensorView view = checkpoint.Find(name);
    bytes += view.empty() ? 0 : static_cast<int64_t>(view.bytes());
  }
  const int64_t free = FreeMemory();
  const bool fits = free < 0 || bytes <= free;
  const int64_t copied = fits ? checkpoint.MakeResident(names) : 0;
  if (copied == bytes) return "";
  return "weights stay mapped" +
         (copied > 0 ? ", all but " + BytesAsText(copied) + " of them" : std::string()) +
         ": a copy of " + BytesAsText(bytes) + " was asked for, " +
         BytesAsText(std::max<int64_t>(free, 0)) + " of memory is free";
}

}  // namespace

namespace {

// How many rows of a tensor the size reads, in which its feed-forward parts count only.
int64_t RowsRead(const std::string& name, const TensorView& view, const TextConfig& config,
                 const SubmodelShape& shape) {
  constexpr char kLayers[] = ".layers.";
  const int64_t rows = view.shape.rank() == 0 ? 1 : view.shape[0];
  const size_t at = name.find(kLayers);
  if (at == std::string::npos || name.find("_tower.") != std::string::npos) return rows;
  const int layer = std::atoi(name.c_str() + at + sizeof(kLayers) - 1);
  const auto place = std::lower_bound(shape.layers.begin(), shape.layers.end(), layer);
  if (place == shape.layers.end() || *place != layer) return 0;
  const int64_t width = shape.intermediate_size[place - shape.layers.begin()];
  const auto is = [&](const char* matrix) { return name.find(matrix) != std::string::npos; };
  if (is("mlp.gate_proj.") || is("mlp.up_proj.") || is("mlp.down_proj.transposed")) return width;
  if (is("mlp.down_proj.steps")) return rows * width / config.intermediate_size[layer];
  return rows;
}

ops::KeyValueType DecideKvType(KvType wanted, const Checkpoint& checkpoint) {
  switch (wanted) {
    case KvType::kF32:
      return ops::KeyValueType::kF32;
    case KvType::kF16:
      return ops::KeyValueType::kF16;
    case KvType::kInt8:
      return ops::KeyValueType::kInt8;
    case KvType::kAuto:
      break;
  }
  const std::vector<std::string> names = checkpoint.Names();
  const bool quantized = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return !IsFloat(checkpoint.Find(name).dtype);
  });
  return quantized ? ops::KeyValueType::kF16 : ops::KeyValueType::kF32;
}

}  // namespace

int64_t LoadedModel::PromisedBytes() const {
  int64_t bytes = 0;
  for (const DecoderState* state : states) bytes += state->untouched_bytes();
  return bytes;
}

SubmodelShape LoadedModel::ShapeOf(const ModelSize& wanted) const {
  SubmodelShape shape{wanted.layers, wanted.intermediate_size};
  CheckShape(weights, shape);
  return shape;
}

ModelSize LoadedModel::ParseSize(const std::string& text) const {
  const NamedShape named = gemma3n::ParseSize(text, config.text);
  CheckShape(weights, named.shape);
  return {named.name, named.shape.layers, named.shape.intermediate_size};
}

std::unique_ptr<Decoder> LoadedModel::NewDecoder(DecoderObserver* observer) {
  const SubmodelShape shape = ShapeOf(size);
  const Decoder::Options options{.shape = &shape, .observer = observer};
  std::shared_ptr<Activations> activations = activations_.lock();
  if (activations == nullptr) {
    activations = std::make_shared<Activations>(weights, options.max_chunk);
    activations_ = activations;
  }
  return std::make_unique<Decoder>(weights, pool, options, std::move(activations));
}

void LoadedModel::LoadTensors() {
  weights = DecoderWeights::Load(*checkpoint, config);
  // What loading reads of an encoder lies scattered in it.
  if (checkpoint->packed() != nullptr) {
    for (const char* encoder : {kVisionTensors, kAudioTensors}) {
      checkpoint->AdviseScattered(encoder, true);
    }
  }
  if (facts.sees) {
    vision = VisionEncoder::Load(*checkpoint, facts.image_tokens);
    // The encoder's sizes come from its tensors, those of its features' embedder from config.json.
    if (vision->hidden_size() != config.vision->hidden_size) {
      checkpoint->config()["vision_config"]["hidden_size"].Fail(
          std::to_string(vision->hidden_size()) + ", the width of the vision encoder's features");
    }
  }
  if (facts.hears) audio = AudioEncoder::Load(*checkpoint, pool);
}

void LoadedModel::AdviseSize(const std::string& text) const {
  const SubmodelShape shape = gemma3n::ParseSize(text, config.text).shape;
  if (shape == SubmodelShape::Full(config.text)) return;
  for (const std::string& name : checkpoint->Names()) {
    checkpoint->AdviseFirstRows(name, RowsRead(name, checkpoint->Find(name), config.text, shape));
  }
}

void LoadedModel::GiveBackOutside(const SubmodelShape& shape) const {
  for (const std::string& name : checkpoint->Names()) {
    checkpoint->GiveBackRows(name, RowsRead(name, checkpoint->Find(name), config.text, shape));
  }
}

void LoadedModel::CheckWeights() {
  const SubmodelShape shape = ShapeOf(size);
  CheckSampleIsFinite(*checkpoint, [&](const std::string& name) -> int64_t {
    const bool encoder = name.rfind(kVisionTensors, 0) == 0 || name.rfind(kAudioTensors, 0) == 0;
    if (encoder && checkpoint->packed() != nullptr) return 0;
    return RowsRead(name, checkpoint->Find(name), config.text, shape);
  });
}

void LoadedModel::CheckEncoder(const char* tensors) {
  if (checkpoint->packed() == nullptr || checked_encoders_.count(tensors) > 0) return;
  checkpoint->AdviseScattered(tensors, false);
  CheckSampleIsFinite(*checkpoint, [&](const std::string& name) -> int64_t {
    return name.rfind(tensors, 0) == 0 ? checkpoint->Find(name).shape[0] : 0;
  });
  checked_encoders_.insert(tensors);  // not where it threw: the next request must be refused, too
}

LoadedModel::LoadedModel(const EngineOptions& options) : pool(options.threads) {
  const Clock::time_point begin = Clock::now();
  checkpoint =
      Checkpoint::Load(options.model, {.projector = options.projector, .threads = options.threads});
  config = ModelConfig::Load(*checkpoint);
  kv_type = DecideKvType(options.kv, *checkpoint);
  if (options.context) {
    CheckContextFits(config.text, ContextOf(config.text, *options.context), kv_type);
  }
  generation = GenerationConfig::Load(*checkpoint, config);
  tokenizer = LoadTokenizer(*checkpoint, config);
  facts.sees = config.vision && HasPart(*checkpoint, kVisionTensors);
  facts.hears = config.audio && HasPart(*checkpoint, kAudioTensors);
  facts.image_tokens = facts.sees ? config.vision_soft_tokens_per_image : 0;
  facts.audio_tokens = facts.hears ? config.audio_soft_tokens_per_image : 0;
  CheckSoftTokens(*checkpoint, facts);
  chat_template =
      ChatTemplate::Load(*checkpoint, *tokenizer, facts.image_tokens, facts.audio_tokens);
  CheckIds(*checkpoint, config, chat_template);
  AdviseSize(options.size);
  try {
    LoadTensors();
  } catch (const Error& error) {
    throw Error(error.kind(), WithUnstatedEncoders(WithOtherWrongTensors(error.what(), *checkpoint),
                                                   *checkpoint));
  }
  size = ParseSize(options.size);
  CheckWeights();
  for (const char* encoder : {kVisionTensors, kAudioTensors}) checkpoint->GiveBack(encoder);
  if (facts.sees) facts.default_image_size = vision->default_size();
  if (facts.hears) {
    facts.max_clip_seconds = static_cast<double>(audio->MostSamples(facts.audio_tokens)) /
                             static_cast<double>(audio->sampling_rate_hz());
  }
  facts.max_context = config.text.max_position_embeddings;
  facts.vocab_size = config.text.vocab_size;
  facts.hidden_size = config.text.hidden_size;
  facts.notes = Notes(*checkpoint, chat_template);
  resident = options.resident;
  if (options.resident) {
    facts.notes.push_back(MakeResident(*checkpoint));
    std::erase(facts.notes, "");
  }
  load_ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::shared_ptr<const TokenTrie> LoadedModel::Tokens() {
  if (tokens_ == nullptr) {
    std::vector<std::string> bytes(static_cast<size_t>(config.text.vocab_size));
    for (int32_t id = 0; id < static_cast<int32_t>(bytes.size()); ++id) {
      std::string& text = bytes[static_cast<size_t>(id)];
      if (tokenizer->IsControl(id)) continue;
      if (const std::optional<uint8_t> byte = tokenizer->ByteOf(id)) {
        text = static_cast<char>(*byte);
      } else {
        AppendPieceText(tokenizer->Piece(id), text);
      }
    }
    tokens_ = std::make_shared<const TokenTrie>(std::move(bytes), generation.eos_token_ids);
  }
  return tokens_;
}

}  // namespace gemma3n
