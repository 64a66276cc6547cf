// SPDX-License-Identifier: Apache-2.0
// hostile_Gxx name the rows of the list of hostile model files that a test stands for.
#include "checkpoint/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "checkpoint/gguf_test_file.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using gguf::ValueType;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kF32 = 0, kQ80 = 8;

class GgufTest : public testing::Test {
 protected:
  std::filesystem::path Put(const std::string& bytes) {
    path_ = std::filesystem::path(testing::TempDir()) /
            (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".gguf");
    std::ofstream(path_, std::ios::binary) << bytes;
    return path_;
  }
  // What is wrong with a file, "no error" where nothing is.
  std::string ErrorOf(const std::string& bytes) {
    try {
      Gguf gguf(Put(bytes));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kModel);
      EXPECT_THAT(error.what(), HasSubstr(path_.string()));
      return error.what();
    }
    return "no error";
  }
  std::string ErrorOf(const GgufTestFile& file) { return ErrorOf(file.Build()); }

  std::filesystem::path path_;
};

TEST_F(GgufTest, ReadsValuesAndTensors) {
  GgufTestFile file;
  file.Uint("a.count", 7);
  file.Float("a.ratio", 0.5f);
  file.Text("a.name", "x");
  file.Raw("a.flag", static_cast<uint32_t>(ValueType::kBool), std::string(1, '\1'));
  file.Texts("a.texts", {"one", "", "three"});
  file.Numbers<float>("a.floats", ValueType::kFloat32,
                      {1, -std::numeric_limits<float>::infinity()});
  file.Numbers<int8_t>("a.small", ValueType::kInt8, {-1, 3});
  file.Numbers<uint8_t>("a.flags", ValueType::kBool, {1, 0});
  file.Floats("t.f32", {3, 2});
  std::string block = Bytes<uint16_t>(0x3c00);  // 1.0
  for (int i = 0; i < 32; ++i) block += static_cast<char>(i - 16);
  file.Tensor("t.q8", {32, 1}, kQ80, block);
  const Gguf gguf(Put(file.Build()));
  EXPECT_EQ(gguf.Find("a.count")->Int(0, 10), 7);
  EXPECT_EQ(gguf.Find("a.ratio")->Number(0, 1), 0.5);
  EXPECT_EQ(gguf.Find("a.name")->String(), "x");
  EXPECT_TRUE(gguf.Find("a.flag")->Bool());
  EXPECT_THAT(gguf.Find("a.texts")->Strings(), ElementsAre("one", "", "three"));
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(gguf.Find("a.floats")->Numbers(-infinity, 1), ElementsAre(1, -infinity));
  EXPECT_THAT(gguf.Find("a.small")->Ints(-1, 3), ElementsAre(-1, 3));
  EXPECT_THAT(gguf.Find("a.flags")->Bools(), ElementsAre(true, false));
  EXPECT_EQ(gguf.Find("a.none"), nullptr);
  const TensorView floats = gguf.tensors().at("t.f32");
  EXPECT_EQ(floats.shape, Shape({2, 3}));
  EXPECT_THAT(ToFloatVector(floats), ElementsAre(1, 2, 3, 4, 5, 6));
  const TensorView blocks = gguf.tensors().at("t.q8");
  EXPECT_EQ(blocks.dtype, DType::kBlockQ80);
  EXPECT_EQ(ToFloatVector(blocks)[31], 15.0f);
}

TEST_F(GgufTest, ValuesSayWhatTheyAreNot) {
  GgufTestFile file;
  file.Uint("count", 7);
  file.Text("name", "x");
  file.Float("half", 0.5f);
  file.Float("seven", 7.0f);
  file.Numbers<float>("floats", ValueType::kFloat32, {std::numeric_limits<float>::quiet_NaN()});
  const Gguf gguf(Put(file.Build()));
  const auto error = [&](const auto& read) {
    try {
      read();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error([&] { gguf.Find("count")->Int(8, 9); }),
              AllOf(HasSubstr(": count: "), HasSubstr("[8, 9]"), HasSubstr("found 7")));
  EXPECT_THAT(error([&] { gguf.Find("name")->Int(0, 9); }), HasSubstr("expected an integer"));
  EXPECT_THAT(error([&] { gguf.Find("count")->String(); }), HasSubstr("expected a text, found 7"));
  EXPECT_THAT(error([&] { gguf.Find("count")->Bool(); }), HasSubstr("expected true or false"));
  EXPECT_THAT(error([&] { gguf.Find("half")->Int(0, 9); }), HasSubstr("found 0.5"));
  EXPECT_EQ(gguf.Find("seven")->Int(0, 9), 7);  // early files have counts as float32
  EXPECT_THAT(error([&] { gguf.Find("floats")->Numbers(-9, 9); }), HasSubstr("nan"));
  EXPECT_THAT(error([&] { gguf.Find("count")->Ints(0, 9); }), HasSubstr("an array of integers"));
  EXPECT_THAT(error([&] { gguf.Find("floats")->Strings(); }), HasSubstr("an array of texts"));
}

TEST_F(GgufTest, HostileG01WrongMagicVersionAndByteOrder) {
  const std::string good = GgufTestFile().Build();
  EXPECT_THAT(ErrorOf("GGML" + good.substr(4)), HasSubstr("begins with GGUF"));
  const auto version = [&](uint32_t number) {
    return ErrorOf("GGUF" + Bytes(number) + good.substr(8));
  };
  EXPECT_THAT(version(1), HasSubstr("found version 1"));
  EXPECT_THAT(version(4), HasSubstr("found version 4"));
  EXPECT_THAT(version(0x03000000), HasSubstr("big-endian"));
  EXPECT_EQ(version(2), "no error");
  EXPECT_EQ(version(3), "no error");
  EXPECT_THAT(ErrorOf("GGUF"), HasSubstr("is the download complete?"));
}

TEST_F(GgufTest, HostileG02CountsAndLengthsBeyondTheFile) {
  const std::string begin = "GGUF" + Bytes<uint32_t>(3);
  EXPECT_THAT(ErrorOf(begin + Bytes(uint64_t{1} << 63) + Bytes<uint64_t>(0)),
              HasSubstr("at most 65536 tensors"));
  EXPECT_THAT(ErrorOf(begin + Bytes<uint64_t>(0) + Bytes(uint64_t{1} << 63)),
              HasSubstr("at most 65536 keys"));
  EXPECT_THAT(ErrorOf(begin + Bytes<uint64_t>(0) + Bytes<uint64_t>(65536)),
              HasSubstr("is the download complete?"));
  const auto text_of = [&](uint64_t length) {
    GgufTestFile file;
    file.Raw("k", static_cast<uint32_t>(ValueType::kString), Bytes(length) + "abc");
    return ErrorOf(file);
  };
  EXPECT_THAT(text_of(uint64_t{1} << 63), HasSubstr("at most 67108864 bytes"));
  EXPECT_THAT(text_of((64 << 20) + 1), HasSubstr("at most 67108864 bytes"));
  EXPECT_THAT(text_of(1000), HasSubstr("needs 1000 bytes"));
  EXPECT_THAT(text_of(~uint64_t{0}), HasSubstr("at most 67108864 bytes"));
}

TEST_F(GgufTest, HostileG03Arrays) {
  const auto array = [&](uint32_t type, uint64_t count, const std::string& elements) {
    GgufTestFile file;
    file.Raw("k", static_cast<uint32_t>(ValueType::kArray), Bytes(type) + Bytes(count) + elements);
    return ErrorOf(file);
  };
  EXPECT_THAT(array(9, 1, Bytes<uint32_t>(4) + Bytes<uint64_t>(0)), HasSubstr("array of arrays"));
  EXPECT_THAT(array(13, 1, "x"), HasSubstr("from 0 to 12"));
  EXPECT_THAT(array(~0u, 1, "x"), HasSubstr("from 0 to 12"));
  EXPECT_THAT(array(10, uint64_t{1} << 63, "x"), HasSubstr("at most 16777216 elements"));
  EXPECT_THAT(array(10, uint64_t{1} << 61, "x"), HasSubstr("at most 16777216 elements"));
  EXPECT_THAT(array(10, 16 << 20, "x"), HasSubstr("is the download complete?"));
  EXPECT_THAT(array(8, 100, GgufText("a") + GgufText("b")), HasSubstr("is the download complete?"));
  // The 43 bytes that once were enough: header, a key of 3 letters, an array of 2^63.
  const std::string small = "GGUF" + Bytes<uint32_t>(3) + Bytes<uint64_t>(0) + Bytes<uint64_t>(1) +
                            GgufText("abc") + Bytes<uint32_t>(9) + Bytes<uint32_t>(8);
  ASSERT_EQ(small.size(), 43u);
  EXPECT_THAT(ErrorOf(small + Bytes(uint64_t{1} << 63)), HasSubstr("at most 16777216 elements"));
  EXPECT_THAT(ErrorOf(small), HasSubstr("is the download complete?"));
}

TEST_F(GgufTest, HostileG04KeysAndNames) {
  const auto key = [&](const std::string& name) {
    GgufTestFile file;
    file.Uint(name, 1);
    return ErrorOf(file);
  };
  EXPECT_THAT(key(""), HasSubstr("found none"));
  EXPECT_THAT(key(std::string(65536, 'k')), HasSubstr("at most 65535 bytes"));
  EXPECT_THAT(key(std::string("a\0b", 3)), HasSubstr("without NUL"));
  EXPECT_THAT(key("a\xff"), HasSubstr("expected UTF-8"));
  GgufTestFile keys;
  keys.Uint("same", 1);
  keys.Uint("same", 1);
  EXPECT_THAT(ErrorOf(keys), HasSubstr("found twice"));
  GgufTestFile tensors;
  tensors.Floats("same", {2});
  tensors.Floats("same", {2});
  EXPECT_THAT(ErrorOf(tensors), HasSubstr("tensor 'same': found twice"));
  GgufTestFile name;
  name.Floats(std::string(513, 'n'), {2});
  EXPECT_THAT(ErrorOf(name), HasSubstr("at most 512 bytes"));
  GgufTestFile type;
  type.Raw("k", 13, "");
  EXPECT_THAT(ErrorOf(type), HasSubstr("from 0 to 12"));
}

TEST_F(GgufTest, HostileG05Alignment) {
  const auto alignment = [&](uint32_t value) {
    GgufTestFile file;
    file.Uint("general.alignment", value);
    return ErrorOf(file.Build(8));
  };
  for (const uint32_t wrong : {0u, 3u, 4u, 24u, 1u << 21, 1u << 31}) {
    EXPECT_THAT(alignment(wrong), HasSubstr("a power of two in [8, 1048576]")) << wrong;
  }
  EXPECT_EQ(alignment(8), "no error");
  GgufTestFile type;
  type.Raw("general.alignment", static_cast<uint32_t>(ValueType::kUint64), Bytes<uint64_t>(32));
  EXPECT_THAT(ErrorOf(type), HasSubstr("as uint32"));
}

TEST_F(GgufTest, HostileG06Tensors) {
  const auto tensor = [&](const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
    GgufTestFile file;
    file.Entry("x", dims, type, offset);
    file.Data(std::string(64, '\0'));
    return ErrorOf(file);
  };
  const uint64_t half = uint64_t{1} << 32;
  EXPECT_EQ(tensor({4, 4}, kF32, 0), "no error");
  EXPECT_THAT(tensor({1, 1, 1, 1, 1}, kF32, 0), HasSubstr("1 to 4 dimensions, found 5"));
  EXPECT_THAT(tensor({}, kF32, 0), HasSubstr("1 to 4 dimensions, found 0"));
  EXPECT_THAT(tensor({4, 0}, kF32, 0), HasSubstr("found 0 as number 2"));
  EXPECT_THAT(tensor({half, half}, kF32, 0), HasSubstr("2^48"));
  EXPECT_THAT(tensor({half, half, half, half}, kF32, 0), HasSubstr("2^48"));
  EXPECT_THAT(tensor({~uint64_t{0}}, kF32, 0), HasSubstr("2^48"));
  EXPECT_THAT(tensor({31}, kQ80, 0), HasSubstr("blocks of 32 in Q8_0, found rows of 31"));
  EXPECT_THAT(tensor({32}, 16, 0), HasSubstr("found IQ2_XXS"));
  EXPECT_THAT(tensor({32}, 99, 0), HasSubstr("found type 99"));
  EXPECT_THAT(tensor({4}, kF32, 4), HasSubstr("a multiple of 32, found it at 4"));
  EXPECT_THAT(tensor({17}, kF32, 0), HasSubstr("is the download complete?"));
  EXPECT_THAT(tensor({1}, kF32, 64), HasSubstr("is the download complete?"));
  EXPECT_THAT(tensor({1}, kF32, ~uint64_t{0} - 31), HasSubstr("2^64 and more"));
  EXPECT_THAT(tensor({uint64_t{1} << 48}, kF32, 0), HasSubstr("is the download complete?"));
  GgufTestFile over;
  over.Entry("x", {16}, kF32, 0);
  over.Entry("y", {4}, kF32, 32);
  over.Data(std::string(64, '\0'));
  EXPECT_THAT(ErrorOf(over), HasSubstr("tensor 'y': its data at 32 lies over another"));
}

TEST_F(GgufTest, EveryCutOfTheFileIsAnError) {
  GgufTestFile file;
  file.Texts("texts", {"a", "bc"});
  file.Numbers<float>("floats", ValueType::kFloat32, {1, 2});
  file.Floats("x", {3, 2});
  const std::string whole = file.Build();
  ASSERT_EQ(ErrorOf(whole), "no error");
  for (size_t length = 1; length < whole.size(); ++length) {
    EXPECT_NE(ErrorOf(whole.substr(0, length)), "no error") << length;
  }
}

TEST_F(GgufTest, HostileG11EveryFlippedByteIsReadOrRefused) {
  GgufTestFile file;
  file.Texts("texts", {"a", "bc"});
  file.Numbers<float>("floats", ValueType::kFloat32, {1, 2});
  file.Floats("x", {3, 2});
  file.Tensor("y", {32, 2}, kQ80, std::string(68, '\1'));
  const std::string whole = file.Build();
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string broken = whole;
      broken[at] = static_cast<char>(broken[at] ^ flip);
      ErrorOf(broken);  // no crash; sanitizers look for the rest
    }
  }
}

TEST(GgufTypes, NumbersGoBothWays) {
  for (uint32_t number = 0; number < 64; ++number) {
    if (const auto dtype = gguf::DTypeOf(number)) {
      EXPECT_EQ(gguf::TensorTypeOf(*dtype), number);
      EXPECT_EQ(gguf::TensorTypeName(number), DTypeName(*dtype));
    }
  }
}

}  // namespace
}  // namespace gemma3n
