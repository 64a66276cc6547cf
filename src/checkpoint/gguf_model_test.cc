// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/gguf_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <limits>
#include <set>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_test_file.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using gguf::PieceType;
using gguf::ValueType;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int kLayers = 3;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A vocabulary as small as it may be: control tokens, all bytes, and "▁a" of its two characters.
struct Vocabulary {
  std::vector<std::string> pieces = {"<pad>", "<eos>", "<bos>", "<unk>", "<end_of_turn>"};
  std::vector<int32_t> types = {3, 3, 3, 2, 3};
  std::vector<float> scores = std::vector<float>(5, -1e9f);

  Vocabulary() {
    for (int byte = 0; byte < 256; ++byte) {
      char name[8];
      std::snprintf(name, sizeof(name), "<0x%02X>", byte);
      Add(name, PieceType::kByte, -1e9f);
    }
    for (const char* piece : {"\u2581", "a", "b"}) Add(piece, PieceType::kNormal, -100);
    Add("ab", PieceType::kNormal, -2);
    Add("\u2581a", PieceType::kNormal, -1);
    Add("\u2581ab", PieceType::kNormal, -3);
    Add("  ", PieceType::kUserDefined, -1000);
  }
  void Add(const std::string& piece, PieceType type, float score) {
    pieces.push_back(piece);
    types.push_back(static_cast<int32_t>(type));
    scores.push_back(score);
  }
  void WriteTo(GgufTestFile& file) const {
    file.Text("tokenizer.ggml.model", "llama");
    file.Texts("tokenizer.ggml.tokens", pieces);
    file.Numbers("tokenizer.ggml.token_type", ValueType::kInt32, types);
    file.Numbers("tokenizer.ggml.scores", ValueType::kFloat32, scores);
    file.Uint("tokenizer.ggml.bos_token_id", 2);
    file.Uint("tokenizer.ggml.eos_token_id", 1);
  }
};

using Change = std::function<void(GgufTestFile&)>;

// The metadata of a model of 3 layers, without `left_out`.
void WriteSizes(GgufTestFile& file, const std::set<std::string>& left_out = {}) {
  const std::pair<const char*, uint32_t> sizes[] = {{"block_count", kLayers},
                                                    {"context_length", 64},
                                                    {"embedding_length", 8},
                                                    {"feed_forward_length", 16},
                                                    {"attention.head_count", 2},
                                                    {"attention.head_count_kv", 1},
                                                    {"attention.key_length", 4},
                                                    {"attention.sliding_window", 16},
                                                    {"embedding_length_per_layer_input", 4},
                                                    {"attention.shared_kv_layers", 1}};
  for (const auto& [key, value] : sizes) {
    if (left_out.count(key) == 0) file.Uint(std::string("gemma3n.") + key, value);
  }
}

void WriteTensors(GgufTestFile& file) {
  file.Floats("token_embd.weight", {8, 300});
  file.Floats("per_layer_token_embd.weight", {12, 290});
  file.Floats("blk.0.laurel_l.weight", {8, 2});
  file.Floats("blk.0.attn_q_norm.weight", {4});
  file.Floats("blk.0.altup_correct_scale.weight", {8});
  file.Floats("altup_proj.weight", {8, 8, 3});
}

class GgufModelTest : public testing::Test {
 protected:
  std::filesystem::path Path(const std::string& name) {
    return std::filesystem::path(testing::TempDir()) /
           (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + name);
  }
  GgufModel Load(const GgufTestFile& file) { return {file.Write(Path(".gguf")), ""}; }

  // A good file with something added before the tensors.
  static GgufTestFile Model(const Change& change = nullptr,
                            const std::set<std::string>& left_out = {},
                            const Vocabulary& vocabulary = Vocabulary()) {
    GgufTestFile file;
    file.Text("general.architecture", "gemma3n");
    WriteSizes(file, left_out);
    vocabulary.WriteTo(file);
    if (change) change(file);
    WriteTensors(file);
    return file;
  }
  std::string ErrorOf(const GgufTestFile& file, const std::filesystem::path& projector = "") {
    try {
      const GgufModel model(file.Write(Path(".gguf")), projector);
      model.Text("tokenizer.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  std::string ErrorOf(const Vocabulary& vocabulary) {
    return ErrorOf(Model(nullptr, {}, vocabulary));
  }
};

TEST_F(GgufModelTest, MetadataIsAConfig) {
  const GgufModel model = Load(Model([](GgufTestFile& file) {
    file.Numbers<float>("gemma3n.activation_sparsity_scale", ValueType::kFloat32,
                        {1.6448534f, -kInfinity, -kInfinity});
    file.Numbers<uint8_t>("gemma3n.attention.sliding_window_pattern", ValueType::kBool, {1, 0, 1});
    file.Float("gemma3n.attention.layer_norm_rms_epsilon", 1e-6f);
    file.Float("gemma3n.rope.freq_base_swa", 20000.0f);
    file.Uint("tokenizer.ggml.eot_token_id", 4);
  }));
  const JsonValue config = JsonValue::Parse(*model.Text("config.json"), "config");
  const JsonValue text = config["text_config"];
  EXPECT_EQ(text["num_hidden_layers"].Int(), kLayers);
  EXPECT_EQ(text["vocab_size"].Int(), 300);
  EXPECT_EQ(text["vocab_size_per_layer_input"].Int(), 290);
  EXPECT_EQ(text["laurel_rank"].Int(), 2);
  EXPECT_EQ(text["num_kv_shared_layers"].Int(), 1);
  EXPECT_EQ(text["activation_sparsity_pattern"].Dump(), "[0.95,0.0,0.0]");
  EXPECT_EQ(text["layer_types"].Dump(),
            R"(["sliding_attention","full_attention","sliding_attention"])");
  EXPECT_EQ(text["rms_norm_eps"].Number(), 1e-6);
  EXPECT_EQ(text["rope_theta"].Number(), 1e6);
  EXPECT_EQ(text["rope_local_base_freq"].Number(), 2e4);
  EXPECT_EQ(text["final_logit_softcapping"].Number(), 30);
  EXPECT_EQ(config["eos_token_id"].Dump(), "[1,4]");
  EXPECT_TRUE(config["tie_word_embeddings"].Bool());
}

TEST_F(GgufModelTest, VariantsOfWriters) {
  // Early files have the shared layers as float32; Ollama has other names and several stop ids.
  const GgufModel model = Load(Model(
      [](GgufTestFile& file) {
        file.Float("gemma3n.attention.shared_kv_layers", 2.0f);
        file.Float("gemma3n.rope.freq_base_local", 5000.0f);
        file.Uint("gemma3n.head_dim", 6);
        file.Numbers<int32_t>("gemma3n.feed_forward_length", ValueType::kInt32, {16, 8, 4});
        file.Numbers<int32_t>("tokenizer.ggml.eos_token_ids", ValueType::kInt32, {1, 0});
        file.Uint("gemma3n.attention.sliding_window_pattern", 2);
      },
      {"attention.shared_kv_layers", "feed_forward_length", "attention.key_length"}));
  const JsonValue config = JsonValue::Parse(*model.Text("config.json"), "config");
  const JsonValue text = config["text_config"];
  EXPECT_EQ(text["num_kv_shared_layers"].Int(), 2);
  EXPECT_EQ(text["rope_local_base_freq"].Number(), 5000);
  EXPECT_EQ(text["head_dim"].Int(), 6);
  EXPECT_EQ(text["intermediate_size"].Dump(), "[16,8,4]");
  EXPECT_EQ(config["eos_token_id"].Dump(), "[0,1,4]");
  EXPECT_EQ(text["layer_types"].Dump(),
            R"(["sliding_attention","full_attention","sliding_attention"])");
  EXPECT_FALSE(text.Has("activation_sparsity_pattern"));  // the reference's default
}

TEST_F(GgufModelTest, AppendedRowsOfThePerLayerTableAreNotCounted) {
  const auto rows = [&](const std::string& rest) {
    GgufTestFile file;
    file.Text("general.architecture", "gemma3n");
    WriteSizes(file);
    Vocabulary().WriteTo(file);
    file.Floats("token_embd.weight", {2, 5});
    file.Floats("blk.0.laurel_l.weight", {8, 2});
    const std::string row = Bytes(1.0f) + Bytes(2.0f), other = Bytes(3.0f) + Bytes(0.0f);
    file.Tensor("per_layer_token_embd.weight", {2, 5}, 0, row + other + other + rest);
    const GgufModel model = Load(file);
    for (const GgufModel::Tensor& tensor : model.tensors()) {
      if (tensor.name != "model.language_model.embed_tokens_per_layer.weight") continue;
      EXPECT_EQ(tensor.view.shape[0],
                JsonValue::Parse(*model.Text("config.json"),
                                 "config")["text_config"]["vocab_size_per_layer_input"]
                    .Int());
      return tensor.view.shape[0];
    }
    return int64_t{-1};
  };
  EXPECT_EQ(rows(std::string(16, '\0')), 3);                             // zeros
  EXPECT_EQ(rows(std::string(8, '\0') + Bytes(1.0f) + Bytes(2.0f)), 3);  // row 0
  EXPECT_EQ(rows(std::string(8, '\0') + Bytes(0.0f) + Bytes(9.0f)), 5);
}

TEST_F(GgufModelTest, TensorsHaveHuggingFacesNamesAndShapes) {
  GgufTestFile projector;
  projector.Text("general.architecture", "clip");
  projector.Text("clip.vision.projector_type", "gemma3nv");
  projector.Uint("clip.vision.image_size", 64);
  projector.Uint("clip.vision.patch_size", 4);
  projector.Uint("clip.audio.tokens_per_clip", 19);
  projector.Floats("v.blk.1.0.layer_scale.gamma", {1, 1, 5, 1});
  projector.Floats("mm.input_projection.weight", {6, 8});
  const GgufModel model(Model().Write(Path(".gguf")), projector.Write(Path("-mmproj.gguf")));
  std::map<std::string, Shape> shapes;
  for (const GgufModel::Tensor& tensor : model.tensors()) {
    shapes[tensor.name] = tensor.view.shape;
  }
  EXPECT_EQ(shapes["model.language_model.embed_tokens.weight"], Shape({300, 8}));
  EXPECT_EQ(shapes["model.language_model.altup_projections.2.weight"], Shape({8, 8}));
  EXPECT_EQ(shapes["model.vision_tower.timm_model.blocks.1.0.layer_scale.gamma"], Shape({5}));
  EXPECT_EQ(shapes["model.embed_vision.embedding_projection.weight"], Shape({8, 6}));
  const JsonValue config = JsonValue::Parse(*model.Text("config.json"), "config");
  EXPECT_EQ(config["vision_soft_tokens_per_image"].Int(), 16);
  EXPECT_EQ(config["audio_soft_tokens_per_image"].Int(), 19);
  EXPECT_EQ(config["vision_config"]["hidden_size"].Int(), 6);
}

TEST_F(GgufModelTest, MatricesOfAStackAreItsParts) {
  const GgufModel model = Load(Model());
  for (const GgufModel::Tensor& tensor : model.tensors()) {
    if (tensor.name != "model.language_model.altup_projections.1.weight") continue;
    EXPECT_EQ(ToFloatVector(tensor.view)[0], 65.0f);  // after the 64 of the first
    return;
  }
  FAIL() << "no such tensor";
}

TEST_F(GgufModelTest, ScoresBecomeMerges) {
  const JsonValue tokenizer =
      JsonValue::Parse(*Load(Model()).Text("tokenizer.json"), "tokenizer.json");
  // User-defined pieces first, then by score; of one piece's cuts the longest left part first.
  EXPECT_EQ(tokenizer["model"]["merges"].Dump(),
            "[[\"\u2581\",\"\u2581\"],[\"\u2581\",\"a\"],[\"a\",\"b\"],[\"\u2581a\",\"b\"],"
            "[\"\u2581\",\"ab\"]]");
  std::string special, others;
  for (const JsonValue& token : tokenizer["added_tokens"].Items()) {
    (token["special"].Bool() ? special : others) += token["content"].String() + " ";
  }
  EXPECT_EQ(special, "<pad> <eos> <bos> <unk> <end_of_turn> ");
  EXPECT_EQ(others, "\u2581\u2581 ");
}

TEST_F(GgufModelTest, StatedMergesAreTaken) {
  const JsonValue tokenizer = JsonValue::Parse(*Load(Model([](GgufTestFile& file) {
                                                  file.Texts("tokenizer.ggml.merges", {"a b"});
                                                })).Text("tokenizer.json"),
                                               "tokenizer.json");
  EXPECT_EQ(tokenizer["model"]["merges"].Dump(), R"([["a","b"]])");
}

TEST_F(GgufModelTest, HostileG07RequiredKeysAndRanges) {
  for (const char* key :
       {"block_count", "context_length", "embedding_length", "feed_forward_length",
        "attention.head_count", "attention.head_count_kv", "embedding_length_per_layer_input"}) {
    const std::string name = std::string("gemma3n.") + key;
    EXPECT_THAT(ErrorOf(Model(nullptr, {key})), AllOf(HasSubstr(name), HasSubstr("found nothing")));
    for (const uint32_t wrong : {0u, ~0u}) {
      EXPECT_THAT(ErrorOf(Model([&](GgufTestFile& file) { file.Uint(name, wrong); }, {key})),
                  AllOf(HasSubstr(name), HasSubstr("found " + std::to_string(wrong))))
          << key;
    }
    EXPECT_THAT(ErrorOf(Model([&](GgufTestFile& file) { file.Text(name, "2"); }, {key})),
                HasSubstr(name + ": expected"));
  }
  const auto with = [&](const Change& change, const std::set<std::string>& left_out = {}) {
    return ErrorOf(Model(change, left_out));
  };
  EXPECT_THAT(with(
                  [](GgufTestFile& file) {
                    file.Numbers<int32_t>("gemma3n.feed_forward_length", ValueType::kInt32, {1, 2});
                  },
                  {"feed_forward_length"}),
              HasSubstr("one value for each of the 3 layers"));
  EXPECT_THAT(with([](GgufTestFile& file) {
                file.Numbers<float>("gemma3n.activation_sparsity_scale", ValueType::kFloat32, {1});
              }),
              HasSubstr("one value for each of the 3 layers"));
  EXPECT_THAT(with([](GgufTestFile& file) {
                file.Numbers<float>("gemma3n.activation_sparsity_scale", ValueType::kFloat32,
                                    {1, kInfinity, 0});
              }),
              HasSubstr("found inf"));
  EXPECT_THAT(with([](GgufTestFile& file) {
                file.Numbers<uint8_t>("gemma3n.attention.sliding_window_pattern", ValueType::kBool,
                                      {1});
              }),
              HasSubstr("one value for each of the 3 layers"));
  EXPECT_THAT(with([](GgufTestFile& file) { file.Uint("gemma3n.altup.num_inputs", 65); }),
              HasSubstr("[1, 64], found 65"));
  EXPECT_THAT(with([](GgufTestFile& file) { file.Uint("gemma3n.altup.active_idx", 1); }),
              HasSubstr("[0, 0], found 1"));
  EXPECT_THAT(with([](GgufTestFile& file) { file.Uint("gemma3n.attention.value_length", 8); }),
              HasSubstr("[4, 4], found 8"));
  EXPECT_THAT(with([](GgufTestFile& file) { file.Text("gemma3n.rope.scaling.type", "yarn"); }),
              HasSubstr("found 'yarn'"));
  EXPECT_THAT(with([](GgufTestFile& file) { file.Uint("gemma3n.attention.shared_kv_layers", 3); },
                   {"attention.shared_kv_layers"}),
              HasSubstr("[0, 2], found 3"));
  EXPECT_THAT(
      with([](GgufTestFile& file) { file.Float("gemma3n.attention.shared_kv_layers", 1.5f); },
           {"attention.shared_kv_layers"}),
      HasSubstr("found 1.5"));
}

TEST_F(GgufModelTest, HostileG08Vocabularies) {
  Vocabulary longer;
  longer.pieces.push_back("c");
  EXPECT_THAT(ErrorOf(longer), HasSubstr("one for each of 269 pieces"));
  Vocabulary not_a_number;
  not_a_number.scores[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(ErrorOf(not_a_number), HasSubstr("found nan"));
  for (const char* name : {"<0xZZ>", "<0x-1>", "<0x100>", "<0x0a>"}) {
    Vocabulary bytes;
    bytes.Add(name, PieceType::kByte, 0);
    EXPECT_THAT(ErrorOf(bytes), HasSubstr("expected a byte from <0x00> to <0xFF>")) << name;
  }
  Vocabulary no_byte;
  no_byte.pieces[5 + 17] = "x";
  no_byte.types[5 + 17] = 1;
  EXPECT_THAT(ErrorOf(no_byte), HasSubstr("found none for byte 17"));
  Vocabulary twice;
  twice.Add("ab", PieceType::kNormal, 0);
  EXPECT_THAT(ErrorOf(twice), HasSubstr("expected a piece of its own"));
  Vocabulary empty, large, broken, kind;
  empty.Add("", PieceType::kNormal, 0);
  EXPECT_THAT(ErrorOf(empty), HasSubstr("found nothing of 0"));
  large.Add(std::string(1 << 20, 'x'), PieceType::kNormal, 0);
  EXPECT_THAT(ErrorOf(large), HasSubstr("1 to 1024 bytes"));
  broken.Add("\xff", PieceType::kNormal, 0);
  EXPECT_THAT(ErrorOf(broken), HasSubstr("expected UTF-8"));
  kind.types[0] = 7;
  EXPECT_THAT(ErrorOf(kind), HasSubstr("[1, 6], found 7"));
  const auto special = [&](uint32_t id) {
    return ErrorOf(
        Model([&](GgufTestFile& file) { file.Uint("tokenizer.ggml.eot_token_id", id); }));
  };
  EXPECT_THAT(special(268), HasSubstr("[0, 267], found 268"));
  EXPECT_EQ(special(267), "no error");
}

TEST_F(GgufModelTest, HostileG08ArraysOfOtherTypes) {
  const auto error = [&](const std::string& key, const Change& instead) {
    GgufTestFile file;
    file.Text("general.architecture", "gemma3n");
    WriteSizes(file);
    const Vocabulary good;
    if (key != "model") file.Text("tokenizer.ggml.model", "llama");
    if (key != "tokens") file.Texts("tokenizer.ggml.tokens", good.pieces);
    if (key != "types") file.Numbers("tokenizer.ggml.token_type", ValueType::kInt32, good.types);
    if (key != "scores") file.Numbers("tokenizer.ggml.scores", ValueType::kFloat32, good.scores);
    instead(file);
    WriteTensors(file);
    return ErrorOf(file);
  };
  const std::vector<uint8_t> small(Vocabulary().pieces.size(), 1);
  EXPECT_THAT(error("scores",
                    [&](GgufTestFile& file) {
                      file.Numbers("tokenizer.ggml.scores", ValueType::kUint8, small);
                    }),
              HasSubstr("expected an array of floats"));
  EXPECT_THAT(error("tokens",
                    [&](GgufTestFile& file) {
                      file.Numbers("tokenizer.ggml.tokens", ValueType::kUint8, small);
                    }),
              HasSubstr("expected an array of texts"));
  EXPECT_THAT(
      error("types", [&](GgufTestFile& file) { file.Uint("tokenizer.ggml.token_type", 1); }),
      HasSubstr("one for each of"));
  EXPECT_THAT(error("scores", [](GgufTestFile&) {}), HasSubstr("tokenizer.ggml.scores"));
  EXPECT_THAT(error("model", [](GgufTestFile& file) { file.Text("tokenizer.ggml.model", "gpt2"); }),
              HasSubstr("found 'gpt2'"));
}

TEST_F(GgufModelTest, HostileG08MergesThatTakeForEver) {
  Vocabulary vocabulary;
  for (int i = 0; i < 2500; ++i) {
    vocabulary.Add(std::to_string(i) + std::string(1000, 'a'), PieceType::kNormal, 0);
  }
  EXPECT_THAT(ErrorOf(vocabulary), HasSubstr("too many ways to merge"));
}

TEST_F(GgufModelTest, HostileG09OtherKindsOfFiles) {
  GgufTestFile other, projector, nothing;
  other.Text("general.architecture", "llama");
  EXPECT_THAT(ErrorOf(other), HasSubstr("expected gemma3n, found 'llama'"));
  EXPECT_THAT(ErrorOf(nothing), HasSubstr("expected gemma3n, found nothing"));
  projector.Text("general.architecture", "clip");
  EXPECT_THAT(ErrorOf(projector), HasSubstr("give it with --mmproj"));
  projector.Text("clip.vision.projector_type", "mlp");
  const auto as_projector = [&](const GgufTestFile& file) {
    return ErrorOf(Model(), file.Write(Path("-mmproj.gguf")));
  };
  EXPECT_THAT(as_projector(projector), HasSubstr("expected 'gemma3nv'"));
  EXPECT_THAT(as_projector(Model()), HasSubstr("expected a projector"));
  GgufTestFile unstated;
  unstated.Text("general.architecture", "clip");
  EXPECT_THAT(as_projector(unstated), HasSubstr("expected gemma3nv, found nothing"));
  EXPECT_THAT(ErrorOf(Model([](GgufTestFile& file) {
                file.Raw("split.count", static_cast<uint32_t>(ValueType::kUint16),
                         Bytes<uint16_t>(3));
              })),
              HasSubstr("split into 3 files"));
  GgufTestFile type;
  type.Uint("general.architecture", 3);
  EXPECT_THAT(ErrorOf(type), HasSubstr("expected a text"));
}

TEST_F(GgufModelTest, AStackOfTooManyMatricesIsRefused) {
  GgufTestFile file = Model();
  file.Floats("altup_unembd_proj.weight", {1, 1, 65});
  EXPECT_THAT(ErrorOf(file), HasSubstr("a stack of 1 to 64 matrices, found [65, 1, 1]"));
}

TEST_F(GgufModelTest, TheCheckpointBringsBlocksIntoTheFormAskedFor) {
  GgufTestFile file = Model();
  std::string rows;  // two rows of 64 as Q8_0: 1 * (k - 32) / 2, and twice that
  for (const uint16_t scale : {uint16_t{0x3800}, uint16_t{0x3c00}}) {
    for (int k = 0; k < 64; ++k) {
      if (k % 32 == 0) rows += Bytes(scale);
      rows += static_cast<char>(k - 32);
    }
  }
  file.Tensor("blk.0.attn_q.weight", {64, 2}, 8, rows);
  const auto checkpoint = Checkpoint::Load(file.Write(Path(".gguf")));
  const std::string name = "model.language_model.layers.0.self_attn.q_proj.weight";
  const Shape shape({2, 64});
  EXPECT_EQ(checkpoint->Find(name).dtype, DType::kBlockQ80);
  EXPECT_EQ(checkpoint->Get(name, shape, Checkpoint::Forms::kFloatOrBlocks).dtype,
            DType::kBlockQ80);
  const TensorView halves = checkpoint->Get(name, shape, Checkpoint::Forms::kFloat);
  EXPECT_EQ(halves.dtype, DType::kF16);
  EXPECT_EQ(ToFloatVector(halves), ToFloatVector(checkpoint->Find(name)));
  const TensorView tiles = checkpoint->Get(name, shape, Checkpoint::Forms::kFloatOrTiles);
  EXPECT_EQ(tiles.dtype, DType::kQ8Tiles);
  EXPECT_EQ(checkpoint->Get(name, shape, Checkpoint::Forms::kFloatOrTiles).data, tiles.data);
  for (int64_t row = 0; row < 2; ++row) {
    float unpacked[64];
    packed::UnpackRow(tiles.dtype, tiles.data, 64, row, 0, 64, unpacked);
    for (int k = 0; k < 64; ++k) {
      const float expected = static_cast<float>(k - 32) * (row == 0 ? 0.5f : 1.0f);
      EXPECT_NEAR(unpacked[k], expected, 32.0f / 127 / 2 * static_cast<float>(row + 1) * 0.51f);
    }
  }
  EXPECT_THROW(checkpoint->Get(name, shape, Checkpoint::Forms::kRows), Error);
  EXPECT_THROW(checkpoint->Get(name, Shape({64, 2})), Error);
  EXPECT_EQ(checkpoint->Json("tokenizer.json")["model"]["type"].String(), "BPE");
  EXPECT_THAT(checkpoint->Names(), Not(testing::IsEmpty()));
  EXPECT_NE(checkpoint->gguf(), nullptr);
}

TEST_F(GgufModelTest, HostileG12BlocksThatAreNotFinite) {
  for (const uint16_t scale : {0x7e00, 0xfe00, 0x7c00, 0xfc00}) {  // NaN and infinity as f16
    GgufTestFile file = Model();
    std::string rows;  // 9 rows of 32 as Q8_0
    for (int row = 0; row < 9; ++row) {
      rows += Bytes(row == 5 ? scale : uint16_t{0x3800}) + std::string(32, '\1');
    }
    file.Tensor("blk.0.attn_q.weight", {32, 9}, 8, rows);
    const auto checkpoint = Checkpoint::Load(file.Write(Path(".gguf")));
    for (auto form : {Checkpoint::Forms::kFloatOrTiles, Checkpoint::Forms::kFloat}) {
      try {
        checkpoint->Get("model.language_model.layers.0.self_attn.q_proj.weight", {9, 32}, form);
        ADD_FAILURE() << "no error";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kModel);
        EXPECT_THAT(error.what(), HasSubstr("q_proj.weight': expected finite weights, found NaN"));
      }
    }
  }
}

TEST_F(GgufModelTest, AProjectorBelongsToAGgufModel) {
  try {
    Checkpoint::Load(testing::TempDir(), {.projector = "mmproj.gguf"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  }
}

}  // namespace
}  // namespace gemma3n
