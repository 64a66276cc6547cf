// SPDX-License-Identifier: Apache-2.0
#include "convert/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using testing::HasSubstr;

class RecipeFile : public testing::Test {
 protected:
  ~RecipeFile() override { std::filesystem::remove(path_); }
  Recipe Load(const std::string& text) {
    std::ofstream(path_) << text;
    return Recipe::Load(path_);
  }
  std::string Message(const std::string& text) {
    try {
      Load(text).CheckRules({"layers.0.mlp.up_proj.weight"});
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing";
  }
  const std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                      ("gemma3n_recipe_" + std::to_string(getpid()) + ".json");
};

TEST(RecipePattern, FitsTheWholeName) {
  EXPECT_TRUE(Fits("a.b", "a.b"));
  EXPECT_FALSE(Fits("a.b", "a.bc"));
  EXPECT_FALSE(Fits("a.b", "xa.b"));
  EXPECT_TRUE(Fits("*b*", "abc"));
  EXPECT_TRUE(Fits("a?c*", "abc"));
  EXPECT_FALSE(Fits("a?c", "ac"));
  EXPECT_TRUE(Fits("*.0.*weight", "layers.0.mlp.0.weight"));
  EXPECT_FALSE(Fits("*.1.*", "layers.10.x"));
  EXPECT_TRUE(Fits("**", ""));
  EXPECT_FALSE(Fits("", "a"));
}

TEST(Recipe, NamesAreAsDocumented) {
  EXPECT_EQ(Recipe::Load("q4").BitsOf("layers.0.mlp.up_proj.weight"), Bits::kFour);
  EXPECT_EQ(Recipe::Load("q4").BitsOf("layers.0.self_attn.k_proj.weight"), Bits::kEight);
  EXPECT_EQ(Recipe::Load("q8").BitsOf("layers.0.mlp.up_proj.weight"), Bits::kEight);
  EXPECT_EQ(Recipe::Load("bf16").BitsOf("layers.0.mlp.up_proj.weight"), Bits::kAsStored);
}

TEST_F(RecipeFile, FirstRuleThatFitsDecides) {
  const Recipe recipe = Load(R"({"rules": [{"tensors": "*.k_proj.*", "as": "q4"},
                                           {"tensors": "layers.1.*", "as": "bf16"},
                                           {"tensors": "*.1.mlp.*", "as": "q8"}]})");
  EXPECT_EQ(recipe.BitsOf("layers.1.self_attn.k_proj.weight"), Bits::kFour);
  EXPECT_EQ(recipe.BitsOf("layers.1.mlp.up_proj.weight"), Bits::kAsStored);
  EXPECT_EQ(recipe.BitsOf("layers.2.mlp.up_proj.weight"), Bits::kFour);        // as in q4
  EXPECT_EQ(recipe.BitsOf("layers.2.self_attn.v_proj.weight"), Bits::kEight);  // as in q4
  EXPECT_EQ(Load(R"({"rules": [], "otherwise": "bf16"})").BitsOf("x.v_proj.weight"),
            Bits::kAsStored);
}

TEST_F(RecipeFile, SavedIsLoadedAgain) {
  Recipe::Of({{"layers.0.mlp.up_proj.weight", Bits::kEight}}).Save(path_);
  const Recipe recipe = Recipe::Load(path_);
  EXPECT_EQ(recipe.BitsOf("layers.0.mlp.up_proj.weight"), Bits::kEight);
  EXPECT_EQ(recipe.BitsOf("layers.0.mlp.down_proj.weight"), Bits::kFour);
}

TEST_F(RecipeFile, SlipsOfThePenAreErrors) {
  EXPECT_THAT(Message(R"({"rules": [{"tensors": "*up_proj*", "as": "q5"}]})"),
              HasSubstr("rules[0].as: expected q4, q8 or bf16, found \"q5\""));
  EXPECT_THAT(Message(R"({"rules": [{"tensor": "*up_proj*", "as": "q4"}]})"),
              HasSubstr("expected no field 'tensor'"));
  EXPECT_THAT(Message(R"({"rule": []})"), HasSubstr("expected no field 'rule'"));
  EXPECT_THAT(Message(R"({"rules": [{"as": "q4"}]})"), HasSubstr("rules[0].tensors"));
  EXPECT_THAT(Message(R"({"rules": [{"tensors": "*up_proj*", "as": "q8"},
                                    {"tensors": "*upproj*", "as": "q8"}]})"),
              HasSubstr("rules[1].tensors: expected a pattern that fits a matrix which can be "
                        "quantized, found '*upproj*'"));
  EXPECT_THAT(Message("[1"), HasSubstr("expected"));
  EXPECT_THROW(Recipe::Load("/nonexistent/recipe.json"), Error);
}

}  // namespace
}  // namespace gemma3n
