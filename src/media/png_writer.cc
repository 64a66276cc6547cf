// SPDX-License-Identifier: Apache-2.0
#include <png.h>
#include <unistd.h>

#include <vector>

#include "gemma3n/error.h"
#include "gemma3n/picture_file.h"

namespace gemma3n {

void WritePng(const Image& image, int fd, const std::string& name) {
  const auto refuse = [&] { throw Error(ErrorKind::kResources, name + ": cannot be written"); };
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  png.flags = PNG_IMAGE_FLAG_FAST;  // somebody waits for it
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<uint8_t> file(bytes);
  if (png_image_write_to_memory(&png, file.data(), &bytes, /*convert_to_8_bit=*/0, image.rgb.data(),
                                /*row_stride=*/0, nullptr) == 0) {
    refuse();
  }
  for (size_t done = 0; done < bytes;) {
    const ssize_t written = write(fd, file.data() + done, bytes - done);
    if (written <= 0) refuse();
    done += static_cast<size_t>(written);
  }
}

}  // namespace gemma3n
