// SPDX-License-Identifier: Apache-2.0
#include "server/frames.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/test_frames.h"

namespace gemma3n::server {
namespace {

constexpr uint64_t kMost = 8 << 20;
constexpr size_t kFragments = 64;

// All frames of these bytes, which come `piece` at a time.
std::vector<Frame> Frames(const std::string& bytes, size_t piece = 1 << 20) {
  FrameReader reader(kMost, kFragments);
  std::vector<Frame> frames;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    reader.Add(std::string_view(bytes).substr(at, piece));
    while (auto frame = reader.Next()) frames.push_back(std::move(*frame));
  }
  return frames;
}

// The close code that these bytes are answered with; 0: they break no rule.
int Broken(const std::string& bytes) {
  try {
    Frames(bytes);
  } catch (const BrokenFrame& broken) {
    return broken.code;
  }
  return 0;
}

std::string Code(int code, const std::string& reason = "") {
  return ClientFrame(kLast | 8, ClosePayload(code, reason));
}

TEST(Frames, MessagesComeWholeHoweverTheyAreCut) {
  const std::string long_text(70'000, 'x');
  const std::string bytes = ClientText("Hello") + ClientFrame(1, "Gr\xC3") +
                            ClientFrame(kLast | 9, "ping") + ClientFrame(0, "\xBC\xC3") +
                            ClientFrame(kLast,
                                        "\x9F"
                                        "e") +
                            ClientFrame(kLast | 2, "\xFF") + ClientText("") +
                            ClientText(std::string(126, 'y')) + ClientText(long_text) +
                            Code(1000, "bye");
  for (const size_t piece : {1, 2, 3, 7, 1 << 20}) {
    const std::vector<Frame> frames = Frames(bytes, piece);
    ASSERT_EQ(frames.size(), 8u);
    EXPECT_EQ(frames[0].data, "Hello");
    EXPECT_EQ(frames[1].opcode, Opcode::kPing);  // before the message that it came into
    EXPECT_EQ(frames[1].data, "ping");
    EXPECT_EQ(frames[2].opcode, Opcode::kText);
    EXPECT_EQ(frames[2].data,
              "Gr\xC3\xBC\xC3\x9F"
              "e");  // letters cut by borders of fragments
    EXPECT_EQ(frames[3].opcode, Opcode::kBinary);
    EXPECT_EQ(frames[3].data, "\xFF");
    EXPECT_EQ(frames[4].data, "");
    EXPECT_EQ(frames[5].data, std::string(126, 'y'));
    EXPECT_EQ(frames[6].data, long_text);
    EXPECT_EQ(frames[7].opcode, Opcode::kClose);
    EXPECT_EQ(frames[7].code, 1000);
    EXPECT_EQ(frames[7].data, "bye");
  }
}

TEST(Frames, W02_FramesThatBreakTheRules) {
  EXPECT_EQ(Broken(ClientFrame(kLast | 1, "x", 0)), kProtocolError);  // not masked
  for (const int reserved : {0x40, 0x20, 0x10}) {
    EXPECT_EQ(Broken(ClientFrame(kLast | reserved | 1, "x")), kProtocolError);
  }
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    EXPECT_EQ(Broken(ClientFrame(kLast | opcode, "x")), kProtocolError) << opcode;
  }
  for (const int control : {8, 9, 10}) {
    EXPECT_EQ(Broken(ClientFrame(control, "")), kProtocolError);  // in fragments
    EXPECT_EQ(Broken(ClientFrame(kLast | control, std::string(126, 'x'))), kProtocolError);
  }
  EXPECT_EQ(Broken(ClientFrame(kLast | 9, std::string(125, 'x'))), 0);
  EXPECT_EQ(Broken(ClientFrame(kLast | 0, "x")), kProtocolError);  // of no message
  EXPECT_EQ(Broken(ClientFrame(1, "x") + ClientFrame(kLast | 2, "x")), kProtocolError);
}

TEST(Frames, W02_Lengths) {
  const std::string mask = "\x12\x34\x56\x78";
  EXPECT_EQ(Broken(std::string("\x81\xFE\x00\x05", 4) + mask), kProtocolError);
  EXPECT_EQ(Broken(std::string("\x81\xFF\0\0\0\0\0\0\xFF\xFF", 10) + mask), kProtocolError);
  EXPECT_EQ(Broken(std::string("\x81\xFF\x80\0\0\0\0\x01\0\0", 10) + mask), kMessageTooBig);
  EXPECT_EQ(Broken(std::string("\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10) + mask),
            kMessageTooBig);
}

TEST(Frames, W02_CloseCodes) {
  for (const int code : {1000, 1001, 1002, 1003, 1007, 1008, 1011, 1014, 3000, 4999}) {
    EXPECT_EQ(Broken(Code(code)), 0) << code;
  }
  for (const int code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535}) {
    EXPECT_EQ(Broken(Code(code)), kProtocolError) << code;
  }
  EXPECT_EQ(Broken(ClientFrame(kLast | 8, "x")), kProtocolError);  // half a code
  EXPECT_EQ(Broken(ClientFrame(kLast | 8, "")), 0);
  EXPECT_EQ(Broken(Code(1000, "\xFF")), kNotUtf8);
}

TEST(Frames, W02_TextsThatAreNotUtf8) {
  for (const char* good :
       {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "x\xE2\x82\xACy"}) {
    EXPECT_EQ(Broken(ClientText(good)), 0) << good;
  }
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3x", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xE2\x82", "\xE2\x82x", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF0\x9F\x98", "\xF5\x80\x80\x80", "\xFE", "\xFF", "good \xF0\x9F\x98 bad"}) {
    EXPECT_EQ(Broken(ClientText(bad)), kNotUtf8) << bad;
    EXPECT_EQ(Broken(ClientFrame(kLast | 2, bad)), 0);  // bytes may be anything
  }
}

TEST(Frames, W03_MessagesHaveALimit) {
  EXPECT_EQ(Broken(ClientText(std::string(kMost, 'x'))), 0);
  // Refused when its length is known, before any of it has come.
  EXPECT_EQ(Broken(ClientText(std::string(kMost + 1, 'x')).substr(0, 14)), kMessageTooBig);
  std::string never_ending = ClientFrame(1, std::string(1 << 20, 'x'));
  for (int i = 0; i < 7; ++i) never_ending += ClientFrame(0, std::string(1 << 20, 'x'));
  EXPECT_EQ(Broken(never_ending), 0);
  EXPECT_EQ(Broken(never_ending + ClientFrame(0, "x")), kMessageTooBig);
}

TEST(Frames, W03_FragmentsHaveALimit) {
  std::string fragments = ClientFrame(1, "");
  for (size_t i = 2; i < kFragments; ++i) fragments += ClientFrame(0, "");
  EXPECT_EQ(Broken(fragments + ClientFrame(kLast, "")), 0);
  EXPECT_EQ(Broken(fragments + ClientFrame(0, "") + ClientFrame(0, "")), kPolicyViolation);
  // Of one message: the next has as many.
  EXPECT_EQ(Broken(fragments + ClientFrame(kLast, "") + fragments), 0);
}

TEST(Frames, OursAreWholeAndUnmasked) {
  EXPECT_EQ(FrameBytes(Opcode::kText, "Hello"), "\x81\x05Hello");
  EXPECT_EQ(FrameBytes(Opcode::kPing, ""), std::string("\x89\x00", 2));
  EXPECT_EQ(FrameBytes(Opcode::kText, std::string(126, 'x')).substr(0, 4),
            std::string("\x81\x7E\x00\x7E", 4));
  EXPECT_EQ(FrameBytes(Opcode::kText, std::string(65536, 'x')).substr(0, 10),
            std::string("\x81\x7F\0\0\0\0\0\x01\0\0", 10));
  EXPECT_EQ(ClosePayload(1000, "bye"),
            "\x03\xE8"
            "bye");
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\xC3\xBC";
  EXPECT_EQ(ClosePayload(1000, umlauts).size(), 124u);  // no half of a letter
}

TEST(Frames, W01_KeysAreSixteenBytes) {
  EXPECT_EQ(AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455
  for (const char* wrong : {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "?", "x y"}) {
    EXPECT_EQ(AcceptKey(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace gemma3n::server
