// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "media/test_files.h"

namespace gemma3n {
namespace {

using namespace test_files;

struct Case {
  Bytes bytes;
  MediaKind kind;
  const char* format;
};

Bytes Ogg(const std::string& packet) {
  Bytes page = Join({FromText("OggS"), Bytes(22), {1, static_cast<uint8_t>(packet.size())}});
  return Join({page, FromText(packet)});
}

TEST(MediaKind, FirstBytesDecide) {
  const Case cases[] = {
      {Jpeg(Picture(4, 4)), MediaKind::kImage, "JPEG"},
      {WebpLossless(Picture(4, 4)), MediaKind::kImage, "WebP"},
      {Wav16({1}, 16000), MediaKind::kAudio, "WAV"},
      {Join({FromText("RIFF"), Bytes(4), FromText("AVI ")}), MediaKind::kVideo, "AVI"},
      {FromText("fLaC...."), MediaKind::kAudio, "FLAC"},
      {Join({BigEndian(20, 4), FromText("ftypisom"), Bytes(8)}), MediaKind::kVideo,
       "MP4 or QuickTime"},
      {Join({BigEndian(20, 4), FromText("ftypM4A "), Bytes(8)}), MediaKind::kAudio, "M4A"},
      {Join({BigEndian(20, 4), FromText("ftypheic"), Bytes(8)}), MediaKind::kUnknown,
       "HEIC picture"},
      {Ogg("OpusHead"), MediaKind::kAudio, "Ogg"},
      {Ogg("\x80theora"), MediaKind::kVideo, "Ogg"},
      {Bytes{0xff, 0xfb, 0x90, 0x00}, MediaKind::kAudio, "MP3"},
      {Bytes{0xff, 0xf1, 0x50, 0x80}, MediaKind::kAudio, "AAC (ADTS)"},
      {Join({FromText("G"), Bytes(187), FromText("G"), Bytes(187)}), MediaKind::kVideo, "MPEG-TS"},
      {FromText("#EXTM3U\n"), MediaKind::kUnknown, "HLS playlist"},
      {FromText("  <svg/>"), MediaKind::kUnknown, "SVG drawing"},
      {FromText("hello"), MediaKind::kUnknown, ""},
      {{}, MediaKind::kUnknown, ""},
  };
  for (const Case& one : cases) {
    const MediaType type = DetectMediaKind(one.bytes);
    EXPECT_EQ(type.format, one.format);
    EXPECT_EQ(static_cast<int>(type.kind), static_cast<int>(one.kind)) << one.format;
  }
}

TEST(MediaKind, EveryPrefixIsSafe) {
  for (const Bytes& bytes : {Jpeg(Picture(4, 4)), Wav16({1}, 16000), Ogg("OpusHead"),
                             Join({BigEndian(20, 4), FromText("ftypisom"), Bytes(8)})}) {
    for (size_t length = 0; length < bytes.size(); ++length)
      DetectMediaKind(std::span(bytes).first(length));
  }
}

}  // namespace
}  // namespace gemma3n
