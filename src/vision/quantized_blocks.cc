// SPDX-License-Identifier: Apache-2.0
#include "vision/quantized_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/encoder_rows.h"
#include "kernels/rows.h"
#include "ops/quantized_block.h"

namespace gemma3n {
namespace {

using ops::ByteTiles;
using ops::QuantizedBlock;

int64_t CeilDivide(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Pixels cut into pieces of work: of 48 (of the widest layer, 3840 channels, 720 KiB in float32),
// fewer where there would be less than 8 pieces.
class Pieces {
 public:
  explicit Pieces(int64_t pixels) : pixels_(pixels) {
    const int64_t wanted =
        std::max(CeilDivide(pixels, 48), std::min<int64_t>(8, CeilDivide(pixels, 12)));
    size_ = pixels > 0 ? CeilDivide(pixels, wanted) : 1;
  }
  // fn(begin, end) for every piece, in parallel.
  template <class Fn>
  void ForEach(ThreadPool& pool, const Fn& fn) const {
    pool.ParallelFor(CeilDivide(pixels_, size_), [&](size_t piece) {
      const int64_t begin = static_cast<int64_t>(piece) * size_;
      fn(begin, std::min(pixels_, begin + size_));
    });
  }

 private:
  int64_t pixels_, size_;
};

// What a thread needs for a piece; kept from piece to piece.
struct Scratch {
  QuantizedBlock input, expanded, queries, shares;
  AlignedBuffer<float> wide, narrow, scores, row;
};
Scratch& OwnScratch() {
  thread_local Scratch scratch;
  return scratch;
}

// Memory for x weight^T, as MultiplyTiles writes it; the result.
float* Multiply(const QuantizedBlock& x, const ByteTiles& weight, AlignedBuffer<float>& memory) {
  memory.Reserve(static_cast<size_t>(x.rows() * weight.padded_rows()));
  ops::MultiplyTiles(x, weight, memory.data());
  return memory.data();
}

// Rows [rows, stride], each through norm and GELU, into `out` in 8 bits.
void QuantizeActivated(float* rows, int64_t stride, std::span<const float> norm,
                       QuantizedBlock& out, int64_t count) {
  out.Reset(count, static_cast<int64_t>(norm.size()));
  for (int64_t i = 0; i < count; ++i) {
    float* row = rows + i * stride;
    kernels::RmsNormGelu(row, norm.data(), kVisionNormEps, norm.size(), row);
    out.Quantize(i, row);
  }
}

// What becomes of a block's last product: each part may be missing.
struct Ending {
  std::span<const float> norm, layer_scale;
  const FeatureMap* skip = nullptr;

  // Row `pixel` of the block's output from a product's row.
  void Write(const float* product, int64_t pixel, FeatureMap& out) const {
    const size_t n = static_cast<size_t>(out.channels);
    float* y = out.values.row(pixel);
    if (norm.empty()) {
      std::copy_n(product, n, y);
    } else {
      kernels::RmsNorm(product, norm.data(), kVisionNormEps, n, y);
    }
    if (!layer_scale.empty()) kernels::Multiply(y, layer_scale.data(), n, y);
    if (skip != nullptr) kernels::Add(y, skip->values.row(pixel), n, y);
  }
};

// The rest of a block from what its middle gave: [end - begin, stride] rows before norm and GELU.
void ProjectActivated(float* rows, int64_t stride, std::span<const float> norm,
                      const TensorView& proj, const Ending& ending, int64_t begin, int64_t end,
                      FeatureMap& out) {
  Scratch& scratch = OwnScratch();
  QuantizeActivated(rows, stride, norm, scratch.expanded, end - begin);
  const ByteTiles weight = ByteTiles::Of(proj);
  const float* product = Multiply(scratch.expanded, weight, scratch.narrow);
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    ending.Write(product + (pixel - begin) * weight.padded_rows(), pixel, out);
  }
}

bool SameShape(const FeatureMap& a, const FeatureMap& b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

// Pixels [begin, end) of x after `depthwise`, where there is one, in 8 bits.
void QuantizePixels(const std::optional<InvertedResidualWeights::Depthwise>& depthwise,
                    const FeatureMap& x, int64_t begin, int64_t end, QuantizedBlock& out) {
  out.Reset(end - begin, x.channels);
  if (!depthwise) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      out.Quantize(pixel - begin, x.values.row(pixel));
    }
    return;
  }
  AlignedBuffer<float>& row = OwnScratch().row;
  row.Reserve(static_cast<size_t>(x.channels));
  const DepthwisePixels convolve(MapRows::Of(x), depthwise->conv);
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    convolve(pixel, row.data());
    kernels::RmsNorm(row.data(), depthwise->norm.data(), kVisionNormEps, depthwise->norm.size(),
                     row.data());
    out.Quantize(pixel - begin, row.data());
  }
}

FeatureMap Run(const EdgeResidualWeights& weights, const FeatureMap& x, ThreadPool& pool) {
  const ConvolutionWeights& conv = weights.conv_exp;
  const ByteTiles tiles = ByteTiles::Of(conv.kernel);
  const Patches patches(x, conv.kernel_size, conv.stride);
  FeatureMap out =
      FeatureMap::Unset(patches.out_height(), patches.out_width(), weights.conv_pwl.conv.shape[0]);
  const bool skip = conv.stride == 1 && SameShape(x, out);
  const Ending ending{weights.conv_pwl.norm, {}, skip ? &x : nullptr};
  // Where a pixel fills whole blocks it is rounded once for all patches that it is in.
  const bool whole_blocks = x.channels % packed::kBlock == 0;
  const int64_t blocks = packed::Blocks(x.channels);
  QuantizedBlock pixels;
  if (whole_blocks) {
    pixels.Reset(x.pixels(), x.channels);
    Pieces(x.pixels()).ForEach(pool, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) pixels.Quantize(i, x.values.row(i));
    });
  }
  Pieces(out.pixels()).ForEach(pool, [&](int64_t begin, int64_t end) {
    Scratch& scratch = OwnScratch();
    QuantizedBlock& input = scratch.input;
    input.Reset(end - begin, tiles.columns);
    scratch.row.Reserve(static_cast<size_t>(tiles.columns));
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      const int64_t i = pixel - begin;
      if (!whole_blocks) {
        patches.Copy(pixel, scratch.row.data());
        input.Quantize(i, scratch.row.data());
        continue;
      }
      patches.ForEachTap(pixel, [&](int64_t tap, int64_t source) {
        if (source < 0) {
          input.ClearBlocks(i, tap * blocks, blocks);
        } else {
          input.CopyBlocks(i, tap * blocks, pixels, source);
        }
      });
    }
    float* wide = Multiply(input, tiles, scratch.wide);
    ProjectActivated(wide, tiles.padded_rows(), weights.bn1, weights.conv_pwl.conv, ending, begin,
                     end, out);
  });
  return out;
}

// Expanded channels of an inverted residual with a depthwise convolution in its middle: they exist
// for a band of rows at a time.
class Middle {
 public:
  Middle(const InvertedResidualWeights& weights, const FeatureMap& x, ThreadPool& pool)
      : weights_(weights), x_(x), pool_(pool), tiles_(ByteTiles::Of(weights.pw_exp.conv)) {}

  FeatureMap Run(const Ending& ending, FeatureMap out) {
    const DepthwiseWeights& conv = weights_.dw_mid->conv;
    const int64_t before = ComputeSamePadding(x_.height, conv.kernel_size, conv.stride).before;
    for (int64_t band = 0; band < out.height; band += kBandRows) {
      const int64_t band_end = std::min(out.height, band + kBandRows);
      Hold(std::max<int64_t>(0, band * conv.stride - before),
           std::min(x_.height, (band_end - 1) * conv.stride - before + conv.kernel_size));
      const DepthwisePixels convolve({wide_.data(), begin_, x_.height, x_.width, tiles_.rows},
                                     conv);
      const int64_t first = band * out.width;
      Pieces(band_end * out.width - first).ForEach(pool_, [&](int64_t begin, int64_t end) {
        AlignedBuffer<float>& rows = OwnScratch().wide;
        rows.Reserve(static_cast<size_t>((end - begin) * tiles_.rows));
        for (int64_t i = begin; i < end; ++i) {
          convolve(first + i, rows.data() + (i - begin) * tiles_.rows);
        }
        ProjectActivated(rows.data(), tiles_.rows, weights_.dw_mid->norm, weights_.pw_proj.conv,
                         ending, first + begin, first + end, out);
      });
    }
    return out;
  }

 private:
  static constexpr int64_t kBandRows = 8;  // of the output

  // Sees to it that `wide_` has rows [begin, end); those it has already are kept.
  void Hold(int64_t begin, int64_t end) {
    const int64_t row_floats = x_.width * tiles_.rows;
    const DepthwiseWeights& conv = weights_.dw_mid->conv;
    const int64_t most = (kBandRows - 1) * conv.stride + conv.kernel_size;
    wide_.Reserve(static_cast<size_t>(std::min(most, x_.height) * row_floats));
    const int64_t kept = std::max<int64_t>(0, end_ - begin);
    if (kept > 0) {
      std::memmove(wide_.data(), wide_.data() + (begin - begin_) * row_floats,
                   static_cast<size_t>(kept * row_floats) * sizeof(float));
    }
    const int64_t first = (begin + kept) * x_.width;
    Pieces(end * x_.width - first).ForEach(pool_, [&](int64_t piece, int64_t piece_end) {
      Scratch& scratch = OwnScratch();
      QuantizePixels(weights_.dw_start, x_, first + piece, first + piece_end, scratch.input);
      const float* rows = Multiply(scratch.input, tiles_, scratch.wide);
      for (int64_t i = piece; i < piece_end; ++i) {
        kernels::RmsNormGelu(rows + (i - piece) * tiles_.padded_rows(), weights_.pw_exp.norm.data(),
                             kVisionNormEps, weights_.pw_exp.norm.size(),
                             wide_.data() + (first + i - begin * x_.width) * tiles_.rows);
      }
    });
    begin_ = begin;
    end_ = end;
  }

  const InvertedResidualWeights& weights_;
  const FeatureMap& x_;
  ThreadPool& pool_;
  const ByteTiles tiles_;
  AlignedBuffer<float> wide_;  // rows [begin_, end_) of [height, width, expanded]
  int64_t begin_ = 0, end_ = 0;
};

FeatureMap Run(const InvertedResidualWeights& weights, const FeatureMap& x, ThreadPool& pool) {
  const auto out_side = [&](int64_t side) {
    if (!weights.dw_mid) return side;
    return ComputeSamePadding(side, weights.dw_mid->conv.kernel_size, weights.dw_mid->conv.stride)
        .out;
  };
  FeatureMap out =
      FeatureMap::Unset(out_side(x.height), out_side(x.width), weights.pw_proj.conv.shape[0]);
  const bool skip = weights.allow_skip && SameShape(x, out);
  const Ending ending{weights.pw_proj.norm, weights.layer_scale, skip ? &x : nullptr};
  if (weights.dw_mid) return Middle(weights, x, pool).Run(ending, std::move(out));
  const ByteTiles tiles = ByteTiles::Of(weights.pw_exp.conv);
  Pieces(x.pixels()).ForEach(pool, [&](int64_t begin, int64_t end) {
    Scratch& scratch = OwnScratch();
    QuantizePixels(weights.dw_start, x, begin, end, scratch.input);
    float* wide = Multiply(scratch.input, tiles, scratch.wide);
    ProjectActivated(wide, tiles.padded_rows(), weights.pw_exp.norm, weights.pw_proj.conv, ending,
                     begin, end, out);
  });
  return out;
}

// Keys or values of the map: [pixels of the smaller map, key_dim].
Tensor Project(const MobileAttentionWeights::KeyValue& weights, const FeatureMap& x,
               ThreadPool& pool) {
  const auto out_side = [&](int64_t side) {
    if (!weights.down) return side;
    return ComputeSamePadding(side, weights.down->conv.kernel_size, weights.down->conv.stride).out;
  };
  const ByteTiles tiles = ByteTiles::Of(weights.proj);
  Tensor out({out_side(x.height) * out_side(x.width), tiles.rows});
  Pieces(out.shape()[0]).ForEach(pool, [&](int64_t begin, int64_t end) {
    Scratch& scratch = OwnScratch();
    QuantizePixels(weights.down, x, begin, end, scratch.input);
    const float* rows = Multiply(scratch.input, tiles, scratch.narrow);
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(rows + (i - begin) * tiles.padded_rows(), tiles.rows, out.row(i));
    }
  });
  return out;
}

// queries [rows, stride], each of heads * dim, in place -> what every head gathers. Shares are
// rounded before they are divided by their sum, so that they add up to one as they are used.
void AttendInPlace(float* queries, int64_t rows, int64_t stride, int64_t heads,
                   const ByteTiles& keys, const ByteTiles& values) {
  Scratch& scratch = OwnScratch();
  const int64_t dim = keys.columns;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  for (int64_t head = 0; head < heads; ++head) {
    float* q = queries + head * dim;
    scratch.queries.Reset(rows, dim);
    for (int64_t i = 0; i < rows; ++i) scratch.queries.Quantize(i, q + i * stride);
    float* scores = Multiply(scratch.queries, keys, scratch.scores);
    scratch.shares.Reset(rows, keys.rows);
    for (int64_t i = 0; i < rows; ++i) {
      float* row = scores + i * keys.padded_rows();
      kernels::ExpBelowMax(row, scale, static_cast<size_t>(keys.rows), row);
      scratch.shares.Quantize(i, row);
    }
    const float* gathered = Multiply(scratch.shares, values, scratch.narrow);
    for (int64_t i = 0; i < rows; ++i) {
      kernels::Scale(gathered + i * values.padded_rows(), 1.0f / scratch.shares.SumOf(i),
                     static_cast<size_t>(dim), q + i * stride);
    }
  }
}

FeatureMap Run(const MobileAttentionWeights& weights, const FeatureMap& x, ThreadPool& pool) {
  FeatureMap normed = FeatureMap::Unset(x.height, x.width, x.channels);
  Pieces(x.pixels()).ForEach(pool, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      kernels::RmsNorm(x.values.row(i), weights.norm.data(), kVisionNormEps, weights.norm.size(),
                       normed.values.row(i));
    }
  });
  const Tensor key = Project(weights.key, normed, pool);
  const Tensor value = Project(weights.value, normed, pool);
  const int64_t dim = key.shape()[1], heads = weights.query.shape[0] / dim;
  ops::OwnedTiles keys, values;
  keys.Round({key.data(), key.shape()[0], dim}, dim, pool);
  values.RoundTransposed({value.data(), value.shape()[0], dim}, dim, pool);
  const ByteTiles query = ByteTiles::Of(weights.query), output = ByteTiles::Of(weights.output);
  const Ending ending{{}, weights.layer_scale, &x};
  FeatureMap out = FeatureMap::Unset(x.height, x.width, x.channels);
  Pieces(x.pixels()).ForEach(pool, [&](int64_t begin, int64_t end) {
    Scratch& scratch = OwnScratch();
    const int64_t rows = end - begin, stride = query.padded_rows();
    QuantizePixels(std::nullopt, normed, begin, end, scratch.input);
    float* wide = Multiply(scratch.input, query, scratch.wide);
    AttendInPlace(wide, rows, stride, heads, keys.tiles(), values.tiles());
    scratch.expanded.Reset(rows, query.rows);
    for (int64_t i = 0; i < rows; ++i) scratch.expanded.Quantize(i, wide + i * stride);
    const float* product = Multiply(scratch.expanded, output, scratch.narrow);
    for (int64_t i = 0; i < rows; ++i) {
      ending.Write(product + i * output.padded_rows(), begin + i, out);
    }
  });
  return out;
}

bool InBytes(const TensorView& weight) {
  return weight.dtype == DType::kQ8Tiles;
}

}  // namespace

bool IsQuantized(const PointwiseWeights& exp, const PointwiseWeights& proj) {
  return InBytes(exp.conv) && InBytes(proj.conv);
}

bool IsQuantized(const BlockWeights& block) {
  if (const auto* edge = std::get_if<EdgeResidualWeights>(&block)) {
    return InBytes(edge->conv_exp.kernel) && InBytes(edge->conv_pwl.conv);
  }
  if (const auto* inverted = std::get_if<InvertedResidualWeights>(&block)) {
    return IsQuantized(inverted->pw_exp, inverted->pw_proj);
  }
  const auto& attention = std::get<MobileAttentionWeights>(block);
  return InBytes(attention.query) && InBytes(attention.key.proj) && InBytes(attention.value.proj) &&
         InBytes(attention.output);
}

FeatureMap RunQuantizedBlock(const BlockWeights& weights, const FeatureMap& x, ThreadPool& pool) {
  return std::visit([&](const auto& block) { return Run(block, x, pool); }, weights);
}

void QuantizedPointwisePair(const PointwiseWeights& exp, const PointwiseWeights& proj,
                            ops::ConstRows x, ops::MutableRows out, ThreadPool& pool) {
  const ByteTiles wide = ByteTiles::Of(exp.conv), narrow = ByteTiles::Of(proj.conv);
  Pieces(x.rows).ForEach(pool, [&](int64_t begin, int64_t end) {
    Scratch& scratch = OwnScratch();
    scratch.input.Reset(end - begin, wide.columns);
    for (int64_t i = begin; i < end; ++i) {
      scratch.input.Quantize(i - begin, x.data + i * x.stride);
    }
    float* rows = Multiply(scratch.input, wide, scratch.wide);
    QuantizeActivated(rows, wide.padded_rows(), exp.norm, scratch.expanded, end - begin);
    const float* product = Multiply(scratch.expanded, narrow, scratch.narrow);
    for (int64_t i = begin; i < end; ++i) {
      kernels::RmsNorm(product + (i - begin) * narrow.padded_rows(), proj.norm.data(),
                       kVisionNormEps, proj.norm.size(), out.data + i * out.stride);
    }
  });
}

}  // namespace gemma3n
