// SPDX-License-Identifier: Apache-2.0
#include "convert/feedback_rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "convert/block_rounding.h"
#include "convert/recipe.h"
#include "convert/rounding.h"

namespace gemma3n {
namespace {

using Floats = std::vector<float>;

Floats Normal(size_t n, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Floats values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

// Inputs [rows, columns] that go together: a few common causes, columns of different size.
Floats Inputs(int64_t rows, int64_t columns) {
  constexpr int64_t kCauses = 24;
  const Floats causes = Normal(rows * kCauses, 1), mixing = Normal(kCauses * columns, 2);
  Floats x = Normal(rows * columns, 3);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t k = 0; k < columns; ++k) {
      float sum = 0.3f * x[i * columns + k];
      for (int64_t c = 0; c < kCauses; ++c) {
        sum += 0.3f * causes[i * kCauses + c] * mixing[c * columns + k];
      }
      x[i * columns + k] = sum * (k % 7 == 0 ? 3.0f : 1.0f);
    }
  }
  return x;
}

Moments MomentsOf(const Floats& x, int64_t columns) {
  Moments moments(columns);
  const int64_t rows = static_cast<int64_t>(x.size()) / columns;
  for (int64_t j = 0; j < columns; ++j) {
    const int64_t begin = j / moments.block * moments.block;
    for (int64_t k = begin; k < moments.BlockEnd(begin); ++k) {
      double sum = 0;
      for (int64_t i = 0; i < rows; ++i) sum += double{x[i * columns + j]} * x[i * columns + k];
      moments.means[j * moments.block + k - begin] =
          static_cast<float>(sum / static_cast<double>(rows));
    }
  }
  moments.positions = rows;
  return moments;
}

// Rounded matrix -> floats [rows, columns].
Floats Unpacked(DType dtype, const std::vector<std::byte>& bytes, int64_t rows, int64_t columns) {
  Floats out(rows * columns);
  for (int64_t r = 0; r < rows; ++r) {
    packed::UnpackRow(dtype, bytes.data(), columns, r, 0, columns, out.data() + r * columns);
  }
  return out;
}

// |X (W - Q)^T| / |X W^T| for matrices [outputs, columns].
double OutputError(const Floats& x, const Floats& w, const Floats& q, int64_t columns) {
  double error = 0, size = 0;
  for (size_t i = 0; i < x.size(); i += columns) {
    for (size_t r = 0; r < w.size(); r += columns) {
      double wrong = 0, right = 0;
      for (int64_t k = 0; k < columns; ++k) {
        wrong += double{x[i + k]} * (w[r + k] - q[r + k]);
        right += double{x[i + k]} * w[r + k];
      }
      error += wrong * wrong;
      size += right * right;
    }
  }
  return std::sqrt(error / size);
}

Floats Alone(DType dtype, const Floats& w, const float* importance, int64_t rows, int64_t columns) {
  const int64_t unit = packed::IsTiled(dtype) ? packed::kTileRows : 1;
  std::vector<std::byte> bytes((rows + unit - 1) / unit * packed::UnitBytes(dtype, columns));
  for (int64_t r = 0; r < rows; r += unit) {
    RoundUnit({dtype, std::min(unit, rows - r), columns, w.data() + r * columns, importance},
              bytes.data() + r / unit * packed::UnitBytes(dtype, columns));
  }
  return Unpacked(dtype, bytes, rows, columns);
}

Floats WithFeedback(DType dtype, const Floats& w, const Feedback& feedback, int64_t rows,
                    ThreadPool& pool) {
  const int64_t columns = feedback.width();
  const int64_t unit = packed::IsTiled(dtype) ? packed::kTileRows : 1;
  std::vector<std::byte> bytes((rows + unit - 1) / unit * packed::UnitBytes(dtype, columns));
  RoundRows({dtype, rows, columns, w.data()}, feedback, pool, bytes.data());
  return Unpacked(dtype, bytes, rows, columns);
}

TEST(Feedback, FactorsAreOfTheMoments) {
  ThreadPool pool(2);
  const int64_t n = 40;
  const Moments moments = MomentsOf(Inputs(100, n), n);
  const Feedback feedback(moments, 0.01f, pool);
  double mean = 0;
  for (int64_t k = 0; k < n; ++k) mean += moments.means[k * n + k] / static_cast<double>(n);
  const auto u = [&](int64_t j, int64_t k) {
    return j == k ? 1.0 : j < k ? double{feedback.Of(k)[j]} : 0.0;
  };
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t k = 0; k < n; ++k) {
      double sum = 0;
      for (int64_t m = 0; m < n; ++m) sum += u(j, m) * double{feedback.cost()[m]} * u(k, m);
      const double expected = moments.means[j * n + k] + (j == k ? 0.01 * mean : 0);
      ASSERT_NEAR(sum, expected, 1e-4 * mean) << j << ", " << k;
    }
  }
}

// Each step makes the output more like that of the weights; ragged sizes; tiles and single rows.
TEST(Feedback, OutputsComeNearer) {
  ThreadPool pool(2);
  const int64_t rows = 37, columns = 200;
  const Floats x = Inputs(400, columns), w = Normal(rows * columns, 5);
  const Moments moments = MomentsOf(x, columns);
  const Feedback feedback(moments, 0.01f, pool);
  const Floats importance = moments.Diagonal();
  for (DType dtype : {DType::kQ4Tiles, DType::kQ4Rows}) {
    const double nearest = OutputError(x, w, Alone(dtype, w, nullptr, rows, columns), columns);
    const double weighted =
        OutputError(x, w, Alone(dtype, w, importance.data(), rows, columns), columns);
    const double fed = OutputError(x, w, WithFeedback(dtype, w, feedback, rows, pool), columns);
    EXPECT_LT(nearest, 0.1);
    EXPECT_LT(weighted, 0.95 * nearest);
    EXPECT_LT(fed, 0.6 * weighted);
  }
  for (DType dtype : {DType::kQ8Tiles, DType::kQ8Rows}) {
    const double nearest = OutputError(x, w, Alone(dtype, w, nullptr, rows, columns), columns);
    EXPECT_LT(OutputError(x, w, WithFeedback(dtype, w, feedback, rows, pool), columns),
              0.6 * nearest);
  }
}

// Without knowledge of the input there is nothing to feed back: the error of the weights is that of
// rounding each alone, or near it.
TEST(Feedback, ZeroMomentsRoundPlainly) {
  ThreadPool pool(1);
  const int64_t rows = 16, columns = 256;
  const Floats w = Normal(rows * columns, 6);
  const Feedback feedback(Moments(columns), 0.01f, pool);
  const auto error = [&](const Floats& q) {
    double sum = 0;
    for (size_t i = 0; i < w.size(); ++i) sum += (w[i] - q[i]) * (w[i] - q[i]);
    return sum;
  };
  EXPECT_LT(error(WithFeedback(DType::kQ4Tiles, w, feedback, rows, pool)),
            1.05 * error(Alone(DType::kQ4Tiles, w, nullptr, rows, columns)));
}

// Wide inputs are cut into blocks, in the middle of a tile's columns as well.
TEST(Feedback, BlocksOfWideInputsHelpToo) {
  ThreadPool pool(2);
  const int64_t rows = 16, columns = Moments::kWidest + 144;
  const Floats x = Inputs(300, columns), w = Normal(rows * columns, 7);
  const Moments moments = MomentsOf(x, columns);
  ASSERT_EQ(moments.block, Moments::kBlock);
  const Feedback feedback(moments, 0.01f, pool);
  const double nearest =
      OutputError(x, w, Alone(DType::kQ4Tiles, w, nullptr, rows, columns), columns);
  EXPECT_LT(OutputError(x, w, WithFeedback(DType::kQ4Tiles, w, feedback, rows, pool), columns),
            0.8 * nearest);
}

// Row n of the matrix is what input n adds to the output.
TEST(Feedback, NeuronsMakeUpForEachOther) {
  ThreadPool pool(2);
  const int64_t neurons = 200, outputs = 144;
  const Floats x = Inputs(400, neurons), w = Normal(neurons * outputs, 8);
  const Feedback feedback(MomentsOf(x, neurons), 0.01f, pool);
  const auto transposed = [&](const Floats& m) {
    Floats t(m.size());
    for (int64_t n = 0; n < neurons; ++n) {
      for (int64_t k = 0; k < outputs; ++k) t[k * neurons + n] = m[n * outputs + k];
    }
    return t;
  };
  for (DType dtype : {DType::kQ4Rows, DType::kQ8Rows}) {
    std::vector<std::byte> bytes(neurons * packed::UnitBytes(dtype, outputs));
    RoundNeurons({dtype, 0, neurons, outputs, w.data()}, feedback, pool, bytes.data());
    const Floats fed = Unpacked(dtype, bytes, neurons, outputs);
    const Floats nearest = Alone(dtype, w, nullptr, neurons, outputs);
    EXPECT_LT(OutputError(x, transposed(w), transposed(fed), neurons),
              0.6 * OutputError(x, transposed(w), transposed(nearest), neurons));
  }
}

// A block of 32 in Q4_0: its scale in float16, then 16 bytes of which the low halves come first.
void ReadQ4_0(const std::byte* bytes, int64_t columns, float* out) {
  for (int64_t k = 0; k < columns; ++k) {
    const std::byte* block = bytes + k / 32 * 18;
    F16 scale;
    std::memcpy(&scale.bits, block, 2);
    const int both = static_cast<int>(block[2 + k % 16]);
    out[k] = ToFloat(scale) * static_cast<float>((k % 32 < 16 ? both & 15 : both >> 4) - 8);
  }
}

double Q4_0Error(const Floats& w, int64_t columns) {
  std::vector<std::byte> bytes(static_cast<size_t>(columns) / 32 * 18);
  Floats found(columns);
  double error = 0, size = 0;
  for (size_t r = 0; r < w.size(); r += columns) {
    EXPECT_EQ(RoundRow(DType::kBlockQ40, w.data() + r, columns, bytes.data()), Fit::kFits);
    ReadQ4_0(bytes.data(), columns, found.data());
    for (int64_t k = 0; k < columns; ++k) {
      error += (w[r + k] - found[k]) * (w[r + k] - found[k]);
      size += w[r + k] * w[r + k];
    }
  }
  return std::sqrt(error / size);
}

double AloneError(const Floats& w, int64_t rows, int64_t columns) {
  const Floats q = Alone(DType::kQ4Tiles, w, nullptr, rows, columns);
  double error = 0, size = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    error += (w[i] - q[i]) * (w[i] - q[i]);
    size += w[i] * w[i];
  }
  return std::sqrt(error / size);
}

// With inputs that do not go together the output's relative error is that of the weights. Q4_0 has
// 4.5 bits a weight, ours 4.25 and the scale of a row.
TEST(Rounding, IsNearerThanQ4_0) {
  const int64_t rows = 64, columns = 2048;
  std::mt19937 generator(9);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> student(5);
  Floats scales(columns);
  for (float& scale : scales) scale = std::exp(0.5f * normal(generator));
  const std::vector<std::pair<const char*, std::function<float(int64_t)>>> kinds = {
      {"Gaussian", [&](int64_t) { return normal(generator); }},
      {"Student's t, 5 degrees", [&](int64_t) { return student(generator); }},
      {"columns of different size", [&](int64_t k) { return scales[k] * normal(generator); }},
  };
  for (const auto& [name, draw] : kinds) {
    Floats w(rows * columns);
    for (size_t i = 0; i < w.size(); ++i) {
      w[i] = 0.02f * draw(static_cast<int64_t>(i) % columns);
    }
    const double ours = AloneError(w, rows, columns), theirs = Q4_0Error(w, columns);
    std::printf("%-28s Q4_0 %.4f, ours %.4f\n", name, theirs, ours);
    EXPECT_LT(ours, theirs) << name;
  }
}

// The matrices of a trained model that the recipe q4 gives 4 bits.
TEST(Rounding, IsNearerThanQ4_0OnTrainedWeights) {
  const auto nano = Checkpoint::Load(std::filesystem::path(GEMMA3N_SOURCE_DIR) / "models" / "nano");
  double ours = 0, theirs = 0, worst = 0;
  int count = 0, nearer = 0;
  for (const std::string& name : nano->Names()) {
    const TensorView view = nano->Find(name);
    const bool four = name.find("language_model.") != std::string::npos && !IsTouchy(name) &&
                      (name.find("_proj.weight") != std::string::npos ||
                       name.find("embed_tokens.weight") != std::string::npos);
    if (!four || view.shape[1] < packed::kBlock) continue;
    const Floats w = ToFloatVector(view);
    const double a = AloneError(w, view.shape[0], view.shape[1]), b = Q4_0Error(w, view.shape[1]);
    ours += a;
    theirs += b;
    worst = std::max(worst, a / b);
    nearer += a < b;
    ++count;
  }
  ASSERT_EQ(count, 51);
  std::printf("%d of %d matrices nearer; mean Q4_0 %.4f, ours %.4f; worst ratio %.3f\n", nearer,
              count, theirs / count, ours / count, worst);
  EXPECT_LT(ours, theirs);
  EXPECT_EQ(nearer, count);
}

}  // namespace
}  // namespace gemma3n
