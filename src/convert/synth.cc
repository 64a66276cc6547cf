// SPDX-License-Identifier: Apache-2.0
// A complete random checkpoint, written tensor by tensor: memory stays at one piece of a tensor for
// each thread, however large the model.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/thread_pool.h"
#include "convert/model_directory.h"
#include "convert/presets.h"
#include "convert/random_weights.h"
#include "convert/safetensors_writer.h"
#include "convert/tensor_list.h"
#include "gemma3n/convert.h"

namespace gemma3n {
namespace {

constexpr uint64_t kPieceElements = 1 << 20;
constexpr uint64_t kPiecesAtOnce = 8;
// Stands in every directory we wrote, and says what it holds.
constexpr char kMark[] = "synth.json";

DType ParseDType(const std::string& name) {
  if (name == "bf16") return DType::kBF16;
  if (name == "f16") return DType::kF16;
  if (name == "f32") return DType::kF32;
  throw Error(ErrorKind::kUsage, "dtype: expected bf16, f16 or f32, found " + name);
}

void WriteSideFiles(const SynthOptions& options, const std::string& config_text,
                    const JsonValue& config) {
  const std::filesystem::path& out = options.out;
  WriteText(out / "generation_config.json", PresetGenerationConfig(config));
  WriteText(out / "preprocessor_config.json", PresetPreprocessorConfig(config));
  WriteText(out / "processor_config.json", PresetProcessorConfig(config));
  WriteText(out / "chat_template.jinja", PresetChatTemplate());
  if (options.tokenizer.empty()) {
    WriteText(out / "tokenizer.json", PresetTokenizer(config));
  } else {
    CopyFile(options.tokenizer, out / "tokenizer.json");
  }
  const std::filesystem::path beside = options.tokenizer.parent_path() / "tokenizer_config.json";
  if (!options.tokenizer.empty() && std::filesystem::exists(beside)) {
    CopyFile(beside, out / "tokenizer_config.json");
  } else {
    WriteText(out / "tokenizer_config.json", PresetTokenizerConfig());
  }
  WriteText(out / "config.json", config_text);
}

template <class T>
void Narrow(std::span<const float> values, std::byte* out) {
  T* typed = reinterpret_cast<T*>(out);
  for (size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_same_v<T, Bf16>) {
      typed[i] = ToBf16(values[i]);
    } else if constexpr (std::is_same_v<T, F16>) {
      typed[i] = ToF16(values[i]);
    } else {
      typed[i] = values[i];
    }
  }
}

// Fills and writes tensors; counts what is done.
class Generator {
 public:
  Generator(uint64_t seed, uint64_t total_bytes, const ProgressCallback& on_progress)
      : seed_(seed), total_(total_bytes), on_progress_(on_progress) {}

  // False when the callback cancelled.
  bool Write(const PlannedTensor& tensor, SafetensorsWriter& writer) {
    const RandomWeights weights(seed_, tensor.name, tensor.shape);
    const uint64_t elements = static_cast<uint64_t>(tensor.shape.NumElements());
    const size_t size = ElementSize(tensor.dtype);
    for (uint64_t begin = 0; begin < elements; begin += kPiecesAtOnce * kPieceElements) {
      const uint64_t count = std::min(elements - begin, kPiecesAtOnce * kPieceElements);
      bytes_.resize(count * size);
      pool_.ParallelFor((count + kPieceElements - 1) / kPieceElements, [&](size_t piece) {
        const uint64_t first = piece * kPieceElements;
        thread_local std::vector<float> values;
        values.resize(std::min(kPieceElements, count - first));
        weights.Fill(begin + first, values);
        std::byte* out = bytes_.data() + first * size;
        if (tensor.dtype == DType::kBF16)
          Narrow<Bf16>(values, out);
        else if (tensor.dtype == DType::kF16)
          Narrow<F16>(values, out);
        else
          Narrow<float>(values, out);
      });
      writer.Write(bytes_);
      done_ += bytes_.size();
      if (on_progress_ && !on_progress_({"writing weights", static_cast<int64_t>(done_),
                                         static_cast<int64_t>(total_)})) {
        return false;
      }
    }
    return true;
  }

 private:
  uint64_t seed_, total_, done_ = 0;
  const ProgressCallback& on_progress_;
  ThreadPool pool_;
  std::vector<std::byte> bytes_;
};

// The configuration's text: a preset's, or that of the file it names.
std::string ConfigText(const std::string& like) {
  if (std::string preset = PresetConfig(like); !preset.empty()) return preset;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(like, ignored)) {
    throw Error(ErrorKind::kUsage,
                "like: expected e2b, e4b, tiny or the path of a config.json, found " + like);
  }
  return JsonValue::Load(like).Dump() + "\n";
}

// Whether writing here would destroy a model that somebody else made.
bool HoldsForeignModel(const std::filesystem::path& directory) {
  std::error_code ignored;
  if (std::filesystem::exists(directory / kMark, ignored)) return false;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename();
    if (name == "config.json" || name == "tokenizer.json") return true;
    if (name.find(".safetensors") != std::string::npos) return true;
  }
  return false;
}

// Everything that can be wrong before the first byte is written.
void CheckBeforehand(const SynthOptions& options, uint64_t bytes) {
  if (!options.tokenizer.empty()) JsonValue::Load(options.tokenizer);
  if (!options.force && HoldsForeignModel(options.out)) {
    throw Error(ErrorKind::kUsage, options.out.string() +
                                       ": holds a model that synth did not write; name another "
                                       "directory, or replace it with --force");
  }
  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  if (error) throw Error(ErrorKind::kResources, options.out.string() + ": " + error.message());
  const std::filesystem::space_info space = std::filesystem::space(options.out, error);
  if (!error && space.available < bytes) {
    throw Error(ErrorKind::kResources,
                options.out.string() + ": needs " + std::to_string(bytes / 1'000'000) + " MB, " +
                    std::to_string(space.available / 1'000'000) + " MB are free");
  }
}

// Goes first, so that what a cancelled run left behind may be written again.
void WriteMark(const SynthOptions& options) {
  const nlohmann::ordered_json mark = {
      {"like", options.like}, {"seed", options.seed}, {"dtype", options.dtype}};
  WriteText(options.out / kMark,
            mark.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace

bool Synthesize(const SynthOptions& options, const ProgressCallback& on_progress) {
  const DType dtype = ParseDType(options.dtype);
  const std::string config_text = ConfigText(options.like);
  const JsonValue config = JsonValue::Parse(config_text, options.like);
  std::vector<PlannedTensor> tensors;
  uint64_t total = 0;
  for (const TensorEntry& entry : ListTensors(config, ModelParts::Stated(config))) {
    if (entry.need == TensorEntry::Need::kDead) continue;
    tensors.push_back({entry.name, dtype, entry.shape});
    total += tensors.back().bytes();
  }
  CheckBeforehand(options, total);
  WriteMark(options);
  // The config comes last: a directory without it is no model.
  std::filesystem::remove(options.out / "config.json");
  RemoveOldWeights(options.out);
  Generator generator(options.seed, total, on_progress);
  const TensorWriter write = [&](const PlannedTensor& tensor, SafetensorsWriter& writer) {
    return generator.Write(tensor, writer);
  };
  if (!WriteShards(options.out, std::move(tensors), options.shard_bytes, write)) return false;
  WriteSideFiles(options, config_text, config);
  return true;
}

}  // namespace gemma3n
