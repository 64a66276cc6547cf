// SPDX-License-Identifier: Apache-2.0
// First bytes of a file -> what it is. Formats we do not read are named too, so that the error can
// say what was found.
#include <array>
#include <cstring>
#include <string_view>

#include "gemma3n/media.h"

namespace gemma3n {
namespace {

using namespace std::string_view_literals;

struct Signature {
  size_t offset;
  std::string_view bytes;
  MediaKind kind;
  const char* format;
};

constexpr Signature kSignatures[] = {
    {0, "\x89PNG\r\n\x1a\n"sv, MediaKind::kImage, "PNG"},
    {0, "\xff\xd8\xff"sv, MediaKind::kImage, "JPEG"},
    {0, "GIF87a"sv, MediaKind::kImage, "GIF"},
    {0, "GIF89a"sv, MediaKind::kImage, "GIF"},
    {0, "fLaC"sv, MediaKind::kAudio, "FLAC"},
    {0, "\x1a\x45\xdf\xa3"sv, MediaKind::kVideo, "Matroska or WebM"},
    {0, "ID3"sv, MediaKind::kAudio, "MP3"},
    // Known, not read.
    {0, "BM"sv, MediaKind::kUnknown, "BMP picture"},
    {0, "II*\0"sv, MediaKind::kUnknown, "TIFF picture"},
    {0, "MM\0*"sv, MediaKind::kUnknown, "TIFF picture"},
    {0, "8BPS"sv, MediaKind::kUnknown, "Photoshop picture"},
    {0, "\0\0\1\0"sv, MediaKind::kUnknown, "Windows icon"},
    {0, "\0\0\0\x0cjP  "sv, MediaKind::kUnknown, "JPEG 2000 picture"},
    {0, "\xff\x4f\xff\x51"sv, MediaKind::kUnknown, "JPEG 2000 picture"},
    {0, "\xff\x0a"sv, MediaKind::kUnknown, "JPEG XL picture"},
    {0, "\0\0\0\x0cJXL "sv, MediaKind::kUnknown, "JPEG XL picture"},
    {0, "%PDF"sv, MediaKind::kUnknown, "PDF document"},
    {0, "%!PS"sv, MediaKind::kUnknown, "PostScript document"},
    {0, "\xc5\xd0\xd3\xc6"sv, MediaKind::kUnknown, "PostScript document"},
    {0, "#EXTM3U"sv, MediaKind::kUnknown, "HLS playlist"},
    {0, "ffconcat"sv, MediaKind::kUnknown, "ffconcat playlist"},
    {0, "v=0"sv, MediaKind::kUnknown, "SDP session description"},
    {0, "FLV\1"sv, MediaKind::kUnknown, "Flash video"},
    {0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"sv, MediaKind::kUnknown, "Windows Media file"},
    {0, "\0\0\1\xba"sv, MediaKind::kUnknown, "MPEG program stream"},
    {0, "FORM"sv, MediaKind::kUnknown, "AIFF sound"},
    {0, "#!AMR"sv, MediaKind::kUnknown, "AMR sound"},
    {0, "caff"sv, MediaKind::kUnknown, "Core Audio file"},
    {0, "PK\3\4"sv, MediaKind::kUnknown, "ZIP archive"},
    {0, "\x1f\x8b"sv, MediaKind::kUnknown, "gzip archive"},
    {0, "GGUF"sv, MediaKind::kUnknown, "GGUF model file"},
};

bool Has(std::string_view data, size_t offset, std::string_view bytes) {
  return data.size() >= offset && data.substr(offset, bytes.size()) == bytes;
}

// RIFF holds sound, pictures and films alike.
MediaType DetectRiff(std::string_view data) {
  const bool riff = Has(data, 0, "RIFF");
  if (!riff && !Has(data, 0, "RIFX") && !Has(data, 0, "RF64")) return {};
  if (Has(data, 8, "WAVE")) return {MediaKind::kAudio, "WAV"};
  if (riff && Has(data, 8, "WEBP")) return {MediaKind::kImage, "WebP"};
  if (riff && Has(data, 8, "AVI ")) return {MediaKind::kVideo, "AVI"};
  return {MediaKind::kUnknown, "RIFF file of an unknown kind"};
}

// The brand of an ISO base media file says whether it is a still picture, sound or a film.
MediaType DetectIsoMedia(std::string_view data) {
  const bool box = Has(data, 4, "moov") || Has(data, 4, "mdat") || Has(data, 4, "wide") ||
                   Has(data, 4, "free") || Has(data, 4, "skip");
  if (box) return {MediaKind::kVideo, "MP4 or QuickTime"};
  if (!Has(data, 4, "ftyp")) return {};
  const std::string_view brand = data.substr(std::min<size_t>(data.size(), 8), 4);
  for (std::string_view heic :
       {"heic"sv, "heix"sv, "hevc"sv, "heim"sv, "heis"sv, "mif1"sv, "msf1"sv})
    if (brand == heic) return {MediaKind::kUnknown, "HEIC picture"};
  if (brand == "avif" || brand == "avis") return {MediaKind::kUnknown, "AVIF picture"};
  if (brand == "M4A " || brand == "M4B " || brand == "F4A ") return {MediaKind::kAudio, "M4A"};
  return {MediaKind::kVideo, "MP4 or QuickTime"};
}

// An Ogg page opens with 27 bytes and a table of segments; the first packet names its codec.
MediaType DetectOgg(std::string_view data) {
  if (!Has(data, 0, "OggS")) return {};
  if (data.size() < 27) return {MediaKind::kUnknown, "cut Ogg file"};
  const size_t packet = 27 + static_cast<uint8_t>(data[26]);
  if (Has(data, packet, "\x80theora") || Has(data, packet, "fishead") ||
      Has(data, packet, "OVP80") || Has(data, packet, "BBCD")) {
    return {MediaKind::kVideo, "Ogg"};
  }
  return {MediaKind::kAudio, "Ogg"};
}

// Streams without a file header: MPEG audio frames, ADTS, transport stream packets.
MediaType DetectStream(std::string_view data) {
  if (data.size() >= 4 && static_cast<uint8_t>(data[0]) == 0xff) {
    const int second = static_cast<uint8_t>(data[1]);
    if ((second & 0xf6) == 0xf0) return {MediaKind::kAudio, "AAC (ADTS)"};
    const bool layer = (second & 0xe0) == 0xe0 && (second & 0x06) != 0 && (second & 0x18) != 0x08;
    if (layer) return {MediaKind::kAudio, "MP3"};
  }
  if (Has(data, 0, "G") && Has(data, 188, "G")) return {MediaKind::kVideo, "MPEG-TS"};
  if (Has(data, 4, "G") && Has(data, 196, "G")) return {MediaKind::kVideo, "MPEG-TS"};
  return {};
}

// Markup and scripts that pose as media.
MediaType DetectText(std::string_view data) {
  size_t start = Has(data, 0, "\xef\xbb\xbf") ? 3 : 0;
  while (start < data.size() && std::strchr(" \t\r\n", data[start]) != nullptr && data[start] != 0)
    ++start;
  if (!Has(data, start, "<")) return {};
  const std::string_view head = data.substr(start, 1024);
  if (head.find("<svg") != head.npos) return {MediaKind::kUnknown, "SVG drawing"};
  if (head.find("<MPD") != head.npos) return {MediaKind::kUnknown, "DASH playlist"};
  if (head.find("<html") != head.npos || head.find("<!DOCTYPE") != head.npos ||
      head.find("<!doctype") != head.npos || head.find("<HTML") != head.npos) {
    return {MediaKind::kUnknown, "HTML page"};
  }
  return {MediaKind::kUnknown, "XML document"};
}

}  // namespace

MediaType DetectMediaKind(std::span<const uint8_t> bytes) {
  const std::string_view data(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Signature& signature : kSignatures) {
    if (Has(data, signature.offset, signature.bytes)) return {signature.kind, signature.format};
  }
  for (auto* detect : {DetectRiff, DetectIsoMedia, DetectOgg, DetectStream, DetectText}) {
    if (MediaType type = detect(data); !type.format.empty()) return type;
  }
  return {};
}

}  // namespace gemma3n
