// SPDX-License-Identifier: Apache-2.0
// JPEG bytes -> RGB pixels, through libjpeg-turbo with its defaults (slow integer DCT, smooth
// upsampling), as Pillow does. Four channels are taken as inverted CMYK, Adobe's way, whatever the
// file says, and turned to RGB by Pillow's integer rule.
#include <cstddef>
#include <cstdio>
// jpeglib.h wants size_t and FILE before it.
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "media/exif.h"
#include "media/image_decoders.h"
#include "media/media_error.h"

namespace gemma3n {
namespace {

constexpr int kMaxScans = 64;  // a progressive picture has about 10; each scan visits every block

// libjpeg reports errors by a call that must not return: a longjmp. As in png_image, nothing that
// owns memory lives in a function that jumps.
class JpegReader {
 public:
  explicit JpegReader(std::span<const uint8_t> bytes);
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool ReadHeader();
  // Calls take(to, row) for each row, `row` [width, channels()].
  bool ReadRows(uint8_t* row, void (*take)(void* to, const uint8_t* row), void* to);

  int64_t width() const { return jpeg_.image_width; }
  int64_t height() const { return jpeg_.image_height; }
  int channels() const { return jpeg_.num_components; }
  int bits() const { return jpeg_.data_precision; }
  uint64_t CoefficientBytes();
  std::optional<uint32_t> Orientation() const;
  const char* trouble() const { return trouble_; }

 private:
  static JpegReader* Self(j_common_ptr jpeg) { return static_cast<JpegReader*>(jpeg->client_data); }
  static void OnError(j_common_ptr jpeg);
  static void OnMessage(j_common_ptr) {}
  static void OnTrace(j_common_ptr, int) {}
  static void OnProgress(j_common_ptr jpeg);
  static void OnInit(j_decompress_ptr) {}
  static boolean OnEmpty(j_decompress_ptr jpeg);
  static void OnSkip(j_decompress_ptr jpeg, long count);

  jpeg_decompress_struct jpeg_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_source_mgr source_ = {};
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf jump_;
  const char* trouble_ = "the JPEG data is damaged";
};

JpegReader::JpegReader(std::span<const uint8_t> bytes) {
  jpeg_.err = jpeg_std_error(&errors_);
  errors_.error_exit = &OnError;
  errors_.output_message = &OnMessage;
  errors_.emit_message = &OnTrace;
  jpeg_.client_data = this;
  if (setjmp(jump_) != 0) return;  // then ReadHeader fails as well
  jpeg_create_decompress(&jpeg_);
  jpeg_.client_data = this;
  source_.init_source = &OnInit;
  source_.fill_input_buffer = &OnEmpty;
  source_.skip_input_data = &OnSkip;
  source_.resync_to_restart = &jpeg_resync_to_restart;
  source_.term_source = &OnInit;
  source_.next_input_byte = bytes.data();
  source_.bytes_in_buffer = bytes.size();
  jpeg_.src = &source_;
  progress_.progress_monitor = &OnProgress;
  jpeg_.progress = &progress_;
}

void JpegReader::OnError(j_common_ptr jpeg) {
  JpegReader* self = Self(jpeg);
  switch (jpeg->err->msg_code) {
    case JERR_SOF_UNSUPPORTED:
      self->trouble_ =
          "unsupported kind of JPEG: expected baseline, extended or progressive, found "
          "lossless or hierarchical";
      break;
    case JERR_BAD_PRECISION:
      self->trouble_ = "unsupported kind of JPEG: expected 8 bits a sample, found another depth";
      break;
    case JERR_ARITH_NOTIMPL:
      self->trouble_ = "unsupported kind of JPEG: it uses arithmetic coding";
      break;
    case JERR_CONVERSION_NOTIMPL:
      self->trouble_ = "unsupported kind of JPEG: unknown colour space";
      break;
    case JERR_EMPTY_IMAGE:
      self->trouble_ = "the picture has no pixels";
      break;
    case JERR_OUT_OF_MEMORY:
      self->trouble_ = "not enough memory to decode the picture";
      break;
    default:
      break;  // keeps what OnEmpty or OnProgress has put there
  }
  std::longjmp(self->jump_, 1);
}

boolean JpegReader::OnEmpty(j_decompress_ptr jpeg) {
  Self(reinterpret_cast<j_common_ptr>(jpeg))->trouble_ = "the file is cut short";
  ERREXIT(jpeg, JERR_INPUT_EOF);
  return FALSE;
}

void JpegReader::OnSkip(j_decompress_ptr jpeg, long count) {
  if (count <= 0) return;
  if (static_cast<size_t>(count) > jpeg->src->bytes_in_buffer) OnEmpty(jpeg);
  jpeg->src->next_input_byte += count;
  jpeg->src->bytes_in_buffer -= static_cast<size_t>(count);
}

void JpegReader::OnProgress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMaxScans) return;
  Self(jpeg)->trouble_ = "the picture has more than 64 scans";
  ERREXIT(reinterpret_cast<j_decompress_ptr>(jpeg), JERR_INPUT_EOF);
}

bool JpegReader::ReadHeader() {
  if (jpeg_.src == nullptr) return false;
  if (setjmp(jump_) != 0) return false;
  jpeg_save_markers(&jpeg_, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&jpeg_, TRUE);
  return true;
}

bool JpegReader::ReadRows(uint8_t* row, void (*take)(void*, const uint8_t*), void* to) {
  if (setjmp(jump_) != 0) return false;
  jpeg_.out_color_space = channels() == 1 ? JCS_GRAYSCALE : channels() == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_start_decompress(&jpeg_);
  while (jpeg_.output_scanline < jpeg_.output_height) {
    if (jpeg_read_scanlines(&jpeg_, &row, 1) != 1) return false;
    take(to, row);
  }
  // Up to the end marker, so that a file whose last bytes are missing or wrong is refused even
  // where libjpeg has made up the rows; what follows the marker is not looked at.
  jpeg_finish_decompress(&jpeg_);
  return true;
}

// Pictures in several scans keep all coefficients, 2 bytes each, in whole blocks.
uint64_t JpegReader::CoefficientBytes() {
  if (jpeg_has_multiple_scans(&jpeg_) == FALSE) return 0;
  uint64_t blocks = 0;
  for (int i = 0; i < jpeg_.num_components; ++i) {
    const uint64_t across = jpeg_.comp_info[i].width_in_blocks + 4u;  // padded to whole MCUs
    blocks += across * (jpeg_.comp_info[i].height_in_blocks + 4u);
  }
  return blocks * DCTSIZE2 * sizeof(JCOEF);
}

std::optional<uint32_t> JpegReader::Orientation() const {
  constexpr std::string_view kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
  std::optional<uint32_t> from_xmp;
  for (jpeg_saved_marker_ptr marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
    const std::span<const uint8_t> data(marker->data, marker->data_length);
    const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
    if (text.starts_with(std::string_view("Exif\0\0", 6))) {
      if (auto orientation = ExifOrientation(data)) return orientation;
    } else if (text.starts_with(kXmp)) {
      from_xmp = XmpOrientation(data.subspan(kXmp.size()));
    }
  }
  return from_xmp;
}

// round(a * b / 255) as Pillow computes it.
int MulDiv255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Channels hold 255 minus the ink.
void CmykToRgb(const uint8_t* cmyk, uint8_t* rgb) {
  const int light = cmyk[3];  // 255 - black
  for (int c = 0; c < 3; ++c) {
    const int value = light - MulDiv255(255 - cmyk[c], light);
    rgb[c] = static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
  }
}

struct RowTarget {
  Image* image;
  int channels;
  uint8_t* next;
};

void TakeRow(void* to, const uint8_t* row) {
  auto& target = *static_cast<RowTarget*>(to);
  const ptrdiff_t width = target.image->width;
  if (target.channels == 3) std::memcpy(target.next, row, static_cast<size_t>(width) * 3);
  for (ptrdiff_t x = 0; x < width && target.channels != 3; ++x) {
    if (target.channels == 1) std::memset(target.next + x * 3, row[x], 3);
    if (target.channels == 4) CmykToRgb(row + x * 4, target.next + x * 3);
  }
  target.next += static_cast<size_t>(width) * 3;
}

}  // namespace

DecodedImage DecodeJpeg(const ImageSource& source) {
  JpegReader reader(source.bytes);
  if (!reader.ReadHeader()) ThrowMedia(source.name, reader.trouble());
  CheckImageSize(source, reader.width(), reader.height(), reader.CoefficientBytes());
  if (reader.bits() != 8) {
    ThrowMedia(source.name, "unsupported kind of JPEG: expected 8 bits a sample, found " +
                                std::to_string(reader.bits()));
  }
  const int channels = reader.channels();
  if (channels != 1 && channels != 3 && channels != 4) {
    ThrowMedia(source.name, "unsupported kind of JPEG: expected 1, 3 or 4 channels, found " +
                                std::to_string(channels));
  }
  DecodedImage out{NewImage(reader.width(), reader.height()), reader.Orientation()};
  std::vector<uint8_t> row(static_cast<size_t>(reader.width()) * static_cast<size_t>(channels));
  RowTarget target{&out.image, channels, out.image.rgb.data()};
  if (!reader.ReadRows(row.data(), &TakeRow, &target)) ThrowMedia(source.name, reader.trouble());
  return out;
}

}  // namespace gemma3n
