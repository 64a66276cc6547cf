// SPDX-License-Identifier: Apache-2.0
// The hostile rows M01 to M09 for packed files: every way one can be broken is one clear error.
#include "checkpoint/packed_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "checkpoint/checkpoint.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using testing::HasSubstr;

// A file of `size` bytes with this header; `length` is what it says of the header's.
std::filesystem::path Write(const std::string& header, size_t size = 4096,
                            std::optional<uint64_t> length = std::nullopt,
                            const std::string& magic = PackedFile::kMagic) {
  const auto path = std::filesystem::path(testing::TempDir()) / "hostile.g3n";
  const uint64_t stated = length.value_or(header.size());
  std::string bytes = magic;
  bytes.append(reinterpret_cast<const char*>(&stated), sizeof(stated));
  bytes += header;
  bytes.resize(size, '\1');
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string MessageOf(const std::filesystem::path& path) {
  try {
    PackedFile file(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string Tensor(const std::string& dtype, const std::string& shape, const std::string& offset,
                   const std::string& bytes, const std::string& crc32 = "00000000") {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"offset":)" + offset +
         R"(,"bytes":)" + bytes + R"(,"crc32":")" + crc32 + "\"}";
}
std::string Header(const std::string& tensor, const std::string& files = "") {
  return R"({"tensors":{"a":)" + tensor + R"(},"files":{)" + files + "}}";
}

TEST(PackedFile, ReadsTensorsAndTexts) {
  const PackedFile file(
      Write(Header(Tensor("F32", "[2,3]", "1024", "24"),
                   R"("config.json":{"offset":2000,"bytes":5,"crc32":"00000000"})")));
  EXPECT_EQ(file.tensors().at("a").shape, (Shape{2, 3}));
  EXPECT_EQ(file.texts().at("config.json"), "\1\1\1\1\1");
  EXPECT_TRUE(PackedFile::Recognizes(file.file().path()));
}

TEST(PackedFile, hostile_M01_HeaderLength) {
  EXPECT_THAT(MessageOf(Write("{}", 10)), HasSubstr("expected a packed model"));
  EXPECT_THAT(MessageOf(Write("{}", 4096, {}, "g3npack2")), HasSubstr("expected a packed model"));
  for (uint64_t length : {~uint64_t{0}, uint64_t{1} << 63, uint64_t{4081}}) {
    EXPECT_THAT(MessageOf(Write("{}", 4096, length)), HasSubstr("does not fit the file of 4096"));
  }
}

TEST(PackedFile, hostile_M02_HeaderText) {
  EXPECT_THAT(MessageOf(Write("[]")), HasSubstr("expected"));
  EXPECT_THAT(MessageOf(Write("{}")), HasSubstr("tensors"));
  EXPECT_THAT(MessageOf(Write("{\"tensors\":")), HasSubstr("JSON"));
}

TEST(PackedFile, hostile_M03_TypesAndShapes) {
  EXPECT_THAT(MessageOf(Write(Header(Tensor("I64", "[2]", "1024", "16")))),
              HasSubstr("found \"I64\""));
  EXPECT_THAT(MessageOf(Write(Header(Tensor("Q4T", "[2]", "1024", "16")))),
              HasSubstr("two dimensions"));
  EXPECT_THAT(MessageOf(Write(Header(Tensor("F32", "[0]", "1024", "0")))), HasSubstr("shape"));
  EXPECT_THAT(MessageOf(Write(Header(Tensor("F32", "[-1]", "1024", "4")))), HasSubstr("shape"));
  for (const char* shape :
       {"[1099511627776,1099511627776]", "[4294967296,4294967296,2]", "[1099511627776,1024]"}) {
    for (const char* dtype : {"F32", "Q4T"}) {
      if (dtype[0] == 'Q' && std::strlen(shape) == 24) continue;
      EXPECT_NE(MessageOf(Write(Header(Tensor(dtype, shape, "1024", "4")))), "no error") << shape;
    }
  }
}

TEST(PackedFile, hostile_M04_Places) {
  const auto message = [](const std::string& offset, const std::string& bytes) {
    return MessageOf(Write(Header(Tensor("F32", "[1]", offset, bytes))));
  };
  EXPECT_EQ(message("1024", "4"), "no error");
  EXPECT_THAT(message("1024", "8"), HasSubstr("expected 4 bytes for [1] F32"));
  EXPECT_THAT(message("1028", "4"), HasSubstr("at a multiple of 64, found 4 at 1028"));
  EXPECT_THAT(message("4096", "4"), HasSubstr("is the download complete?"));
  EXPECT_THAT(message("9223372036854775744", "4"), HasSubstr("is the download complete?"));
  EXPECT_THAT(message("1024", "9223372036854775807"), HasSubstr("is the download complete?"));
  EXPECT_THAT(message("0", "4"), HasSubstr("lies over"));  // the header
  EXPECT_THAT(MessageOf(Write(Header(Tensor("F32", "[64]", "1024", "256"),
                                     R"("x":{"offset":1200,"bytes":9,"crc32":"00000000"})"))),
              HasSubstr("lies over what ends at byte 1280"));
}

TEST(PackedFile, hostile_M05_Checksums) {
  for (const char* crc : {"0000000", "0000000g", "123456789", "-0000001", "0x000000"}) {
    EXPECT_THAT(MessageOf(Write(Header(Tensor("F32", "[1]", "1024", "4", crc)))),
                HasSubstr("8 hexadecimal digits"))
        << crc;
  }
}

TEST(PackedFile, hostile_M06_CutAtEveryByte) {
  const std::string header = Header(Tensor("F32", "[2,3]", "320", "24"));
  for (size_t size = 1; size < 344; ++size) {
    EXPECT_NE(MessageOf(Write(header, size)), "no error") << size;
  }
  EXPECT_EQ(MessageOf(Write(header, 344)), "no error");
}

// A quantized matrix where floats are wanted, and the other way round.
TEST(PackedFile, hostile_M07_FormsAreChecked) {
  const auto path = Write(Header(Tensor("Q4R", "[1,128]", "1024", "72"),
                                 R"("config.json":{"offset":2048,"bytes":2,"crc32":"00000000"})"));
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(2048);
  file << "{}";
  file.close();
  const auto checkpoint = Checkpoint::Load(path);
  const auto message = [&](Checkpoint::Forms forms) {
    try {
      checkpoint->Get("a", {1, 128}, forms);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(message(Checkpoint::Forms::kFloat),
              HasSubstr("expected BF16, F16 or F32, found Q4R"));
  EXPECT_THAT(message(Checkpoint::Forms::kFloatOrTiles), HasSubstr("Q4T or Q8T, found Q4R"));
  EXPECT_EQ(message(Checkpoint::Forms::kRows), "no error");
}

}  // namespace
}  // namespace gemma3n
