// SPDX-License-Identifier: Apache-2.0
// The hostile rows M01 to M09: every way a safetensors file can be broken is one clear error.
#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <ctime>
#include <fstream>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::filesystem::path Write(const std::string& header, const std::string& data,
                            std::optional<uint64_t> length = std::nullopt) {
  const auto path = std::filesystem::path(testing::TempDir()) / "hostile.safetensors";
  const uint64_t stated = length.value_or(header.size());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&stated), sizeof(stated));
  file << header << data;
  return path;
}

std::string MessageOf(const std::filesystem::path& path) {
  try {
    Safetensors file(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string Tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

std::string Bytes(size_t n) {
  return std::string(n, '\1');
}

TEST(Safetensors, ReadsTensorsInAnyOrder) {
  const float values[] = {1, 2, 3};
  std::string data(reinterpret_cast<const char*>(values), sizeof(values));
  const Safetensors file(Write("{" + Tensor("b", "F32", "[1]", "[8,12]") + "," +
                                   Tensor("a", "F32", "[2,1]", "[0,8]") +
                                   R"(,"__metadata__":{"format":"pt"}}   )",
                               data));
  EXPECT_EQ(ToFloatVector(file.tensors().at("a")), (std::vector<float>{1, 2}));
  EXPECT_EQ(file.tensors().at("a").shape, Shape({2, 1}));
  EXPECT_EQ(ToFloatVector(file.tensors().at("b")), (std::vector<float>{3}));
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST(Safetensors, hostile_M01_HeaderLength) {
  const auto path = std::filesystem::path(testing::TempDir()) / "short.safetensors";
  std::ofstream(path) << "abc";
  EXPECT_THAT(MessageOf(path), HasSubstr("found 3 bytes"));
  EXPECT_THAT(MessageOf(Write("", "", 0)), HasSubstr("start with {"));
  for (uint64_t length : {uint64_t{1} << 63, uint64_t{3}, ~uint64_t{0}}) {
    EXPECT_THAT(MessageOf(Write("{}", "", length)), HasSubstr("does not fit the file of 10"));
  }
}

TEST(Safetensors, hostile_M02_HeaderText) {
  EXPECT_THAT(MessageOf(Write("[1]", "")), HasSubstr("start with {"));
  EXPECT_THAT(MessageOf(Write("{\"a\xff\":1}", "")), HasSubstr("UTF-8"));
  EXPECT_THAT(MessageOf(Write("{} x", "")), HasSubstr("JSON"));
  const std::string tensor = Tensor("a", "F32", "[1]", "[0,4]");
  EXPECT_THAT(MessageOf(Write("{" + tensor + "," + tensor + "}", Bytes(4))), HasSubstr("twice"));
}

TEST(Safetensors, hostile_M03_Offsets) {
  const auto one = [](const std::string& offsets, size_t bytes = 4) {
    return MessageOf(Write("{" + Tensor("a", "F32", "[1]", offsets) + "}", Bytes(bytes)));
  };
  EXPECT_EQ(one("[0,4]"), "no error");
  EXPECT_THAT(one("[4,0]"), HasSubstr("tensor 'a'"));
  EXPECT_THAT(one("[0,4]", 3), HasSubstr("is the download complete"));
  EXPECT_THAT(one("[0,4]", 5), HasSubstr("expected 4 bytes of tensor data, found 5"));
  EXPECT_THAT(one("[4,8]", 8), HasSubstr("after a gap"));
  EXPECT_THAT(one("[-4,0]"), HasSubstr("data_offsets"));
  EXPECT_THAT(one("[0.5,4.5]"), HasSubstr("data_offsets"));
  EXPECT_THAT(one("[\"0\",4]"), HasSubstr("data_offsets"));
  EXPECT_THAT(one("[0]"), HasSubstr("two offsets"));
  EXPECT_THAT(MessageOf(Write("{" + Tensor("a", "F32", "[2]", "[0,8]") + "," +
                                  Tensor("b", "F32", "[2]", "[4,12]") + "}",
                              Bytes(12))),
              HasSubstr("over another tensor"));
}

TEST(Safetensors, hostile_M04_Shapes) {
  const auto one = [](const std::string& shape) {
    return MessageOf(Write("{" + Tensor("a", "F32", shape, "[0,4]") + "}", Bytes(4)));
  };
  EXPECT_THAT(one("[2]"), HasSubstr("expected data for [2] F32"));
  EXPECT_THAT(one("[4294967296,4294967296]"), HasSubstr("expected data for"));
  EXPECT_THAT(one("[0]"), HasSubstr("shape"));
  EXPECT_THAT(one("[-1]"), HasSubstr("shape"));
  EXPECT_THAT(one("[9223372036854775808]"), HasSubstr("shape"));
  EXPECT_THAT(one("[1,1,1,1,1,1,1,1,1]"), HasSubstr("at most 8 dimensions"));
}

TEST(Safetensors, hostile_M05_ElementTypes) {
  for (const char* dtype : {"F8_E5M2", "I64", "Q4", ""}) {
    EXPECT_THAT(MessageOf(Write("{" + Tensor("a", dtype, "[1]", "[0,4]") + "}", Bytes(4))),
                HasSubstr("expected element type"));
  }
}

TEST(Safetensors, hostile_M06_MisalignedTensorsAreCopied) {
  const float value = 2.5f;
  std::string header = "{" + Tensor("a", "F32", "[1]", "[0,4]") + "}";
  while (header.size() % 4 != 1) header += ' ';
  const Safetensors file(Write(header, std::string(reinterpret_cast<const char*>(&value), 4)));
  const TensorView& view = file.tensors().at("a");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data) % 4, 0u);
  EXPECT_EQ(*view.as<float>(), 2.5f);
}

TEST(Safetensors, hostile_M09_SpecialFiles) {
  EXPECT_THAT(MessageOf("/dev/zero"), HasSubstr("not a plain file"));
  EXPECT_THAT(MessageOf("/tmp"), HasSubstr("not a plain file"));
  EXPECT_THAT(MessageOf("/nonexistent"), HasSubstr("cannot be opened"));
  const auto fifo = std::filesystem::path(testing::TempDir()) / "fifo";
  std::filesystem::remove(fifo);
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(MessageOf(fifo), HasSubstr("not a plain file"));
  const auto empty = std::filesystem::path(testing::TempDir()) / "empty";
  std::ofstream(empty).flush();
  EXPECT_THAT(MessageOf(empty), HasSubstr("is empty"));
}

// A file of `count` tensors whose names have `name_bytes` each.
std::filesystem::path ManyTensors(size_t count, size_t name_bytes) {
  std::string header = "{";
  for (size_t i = 0; i < count; ++i) {
    std::string name = std::to_string(i);
    name.insert(0, name_bytes - name.size(), 'x');
    header += (i ? "," : "") +
              Tensor(name, "F32", "[1]",
                     "[" + std::to_string(4 * i) + "," + std::to_string(4 * i + 4) + "]");
  }
  return Write(header + "}", Bytes(4 * count));
}

TEST(Safetensors, hostile_M11_ManyLongNames) {
  // In the processor's time, against itself: names that are sought one after the other would take
  // 64 times as long for 8 times as many.
  const auto reading = [](size_t names) {
    const auto path = ManyTensors(names, 512);
    const std::clock_t begin = std::clock();
    EXPECT_EQ(Safetensors(path).tensors().size(), names);
    return static_cast<double>(std::clock() - begin);
  };
  const double few = reading(8192);
  EXPECT_LT(reading(65536), 30 * few);
  EXPECT_THAT(MessageOf(ManyTensors(65537, 512)), HasSubstr("at most 65536"));
}

TEST(Safetensors, hostile_M11_NameLength) {
  EXPECT_EQ(MessageOf(ManyTensors(1, 512)), "no error");
  EXPECT_THAT(MessageOf(ManyTensors(1, 513)),
              HasSubstr("names of at most 512 bytes, found one of 513"));
}

// The file is all hole: whoever believes the length reads 100 MB of zeros.
TEST(Safetensors, hostile_M01_HeaderOverTheLimit) {
  const auto path = Write("", "", 100'000'001);
  std::filesystem::resize_file(path, 200'000'000);
  EXPECT_THAT(MessageOf(path),
              AllOf(HasSubstr("header length 100000001"), HasSubstr("at most 100000000")));
  Write("", "", 100'000'000);
  std::filesystem::resize_file(path, 200'000'000);
  EXPECT_THAT(MessageOf(path), HasSubstr("start with {"));
}

TEST(Safetensors, hostile_M01_CutAtEveryByte) {
  const std::string header = "{" + Tensor("a", "BF16", "[2]", "[0,4]") + "}";
  const auto path = Write(header, Bytes(4));
  const auto size = std::filesystem::file_size(path);
  for (uintmax_t cut = 0; cut < size; ++cut) {
    Write(header, Bytes(4));
    std::filesystem::resize_file(path, cut);
    EXPECT_NE(MessageOf(path), "no error") << cut;
  }
}

}  // namespace
}  // namespace gemma3n
