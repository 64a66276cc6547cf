// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/packed_file.h"
#include "convert/presets.h"
#include "convert/rounding.h"
#include "gemma3n/convert.h"
#include "vision/vision_weights.h"

namespace gemma3n {
namespace {

using testing::HasSubstr;

// The error of rounded weights, relative to their size.
double RelativeError(DType dtype, const std::vector<float>& weights, int64_t rows) {
  const int64_t columns = static_cast<int64_t>(weights.size()) / rows;
  std::vector<std::byte> bytes(packed::UnitBytes(dtype, columns));
  RoundUnit({dtype, rows, columns, weights.data()}, bytes.data());
  std::vector<float> found(columns);
  double error = 0, size = 0;
  for (int64_t row = 0; row < rows; ++row) {
    packed::UnpackRow(dtype, bytes.data(), columns, row, 0, columns, found.data());
    for (int64_t k = 0; k < columns; ++k) {
      const double weight = weights[row * columns + k];
      error += (weight - found[k]) * (weight - found[k]);
      size += weight * weight;
    }
  }
  return std::sqrt(error / size);
}

std::vector<float> Drawn(size_t n, bool heavy_tails) {
  std::mt19937 generator(4);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> student(5);
  std::vector<float> values(n);
  for (float& value : values)
    value = 0.02f * (heavy_tails ? student(generator) : normal(generator));
  return values;
}

// Q4_0, with 4.5 bits to our 4.25, is at 0.082 and 0.104 with its scales sought as well.
TEST(Rounding, IsNearTheWeights) {
  for (auto [four, eight, rows] : {std::tuple(DType::kQ4Tiles, DType::kQ8Tiles, int64_t{16}),
                                   std::tuple(DType::kQ4Rows, DType::kQ8Rows, int64_t{1})}) {
    EXPECT_LT(RelativeError(four, Drawn(rows * 2048, false), rows), 0.082);
    EXPECT_LT(RelativeError(four, Drawn(rows * 2048, true), rows), 0.104);
    EXPECT_LT(RelativeError(eight, Drawn(rows * 2048, false), rows), 0.007);
    EXPECT_LT(RelativeError(eight, Drawn(rows * 2048, true), rows), 0.013);
  }
}

TEST(Rounding, KeepsZerosAndWhatFitsExactly) {
  std::vector<float> weights(200);
  EXPECT_TRUE(std::isnan(RelativeError(DType::kQ4Rows, weights, 1)));  // 0 / 0: all are 0
  for (size_t k = 0; k < weights.size(); ++k) {
    weights[k] = 0.5f * static_cast<float>(static_cast<int>(k % 16) - 8);
  }
  EXPECT_LT(RelativeError(DType::kQ4Tiles, weights, 1), 1e-6);
  EXPECT_LT(RelativeError(DType::kQ4Rows, weights, 1), 1e-6);
}

class Quantizing : public testing::Test {
 protected:
  Quantizing() {
    std::filesystem::remove_all(place_);
    std::filesystem::create_directories(place_);
    // Wide enough for every form: of narrower matrices nothing is rounded.
    auto config = nlohmann::json::parse(PresetConfig("tiny"));
    config["text_config"]["hidden_size"] = 144;
    config["text_config"]["hidden_size_per_layer_input"] = 128;
    std::ofstream(place_ / "config.json") << config;
    Synthesize({.like = place_ / "config.json", .seed = 3, .out = place_ / "model"});
  }
  ~Quantizing() override { std::filesystem::remove_all(place_); }

  std::unique_ptr<Checkpoint> Packed(const std::string& recipe,
                                     const std::string& encoders = "int8") {
    const auto out = place_ / (recipe + ".g3n");
    EXPECT_TRUE(Quantize({.model = place_ / "model",
                          .out = out,
                          .recipe = recipe,
                          .encoders = encoders,
                          .force = true}));
    return Checkpoint::Load(out);
  }

  const std::filesystem::path place_ =
      std::filesystem::temp_directory_path() / ("gemma3n_quantize_" + std::to_string(getpid()));
};

TEST_F(Quantizing, PutsEveryTensorAndTextIntoOneFile) {
  const auto model = Checkpoint::Load(place_ / "model");
  const auto packed = Packed("bf16");
  EXPECT_EQ(packed->Names(), model->Names());
  for (const std::string& name : model->Names()) {
    const TensorView a = model->Find(name), b = packed->Find(name);
    ASSERT_TRUE(a.dtype == b.dtype && a.shape == b.shape) << name;
    EXPECT_TRUE(std::equal(a.data, a.data + a.bytes(), b.data)) << name;
  }
  for (const char* text : {"config.json", "tokenizer.json", "chat_template.jinja"}) {
    EXPECT_EQ(packed->Text(text, 1 << 30), model->Text(text, 1 << 30)) << text;
  }
}

TEST_F(Quantizing, RoundsTheDecodersMatricesAlone) {
  const auto model = Checkpoint::Load(place_ / "model");
  const auto packed = Packed("q4");
  const auto dtype = [&](const std::string& name) {
    const std::string whole = "model.language_model." + name;
    EXPECT_TRUE(packed->Has(whole)) << whole;
    return packed->Find(whole).dtype;
  };
  EXPECT_EQ(dtype("embed_tokens.weight"), DType::kQ4Tiles);
  EXPECT_EQ(dtype("embed_tokens_per_layer.weight"), DType::kQ4Rows);
  EXPECT_EQ(dtype("layers.0.self_attn.q_proj.weight"), DType::kQ4Tiles);
  EXPECT_EQ(dtype("layers.0.self_attn.k_proj.weight"), DType::kQ8Tiles);
  EXPECT_EQ(dtype("layers.0.mlp.gate_proj.weight"), DType::kQ4Tiles);
  EXPECT_EQ(dtype("layers.0.mlp.up_proj.weight"), DType::kQ4Rows);  // a sparse layer
  EXPECT_EQ(dtype("layers.0.mlp.down_proj.transposed"), DType::kQ4Rows);
  EXPECT_EQ(dtype("layers.3.mlp.down_proj.weight"), DType::kQ4Tiles);  // a dense one
  EXPECT_EQ(dtype("layers.0.input_layernorm.weight"), DType::kBF16);
  EXPECT_EQ(packed->Find("model.vision_tower.timm_model.conv_stem.conv.weight").dtype,
            DType::kBF16);
  // Transposed: element [n, k] is the source's [k, n].
  const TensorView down = model->Find("model.language_model.layers.0.mlp.down_proj.weight");
  const TensorView rows = packed->Find("model.language_model.layers.0.mlp.down_proj.transposed");
  ASSERT_EQ(rows.shape, (Shape{down.shape[1], down.shape[0]}));
  const std::vector<float> source = ToFloatVector(down);
  std::vector<float> row(rows.shape[1]);
  packed::UnpackRow(rows.dtype, rows.data, rows.shape[1], 5, 0, rows.shape[1], row.data());
  double error = 0, size = 0;
  for (int64_t k = 0; k < rows.shape[1]; ++k) {
    const double weight = source[k * down.shape[1] + 5];
    error += (weight - row[k]) * (weight - row[k]);
    size += weight * weight;
  }
  EXPECT_LT(error, 0.01 * size);
}

TEST_F(Quantizing, RoundsTheEncodersMatricesTo8Bits) {
  const auto model = Checkpoint::Load(place_ / "model");
  const auto packed = Packed("q4");
  const std::string vision = "model.vision_tower.timm_model.", audio = "model.audio_tower.";
  const auto dtype = [&](const std::string& name) { return packed->Find(name).dtype; };
  EXPECT_EQ(dtype(vision + "blocks.1.0.pw_proj.conv.weight"), DType::kQ8Tiles);
  EXPECT_EQ(dtype(audio + "conformer.0.ffw_layer_end.ffw_layer_2.weight"), DType::kQ8Tiles);
  EXPECT_EQ(dtype(vision + "conv_stem.conv.weight"), DType::kBF16);
  EXPECT_EQ(dtype(vision + "blocks.1.0.pw_exp.conv.weight"), DType::kBF16);  // 16 columns
  EXPECT_EQ(dtype(vision + "blocks.1.0.dw_mid.conv.weight"), DType::kBF16);
  EXPECT_EQ(dtype(audio + "subsample_conv_projection.conv_1.conv.weight"), DType::kBF16);
  // A full convolution's columns are taps, then channels.
  const TensorView source = model->Find(vision + "blocks.0.0.conv_exp.weight");
  const TensorView rows = packed->Find(vision + "blocks.0.0.conv_exp.channels_last");
  const int64_t channels = source.shape[1];
  ASSERT_EQ(rows.shape, (Shape{source.shape[0], 9 * channels}));
  const std::vector<float> stored = ToFloatVector(source);
  std::vector<float> row(rows.shape[1]);
  packed::UnpackRow(rows.dtype, rows.data, rows.shape[1], 5, 0, rows.shape[1], row.data());
  for (int64_t channel = 0; channel < channels; ++channel) {
    for (int64_t tap = 0; tap < 9; ++tap) {
      EXPECT_NEAR(row[tap * channels + channel], stored[(5 * channels + channel) * 9 + tap], 0.01);
    }
  }
}

// As many bytes, but columns that are not taps times channels.
TEST_F(Quantizing, QuantizedConvolutionsOfOddSizesAreRefused) {
  Packed("q8");
  std::ifstream in(place_ / "q8.g3n", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  in.close();
  const size_t name = bytes.find("blocks.0.1.conv_exp.channels_last");
  const size_t columns = bytes.find(",144]", name);
  ASSERT_LT(columns, name + 100);
  bytes.replace(columns, 5, ",145]");
  std::ofstream(place_ / "odd.g3n", std::ios::binary) << bytes;
  const auto odd = Checkpoint::Load(place_ / "odd.g3n");
  const int64_t tokens = odd->config()["vision_soft_tokens_per_image"].Int();
  try {
    VisionWeights::Load(*odd, tokens);
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("conv_exp.channels_last': expected columns for the taps of "
                                        "a square times 16 channels, found [64, 145]"));
  }
}

TEST_F(Quantizing, LeavesEncodersAsTheyAreWhereAsked) {
  const auto model = Checkpoint::Load(place_ / "model");
  const auto packed = Packed("q8", "float");
  for (const std::string& name : model->Names()) {
    if (name.find("_tower.") == std::string::npos) continue;
    EXPECT_EQ(packed->Find(name).dtype, DType::kBF16) << name;
    EXPECT_EQ(packed->Find(name).shape, model->Find(name).shape) << name;
  }
}

TEST_F(Quantizing, RefusesWhatItCannotDo) {
  const auto message = [&](QuantizeOptions options) {
    try {
      Quantize(options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  Packed("q8");
  const auto model = place_ / "model", out = place_ / "q8.g3n";
  EXPECT_THAT(message({.model = model, .out = out}), HasSubstr("exists; replace it with --force"));
  EXPECT_THAT(message({.model = model, .out = out, .recipe = "q3"}), HasSubstr("found q3"));
  EXPECT_THAT(message({.model = model, .out = out, .encoders = "int4"}), HasSubstr("found int4"));
  EXPECT_THAT(message({.model = model, .out = place_}), HasSubstr("found a directory"));
  EXPECT_THAT(message({.model = out, .out = place_ / "x"}), HasSubstr("packed model already"));
  EXPECT_FALSE(
      Quantize({.model = model, .out = place_ / "y"}, [](const Progress&) { return false; }));
  EXPECT_FALSE(std::filesystem::exists(place_ / "y"));
  EXPECT_FALSE(std::filesystem::exists(place_ / "y.part"));
}

TEST_F(Quantizing, ChecksumsTellWhatIsDamaged) {
  Packed("q4");
  const auto all = [](uint64_t) { return true; };
  EXPECT_THAT(PackedFile(place_ / "q4.g3n").Damaged(all), testing::IsEmpty());
  const TensorView view = PackedFile(place_ / "q4.g3n")
                              .tensors()
                              .at("model.language_model.layers.1.self_attn.o_proj.weight");
  {
    const PackedFile file(place_ / "q4.g3n");
    const auto at =
        file.tensors().at("model.language_model.layers.1.self_attn.o_proj.weight").data -
        file.file().bytes().data();
    std::fstream stream(place_ / "q4.g3n", std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(at + 100);
    stream.put('x');
  }
  EXPECT_THAT(PackedFile(place_ / "q4.g3n").Damaged(all),
              testing::ElementsAre("model.language_model.layers.1.self_attn.o_proj.weight"));
}

}  // namespace
}  // namespace gemma3n
