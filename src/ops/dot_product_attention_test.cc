// SPDX-License-Identifier: Apache-2.0
#include "ops/dot_product_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace gemma3n::ops {
namespace {

constexpr double kTolerance = 2e-6;  // values near 1, sums of a few hundred float terms

// Keys, values and queries of `positions` positions, and the plain way to attend.
struct Sequence {
  AttentionShape shape;
  int64_t positions;
  std::vector<float> keys, values, queries;  // [positions, heads, head_dim]

  Sequence(AttentionShape s, int64_t n) : shape(s), positions(n) {
    std::mt19937 generator(5);
    std::normal_distribution<float> normal(0.0f, 0.5f);
    keys.resize(n * s.num_key_value_heads * s.head_dim);
    values.resize(keys.size());
    queries.resize(n * s.num_attention_heads * s.head_dim);
    for (auto* v : {&keys, &values, &queries}) {
      for (float& x : *v) x = normal(generator);
    }
  }

  int64_t query_width() const { return shape.num_attention_heads * shape.head_dim; }

  std::vector<double> Expected(int64_t position, int64_t head) const {
    const int64_t dim = shape.head_dim, groups = shape.num_key_value_heads;
    const int64_t kv_head = head / (shape.num_attention_heads / groups);
    const int64_t begin = shape.window ? std::max<int64_t>(0, position - shape.window + 1) : 0;
    std::vector<double> out(dim);
    double total = 0;
    for (int64_t s = begin; s <= position; ++s) {
      double score = 0;
      for (int64_t i = 0; i < dim; ++i) {
        score += double{queries[position * query_width() + head * dim + i]} *
                 keys[(s * groups + kv_head) * dim + i];
      }
      total += std::exp(score);
      for (int64_t i = 0; i < dim; ++i) {
        out[i] += std::exp(score) * values[(s * groups + kv_head) * dim + i];
      }
    }
    for (double& x : out) x /= total;
    return out;
  }

  // Attends for positions [begin, end) with a cache of `capacity` slots that holds all up to `end`.
  std::vector<float> Attend(int64_t begin, int64_t end, int64_t capacity, int threads,
                            KeyValueType type = KeyValueType::kF32) const {
    const int64_t dim = shape.head_dim, groups = shape.num_key_value_heads;
    const int64_t bytes = KeyValueRowBytes(type, dim);
    std::vector<std::byte> k(groups * capacity * bytes), v(k.size());
    for (int64_t s = std::max<int64_t>(0, end - capacity); s < end; ++s) {
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t to = (g * capacity + s % capacity) * bytes, from = (s * groups + g) * dim;
        StoreKeyValueRow(type, keys.data() + from, dim, k.data() + to);
        StoreKeyValueRow(type, values.data() + from, dim, v.data() + to);
      }
    }
    std::vector<float> out((end - begin) * query_width());
    std::vector<float> scratch(AttentionScratchFloats(shape, end));
    ThreadPool pool(threads);
    const float* const query = queries.data() + begin * query_width();
    const KeyValueSlots slots{k.data(), v.data(), capacity, type};
    if (end - begin == 1) {
      const QueryOfSequence one{query, begin, slots, scratch, out.data()};
      OneQueryEach({&one, 1}, shape, pool);
    } else {
      CausalAttention({{query, end - begin, query_width()}, begin}, slots, shape,
                      {out.data(), end - begin, query_width()}, pool);
    }
    return out;
  }
};

TEST(DotProductAttention, MatchesThePlainSum) {
  for (AttentionShape shape : {AttentionShape{4, 2, 16, 0}, AttentionShape{4, 1, 24, 70},
                               AttentionShape{3, 3, 10, 1}, AttentionShape{2, 1, 8, 64}}) {
    const Sequence sequence(shape, 200);
    const std::vector<float> out = sequence.Attend(0, 200, 256, 2);
    for (int64_t position : {0, 1, 63, 64, 65, 130, 199}) {
      for (int64_t head = 0; head < shape.num_attention_heads; ++head) {
        const std::vector<double> expected = sequence.Expected(position, head);
        for (int64_t i = 0; i < shape.head_dim; ++i) {
          EXPECT_NEAR(out[position * sequence.query_width() + head * shape.head_dim + i],
                      expected[i], kTolerance);
        }
      }
    }
  }
}

TEST(DotProductAttention, BitsDependOnThePositionAlone) {
  for (AttentionShape shape : {AttentionShape{4, 2, 16, 0}, AttentionShape{8, 2, 20, 70}}) {
    const Sequence sequence(shape, 300);
    const int64_t width = sequence.query_width();
    const std::vector<float> whole = sequence.Attend(0, 300, 320, 2);
    EXPECT_EQ(whole, sequence.Attend(0, 300, 320, 1));
    for (int64_t begin : {0, 63, 64, 150, 299}) {
      for (int64_t end : {begin + 1, std::min<int64_t>(300, begin + 9)}) {
        // A ring that just holds the window and the chunk, where there is a window.
        const int64_t capacity = shape.window ? 128 : 320;
        const std::vector<float> part = sequence.Attend(begin, end, capacity, 2);
        EXPECT_EQ(part,
                  std::vector<float>(whole.begin() + begin * width, whole.begin() + end * width));
      }
    }
  }
}

TEST(DotProductAttention, LargeScoresDoNotOverflow) {
  Sequence sequence({2, 1, 8, 0}, 130);
  for (float& q : sequence.queries) q *= 1000;
  for (float x : sequence.Attend(100, 130, 192, 1)) EXPECT_TRUE(std::isfinite(x));
}

TEST(DotProductAttention, TakesKeysAndValuesOfOtherTypes) {
  const Sequence sequence(AttentionShape{4, 2, 20, 90},
                          200);  // rows of bytes that do not fill their vectors
  const std::vector<float> exact = sequence.Attend(0, 200, 256, 2);
  for (const auto& [type, error] :
       {std::pair(KeyValueType::kF16, 2e-3f), std::pair(KeyValueType::kInt8, 5e-2f)}) {
    const std::vector<float> whole = sequence.Attend(0, 200, 256, 2, type);
    float largest = 0;
    for (size_t i = 0; i < whole.size(); ++i) {
      largest = std::max(largest, std::abs(whole[i] - exact[i]));
    }
    EXPECT_LT(largest, error);
    EXPECT_GT(largest, 0);
    const std::vector<float> last = sequence.Attend(199, 200, 256, 1, type);
    EXPECT_TRUE(std::equal(last.begin(), last.end(), whole.end() - last.size()));
  }
}

TEST(KeyValueRows, ComeBackWithinTheirStep) {
  std::vector<float> x(37);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 0.37f * static_cast<float>(i) - 6.0f;
  const std::vector<float> zeros(x.size());
  for (const auto& [type, step] :
       {std::pair(KeyValueType::kF32, 0.0f), std::pair(KeyValueType::kF16, 4e-3f),
        std::pair(KeyValueType::kInt8, 7.4f / 127)}) {
    std::vector<std::byte> row(KeyValueRowBytes(type, 37));
    std::vector<float> memory(x.size());
    const auto load = [&] {
      const float* floats = LoadKeyValueRows(type, row.data(), 1, 37, memory.data());
      return std::vector<float>(floats, floats + 37);
    };
    EXPECT_EQ(load(), zeros);  // of zero bytes
    StoreKeyValueRow(type, x.data(), 37, row.data());
    const std::vector<float> found = load();
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(found[i], x[i], step / 2 + 1e-6) << i;
    StoreKeyValueRow(type, zeros.data(), 37, row.data());
    EXPECT_EQ(load(), zeros);
  }
}

}  // namespace
}  // namespace gemma3n::ops
