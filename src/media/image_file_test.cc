// SPDX-License-Identifier: Apache-2.0
// Pictures: exact pixels of small ones, and section 7 of the hostile inputs. Equality with Pillow
// over many generated files is in tests/peers/test_media.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "gemma3n/error.h"
#include "media/exif.h"
#include "media/test_files.h"

namespace gemma3n {
namespace {

using namespace test_files;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Image Read(const Bytes& bytes, const MediaOptions& options = {}) {
  return ParseImage(bytes, "x.png", options);
}

std::string Refusal(const Bytes& bytes, const MediaOptions& options = {}) {
  return MessageOf([&] { Read(bytes, options); });
}

// An error, or a picture that comes out the same when read again.
void ExpectNoSurprise(const Bytes& bytes) {
  Image first;
  const std::string message = MessageOf([&] { first = Read(bytes); });
  if (!message.empty()) {
    EXPECT_THAT(message, StartsWith("x.png: "));
    EXPECT_EQ(message.find('\n'), message.npos);
  }
  Image second;
  EXPECT_EQ(MessageOf([&] { second = Read(bytes); }), message);
  EXPECT_EQ(first.rgb, second.rgb);
}

Bytes SmallPng() {
  return Png(
      {.width = 2, .height = 2, .rows = PngRows({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 6)});
}

TEST(ImageFile, PngRgbIsAsStored) {
  const Image image = Read(SmallPng());
  EXPECT_EQ(image.width, 2);
  EXPECT_EQ(image.height, 2);
  EXPECT_THAT(image.rgb, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
}

TEST(ImageFile, LoadNamesTheFile) {
  const std::string path = ::testing::TempDir() + "/picture";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(SmallPng().data()),
             static_cast<std::streamsize>(SmallPng().size()));
  EXPECT_EQ(LoadImage(path).width, 2);
  EXPECT_THAT(MessageOf([] { LoadImage("/nowhere/at/all.png"); }),
              ::testing::AllOf(HasSubstr("/nowhere/at/all.png: "), HasSubstr("No such file")));
  EXPECT_THAT(MessageOf([] { LoadImage("/tmp"); }), HasSubstr("found a directory"));
  EXPECT_THAT(MessageOf([] { LoadImage("/dev/zero"); }), HasSubstr("regular file"));
}

TEST(ImageFile, JpegKeepsSizeAndNearlyThePixels) {
  const Image picture = Picture(37, 21);
  for (const bool progressive : {false, true}) {
    const Image image = Read(Jpeg(picture, {.progressive = progressive}));
    EXPECT_EQ(image.width, 37);
    EXPECT_EQ(image.height, 21);
    double error = 0;
    for (size_t i = 0; i < image.rgb.size(); ++i) error += std::abs(image.rgb[i] - picture.rgb[i]);
    EXPECT_LT(error / static_cast<double>(image.rgb.size()), 30);
  }
}

TEST(ImageFile, WebpLosslessIsExact) {
  const Image picture = Picture(19, 11);
  EXPECT_EQ(Read(WebpLossless(picture)).rgb, picture.rgb);
}

TEST(ImageFile, GifShowsTheFirstFrameOnItsScreen) {
  const Image image = Read(Gif(
      3, 2, {{.width = 2, .height = 1, .left = 1, .top = 1, .transparent = 2, .indices = {1, 3}}}));
  EXPECT_THAT(image.rgb, ElementsAre(30, 31, 32, 30, 31, 32, 30, 31, 32,  //
                                     30, 31, 32, 20, 21, 22, 40, 41, 42));
}

// A moving WebP whose frames are 2 x 2 pixels of one grey each.
Bytes MovingWebp(uint32_t width, uint32_t height, const Bytes& greys) {
  const auto chunk = [](std::string_view id, const Bytes& body) {
    return Join({FromText(id), LittleEndian(body.size(), 4), body, Bytes(body.size() % 2)});
  };
  std::vector<Bytes> parts = {
      FromText("WEBP"),
      chunk("VP8X", Join({{2, 0, 0, 0}, LittleEndian(width - 1, 3), LittleEndian(height - 1, 3)})),
      chunk("ANIM", Bytes(6))};
  for (const uint8_t grey : greys) {
    const Bytes still = WebpLossless({2, 2, Bytes(12, grey)});
    const Bytes picture(still.begin() + 12, still.end());
    parts.push_back(chunk("ANMF", Join({Bytes(6), {1, 0, 0, 1, 0, 0}, Bytes(4), picture})));
  }
  const Bytes body = Join(parts);
  return Join({FromText("RIFF"), LittleEndian(body.size(), 4), body});
}

// A header that promises about 65535 x 65535 behind few bytes.
std::vector<Bytes> HugeHeaders() {
  Bytes jpeg = Jpeg(Picture(8, 8));
  for (size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) jpeg[i + 5] = jpeg[i + 7] = 0xff;
  }
  return {Png({.width = 65535, .height = 65535, .rows = {0}}),
          Png({.width = 0x7fffffff, .height = 0x7fffffff, .rows = {0}}), jpeg,
          MovingWebp(65535, 65535, {9}), Gif(65535, 65535, {{.indices = {0, 1, 2, 3}}})};
}

TEST(ImageFile, hostile_I01_HugeSizesAreRefusedFromTheHeader) {
  for (const Bytes& bytes : HugeHeaders()) {
    EXPECT_LT(bytes.size(), 2048u);
    EXPECT_THAT(Refusal(bytes), HasSubstr(", the limit is "));
    // Where any size may pass, next to no memory must be asked for before the header is read.
    MediaOptions options;
    options.limits.image_side = std::numeric_limits<int>::max();
    options.limits.image_pixels = std::numeric_limits<int64_t>::max();
    options.limits.image_memory_bytes = 4096;
    EXPECT_THAT(Refusal(bytes, options), HasSubstr(" MiB, the limit is 0 MiB"));
  }
  EXPECT_THAT(Refusal(HugeHeaders()[0]), HasSubstr("65535 x 65535 pixels, the limit is 16384"));
  EXPECT_THAT(Refusal(Png({.width = 16384, .height = 16384, .rows = {0}})),
              HasSubstr("67108864 pixels in all"));
}

TEST(ImageFile, hostile_I02_BombsAndChunksAreBounded) {
  // 64 MiB of zeros deflate to 64 KiB; only the rows that the header promises are inflated.
  const Bytes bomb = Deflate(Bytes(64u << 20));
  const auto around = [&](const std::vector<Bytes>& chunks) {
    PngParts parts{.width = 1, .height = 1, .before_data = chunks, .rows = {0, 7, 8, 9}};
    return Png(parts);
  };
  const Bytes named = Join({FromText("name"), {0, 0}, bomb});
  for (const char* type : {"iCCP", "zTXt", "iTXt"})
    EXPECT_THAT(Read(around({PngChunk(type, named)})).rgb, ElementsAre(7, 8, 9)) << type;
  EXPECT_THAT(Read(Png({.width = 1, .height = 1, .rows = Bytes(16u << 20)})).rgb,
              ElementsAre(0, 0, 0));
  const Bytes small = PngChunk("tEXt", FromText(std::string_view("a\0b", 3)));
  EXPECT_THAT(Read(around(std::vector<Bytes>(10000, small))).rgb, ElementsAre(7, 8, 9));
  // A chunk that claims 4 GiB.
  Bytes lying = SmallPng();
  std::fill_n(lying.begin() + 33, 4, 0xff);
  EXPECT_NE(Refusal(lying), "");
}

TEST(ImageFile, hostile_I03_ExtremeShapes) {
  EXPECT_THAT(Refusal(Png({.width = 0, .height = 5, .rows = {0}})), StartsWith("x.png: "));
  EXPECT_THAT(Refusal(Png({.width = 5, .height = 0, .rows = {0}})), StartsWith("x.png: "));
  EXPECT_EQ(Read(Png({.width = 1, .height = 1, .rows = {0, 1, 2, 3}})).rgb.size(), 3u);
  const Image wide = Read(Png({.width = 16384, .height = 1, .rows = Bytes(1 + 3 * 16384)}));
  EXPECT_EQ(wide.width, 16384);
  const Image tall = Read(Png({.width = 1, .height = 16384, .rows = Bytes(4 * 16384)}));
  EXPECT_EQ(tall.height, 16384);
  EXPECT_THAT(Refusal(Png({.width = 16385, .height = 1, .rows = {0}})),
              HasSubstr("16385 x 1 pixels, the limit is 16384"));
}

std::vector<Bytes> OneOfEach() {
  const Image picture = Picture(12, 9);
  Bytes samples = picture.rgb;
  return {Png({.width = 12, .height = 9, .rows = PngRows(samples, 36)}),
          Jpeg(picture, {.exif = Exif(6)}), Jpeg(picture, {.progressive = true}),
          WebpLossless(picture),
          Gif(4, 4,
              {{.width = 4,
                .height = 4,
                .indices = {0, 1, 2, 3, 3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0}}})};
}

TEST(ImageFile, hostile_I04_CutAtEveryByteIsAnErrorOrThePicture) {
  for (const Bytes& bytes : OneOfEach()) {
    const Image whole = Read(bytes);
    for (size_t length = 0; length < bytes.size(); ++length) {
      const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
      Image image;
      // What is missing may only be what comes after the last pixel.
      if (MessageOf([&] { image = Read(cut); }).empty()) {
        EXPECT_EQ(image.rgb, whole.rgb) << length << " of " << bytes.size();
      }
    }
  }
}

TEST(ImageFile, hostile_I04_JpegEndsWithItsMarker) {
  Bytes jpeg = Jpeg(Picture(12, 9));
  jpeg.pop_back();
  EXPECT_THAT(Refusal(jpeg), HasSubstr("cut short"));
  jpeg.push_back(0x59);
  EXPECT_NE(Refusal(jpeg), "");
}

TEST(ImageFile, hostile_I04_FlippedBitsGiveTheSameEachTime) {
  for (const Bytes& bytes : OneOfEach()) {
    for (size_t at = 0; at < bytes.size(); at += 1 + bytes.size() / 150) {
      for (const int bit : {0, 3, 7}) {
        Bytes broken = bytes;
        broken[at] ^= static_cast<uint8_t>(1 << bit);
        ExpectNoSurprise(broken);
      }
    }
  }
}

TEST(ImageFile, hostile_I05_JpegKinds) {
  const Image picture = Picture(32, 24);
  EXPECT_EQ(Read(Jpeg(picture, {.channels = 4})).rgb.size(), picture.rgb.size());
  EXPECT_EQ(Read(Jpeg(picture, {.channels = 4, .ycck = true})).rgb.size(), picture.rgb.size());
  EXPECT_EQ(Read(Jpeg(picture, {.channels = 1})).rgb.size(), picture.rgb.size());
  EXPECT_EQ(Read(Jpeg(picture, {.restart_rows = 1})).rgb.size(), picture.rgb.size());
  EXPECT_EQ(Read(Jpeg(picture, {.arithmetic = true})).rgb,
            Read(Jpeg(picture)).rgb);  // other coding, same coefficients
  // 12 bits a sample, lossless, five channels: by name.
  Bytes jpeg = Jpeg(picture);
  size_t frame = 0;
  for (size_t i = 0; i + 9 < jpeg.size() && frame == 0; ++i)
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) frame = i;
  Bytes deep = jpeg;
  deep[frame + 4] = 12;
  EXPECT_THAT(Refusal(deep), HasSubstr("8 bits a sample"));
  Bytes lossless = jpeg;
  lossless[frame + 1] = 0xc3;
  EXPECT_THAT(Refusal(lossless), HasSubstr("unsupported kind of JPEG"));
}

// The last scan of a progressive picture, repeated.
Bytes WithScans(int count) {
  const Bytes jpeg = Jpeg(Picture(16, 16), {.channels = 1, .progressive = true});
  size_t last_scan = 0;
  for (size_t i = 0; i + 1 < jpeg.size(); ++i)
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xda) last_scan = i;
  const Bytes head(jpeg.begin(), jpeg.begin() + static_cast<ptrdiff_t>(last_scan));
  const Bytes scan(jpeg.begin() + static_cast<ptrdiff_t>(last_scan), jpeg.end() - 2);
  std::vector<Bytes> parts = {head};
  for (int i = 0; i < count; ++i) parts.push_back(scan);
  parts.push_back({0xff, 0xd9});
  return Join(parts);
}

TEST(ImageFile, hostile_I05_ScansAreCounted) {
  EXPECT_EQ(Read(WithScans(3)).width, 16);
  EXPECT_THAT(Refusal(WithScans(10000)), HasSubstr("more than 64 scans"));
}

TEST(ImageFile, hostile_I06_OrientationIsApplied) {
  // Two pixels, A left of B; what each value of the tag makes of them.
  const Bytes rows = {0, 1, 1, 1, 2, 2, 2};
  for (int value = 0; value <= 9; ++value) {
    const Image image =
        Read(Png({.width = 2,
                  .height = 1,
                  .before_data = {PngChunk("eXIf", Exif(static_cast<uint16_t>(value)))},
                  .rows = rows}));
    const bool turned = value >= 5 && value <= 8;
    EXPECT_EQ(image.width, turned ? 1 : 2) << value;
    EXPECT_EQ(image.height, turned ? 2 : 1) << value;
    const bool swapped = value == 2 || value == 3 || value == 7 || value == 8;
    EXPECT_EQ(image.rgb.front(), swapped ? 2 : 1) << value;
  }
  const Image picture = Picture(16, 8);
  EXPECT_EQ(Read(Jpeg(picture, {.exif = Exif(6)})).width, 8);
}

TEST(ImageFile, hostile_I06_LargeExif) {
  // 10 MiB behind the one tag that is read, or before it in a directory of other tags.
  const Bytes behind = Join({Exif(6), Bytes(10u << 20, 0x55)});
  Bytes many = Join({FromText("II*"), {0}, LittleEndian(8, 4), LittleEndian(65535, 2)});
  many.resize(many.size() + 65534u * 12);
  const Bytes one = Exif(6);
  many.insert(many.end(), one.begin() + 10, one.end());
  many.resize(10u << 20);
  for (const Bytes& exif : {behind, many}) {
    for (const bool before : {true, false}) {
      PngParts parts{.width = 2, .height = 1, .rows = {0, 1, 1, 1, 2, 2, 2}};
      std::vector<Bytes>& place = before ? parts.before_data : parts.after_data;
      place.push_back(PngChunk("eXIf", exif));
      const Image image = Read(Png(parts));
      EXPECT_EQ(image.width, 1);
      EXPECT_THAT(image.rgb, ElementsAre(1, 1, 1, 2, 2, 2));
    }
  }
}

TEST(ImageFile, hostile_I06_BrokenExifIsNoOrientation) {
  const Bytes good = Exif(6);
  EXPECT_EQ(ExifOrientation(good), 6u);
  for (size_t length = 0; length < good.size(); ++length) {
    const auto cut = std::span(good).first(length);
    EXPECT_TRUE(length >= 22 || !ExifOrientation(cut)) << length;
  }
  Bytes looping = good;  // the directory points into the header
  looping[4] = 0;
  EXPECT_FALSE(ExifOrientation(looping));
  Bytes far = good;
  std::fill_n(far.begin() + 4, 4, 0xff);
  EXPECT_FALSE(ExifOrientation(far));
  Bytes endless = Join({FromText("MM"), {0, 42}, BigEndian(8, 4), {0xff, 0xff}, Bytes(65535 * 12)});
  EXPECT_FALSE(ExifOrientation(endless));
}

TEST(ImageFile, hostile_I07_PngKindsFollowTheReference) {
  const auto grey16 = [](uint16_t value) {
    return Read(Png({.width = 1,
                     .height = 1,
                     .depth = 16,
                     .color_type = 0,
                     .rows = Join({{0}, BigEndian(value, 2)})}))
        .rgb[0];
  };
  EXPECT_EQ(grey16(0x0000), 0);
  EXPECT_EQ(grey16(0x00fe), 254);
  EXPECT_EQ(grey16(0x0180), 255);  // clipped, not scaled: Pillow's I;16
  EXPECT_THAT(Read(Png({.width = 1,
                        .height = 1,
                        .depth = 16,
                        .color_type = 2,
                        .rows = {0, 1, 0xff, 2, 0xff, 3, 0xff}}))
                  .rgb,
              ElementsAre(1, 2, 3));
  EXPECT_THAT(
      Read(Png({.width = 4, .height = 1, .depth = 2, .color_type = 0, .rows = {0, 0x1b}})).rgb,
      ElementsAre(0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255));
  // Alpha is dropped, key colours and palette alpha are not looked at.
  EXPECT_THAT(Read(Png({.width = 1, .height = 1, .color_type = 6, .rows = {0, 9, 8, 7, 0}})).rgb,
              ElementsAre(9, 8, 7));
  EXPECT_THAT(Read(Png({.width = 1, .height = 1, .color_type = 4, .rows = {0, 9, 0}})).rgb,
              ElementsAre(9, 9, 9));
  const std::vector<Bytes> palette = {PngChunk("PLTE", {1, 2, 3, 4, 5, 6}),
                                      PngChunk("tRNS", {0, 1})};
  EXPECT_THAT(Read(Png({.width = 3,
                        .height = 1,
                        .color_type = 3,
                        .before_data = palette,
                        .rows = {0, 1, 0, 200}}))
                  .rgb,
              ElementsAre(4, 5, 6, 1, 2, 3, 0, 0, 0));  // 200 is past the palette
  EXPECT_NE(Refusal(Png({.width = 1, .height = 1, .color_type = 3, .rows = {0, 0}})), "");
}

TEST(ImageFile, hostile_I08_OnlyTheFirstFrameIsRead) {
  std::vector<GifFrame> frames(100000, {.width = 1, .height = 1, .indices = {2}});
  frames[0].indices = {1};
  EXPECT_THAT(Read(Gif(1, 1, frames)).rgb, ElementsAre(20, 21, 22));
}

TEST(ImageFile, hostile_I08_MovingPngShowsItsDefaultImage) {
  const auto frame = [](uint32_t number) {
    return PngChunk("fcTL", Join({BigEndian(number, 4),
                                  BigEndian(1, 4),
                                  BigEndian(1, 4),
                                  Bytes(8),
                                  {0, 1, 0, 1, 0, 0}}));
  };
  const Bytes pixel = Deflate({0, 90, 91, 92});
  PngParts parts{.rows = {0, 7, 8, 9}};
  constexpr uint32_t kFrames = 100000;
  parts.before_data = {PngChunk("acTL", Join({BigEndian(kFrames, 4), BigEndian(0, 4)})), frame(0)};
  for (uint32_t i = 1; i < kFrames; ++i) {
    parts.after_data.push_back(frame(2 * i - 1));
    parts.after_data.push_back(PngChunk("fdAT", Join({BigEndian(2 * i, 4), pixel})));
  }
  EXPECT_THAT(Read(Png(parts)).rgb, ElementsAre(7, 8, 9));
}

TEST(ImageFile, hostile_I08_MovingWebpShowsItsFirstFrame) {
  Bytes greys(5000, 99);
  greys[0] = 77;
  EXPECT_THAT(Read(MovingWebp(2, 2, greys)).rgb, ElementsAreArray(Bytes(12, 77)));
}

TEST(ImageFile, hostile_I09_OtherFormatsAreNamed) {
  const std::vector<std::pair<std::string, const char*>> files = {
      {"<?xml version='1.0'?>\n<svg xmlns='x'/>", "SVG drawing"},
      {"%PDF-1.7\n", "PDF document"},
      {"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript document"},
      {"8BPS\0\1", "Photoshop picture"},
      {std::string("II*\0\x08\0\0\0", 8), "TIFF picture"},
      {std::string("\0\0\1\0\1\0", 6), "Windows icon"},
      {"<!DOCTYPE html><html>", "HTML page"},
      {"BM\x36\x10", "BMP picture"},
      {"hello", "bytes of no known format"},
  };
  for (const auto& [text, format] : files) {
    const std::string message = Refusal(FromText(text));
    EXPECT_THAT(message, HasSubstr("expected PNG, JPEG, WebP or GIF, found"));
    EXPECT_THAT(message, HasSubstr(format));
  }
}

TEST(ImageFile, hostile_I10_FirstBytesDecideAndTheRestIsIgnored) {
  const Bytes png = SmallPng();
  EXPECT_EQ(Read(Join({png, Jpeg(Picture(8, 8))})).rgb, Read(png).rgb);
  EXPECT_EQ(Read(Join({png, Bytes(1000, 0xee)})).rgb, Read(png).rgb);
  const Bytes jpeg = Jpeg(Picture(8, 8));
  EXPECT_EQ(Read(Join({jpeg, png})).rgb, Read(jpeg).rgb);
}

TEST(ImageFile, hostile_I11_HeicAndAvifSayWhatToDo) {
  for (const char* brand : {"heic", "mif1", "avif"}) {
    const Bytes file = Join({BigEndian(24, 4), FromText("ftyp"), FromText(brand), Bytes(12)});
    EXPECT_THAT(Refusal(file), HasSubstr("convert it to PNG or JPEG"));
  }
}

TEST(ImageFile, hostile_I12_MemoryIsBoundedPerPicture) {
  MediaOptions options;
  options.limits.image_memory_bytes = 100 * 100 * 3;
  const Bytes rows(100 * 301);
  EXPECT_EQ(Read(Png({.width = 100, .height = 90, .rows = rows}), options).width, 100);
  EXPECT_THAT(Refusal(Png({.width = 100, .height = 101, .rows = rows}), options),
              HasSubstr("MiB, the limit is"));
  // A progressive JPEG keeps all its coefficients.
  EXPECT_THAT(Refusal(Jpeg(Picture(90, 90), {.progressive = true}), options), HasSubstr("MiB"));
  options.limits.image_file_bytes = 10;
  EXPECT_THAT(Refusal(SmallPng(), options), HasSubstr("bytes, the limit is 10"));
}

TEST(ImageFile, hostile_I13_ProfilesAreIgnored) {
  const Bytes profile = Join({FromText("p"), {0, 0}, Deflate(Bytes(10u << 20, 0x55))});
  const Bytes gamma = PngChunk("gAMA", BigEndian(100000, 4));
  const Image image = Read(Png({.width = 1,
                                .height = 1,
                                .before_data = {PngChunk("iCCP", profile), gamma},
                                .rows = {0, 50, 60, 70}}));
  EXPECT_THAT(image.rgb, ElementsAre(50, 60, 70));
}

TEST(ImageFile, hostile_I14_MessagesAreOurs) {
  ::testing::internal::CaptureStderr();  // where libraries would write by themselves
  for (const Bytes& bytes : OneOfEach()) {
    Bytes broken = bytes;
    for (size_t at = 40; at < broken.size(); at += 3) broken[at] ^= 0x5a;
    const std::string message = Refusal(broken);
    if (message.empty()) continue;
    for (const char* word :
         {"libpng", "IDAT", "CRC", "JPEG datastream", "Huffman", "marker", "LZW", "0x"}) {
      EXPECT_EQ(message.find(word), message.npos) << message;
    }
  }
  // Warnings that are no errors: an empty profile, a palette where none belongs.
  Read(Png({.before_data = {PngChunk("iCCP", {'x', 0, 0}), PngChunk("tRNS", {1})},
            .rows = {0, 1, 2, 3}}));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace gemma3n
