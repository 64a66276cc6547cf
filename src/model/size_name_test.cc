// SPDX-License-Identifier: Apache-2.0
#include "model/size_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "gemma3n/error.h"
#include "model/matformer_presets.h"
#include "tiny/random_decoder.h"

namespace gemma3n {
namespace {

TextConfig E4b() {
  TextConfig config = TextConfig::Parse(JsonValue::Parse("{}", "config.json"));
  return config;  // the reference's defaults are E4B
}

// What is said of a size that is refused.
std::string Refusal(const std::string& text, const TextConfig& config) {
  try {
    ParseSize(text, config);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage) << text;
    return error.what();
  }
  return "";
}

TEST(MatformerPresets, HaveThePublishedParameters) {
  for (const MatformerPreset& preset : MatformerPresets()) {
    ASSERT_EQ(std::strlen(preset.layers), size_t{kPresetLayers}) << preset.name;
    const SubmodelShape shape = ParseSize(preset.name, E4b()).shape;
    // Their labels of mixes lie a little above what is counted.
    EXPECT_NEAR(static_cast<double>(EffectiveParameters(E4b(), shape)) / 1e9, preset.billions,
                0.021)
        << preset.name;
  }
  EXPECT_EQ(EffectiveParameters(E4b(), ParseSize("e4b", E4b()).shape), 3980491248);
  EXPECT_EQ(EffectiveParameters(E4b(), ParseSize("e2b", E4b()).shape), 1905495648);
}

TEST(ParseSize, KnowsPublishedNamesAndNumbers) {
  const TextConfig config = E4b();
  const SubmodelShape e2b = ParseSize("E2B", config).shape;
  EXPECT_EQ(e2b.layers.size(), size_t{30});
  EXPECT_EQ(e2b.layers[20], 25);
  EXPECT_EQ(e2b.intermediate_size, std::vector<int64_t>(30, 8192));
  EXPECT_EQ(ParseSize("", config).shape, SubmodelShape::Full(config));
  EXPECT_EQ(ParseSize("e2.54b", config).name, "E2.54B (layer-level)");
  EXPECT_EQ(ParseSize("2.54B", config).name, "E2.54B (layer-level)");
  EXPECT_EQ(ParseSize("2.6B", config).name, "E2.54B (layer-level)");
  EXPECT_EQ(ParseSize("4B", config).name, "E3.59B (layer-level)");  // scores best of all
  EXPECT_EQ(ParseSize("E2.98B (block-level)", config).name, "E2.98B (block-level)");
  EXPECT_THAT(Refusal("E2.98B", config), testing::HasSubstr("two"));
  EXPECT_THAT(Refusal("1.5B", config), testing::HasSubstr("smallest"));
  EXPECT_THAT(Refusal("big", config), testing::HasSubstr("found 'big'"));
  EXPECT_THAT(Refusal("e2b", TinyConfig()), testing::HasSubstr("35 layers"));
}

TEST(ParseSize, ReadsWords) {
  const TextConfig config = E4b();
  EXPECT_EQ(ParseSize("ffn=8192 skip=20-24", config).shape, ParseSize("e2b", config).shape);
  EXPECT_EQ(ParseSize("ffn=8192 ffn=16384@4,20-24", config).shape,
            ParseSize("E2.54B", config).shape);
  for (const char* wrong : {"ffn=", "ffn=x", "ffn=-1", "ffn=12@", "skip=", "skip=5-3", "skip=1-",
                            "skip=a", "skip=35", "fnn=3", "skip=1 more=2", "ffn=8192 x"}) {
    EXPECT_NE(Refusal(wrong, config), "") << wrong;
  }
}

TEST(ParseSize, ReadsWhatSizeAsJsonWrites) {
  const TextConfig config = E4b();
  const std::string path = testing::TempDir() + "size.json";
  const NamedShape size = ParseSize("ffn=8192 ffn=1024@30 skip=21,33", config);
  std::ofstream(path) << SizeAsJson(size, config);
  EXPECT_EQ(ParseSize(path, config).shape, size.shape);
  EXPECT_EQ(ParseSize(path, config).name, size.name);
  for (const char* wrong :
       {"", "[]", "{}", R"({"ffn_widths": [1, 2]})", R"({"ffn_widths": 3})",
        R"({"skipped_layers": [99], "ffn_widths": []})", R"({"ffn_widths": ["a"]})"}) {
    std::ofstream(path) << wrong;
    EXPECT_NE(Refusal(path, config), "") << wrong;
  }
  std::filesystem::remove(path);
  EXPECT_THAT(Refusal(path, config), testing::HasSubstr("size.json"));
}

}  // namespace
}  // namespace gemma3n
