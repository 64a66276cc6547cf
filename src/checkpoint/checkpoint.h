// SPDX-License-Identifier: Apache-2.0
// A model: tensors by name, and the JSON and text files that belong to them. A directory as Hugging
// Face lays it out, with one or many safetensors shards, or one packed file, or a GGUF file and, if
// it has one, its projector.
//
// Nothing is copied: a TensorView points into the mapping, which lives as long as the Checkpoint.
// Only the matrices of quantized GGUF files come in another form, made when Get is asked for them.
// Names are those of Hugging Face's whole model
// ("model.language_model.layers.0.mlp.gate_proj.weight"), also where a file uses those of older
// releases or of the model without its head.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/json_value.h"
#include "tensor/tensor.h"

namespace gemma3n {

class GgufModel;
class PackedFile;

class Checkpoint {
 public:
  struct Options {
    std::filesystem::path projector;  // of a GGUF model: the file with its encoders, or empty
    int threads = 0;                  // for bringing tensors into other forms; 0: all there are
  };
  // `path` is the directory, the packed file or the GGUF file. Throws Error (kModel) naming file,
  // tensor, expected and found, and (kUsage) for a projector beside anything but a GGUF file.
  static std::unique_ptr<Checkpoint> Load(const std::filesystem::path& path,
                                          const Options& options);
  static std::unique_ptr<Checkpoint> Load(const std::filesystem::path& path) {
    return Load(path, Options());
  }
  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  // The directory, or the packed or GGUF file: where side files are said to be in messages.
  const std::filesystem::path& directory() const;

  bool Has(std::string_view name) const;
  // As the file has it; an empty view when there is no such tensor.
  TensorView Find(std::string_view name) const;
  // What the reader of a tensor takes: floats; also matrices in tiles; only those in single rows;
  // floats or blocks. Blocks are brought into the form that is asked for, and kept.
  enum class Forms { kFloat, kFloatOrTiles, kRows, kFloatOrBlocks };
  // The tensor, which must exist with this shape in such a form; throws Error (kModel) such as
  // "model-00002-of-00003.safetensors: tensor 'x': expected [16384, 2048], found [8192, 2048]".
  TensorView Get(std::string_view name, const Shape& expected, Forms forms = Forms::kFloat) const;
  // The file that holds the tensor, for messages.
  std::string FileOf(std::string_view name) const;
  std::vector<std::string> Names() const;  // sorted

  // Throws Error (kModel) if a file of tensors was written to since it was opened: what the views
  // show is then no longer what was loaded.
  void CheckUnchanged() const;

  // Hints for the pages of a tensor: rows read here and there (no read-ahead), or all of it soon.
  void AdviseRandom(const TensorView& view) const;
  void AdviseWillNeed(const TensorView& view) const;
  // The tensors whose names begin so: whether their values are looked at here and there, as while a
  // model is loaded, or will be read whole.
  void AdviseScattered(std::string_view prefix, bool scattered) const;
  // Of this tensor only the first `rows` rows will be read: the system shall read no more from the
  // disk, and map no more.
  void AdviseFirstRows(const std::string& name, int64_t rows) const;
  // Gives the pages of all tensors whose names begin so back to the system: they are not needed for
  // a while, and are read anew from the file (as a rule from its pages in the cache) when they are.
  void GiveBack(std::string_view prefix) const;
  // The same for the rows of this tensor from `first` on.
  void GiveBackRows(const std::string& name, int64_t first) const;
  // Copies these tensors into memory of this process, on huge pages where the system gives them;
  // views stay as they are. Returns how many bytes it copied: where memory cannot be had, fewer
  // than asked for, the rest stays mapped. Before anybody reads them.
  int64_t MakeResident(const std::vector<std::string>& names) const;

  const JsonValue& config() const;  // config.json
  // A side file such as "generation_config.json": null value / nullopt when absent.
  JsonValue Json(const std::string& file_name) const;
  // Throws Error (kModel) where it is longer than `max_bytes`.
  std::optional<std::string> Text(const std::string& file_name, uint64_t max_bytes = 4 << 20) const;

  const PackedFile* packed() const;  // null for all but a packed file
  const GgufModel* gguf() const;     // null for all but a GGUF model
  uint64_t ConvertedBytes() const;   // of the tensors that Get brought into another form

 private:
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gemma3n
