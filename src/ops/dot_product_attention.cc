// SPDX-License-Identifier: Apache-2.0
// Two ways round the same blocks. One query of a sequence (a decode step): every block of keys is a
// piece of work of its own, and the parts are joined afterwards. Many queries: a tile of queries
// walks its blocks and joins as it goes. Both join the same parts in the same order.
#include "ops/dot_product_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/aligned_buffer.h"
#include "kernels/attention.h"
#include "kernels/float_dot.h"
#include "kernels/rows.h"

namespace gemma3n::ops {
namespace {

constexpr int64_t kRowsPerTile = 32;  // 32 rows of 256 floats: 32 KiB beside 64 KiB of keys
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What one row (one query of one head) has gathered: its maximum, its sum, its weighted values.
struct Gathered {
  float* memory;  // [2 + head_dim]
  float& max() const { return memory[0]; }
  float& sum() const { return memory[1]; }
  float* values() const { return memory + 2; }
};

struct Range {
  int64_t begin, end;
  bool empty() const { return begin >= end; }
};

class Attention {
 public:
  Attention(const KeyValueSlots& slots, const AttentionShape& shape)
      : slots_(slots),
        shape_(shape),
        group_(shape.num_attention_heads / shape.num_key_value_heads),
        row_bytes_(KeyValueRowBytes(slots.type, shape.head_dim)) {}

  int64_t group() const { return group_; }
  int64_t gathered_floats() const { return 2 + shape_.head_dim; }

  // The positions that a query at `position` sees.
  Range Visible(int64_t position) const {
    const int64_t begin = shape_.window > 0 ? position - shape_.window + 1 : 0;
    return {std::max<int64_t>(0, begin), position + 1};
  }
  // The blocks that hold positions of `range`.
  static Range Blocks(Range range) {
    return {range.begin / kKeysPerBlock, (range.end + kKeysPerBlock - 1) / kKeysPerBlock};
  }

  // Rows [rows, head_dim] of queries, group() rows for each position from first_position on,
  // against one block: scores [rows, kKeysPerBlock] are scratch, parts [rows] the result. Rows that
  // see nothing of the block get the maximum -inf.
  void Block(const float* rows, int64_t num_rows, int64_t first_position, int64_t kv_head,
             int64_t block, float* scores, float* parts) const {
    const int64_t first_key = block * kKeysPerBlock;
    const int64_t slot = first_key % slots_.capacity;
    const int64_t offset = (kv_head * slots_.capacity + slot) * row_bytes_;
    const size_t dim = shape_.head_dim, keys = kKeysPerBlock;
    thread_local AlignedBuffer<float> memory;
    memory.Reserve(kKeysPerBlock * shape_.head_dim);
    const auto floats = [&](const std::byte* data, Range part) {
      return LoadKeyValueRows(slots_.type, data + offset + part.begin * row_bytes_,
                              part.end - part.begin, shape_.head_dim, memory.data());
    };
    kernels::DotTile(rows, floats(slots_.keys, {0, kKeysPerBlock}),
                     {static_cast<size_t>(num_rows), keys, dim, dim, dim, keys}, scores);
    Range used = {kKeysPerBlock, 0};
    for (int64_t row = 0; row < num_rows; ++row) {
      const Range seen = SeenOf(first_position + row / group_, first_key);
      const Gathered part{parts + row * gathered_floats()};
      float* s = scores + row * kKeysPerBlock;
      if (seen.empty()) {
        std::fill_n(s, kKeysPerBlock, 0.0f);
        part.max() = -kInfinity;
        continue;
      }
      std::fill(s, s + seen.begin, -kInfinity);
      std::fill(s + seen.end, s + kKeysPerBlock, -kInfinity);
      const kernels::SoftmaxPart softmax = kernels::PartialSoftmax(s, kKeysPerBlock, s);
      part.max() = softmax.max;
      part.sum() = softmax.sum;
      used = {std::min(used.begin, seen.begin), std::max(used.end, seen.end)};
    }
    if (used.empty()) return;
    kernels::WeightedSum(
        scores + used.begin, floats(slots_.values, used),
        {static_cast<size_t>(num_rows), dim, static_cast<size_t>(used.end - used.begin), keys, dim,
         static_cast<size_t>(gathered_floats())},
        Gathered{parts}.values());
  }

  // Adds the part of one more block to what a row has gathered.
  void Join(Gathered part, Gathered all) const {
    if (part.max() == -kInfinity) return;
    const size_t dim = shape_.head_dim;
    if (all.max() == -kInfinity) {
      std::copy_n(part.memory, gathered_floats(), all.memory);
      return;
    }
    const float max = std::max(all.max(), part.max());
    const float old_factor = std::exp(all.max() - max), new_factor = std::exp(part.max() - max);
    all.max() = max;
    all.sum() = all.sum() * old_factor + part.sum() * new_factor;
    kernels::Scale(all.values(), old_factor, dim, all.values());
    kernels::AddScaled(part.values(), new_factor, dim, all.values());
  }

  void Finish(Gathered all, float* out) const {
    kernels::Scale(all.values(), 1.0f / all.sum(), shape_.head_dim, out);
  }

 private:
  // Which keys of the block that begins at first_key a query sees, counted from first_key.
  Range SeenOf(int64_t position, int64_t first_key) const {
    const Range visible = Visible(position);
    return {std::max<int64_t>(0, visible.begin - first_key),
            std::min(kKeysPerBlock, visible.end - first_key)};
  }

  const KeyValueSlots& slots_;
  const AttentionShape& shape_;
  int64_t group_, row_bytes_;
};

// Where one query's blocks leave what they give, in its scratch.
class BlockParts {
 public:
  BlockParts(const QueryOfSequence& query, const AttentionShape& shape)
      : attention_(query.slots, shape),
        blocks_(Attention::Blocks(attention_.Visible(query.position))),
        heads_(shape.num_attention_heads),
        parts_(query.scratch.data()) {}

  const Attention& attention() const { return attention_; }
  int64_t first_block() const { return blocks_.begin; }
  int64_t num_blocks() const { return blocks_.end - blocks_.begin; }
  size_t floats() const { return static_cast<size_t>(parts_floats() + rows() * kKeysPerBlock); }
  // Rows of one group of heads follow each other.
  Gathered Of(int64_t head, int64_t block) const {
    const int64_t group = attention_.group();
    const int64_t row = (head / group * num_blocks() + block) * group + head % group;
    return {parts_ + row * attention_.gathered_floats()};
  }
  float* Scores(int64_t kv_head, int64_t block) const {
    const int64_t row = (kv_head * num_blocks() + block) * attention_.group();
    return parts_ + parts_floats() + row * kKeysPerBlock;
  }

 private:
  int64_t rows() const { return num_blocks() * heads_; }
  int64_t parts_floats() const { return rows() * attention_.gathered_floats(); }

  Attention attention_;
  Range blocks_;
  int64_t heads_;
  float* parts_;  // [kv_heads, blocks, group, part], then scores [kv_heads, blocks, group, keys]
};

void TileOfQueries(const Attention& attention, const AttentionQueries& queries,
                   const AttentionShape& shape, Range rows, int64_t kv_head, MutableRows out) {
  const int64_t group = attention.group(), num_rows = (rows.end - rows.begin) * group;
  const int64_t dim = shape.head_dim, part_floats = attention.gathered_floats();
  thread_local AlignedBuffer<float> memory;
  memory.Reserve(num_rows * (dim + kKeysPerBlock + 2 * part_floats));
  float* const packed = memory.data();
  float* const scores = packed + num_rows * dim;
  float* const parts = scores + num_rows * kKeysPerBlock;
  float* const gathered = parts + num_rows * part_floats;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    std::copy_n(queries.rows.data + row * queries.rows.stride + kv_head * group * dim, group * dim,
                packed + (row - rows.begin) * group * dim);
  }
  for (int64_t i = 0; i < num_rows; ++i) Gathered{gathered + i * part_floats}.max() = -kInfinity;
  const int64_t first = queries.first_position + rows.begin;
  const Range blocks = {Attention::Blocks(attention.Visible(first)).begin,
                        Attention::Blocks({0, queries.first_position + rows.end}).end};
  for (int64_t block = blocks.begin; block < blocks.end; ++block) {
    attention.Block(packed, num_rows, first, kv_head, block, scores, parts);
    for (int64_t i = 0; i < num_rows; ++i) {
      attention.Join({parts + i * part_floats}, {gathered + i * part_floats});
    }
  }
  for (int64_t i = 0; i < num_rows; ++i) {
    attention.Finish(
        {gathered + i * part_floats},
        out.data + (rows.begin + i / group) * out.stride + (kv_head * group + i % group) * dim);
  }
}

}  // namespace

size_t AttentionScratchFloats(const AttentionShape& shape, int64_t max_keys) {
  const int64_t blocks = max_keys / kKeysPerBlock + 2;  // the keys may begin inside a block
  return blocks * shape.num_attention_heads * (kKeysPerBlock + 2 + shape.head_dim);
}

void CausalAttention(const AttentionQueries& queries, const KeyValueSlots& slots,
                     const AttentionShape& shape, MutableRows out, ThreadPool& pool) {
  CHECK_EQ(slots.capacity % kKeysPerBlock, 0);
  CHECK_EQ(shape.num_attention_heads % shape.num_key_value_heads, 0);
  CHECK_EQ(queries.rows.rows, out.rows);
  const Attention attention(slots, shape);
  const int64_t positions = std::max<int64_t>(1, kRowsPerTile / attention.group());
  const int64_t tiles = (queries.rows.rows + positions - 1) / positions;
  pool.ParallelFor(tiles * shape.num_key_value_heads, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) % tiles * positions;
    const Range rows = {begin, std::min(queries.rows.rows, begin + positions)};
    TileOfQueries(attention, queries, shape, rows, static_cast<int64_t>(piece) / tiles, out);
  });
}

void OneQueryEach(std::span<const QueryOfSequence> queries, const AttentionShape& shape,
                  ThreadPool& pool) {
  if (queries.empty()) return;
  CHECK_EQ(shape.num_attention_heads % shape.num_key_value_heads, 0);
  const int64_t heads = shape.num_attention_heads, kv_heads = shape.num_key_value_heads;
  const int64_t group = heads / kv_heads, dim = shape.head_dim;
  int64_t most_blocks = 0;
  for (const QueryOfSequence& query : queries) {
    CHECK_EQ(query.slots.capacity % kKeysPerBlock, 0);
    const BlockParts parts(query, shape);
    CHECK_LE(parts.floats(), query.scratch.size());
    most_blocks = std::max(most_blocks, parts.num_blocks());
  }
  const size_t pieces = static_cast<size_t>(kv_heads * most_blocks);
  pool.ParallelFor(queries.size() * pieces, [&](size_t piece) {
    const QueryOfSequence& query = queries[piece / pieces];
    const BlockParts parts(query, shape);
    const int64_t kv_head = static_cast<int64_t>(piece % pieces) / most_blocks;
    const int64_t block = static_cast<int64_t>(piece % pieces) % most_blocks;
    if (block >= parts.num_blocks()) return;
    parts.attention().Block(query.query + kv_head * group * dim, group, query.position, kv_head,
                            parts.first_block() + block, parts.Scores(kv_head, block),
                            parts.Of(kv_head * group, block).memory);
  });
  pool.ParallelFor(queries.size() * static_cast<size_t>(heads), [&](size_t piece) {
    const QueryOfSequence& query = queries[piece / static_cast<size_t>(heads)];
    const BlockParts parts(query, shape);
    const int64_t head = static_cast<int64_t>(piece) % heads;
    const Gathered all = parts.Of(head, 0);
    for (int64_t block = 1; block < parts.num_blocks(); ++block) {
      parts.attention().Join(parts.Of(head, block), all);
    }
    parts.attention().Finish(all, query.out + head * dim);
  });
}

}  // namespace gemma3n::ops
