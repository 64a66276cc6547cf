// SPDX-License-Identifier: Apache-2.0
#include "server/qr.h"

#include <qrencode.h>

#include <memory>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostBytes = 1000;
constexpr int kQuiet = 4;  // modules of nothing around it, which readers want

// The modules of the code with their quiet zone, row by row; true is dark.
struct Code {
  int side = 0;
  std::vector<bool> dark;
  bool at(int x, int y) const {
    return y < side &&
           dark[static_cast<size_t>(y) * static_cast<size_t>(side) + static_cast<size_t>(x)];
  }
};

Code Encode(std::string_view text) {
  if (text.empty() || text.size() > kMostBytes) {
    throw Error(ErrorKind::kRequest, "QR code: expected a text of 1 to 1000 bytes, found " +
                                         std::to_string(text.size()));
  }
  struct Freed {
    void operator()(QRcode* code) const { QRcode_free(code); }
  };
  const std::unique_ptr<QRcode, Freed> made(
      QRcode_encodeData(static_cast<int>(text.size()),
                        reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_M));
  if (made == nullptr) throw Error(ErrorKind::kInternal, "QR code: it could not be made");
  Code code{.side = made->width + 2 * kQuiet};
  code.dark.resize(static_cast<size_t>(code.side) * static_cast<size_t>(code.side));
  for (int y = 0; y < made->width; ++y) {
    for (int x = 0; x < made->width; ++x) {
      code.dark[static_cast<size_t>((y + kQuiet) * code.side + x + kQuiet)] =
          (made->data[y * made->width + x] & 1) != 0;
    }
  }
  return code;
}

}  // namespace

std::string QrSvg(std::string_view text) {
  const Code code = Encode(text);
  const std::string side = std::to_string(code.side);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + side + " " + side +
                    "\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h" + side + "v" +
                    side + "H0z\"/><path d=\"";
  for (int y = 0; y < code.side; ++y) {
    for (int x = 0; x < code.side; ++x) {
      if (!code.at(x, y)) continue;
      int end = x + 1;
      while (end < code.side && code.at(end, y)) ++end;
      const std::string length = std::to_string(end - x);
      svg +=
          "M" + std::to_string(x) + " " + std::to_string(y) + "h" + length + "v1h-" + length + "z";
      x = end;
    }
  }
  return svg + "\"/></svg>";
}

std::string QrBlocks(std::string_view text) {
  const Code code = Encode(text);
  std::string lines;
  for (int y = 0; y < code.side; y += 2) {
    lines += "\x1b[30;47m";
    for (int x = 0; x < code.side; ++x) {
      const bool upper = code.at(x, y), lower = code.at(x, y + 1);
      lines += upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ";
    }
    lines += "\x1b[0m\n";
  }
  return lines;
}

}  // namespace gemma3n::server
