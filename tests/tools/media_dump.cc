// SPDX-License-Identifier: Apache-2.0
// For comparisons with other programs: decodes media with the engine's own readers and writes what
// came out. Lines on standard input, three words between tabs:
//   image FILE OUT.ppm     audio FILE OUT.f32     video FILE OUT_DIRECTORY
// One line answers each: "ok ..." or "error ...". Options: --fps F --max-frames N (films).
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "gemma3n/error.h"
#include "gemma3n/media.h"

namespace {

void WritePpm(const gemma3n::Image& image, const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  out << "P6\n" << image.width << " " << image.height << "\n255\n";
  out.write(reinterpret_cast<const char*>(image.rgb.data()),
            static_cast<std::streamsize>(image.rgb.size()));
}

void WriteFloats(const std::vector<float>& samples, const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(samples.data()),
            static_cast<std::streamsize>(samples.size() * sizeof(float)));
}

void WriteVideo(const gemma3n::VideoClip& clip, const std::string& directory) {
  std::filesystem::create_directories(directory);
  std::ofstream times(directory + "/times.txt");
  times.precision(17);
  for (size_t i = 0; i < clip.frames.size(); ++i) {
    times << clip.frames[i].time_s << "\n";
    WritePpm(clip.frames[i].image, directory + "/frame_" + std::to_string(i) + ".ppm");
  }
  WriteFloats(clip.audio.samples, directory + "/audio.f32");
}

std::string Run(const std::string& kind, const std::string& file, const std::string& out,
                const gemma3n::VideoOptions& video) {
  std::ostringstream answer;
  if (kind == "image") {
    const gemma3n::Image image = gemma3n::LoadImage(file);
    WritePpm(image, out);
    answer << "ok " << image.width << " x " << image.height;
  } else if (kind == "audio") {
    const gemma3n::AudioClip clip = gemma3n::LoadAudio(file);
    WriteFloats(clip.samples, out);
    answer << "ok " << clip.samples.size() << " samples";
  } else if (kind == "video") {
    const gemma3n::VideoClip clip = gemma3n::LoadVideo(file, video);
    WriteVideo(clip, out);
    answer << "ok " << clip.frames.size() << " frames " << clip.duration_s << " s "
           << clip.audio.samples.size() << " samples";
  } else {
    answer << "error unknown kind " << kind;
  }
  return answer.str();
}

}  // namespace

int main(int argc, char** argv) {
  gemma3n::VideoOptions video;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string word = argv[i];
    if (word == "--fps") video.fps = std::stod(argv[i + 1]);
    if (word == "--max-frames") video.max_frames = std::stoi(argv[i + 1]);
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string kind, file, out;
    std::getline(words, kind, '\t');
    std::getline(words, file, '\t');
    std::getline(words, out);
    try {
      std::cout << Run(kind, file, out, video) << std::endl;
    } catch (const gemma3n::Error& error) {
      std::cout << "error " << error.what() << std::endl;
    }
  }
  return 0;
}
