// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/inspect.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_model.h"
#include "checkpoint/packed_file.h"
#include "convert/report.h"
#include "convert/tensor_list.h"
#include "model/config.h"
#include "tensor/blocks.h"

namespace gemma3n {
namespace {

// What Google counts as the released models' effective size: the core, with the keys and values
// that sharing layers carry along unused.
constexpr int64_t kE2bEffective = 1905495648;
constexpr int64_t kE4bEffective = 3980491248;
constexpr int64_t kCheckedElements = 1 << 20;  // between two reports of progress

bool Contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

void CountParameters(const TensorEntry& entry, int64_t count, ModelReport& report) {
  report.total += count;
  if (entry.need == TensorEntry::Need::kDead) {
    report.dead += count;
  } else if (Contains(entry.name, ".vision_tower.")) {
    report.vision += count;
  } else if (Contains(entry.name, ".audio_tower.")) {
    report.audio += count;
  } else if (Contains(entry.name, ".embed_vision.") || Contains(entry.name, ".embed_audio.")) {
    report.embedders += count;
  } else if (Contains(entry.name, "embed_tokens_per_layer")) {
    report.per_layer_embedding += count;
  } else if (Contains(entry.name, "embed_tokens.")) {
    report.token_embedding += count;
  } else {
    report.core += count;
  }
}

// Of blocks everything can be wrong that has an f16 in it: all of them are decoded.
bool BlocksFinite(const TensorView& view, int64_t begin, int64_t end) {
  const blocks::Layout layout = blocks::LayoutOf(view.dtype);
  std::array<float, blocks::kMostElements> values;
  for (int64_t block = begin / layout.elements; block < end / layout.elements; ++block) {
    blocks::Decode(view.dtype, view.data + block * layout.bytes, values.data());
    if (!std::all_of(values.begin(), values.begin() + layout.elements,
                     [](float value) { return std::isfinite(value); })) {
      return false;
    }
  }
  return true;
}

template <class T>
bool AllFinite(const TensorView& view, int64_t begin, int64_t end) {
  const T* values = view.as<T>();
  return std::all_of(values + begin, values + end,
                     [](T value) { return std::isfinite(ToFloat(value)); });
}

bool AllFinite(const TensorView& view, int64_t begin, int64_t end) {
  switch (view.dtype) {
    case DType::kF32:
      return AllFinite<float>(view, begin, end);
    case DType::kBF16:
      return AllFinite<Bf16>(view, begin, end);
    case DType::kF16:
      return AllFinite<F16>(view, begin, end);
    default:
      if (IsBlocks(view.dtype)) return BlocksFinite(view, begin, end);
      return true;  // integers; of packed matrices the scales can be wrong: ScalesFinite
  }
}

// One element of every row has that row's scale, or that of one block of it.
bool ScalesFinite(const TensorView& view) {
  const int64_t columns = view.shape[1];
  for (int64_t row = 0; row < view.shape[0]; ++row) {
    for (int64_t column = 0; column < columns; column += packed::kBlock) {
      float value;
      packed::UnpackRow(view.dtype, view.data, columns, row, column, 1, &value);
      if (!std::isfinite(value)) return false;
    }
  }
  return true;
}

// Of a packed file, what does not have its checksum.
void CheckSums(const PackedFile& file, const ProgressCallback& on_progress, ModelReport& report) {
  const int64_t total = static_cast<int64_t>(file.file().bytes().size());
  int64_t done = 0;
  bool cancelled = false;
  report.damaged = file.Damaged([&](uint64_t bytes) {
    done += static_cast<int64_t>(bytes);
    cancelled = on_progress && !on_progress({"comparing checksums", done, total});
    return !cancelled;
  });
  report.read_all = !cancelled;
}

void ReadAll(const Checkpoint& checkpoint, const ProgressCallback& on_progress,
             ModelReport& report) {
  int64_t total = 0, done = 0;
  for (const std::string& name : checkpoint.Names()) {
    total += checkpoint.Find(name).shape.NumElements();
  }
  for (const std::string& name : checkpoint.Names()) {
    const TensorView view = checkpoint.Find(name);
    const int64_t elements = view.shape.NumElements();
    bool finite = !IsPacked(view.dtype) || ScalesFinite(view);
    for (int64_t begin = 0; begin < elements; begin += kCheckedElements) {
      const int64_t end = std::min(elements, begin + kCheckedElements);
      finite = finite && AllFinite(view, begin, end);
      done += end - begin;
      if (on_progress && !on_progress({"reading weights", done, total})) return;
    }
    if (!finite) report.not_finite.push_back(name);
  }
  report.read_all = true;
  if (checkpoint.packed() != nullptr) CheckSums(*checkpoint.packed(), on_progress, report);
}

std::string KindOf(const JsonValue& config) {
  ModelReport whole{};
  for (const TensorEntry& entry : ListTensors(config, ModelParts::Stated(config))) {
    CountParameters(entry, entry.shape.NumElements(), whole);
  }
  const int64_t effective = whole.core + whole.dead;
  return effective == kE2bEffective   ? "Gemma 3n E2B"
         : effective == kE4bEffective ? "Gemma 3n E4B"
                                      : "a Gemma 3n of another size";
}

// A tensor of the list as the files have it: quantized, a matrix may lie there transposed, in steps
// or, the per-layer table, with a row for each layer of a token; convolutions are matrices, too.
struct Stored {
  std::string name;
  Shape shape;  // expected
};
Shape AsMatrix(const Shape& shape) {
  return {shape[0], shape.NumElements() / shape[0]};
}
Stored StoredForm(const Checkpoint& checkpoint, const TensorEntry& entry, int64_t layers) {
  const std::string end = ".weight";
  const std::string stem = entry.name.substr(0, entry.name.rfind(end));
  if (!checkpoint.Has(entry.name) && checkpoint.Has(stem + ".transposed")) {
    return {stem + ".transposed", {entry.shape[1], entry.shape[0]}};
  }
  if (!checkpoint.Has(entry.name) && checkpoint.Has(stem + ".steps")) {
    const Shape& found = checkpoint.Find(stem + ".steps").shape;
    const int64_t step = found.rank() == 2 ? std::max<int64_t>(1, found[1]) : 1;
    return {stem + ".steps", {entry.shape[1] / step * entry.shape[0], step}};
  }
  const bool table = Contains(entry.name, "embed_tokens_per_layer.weight");
  if (table && IsPacked(checkpoint.Find(entry.name).dtype)) {
    return {entry.name, {entry.shape[0] * layers, entry.shape[1] / layers}};
  }
  if (!checkpoint.Has(entry.name) && checkpoint.Has(stem + ".channels_last")) {
    return {stem + ".channels_last", AsMatrix(entry.shape)};
  }
  if (entry.shape.rank() == 4 && IsPacked(checkpoint.Find(entry.name).dtype)) {
    return {entry.name, AsMatrix(entry.shape)};
  }
  return {entry.name, entry.shape};
}

std::string Joined(const std::set<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

// Tensors by what they do, in the order in which their kinds are met.
class TensorClasses {
 public:
  void Add(const TensorEntry& entry, const TensorView& view) {
    const std::string name = NameOf(entry);
    auto found = std::find_if(classes_.begin(), classes_.end(),
                              [&](const TensorClassReport& known) { return known.name == name; });
    if (found == classes_.end()) found = classes_.insert(found, {name, "", 0});
    found->bytes += static_cast<int64_t>(view.bytes());
    dtypes_[name].insert(DTypeName(view.dtype));
  }
  std::vector<TensorClassReport> Take() {
    for (TensorClassReport& known : classes_) known.dtypes = Joined(dtypes_[known.name]);
    return std::move(classes_);
  }

 private:
  static std::string NameOf(const TensorEntry& entry) {
    constexpr std::pair<const char*, const char*> kClasses[] = {
        {".vision_tower.", "vision encoder"},
        {".audio_tower.", "audio encoder"},
        {".embed_vision.", "vision embedder"},
        {".embed_audio.", "audio embedder"},
        {"embed_tokens_per_layer", "per-layer embedding"},
        {"embed_tokens.", "token embedding"},
        {"lm_head.", "head"}};
    constexpr std::pair<const char*, const char*> kLayers[] = {{".self_attn.", "attention"},
                                                               {".mlp.", "feed-forward"},
                                                               {"altup", "AltUp"},
                                                               {".laurel.", "LAuReL"},
                                                               {"per_layer_", "per-layer inputs"}};
    for (const auto& [part, name] : kClasses) {
      if (Contains(entry.name, part)) return name;
    }
    if (entry.shape.rank() == 1) return "norms and scales";
    for (const auto& [part, name] : kLayers) {
      if (Contains(entry.name, part)) return name;
    }
    return "others";
  }

  std::vector<TensorClassReport> classes_;
  std::map<std::string, std::set<std::string>> dtypes_;
};

// What a tensor takes while a text is answered: matrices of blocks become tiles of 8 bits.
int64_t InMemory(const TensorView& view) {
  const bool tiles = IsBlocks(view.dtype) && view.shape.rank() == 2;
  return static_cast<int64_t>(tiles ? packed::StoredBytes(DType::kQ8Tiles, view.shape)
                                    : view.bytes());
}

void CompareTensors(const Checkpoint& checkpoint, ModelReport& report) {
  const std::vector<TensorEntry> entries =
      ListTensors(checkpoint.config(), ModelParts::Of(checkpoint));
  report.kind = KindOf(checkpoint.config());
  std::set<std::string> listed, dtypes;
  TensorClasses classes;
  const auto count = [&](const TensorEntry& entry, const TensorView& view) {
    const int64_t before = report.core + report.token_embedding;
    CountParameters(entry, view.shape.NumElements(), report);
    if (report.core + report.token_embedding > before) report.resident_bytes += InMemory(view);
    report.file_bytes += static_cast<int64_t>(view.bytes());
    dtypes.insert(DTypeName(view.dtype));
    classes.Add(entry, view);
  };
  for (const TensorEntry& entry : entries) {
    const Stored stored = StoredForm(checkpoint, entry, static_cast<int64_t>(report.layers.size()));
    listed.insert(stored.name);
    const TensorView view = checkpoint.Find(stored.name);
    if (view.empty()) {
      if (entry.need == TensorEntry::Need::kRequired) {
        report.missing.push_back(entry.name + " " + entry.shape.ToString());
      }
      continue;
    }
    if (!(view.shape == stored.shape)) {
      report.misshapen.push_back(stored.name + ": expected " + stored.shape.ToString() +
                                 ", found " + view.shape.ToString());
    }
    count(entry, view);
  }
  for (const std::string& name : checkpoint.Names()) {
    ++report.tensors;
    if (!listed.count(name)) report.surplus.push_back(name);
  }
  report.dtypes = Joined(dtypes);
  report.classes = classes.Take();
}

void EstimateCache(const TextConfig& text, ModelReport& report) {
  for (int64_t layer = 0; layer < text.num_hidden_layers; ++layer) {
    if (text.shares_kv(layer)) continue;
    const int64_t positions =
        text.is_sliding(layer) ? std::min<int64_t>(1024, text.sliding_window) : 1024;
    report.cache_bytes_per_1k += positions * 2 * text.num_key_value_heads * text.head_dim * 4;
  }
}

}  // namespace

ModelReport ReportOn(const Checkpoint& checkpoint) {
  const ModelConfig config = ModelConfig::Load(checkpoint);
  const TextConfig& text = config.text;
  ModelReport report{};
  report.vocab_size = text.vocab_size;
  report.hidden_size = text.hidden_size;
  report.num_attention_heads = text.num_attention_heads;
  report.num_key_value_heads = text.num_key_value_heads;
  report.head_dim = text.head_dim;
  report.sliding_window = text.sliding_window;
  report.max_context = text.max_position_embeddings;
  try {
    const GenerationConfig generation = GenerationConfig::Load(checkpoint, config);
    report.temperature = generation.do_sample ? generation.temperature : 0;
    report.top_k = generation.top_k;
    report.top_p = generation.top_p;
  } catch (const Error&) {  // the check says what is wrong with it
  }
  for (int layer = 0; layer < text.num_hidden_layers; ++layer) {
    const size_t i = static_cast<size_t>(layer);
    report.layers.push_back({text.is_sliding(layer), text.intermediate_size[i],
                             text.activation_sparsity_pattern[i], text.kv_source_layer(layer)});
  }
  CompareTensors(checkpoint, report);
  if (checkpoint.gguf() != nullptr) report.files = checkpoint.gguf()->Facts();
  report.sees = report.vision > 0;
  report.hears = report.audio > 0;
  EstimateCache(text, report);
  return report;
}

ModelReport Inspect(const std::filesystem::path& model, bool read_all,
                    const ProgressCallback& on_progress, const std::filesystem::path& projector) {
  const auto checkpoint = Checkpoint::Load(model, {.projector = projector});
  ModelReport report = ReportOn(*checkpoint);
  if (read_all) ReadAll(*checkpoint, on_progress, report);
  return report;
}

}  // namespace gemma3n
