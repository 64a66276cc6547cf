// SPDX-License-Identifier: Apache-2.0
#include "convert/cut.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "gemma3n/error.h"
#include "tensor/blocks.h"
#include "tensor/packed.h"

namespace gemma3n {
namespace {

constexpr size_t kBytesAtOnce = 4 << 20;
constexpr char kTable[] = "embed_tokens_per_layer.weight";
constexpr char kProjection[] = "per_layer_model_projection.weight";

bool Begins(const std::string& text, const std::string& with) {
  return text.compare(0, with.size(), with) == 0;
}

// The number of the layer in "<prefix>layers.12.mlp.up_proj.weight"; -1 where there is none.
int LayerOf(const std::string& name, const std::string& prefix) {
  const std::string begin = prefix + "layers.";
  if (!Begins(name, begin) || name.size() == begin.size()) return -1;
  char* end = nullptr;
  const long layer = std::strtol(name.c_str() + begin.size(), &end, 10);
  return *end == '.' && layer >= 0 && layer < 1'000'000 ? static_cast<int>(layer) : -1;
}

// What one row of so many columns takes; of tiles, 16 rows together.
uint64_t UnitBytes(DType dtype, int64_t columns) {
  if (IsPacked(dtype)) return static_cast<uint64_t>(packed::UnitBytes(dtype, columns));
  return packed::StoredBytes(dtype, {1, columns});
}

std::string OfLayer(int layer) {
  return "size: width of layer " + std::to_string(layer) + ": expected ";
}

}  // namespace

uint64_t Selection::bytes() const {
  uint64_t once = 0;
  for (const Run& run : runs) once += run.bytes;
  return once * static_cast<uint64_t>(repeats);
}

bool Selection::ForEachPiece(const std::function<bool(std::span<const std::byte>)>& put) const {
  std::vector<std::byte> piece;
  piece.reserve(std::min<uint64_t>(kBytesAtOnce, bytes()));
  for (int64_t repeat = 0; repeat < repeats; ++repeat) {
    const std::byte* from = data + static_cast<uint64_t>(repeat) * stride;
    for (Run run : runs) {
      while (run.bytes > 0) {
        const uint64_t count = std::min<uint64_t>(run.bytes, kBytesAtOnce - piece.size());
        const std::byte* begin = from + run.offset;
        piece.insert(piece.end(), begin, begin + count);
        run = {run.offset + count, run.bytes - count};
        if (piece.size() < kBytesAtOnce) continue;
        if (!put(piece)) return false;
        piece.clear();
      }
    }
  }
  return piece.empty() || put(piece);
}

void CheckCanBeCut(const Checkpoint& checkpoint, const std::string& text_prefix,
                   const TextConfig& text, const SubmodelShape& shape) {
  // What CheckShape looks at: loading the weights would bring those of GGUF files into other forms.
  DecoderWeights weights;
  weights.config = text;
  for (int64_t layer = 0; layer < text.num_hidden_layers; ++layer) {
    const std::string mlp = text_prefix + "layers." + std::to_string(layer) + ".mlp.";
    LayerWeights stored;
    stored.feed_forward.gate_proj = checkpoint.Find(mlp + "gate_proj.weight");
    stored.feed_forward.down_proj = checkpoint.Find(mlp + "down_proj.weight");
    const TensorView steps = checkpoint.Find(mlp + "down_proj.steps");
    if (steps.shape.rank() == 2) stored.feed_forward.down_steps = steps;
    weights.layers.push_back(std::move(stored));
  }
  CheckShape(weights, shape);
}

Cutter::Cutter(std::string where, const TextConfig& text, const SubmodelShape& shape,
               CutParts parts)
    : where_(std::move(where)),
      text_(text),
      shape_(shape),
      parts_(std::move(parts)),
      places_(static_cast<size_t>(text.num_hidden_layers), -1) {
  for (size_t place = 0; place < shape.layers.size(); ++place) {
    places_[static_cast<size_t>(shape.layers[place])] = static_cast<int>(place);
  }
}

int Cutter::PlaceOf(int64_t layer) const {
  return layer < static_cast<int64_t>(places_.size()) ? places_[static_cast<size_t>(layer)] : -1;
}

std::string Cutter::Renamed(const std::string& name) const {
  if (!Begins(name, parts_.text_prefix)) return name;
  std::string rest = name.substr(parts_.text_prefix.size());
  const int layer = LayerOf(name, parts_.text_prefix);
  if (layer >= 0) {
    rest = "layers." + std::to_string(PlaceOf(layer)) + rest.substr(rest.find('.', 7));
  }
  return parts_.to_text_prefix + rest;
}

void Cutter::Expect(bool holds, const CutTensor& cut, const std::string& expected,
                    const Shape& found) const {
  if (holds) return;
  throw Error(ErrorKind::kModel, where_ + ": tensor '" + cut.source + "': expected " + expected +
                                     ", found " + DTypeName(cut.dtype) + " " + found.ToString());
}

// The first `width` columns.
void Cutter::Columns(int layer, int64_t width, const TensorView& view, CutTensor& cut) const {
  const int64_t elements = IsBlocks(view.dtype)   ? blocks::LayoutOf(view.dtype).elements
                           : IsPacked(view.dtype) ? packed::kBlock
                                                  : 1;
  if (width % elements != 0) {
    throw Error(ErrorKind::kUsage, OfLayer(layer) + "a multiple of " + std::to_string(elements) +
                                       ", a block of " + DTypeName(view.dtype) +
                                       ", which this file is stored in, found " +
                                       std::to_string(width));
  }
  const int64_t rows = view.shape[0];
  cut.shape = {rows, width};
  cut.selection.repeats = packed::IsTiled(view.dtype) ? packed::Tiles(rows) : rows;
  cut.selection.stride = UnitBytes(view.dtype, view.shape[1]);
  cut.selection.runs = {{0, UnitBytes(view.dtype, width)}};
}

// `repeats` times, for every layer a block of so many bytes: those of the layers that are kept.
void Cutter::LayerBlocks(int64_t repeats, uint64_t block, CutTensor& cut) const {
  cut.selection.repeats = repeats;
  cut.selection.stride = static_cast<uint64_t>(text_.num_hidden_layers) * block;
  cut.selection.runs.clear();
  for (const int layer : shape_.layers) {
    const uint64_t offset = static_cast<uint64_t>(layer) * block;
    std::vector<Selection::Run>& runs = cut.selection.runs;
    if (!runs.empty() && runs.back().offset + runs.back().bytes == offset) {
      runs.back().bytes += block;
    } else {
      runs.push_back({offset, block});
    }
  }
}

// A matrix of a layer's feed-forward part: the first neurons.
void Cutter::Narrow(const std::string& part, int layer, const TensorView& view,
                    CutTensor& cut) const {
  const int64_t hidden = text_.hidden_size;
  const int64_t widest = text_.intermediate_size[static_cast<size_t>(layer)];
  const int64_t width = shape_.intermediate_size[static_cast<size_t>(PlaceOf(layer))];
  if (width == widest) return;
  const Shape& found = view.shape;
  if (part == "down_proj.weight") {
    Expect(found == Shape({hidden, widest}), cut, Shape({hidden, widest}).ToString(), found);
    return Columns(layer, width, view, cut);
  }
  int64_t rows = width, columns = hidden;
  if (part == "down_proj.steps") {
    columns = found.rank() == 2 ? found[1] : 1;
    Expect(columns > 0 && width % columns == 0 && widest % columns == 0 &&
               found == Shape({widest / columns * hidden, columns}),
           cut, "steps of its columns", found);
    rows = width / columns * hidden;
  } else {
    Expect(found == Shape({widest, hidden}), cut, Shape({widest, hidden}).ToString(), found);
  }
  cut.shape = {rows, columns};
  cut.selection.runs = {{0, packed::StoredBytes(view.dtype, cut.shape)}};
}

// embed_tokens_per_layer: of every token, the parts of layers. A packed one has a row for each
// part.
void Cutter::OfTable(const TensorView& view, CutTensor& cut) const {
  const int64_t layers = text_.num_hidden_layers, width = text_.hidden_size_per_layer_input;
  const int64_t kept = static_cast<int64_t>(shape_.layers.size());
  const bool rows = IsPacked(view.dtype);
  const int64_t columns = rows ? width : layers * width;
  Expect(view.shape.rank() == 2 && view.shape[1] == columns && !packed::IsTiled(view.dtype) &&
             (!rows || view.shape[0] % layers == 0),
         cut, "rows of " + std::to_string(columns), view.shape);
  if (IsBlocks(view.dtype) && width % blocks::LayoutOf(view.dtype).elements != 0) {
    throw Error(ErrorKind::kUsage, "size: layers of this file cannot be left out: a layer's " +
                                       std::to_string(width) + " columns of '" + cut.source +
                                       "' are no whole blocks of " + DTypeName(view.dtype));
  }
  const int64_t tokens = rows ? view.shape[0] / layers : view.shape[0];
  cut.shape = rows ? Shape{tokens * kept, width} : Shape{tokens, kept * width};
  LayerBlocks(tokens, UnitBytes(view.dtype, width), cut);
}

// per_layer_model_projection: the layers' rows, one layer after the other.
void Cutter::OfProjection(const TensorView& view, CutTensor& cut) const {
  const int64_t layers = text_.num_hidden_layers, width = text_.hidden_size_per_layer_input;
  const Shape whole{layers * width, text_.hidden_size};
  Expect(view.shape == whole && (!packed::IsTiled(view.dtype) || width % packed::kTileRows == 0),
         cut, whole.ToString() + " of whole tiles for each layer", view.shape);
  cut.shape = {static_cast<int64_t>(shape_.layers.size()) * width, text_.hidden_size};
  LayerBlocks(1, packed::StoredBytes(view.dtype, {width, text_.hidden_size}), cut);
}

std::optional<CutTensor> Cutter::Cut(const std::string& name, const std::string& source,
                                     const TensorView& view) const {
  const auto is_of = [&](const char* encoder) {
    return Begins(name, std::string("model.") + encoder + "_tower.") ||
           Begins(name, std::string("model.embed_") + encoder + ".");
  };
  if ((!parts_.vision && is_of("vision")) || (!parts_.audio && is_of("audio"))) return std::nullopt;
  const int layer = LayerOf(name, parts_.text_prefix);
  if (layer >= 0 && PlaceOf(layer) < 0) return std::nullopt;
  CutTensor cut{.name = Renamed(name), .source = source, .dtype = view.dtype, .shape = view.shape};
  cut.selection = {.data = view.data, .runs = {{0, view.bytes()}}};
  const std::string& prefix = parts_.text_prefix;
  const bool all_layers = static_cast<int64_t>(shape_.layers.size()) == text_.num_hidden_layers;
  if (layer >= 0) {
    const std::string mlp = prefix + "layers." + std::to_string(layer) + ".mlp.";
    if (!Begins(name, mlp)) return cut;
    const std::string part = name.substr(mlp.size());
    for (const char* known : {"gate_proj.weight", "up_proj.weight", "down_proj.weight",
                              "down_proj.steps", "down_proj.transposed"}) {
      if (part == known) Narrow(part, layer, view, cut);
    }
  } else if (!all_layers && name == prefix + kTable) {
    OfTable(view, cut);
  } else if (!all_layers && name == prefix + kProjection) {
    OfProjection(view, cut);
  }
  return cut;
}

}  // namespace gemma3n
