// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/gguf_names.h"

#include <gtest/gtest.h>

#include <string>

namespace gemma3n {
namespace {

TEST(GgufNames, GoBothWays) {
  const std::pair<const char*, const char*> names[] = {
      {"model.language_model.embed_tokens.weight", "token_embd.weight"},
      {"lm_head.weight", "output.weight"},
      {"model.language_model.layers.29.altup.correct_output_scale",
       "blk.29.altup_correct_scale.weight"},
      {"model.language_model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight"},
      {"model.vision_tower.timm_model.blocks.2.11.attn.key.down_conv.weight",
       "v.blk.2.11.attn.key.down_conv.weight"},
      {"model.vision_tower.timm_model.msfa.norm.weight", "v.msfa.norm.weight"},
      {"model.embed_audio.embedding_projection.weight", "mm.a.input_projection.weight"},
      {"model.audio_tower.subsample_conv_projection.conv_1.norm.weight", "a.conv1d.1.norm.weight"},
      {"model.audio_tower.conformer.11.lconv1d.conv_norm.weight", "a.blk.11.norm_conv.weight"},
      {"model.audio_tower.conformer.3.attention.attn.per_dim_scale", "a.blk.3.per_dim_scale"}};
  for (const auto& [ours, theirs] : names) {
    const auto there = ToGgufName(ours);
    ASSERT_TRUE(there) << ours;
    EXPECT_EQ(there->name, theirs);
    EXPECT_EQ(there->part, -1);
    const bool projector = std::string(theirs).find_first_of("vma") == 0;
    EXPECT_EQ(there->file == GgufName::File::kProjector, projector) << ours;
    const auto back = FromGgufName(theirs);
    ASSERT_TRUE(back) << theirs;
    EXPECT_EQ(back->name, ours);
    EXPECT_FALSE(back->stacked);
  }
}

TEST(GgufNames, StackedMatricesAreParts) {
  const auto there = ToGgufName("model.language_model.altup_unembed_projections.2.weight");
  ASSERT_TRUE(there);
  EXPECT_EQ(there->name, "altup_unembd_proj.weight");
  EXPECT_EQ(there->part, 2);
  const auto back = FromGgufName("altup_unembd_proj.weight");
  ASSERT_TRUE(back && back->stacked);
  EXPECT_EQ(back->Part(2), "model.language_model.altup_unembed_projections.2.weight");
}

TEST(GgufNames, SomeVectorsAreSpread) {
  EXPECT_TRUE(ToGgufName("model.vision_tower.timm_model.conv_stem.conv.bias")->spread);
  EXPECT_TRUE(ToGgufName("model.vision_tower.timm_model.blocks.1.0.layer_scale.gamma")->spread);
  EXPECT_FALSE(ToGgufName("model.vision_tower.timm_model.blocks.1.0.pw_exp.bn.weight")->spread);
}

TEST(GgufNames, OtherSpellingsAreRead) {
  EXPECT_EQ(FromGgufName("blk.4.altup_correct_scale")->name,
            "model.language_model.layers.4.altup.correct_output_scale");
  EXPECT_EQ(FromGgufName("a.blk.4.per_dim_scale.weight")->name,
            "model.audio_tower.conformer.4.attention.attn.per_dim_scale");
}

TEST(GgufNames, UnknownNamesAreNothing) {
  for (const char* name : {"", "blk..attn_q.weight", "blk.01.attn_q.weight", "blk.-1.attn_q.weight",
                           "blk.99999999999999999999.attn_q.weight", "blk.1.attn_q.weight2",
                           "rope_freqs.weight", "v.blk.1.2.", "blk.#.attn_q.weight"}) {
    EXPECT_FALSE(FromGgufName(name)) << name;
  }
  for (const char* name : {"", "model.norm.weight", "model.language_model.layers.x.norm"}) {
    EXPECT_FALSE(ToGgufName(name)) << name;
  }
}

}  // namespace
}  // namespace gemma3n
