// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/gguf_model.h"

#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_names.h"
#include "checkpoint/gguf_tokenizer.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr int64_t kMostParts = 64;  // of a stack: as many as AltUp may have streams
constexpr char kPerLayerTable[] = "model.language_model.embed_tokens_per_layer.weight";

// Vectors that GGUF spreads over more dimensions are vectors again.
TensorView Gathered(const TensorView& view, const std::optional<GgufName>& name) {
  const bool spread = name && name->spread;
  if (!spread) return view;
  return {view.dtype, Shape({view.shape.NumElements()}), view.data};
}

std::string TextOf(const Gguf& gguf, const char* key) {
  const GgufValue* value = gguf.Find(key);
  return value == nullptr || !value->IsString() ? "" : std::string(value->String());
}

}  // namespace

GgufModel::GgufModel(const std::filesystem::path& model, const std::filesystem::path& projector)
    : model_(model) {
  CheckIsGgufModel(model_);
  if (!projector.empty()) {
    projector_ = std::make_unique<Gguf>(projector);
    CheckIsGgufProjector(*projector_);
  }
  const GgufTokenizer tokenizer(model_);
  const GgufFiles files{&model_, projector_.get()};
  texts_["config.json"] = GgufConfigJson(files, tokenizer);
  texts_["generation_config.json"] = GgufGenerationConfigJson(files, tokenizer);
  texts_["preprocessor_config.json"] = GgufPreprocessorConfigJson(files);
  texts_["tokenizer_config.json"] = GgufTokenizerConfigJson(tokenizer);
  const std::string chat_template = TextOf(model_, "tokenizer.chat_template");
  if (!chat_template.empty()) texts_["chat_template.jinja"] = chat_template;
  AddTensors(model_);
  if (projector_) AddTensors(*projector_);
}

void GgufModel::AddTensors(const Gguf& gguf) {
  for (const auto& [name, view] : gguf.tensors()) {
    const std::optional<HuggingFaceName> ours = FromGgufName(name);
    if (!ours) {
      tensors_.push_back({name, view, &gguf.file()});
    } else if (ours->name == kPerLayerTable) {
      tensors_.push_back({ours->name, view.Rows(0, GgufPerLayerVocabulary(gguf)), &gguf.file()});
    } else if (!ours->stacked) {
      tensors_.push_back({ours->name, Gathered(view, ToGgufName(ours->name)), &gguf.file()});
    } else {
      // [parts, rows, columns]; one part alone may have lost its first dimension.
      const std::vector<int64_t>& dims = view.shape.dims();
      if (dims.size() != 2 && (dims.size() != 3 || dims[0] > kMostParts)) {
        throw Error(ErrorKind::kModel, gguf.file().path().string() + ": tensor '" + name +
                                           "': expected a stack of 1 to 64 matrices, found " +
                                           view.shape.ToString());
      }
      const int64_t parts = dims.size() == 3 ? dims[0] : 1;
      const int64_t rows = dims[dims.size() - 2], columns = dims.back();
      const TensorView all{view.dtype, Shape({parts * rows, columns}), view.data};
      for (int64_t part = 0; part < parts; ++part) {
        tensors_.push_back(
            {ours->Part(part), all.Rows(part * rows, (part + 1) * rows), &gguf.file()});
      }
    }
  }
}

std::vector<const MappedFile*> GgufModel::files() const {
  std::vector<const MappedFile*> files = {&model_.file()};
  if (projector_) files.push_back(&projector_->file());
  return files;
}

std::optional<std::string> GgufModel::Text(const std::string& file_name) const {
  if (file_name == "tokenizer.json") return GgufTokenizer(model_).TokenizerJson();
  const auto found = texts_.find(file_name);
  if (found == texts_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> GgufModel::Facts() const {
  std::vector<std::string> facts;
  const auto add = [&](const Gguf& gguf, const std::string& what) {
    std::string line = what + ": GGUF version " + std::to_string(gguf.version()) + ", " +
                       std::to_string(gguf.metadata().size()) + " keys, " +
                       std::to_string(gguf.tensors().size()) + " tensors, architecture " +
                       TextOf(gguf, "general.architecture");
    const std::string name = TextOf(gguf, "general.name");
    if (!name.empty()) line += ", named " + name;
    facts.push_back(line);
  };
  add(model_, "model");
  if (projector_) add(*projector_, "projector");
  return facts;
}

}  // namespace gemma3n
