// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using testing::HasSubstr;

TextConfig Parse(const std::string& text) {
  return TextConfig::Parse(JsonValue::Parse(text, "config.json"));
}

std::string MessageOf(const std::string& text) {
  try {
    Parse(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TextConfig, AbsentFieldsAreThoseOfE4B) {
  const TextConfig config = Parse("{}");
  EXPECT_EQ(config.num_hidden_layers, 35);
  EXPECT_EQ(config.intermediate_size, std::vector<int64_t>(35, 16384));
  EXPECT_EQ(config.activation_sparsity_pattern[9], 0.95);
  EXPECT_EQ(config.activation_sparsity_pattern[10], 0.0);
  EXPECT_TRUE(config.is_sliding(3));
  EXPECT_FALSE(config.is_sliding(4));
  EXPECT_EQ(config.kv_source_layer(17), 17);
  EXPECT_EQ(config.kv_source_layer(20), 18);
  EXPECT_EQ(config.kv_source_layer(34), 19);
  EXPECT_EQ(config.final_logit_softcapping, 30.0f);
}

TEST(TextConfig, OldAndNewSpellingsAgree) {
  const TextConfig old_spelling = Parse(
      R"({"num_hidden_layers": 2, "num_kv_shared_layers": 0, "intermediate_size": 64,
          "rope_theta": 5e5, "rope_local_base_freq": 2e4, "rope_scaling": null})");
  const TextConfig new_spelling = Parse(
      R"({"num_hidden_layers": 2, "num_kv_shared_layers": 0, "intermediate_size": [64, 64],
          "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 5e5},
                              "sliding_attention": {"rope_type": "default", "rope_theta": 2e4}}})");
  for (const TextConfig& config : {old_spelling, new_spelling}) {
    EXPECT_EQ(config.rope_theta, 5e5);
    EXPECT_EQ(config.rope_local_base_freq, 2e4);
    EXPECT_EQ(config.intermediate_size, (std::vector<int64_t>{64, 64}));
    EXPECT_EQ(config.activation_sparsity_pattern, (std::vector<double>{0, 0}));
  }
}

TEST(TextConfig, NullSoftCapMeansNone) {
  EXPECT_EQ(Parse(R"({"final_logit_softcapping": null})").final_logit_softcapping, 0.0f);
}

TEST(TextConfig, hostile_D01_FieldsAreNamed) {
  EXPECT_THAT(MessageOf(R"({"hidden_size": -1})"),
              HasSubstr("config.json: hidden_size: expected an integer in [1, "));
  EXPECT_THAT(MessageOf(R"({"hidden_size": 1e30})"), HasSubstr("hidden_size"));
  EXPECT_THAT(MessageOf(R"({"head_dim": 31})"), HasSubstr("an even number, found 31"));
  EXPECT_THAT(MessageOf(R"({"intermediate_size": [1, 2]})"),
              HasSubstr("one value for each of the 35 layers, found a list of 2"));
  EXPECT_THAT(MessageOf(R"({"layer_types": ["x"], "num_hidden_layers": 1})"), HasSubstr("[0]"));
  EXPECT_THAT(MessageOf(R"({"num_kv_shared_layers": 35})"), HasSubstr("num_kv_shared_layers"));
  EXPECT_THAT(MessageOf(R"({"altup_active_idx": 1})"), HasSubstr("altup_active_idx"));
  EXPECT_THAT(MessageOf(R"({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}})"),
              HasSubstr("rope_type"));
  EXPECT_THAT(MessageOf(R"({"num_attention_heads": 3})"), HasSubstr("multiple"));
  EXPECT_THAT(MessageOf(R"({"num_hidden_layers": 5, "num_kv_shared_layers": 1})"),
              HasSubstr("finds a layer of its kind"));
}

}  // namespace
}  // namespace gemma3n
