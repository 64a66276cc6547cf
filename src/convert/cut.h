// SPDX-License-Identifier: Apache-2.0
// What a smaller model consists of that is cut out of a larger one: for each of its tensors, which
// bytes of the source, in order. No byte is computed, so what is quantized stays as it was rounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/config.h"
#include "model/submodel.h"
#include "tensor/tensor.h"

namespace gemma3n {

// `runs` of bytes from `data` on, and again every `stride` bytes, `repeats` times in all.
struct Selection {
  struct Run {
    uint64_t offset, bytes;
  };
  const std::byte* data = nullptr;
  int64_t repeats = 1;
  uint64_t stride = 0;
  std::vector<Run> runs;  // ascending, apart from each other

  uint64_t bytes() const;
  // Hands all of it on in pieces of a few MiB, copies; false when `put` said so, which ends it.
  bool ForEachPiece(const std::function<bool(std::span<const std::byte>)>& put) const;
};

struct CutTensor {
  std::string name;    // in the cut model
  std::string source;  // what it was cut from, as its file calls it
  DType dtype = DType::kF32;
  Shape shape;
  Selection selection;
};

// What is left out and how the rest is called.
struct CutParts {
  std::string text_prefix;     // where the source's names of the text model begin
  std::string to_text_prefix;  // and those of the cut model
  bool vision = true, audio = true;
};

// Throws Error (kUsage) as CheckShape does, with what the checkpoint's files store; reads no
// weights.
void CheckCanBeCut(const Checkpoint& checkpoint, const std::string& text_prefix,
                   const TextConfig& text, const SubmodelShape& shape);

class Cutter {
 public:
  // What CheckCanBeCut says of `shape` is none of its business. `where` is named in errors.
  Cutter(std::string where, const TextConfig& text, const SubmodelShape& shape, CutParts parts);

  // `name` is Hugging Face's, `source` the file's own. Nothing where the tensor is left out. Throws
  // Error (kModel) where it is not of the shape that the configuration says, and (kUsage) where its
  // blocks cannot be cut so.
  std::optional<CutTensor> Cut(const std::string& name, const std::string& source,
                               const TensorView& view) const;
  // The number that a layer of the full model has in the cut one; -1 where it is left out.
  int PlaceOf(int64_t layer) const;

 private:
  struct Axis;  // what of a tensor is kept
  std::string Renamed(const std::string& name) const;
  void Columns(int layer, int64_t width, const TensorView& view, CutTensor& cut) const;
  void LayerBlocks(int64_t repeats, uint64_t block, CutTensor& cut) const;
  void Narrow(const std::string& part, int layer, const TensorView& view, CutTensor& cut) const;
  void OfTable(const TensorView& view, CutTensor& cut) const;
  void OfProjection(const TensorView& view, CutTensor& cut) const;
  void Expect(bool holds, const CutTensor& cut, const std::string& expected,
              const Shape& found) const;

  std::string where_;
  const TextConfig& text_;
  const SubmodelShape& shape_;
  CutParts parts_;
  std::vector<int> places_;  // [layers]
};

}  // namespace gemma3n
