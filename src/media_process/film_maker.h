// SPDX-License-Identifier: Apache-2.0
// Small films for tests, made with FFmpeg's own encoders. Frame i of a film is one even colour
// whose brightness tells i: GreyOf(i), so that a test sees which frame it got.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gemma3n::film_maker {

using Bytes = std::vector<uint8_t>;

struct FilmSpec {
  std::string format = "mp4";         // a muxer's name
  std::string video_codec = "mpeg4";  // an encoder's name; empty: no video
  std::string audio_codec = "aac";    // empty: no audio
  int width = 64, height = 48;
  int fps = 10;
  int frames = 50;
  int group = 10;  // from key frame to key frame
  bool ten_bit = false;
  bool hdr = false;  // says that its colours are BT.2020 by the PQ curve (libx265, ten_bit)
  int blue = 128, red = 128;       // colour differences of every frame
  bool skip_first_packet = false;  // so that no key frame comes first
  int audio_tracks = 1;
  int sample_rate_hz = 44100;
  int channels = 2;
  double sound_s = 5;
  double sound_start_s = 0;
  double tone_hz = 440;
  std::vector<int32_t> display_matrix = {};  // nine numbers
  int pixel_aspect = 1;                      // width of a pixel by its height
  bool interlaced = false;                   // coded by fields (mpeg2video)
  std::string muxer_options = {};            // "movflags=faststart:..."
  // Luma (16 to 235) of frame i at (x, y), in place of the even LumaOf(i).
  std::function<int(int i, int x, int y)> draw = {};
};

// Throws std::runtime_error when FFmpeg lacks something.
Bytes MakeFilm(const FilmSpec& spec);
bool HaveEncoder(const std::string& name);

// A film whose packets are whole JPEG files, at times of our choice.
struct JpegFrame {
  Bytes jpeg;
  int64_t time = 0;  // in units of 1 / ticks_per_s
};
Bytes MakeJpegFilm(const std::string& format, const std::vector<JpegFrame>& frames,
                   int ticks_per_s);

// Luma of frame i, and the grey (0 to 255) it decodes to.
int LumaOf(int i);
double GreyOf(int i);

}  // namespace gemma3n::film_maker
