// SPDX-License-Identifier: Apache-2.0
#include "media_process/picture_device.h"

#include <cstdio>
#include <string>
#include <utility>

#include "media_process/devices.h"
#include "media_process/film.h"
#include "media_process/live.h"

namespace gemma3n {
namespace {

// A screen's pictures lie in memory that is shared with its server. Each that is held at once takes
// a piece of it, which the sandbox does not let us ask for; those taken before are used again. One
// waits in LiveWriter, one is in the decoder, one is being filled.
constexpr int kHeldAtOnce = 4;

std::string Reason(int error) {
  switch (error) {
    case AVERROR(ENOENT):
    case AVERROR(ENODEV):
    case AVERROR(ENXIO):
      return "missing";
    case AVERROR(EACCES):
    case AVERROR(EPERM):
      return "denied";
    case AVERROR(EBUSY):
      return "busy";
    default:
      return "";
  }
}

}  // namespace

bool IsPictureDevice(const Job& job) {
  return job.format == "v4l2" || job.format == "x11grab";
}

PictureDevice::PictureDevice(const Job& job) : job_(job), device_(job.device) {
  const AVInputFormat& input = DeviceInput(job.format, {"v4l2", "x11grab"});
  job.format == "v4l2" ? OpenCamera(input) : OpenScreen(input);
  for (int i = 0; i < kHeldAtOnce; ++i) {
    first_.push_back(NewPacket());
    Read(*first_.back());
  }
}

PictureDevice::~PictureDevice() {
  avformat_close_input(&format_);
}

int PictureDevice::Open(const AVInputFormat& input, AVDictionary* options) {
  int error = avformat_open_input(&format_, device_.c_str(), &input, &options);
  av_dict_free(&options);
  if (error == AVERROR(ENOMEM)) throw std::bad_alloc();
  if (error >= 0 && format_->nb_streams != 1) {
    avformat_close_input(&format_);
    error = AVERROR(EINVAL);
  }
  return error;
}

// Motion JPEG first, since at this size few cameras give plain pixels at full speed; then any
// format; then whatever the camera is set to.
void PictureDevice::OpenCamera(const AVInputFormat& input) {
  const std::string size = std::to_string(job_.width) + "x" + std::to_string(job_.height);
  int error = 0;
  for (const bool sized : {true, false}) {
    for (const char* format : {"mjpeg", ""}) {
      AVDictionary* options = nullptr;
      if (sized) av_dict_set(&options, "video_size", size.c_str(), 0);
      if (sized) av_dict_set(&options, "framerate", std::to_string(job_.camera_fps).c_str(), 0);
      if (*format != 0) av_dict_set(&options, "input_format", format, 0);
      error = Open(input, options);
      if (error >= 0) return;
    }
  }
  throw DecoderError{DecoderFailure::kCamera, Reason(error)};
}

// All of the screen, or, where its name ends with a corner ("+100,200"), what is right of and below
// that: how much that is, only the opened screen tells.
void PictureDevice::OpenScreen(const AVInputFormat& input) {
  const size_t plus = device_.find('+');
  int left = 0, top = 0;
  if (plus != std::string::npos) {
    if (std::sscanf(device_.c_str() + plus, "+%d,%d", &left, &top) != 2 || left < 0 || top < 0)
      throw DecoderError{DecoderFailure::kScreen, "outside"};
    device_.resize(plus);
  }
  const auto open = [&](int width, int height) {
    AVDictionary* options = nullptr;
    av_dict_set(&options, "framerate", std::to_string(job_.fps).c_str(), 0);
    if (width > 0) {
      av_dict_set(&options, "video_size",
                  (std::to_string(width) + "x" + std::to_string(height)).c_str(), 0);
      av_dict_set_int(&options, "grab_x", left, 0);
      av_dict_set_int(&options, "grab_y", top, 0);
    }
    const int error = Open(input, options);
    if (error < 0) throw DecoderError{DecoderFailure::kScreen, Reason(error)};
  };
  open(0, 0);
  if (plus == std::string::npos) return;
  const int width = format_->streams[0]->codecpar->width - left;
  const int height = format_->streams[0]->codecpar->height - top;
  if (width <= 0 || height <= 0) throw DecoderError{DecoderFailure::kScreen, "outside"};
  avformat_close_input(&format_);
  open(width, height);
}

void PictureDevice::Read(AVPacket& packet) {
  for (;;) {
    av_packet_unref(&packet);
    const int error = av_read_frame(format_, &packet);
    if (error >= 0) return;
    if (error == AVERROR(ENOMEM)) throw std::bad_alloc();
    if (error != AVERROR(EAGAIN)) throw DecoderError{DecoderFailure::kPicturesLost, ""};
  }
}

void PictureDevice::Show(RecordWriter& out) {
  LiveShow(job_, out).Show({*format_->streams[0],
                            [this](AVPacket& packet) {
                              if (first_.empty()) {
                                Read(packet);
                              } else {
                                av_packet_unref(&packet);
                                av_packet_move_ref(&packet, first_.front().get());
                                first_.pop_front();
                              }
                              return true;
                            },
                            true});
}

}  // namespace gemma3n
