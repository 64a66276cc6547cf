// SPDX-License-Identifier: Apache-2.0
#include "media_process/film_maker.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "media_process/libav.h"

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
}

// libx265 keeps copies of its parameters for ever; leaks of our own still show.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libx265\nleak:libaom\n";
}

namespace gemma3n::film_maker {
namespace {

void Check(int error, const char* what) {
  if (error < 0) throw std::runtime_error(std::string("film_maker: ") + what);
}

// A muxer that writes into a file in memory; some muxers go back to patch what they wrote.
class Muxer {
 public:
  explicit Muxer(const std::string& format) : fd_(memfd_create("film", 0)) {
    // The path is also the muxer's, which may open it again to move what it wrote.
    const std::string path = "/proc/self/fd/" + std::to_string(fd_);
    Check(avformat_alloc_output_context2(&context_, nullptr, format.c_str(), path.c_str()),
          "muxer");
    Check(avio_open(&context_->pb, path.c_str(), AVIO_FLAG_WRITE), "buffer");
  }
  ~Muxer() {
    avio_closep(&context_->pb);
    avformat_free_context(context_);
    close(fd_);
  }
  Muxer(const Muxer&) = delete;
  Muxer& operator=(const Muxer&) = delete;

  AVFormatContext* get() const { return context_; }
  bool global_header() const { return (context_->oformat->flags & AVFMT_GLOBALHEADER) != 0; }

  void Start(const std::string& muxer_options = "") {
    AVDictionary* options = nullptr;
    av_dict_parse_string(&options, muxer_options.c_str(), "=", ":", 0);
    const int error = avformat_write_header(context_, &options);
    av_dict_free(&options);
    Check(error, "header");
  }
  void Write(AVPacket& packet) { Check(av_interleaved_write_frame(context_, &packet), "packet"); }
  Bytes Finish() {
    Check(av_write_trailer(context_), "trailer");
    avio_closep(&context_->pb);
    Bytes bytes(static_cast<size_t>(lseek(fd_, 0, SEEK_END)));
    if (pread(fd_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("film_maker: cannot read back");
    return bytes;
  }

 private:
  int fd_;
  AVFormatContext* context_ = nullptr;
};

struct Track {
  CodecContextPtr codec;
  AVStream* stream = nullptr;
  bool skip_next = false;
};

const AVCodec* Encoder(const std::string& name) {
  const AVCodec* codec = avcodec_find_encoder_by_name(name.c_str());
  if (codec == nullptr) throw std::runtime_error("film_maker: no encoder " + name);
  return codec;
}

void AddMatrix(AVStream& stream, const std::vector<int32_t>& matrix) {
  if (matrix.empty()) return;
  const size_t bytes = matrix.size() * sizeof(int32_t);
#if LIBAVFORMAT_VERSION_MAJOR >= 61
  AVPacketSideData* data = av_packet_side_data_new(&stream.codecpar->coded_side_data,
                                                   &stream.codecpar->nb_coded_side_data,
                                                   AV_PKT_DATA_DISPLAYMATRIX, bytes, 0);
  uint8_t* to = data == nullptr ? nullptr : data->data;
#else
  uint8_t* to = av_stream_new_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, bytes);
#endif
  if (to == nullptr) throw std::bad_alloc();
  std::memcpy(to, matrix.data(), bytes);
}

void OpenTrack(Muxer& muxer, Track& track, const AVCodec* codec) {
  if (muxer.global_header()) track.codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  track.codec->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
  Check(avcodec_open2(track.codec.get(), codec, nullptr), "encoder");
  track.stream = avformat_new_stream(muxer.get(), nullptr);
  Check(avcodec_parameters_from_context(track.stream->codecpar, track.codec.get()), "parameters");
  track.stream->time_base = track.codec->time_base;
}

Track VideoTrack(Muxer& muxer, const FilmSpec& spec) {
  const AVCodec* codec = Encoder(spec.video_codec);
  Track track{CodecContextPtr(avcodec_alloc_context3(codec))};
  AVCodecContext& c = *track.codec;
  c.width = spec.width;
  c.height = spec.height;
  c.pix_fmt = spec.ten_bit ? AV_PIX_FMT_YUV420P10 : AV_PIX_FMT_YUV420P;
  if (spec.hdr) {
    c.color_primaries = AVCOL_PRI_BT2020;
    c.color_trc = AVCOL_TRC_SMPTE2084;
    c.colorspace = AVCOL_SPC_BT2020_NCL;
    c.color_range = AVCOL_RANGE_MPEG;
  }
  if (spec.video_codec == "mjpeg") c.color_range = AVCOL_RANGE_JPEG;
  if (spec.video_codec == "jpeg2000") c.pix_fmt = AV_PIX_FMT_YUV420P;
  c.time_base = {1, spec.fps};
  c.framerate = {spec.fps, 1};
  c.sample_aspect_ratio = {spec.pixel_aspect, 1};
  c.gop_size = spec.group;
  if (spec.interlaced) c.flags |= AV_CODEC_FLAG_INTERLACED_DCT | AV_CODEC_FLAG_INTERLACED_ME;
  c.bit_rate = 1000000;
  c.thread_count = 1;
  // Not every encoder knows these words.
  av_opt_set(c.priv_data, "preset", "ultrafast", 0);
  av_opt_set(c.priv_data, "cpu-used", "8", 0);
  std::string x265 = "log-level=none:pools=none:frame-threads=1";
  if (spec.hdr) {
    x265 +=
        ":hdr10=1:max-cll=1000,400:master-display=G(13250,34500)B(7500,3000)R(34000,16000)"
        "WP(15635,16450)L(10000000,1)";
  }
  av_opt_set(c.priv_data, "x265-params", x265.c_str(), 0);
  OpenTrack(muxer, track, codec);
  track.stream->avg_frame_rate = c.framerate;
  track.stream->sample_aspect_ratio = c.sample_aspect_ratio;
  AddMatrix(*track.stream, spec.display_matrix);
  track.skip_next = spec.skip_first_packet;
  return track;
}

AVSampleFormat SampleFormat(const std::string& codec) {
  if (codec == "libopus") return AV_SAMPLE_FMT_FLT;
  if (codec == "flac" || codec == "pcm_s16le" || codec == "mp2") return AV_SAMPLE_FMT_S16;
  return AV_SAMPLE_FMT_FLTP;
}

Track AudioTrack(Muxer& muxer, const FilmSpec& spec) {
  const AVCodec* codec = Encoder(spec.audio_codec);
  Track track{CodecContextPtr(avcodec_alloc_context3(codec))};
  AVCodecContext& c = *track.codec;
  c.sample_fmt = SampleFormat(spec.audio_codec);
  c.sample_rate = spec.sample_rate_hz;
  av_channel_layout_default(&c.ch_layout, spec.channels);
  c.time_base = {1, spec.sample_rate_hz};
  c.bit_rate = 128000;
  OpenTrack(muxer, track, codec);
  return track;
}

void Send(Muxer& muxer, Track& track, const AVFrame* frame) {
  Check(avcodec_send_frame(track.codec.get(), frame), "frame");
  const PacketPtr packet = NewPacket();
  while (avcodec_receive_packet(track.codec.get(), packet.get()) >= 0) {
    if (track.skip_next) {
      track.skip_next = false;
      av_packet_unref(packet.get());
      continue;
    }
    av_packet_rescale_ts(packet.get(), track.codec->time_base, track.stream->time_base);
    packet->stream_index = track.stream->index;
    muxer.Write(*packet);
  }
}

void SendPicture(Muxer& muxer, Track& track, const FilmSpec& spec, int i) {
  const FramePtr frame = NewFrame();
  frame->format = track.codec->pix_fmt;
  frame->width = track.codec->width;
  frame->height = track.codec->height;
  frame->color_range = track.codec->color_range;
  frame->pts = i;
  Check(av_frame_get_buffer(frame.get(), 0), "picture");
  const bool deep = track.codec->pix_fmt == AV_PIX_FMT_YUV420P10;
  for (int plane = 0; plane < 3; ++plane) {
    const int rows = plane == 0 ? frame->height : (frame->height + 1) / 2;
    const int columns = plane == 0 ? frame->width : (frame->width + 1) / 2;
    const int value = plane == 0 ? LumaOf(i) : plane == 1 ? spec.blue : spec.red;
    for (int y = 0; y < rows; ++y) {
      uint8_t* row = frame->data[plane] + y * frame->linesize[plane];
      for (int x = 0; x < columns; ++x) {
        const int drawn = plane == 0 && spec.draw ? spec.draw(i, x, y) : value;
        const auto wide = static_cast<uint16_t>(drawn * 4);
        if (deep)
          std::memcpy(row + 2 * x, &wide, 2);
        else
          row[x] = static_cast<uint8_t>(drawn);
      }
    }
  }
  Send(muxer, track, frame.get());
}

// Sends one encoder frame of a tone starting at sample `at`; returns the samples sent.
int SendTone(Muxer& muxer, Track& track, const FilmSpec& spec, int64_t at, int64_t end) {
  const int size = track.codec->frame_size > 0 ? track.codec->frame_size : 1024;
  const int count = static_cast<int>(std::min<int64_t>(size, end - at));
  const FramePtr frame = NewFrame();
  frame->format = track.codec->sample_fmt;
  frame->nb_samples = count;
  frame->sample_rate = spec.sample_rate_hz;
  Check(av_channel_layout_copy(&frame->ch_layout, &track.codec->ch_layout), "channels");
  frame->pts = at + static_cast<int64_t>(spec.sound_start_s * spec.sample_rate_hz);
  Check(av_frame_get_buffer(frame.get(), 0), "sound");
  for (int i = 0; i < count; ++i) {
    const double phase =
        2 * M_PI * spec.tone_hz * static_cast<double>(at + i) / spec.sample_rate_hz;
    const auto value = static_cast<float>(0.5 * std::sin(phase));
    for (int c = 0; c < spec.channels; ++c) {
      const int packed = i * spec.channels + c;
      switch (track.codec->sample_fmt) {
        case AV_SAMPLE_FMT_FLTP:
          reinterpret_cast<float*>(frame->data[c])[i] = value;
          break;
        case AV_SAMPLE_FMT_FLT:
          reinterpret_cast<float*>(frame->data[0])[packed] = value;
          break;
        default:
          reinterpret_cast<int16_t*>(frame->data[0])[packed] = static_cast<int16_t>(value * 32767);
      }
    }
  }
  Send(muxer, track, frame.get());
  return count;
}

}  // namespace

int LumaOf(int i) {
  return 30 + (i * 4) % 200;
}

// BT.601, narrow range.
double GreyOf(int i) {
  return (LumaOf(i) - 16) * 255.0 / 219.0;
}

bool HaveEncoder(const std::string& name) {
  return avcodec_find_encoder_by_name(name.c_str()) != nullptr;
}

Bytes MakeFilm(const FilmSpec& spec) {
  av_log_set_level(AV_LOG_QUIET);
  Muxer muxer(spec.format);
  Track video;
  std::vector<Track> audio;
  if (!spec.video_codec.empty()) video = VideoTrack(muxer, spec);
  for (int i = 0; i < spec.audio_tracks && !spec.audio_codec.empty(); ++i)
    audio.push_back(AudioTrack(muxer, spec));
  muxer.Start(spec.muxer_options);
  for (int i = 0; i < spec.frames && video.codec; ++i) SendPicture(muxer, video, spec, i);
  if (video.codec) Send(muxer, video, nullptr);
  const auto end = static_cast<int64_t>(spec.sound_s * spec.sample_rate_hz);
  for (Track& track : audio) {
    for (int64_t at = 0; at < end;) at += SendTone(muxer, track, spec, at, end);
    Send(muxer, track, nullptr);
  }
  return muxer.Finish();
}

Bytes MakeJpegFilm(const std::string& format, const std::vector<JpegFrame>& frames,
                   int ticks_per_s) {
  av_log_set_level(AV_LOG_QUIET);
  Muxer muxer(format);
  AVStream* stream = avformat_new_stream(muxer.get(), nullptr);
  stream->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
  stream->codecpar->codec_id = AV_CODEC_ID_MJPEG;
  stream->codecpar->width = 16;
  stream->codecpar->height = 16;
  stream->time_base = {1, ticks_per_s};
  muxer.Start();
  for (size_t i = 0; i < frames.size(); ++i) {
    const JpegFrame& one = frames[i];
    const PacketPtr packet = NewPacket();
    Check(av_new_packet(packet.get(), static_cast<int>(one.jpeg.size())), "packet");
    std::memcpy(packet->data, one.jpeg.data(), one.jpeg.size());
    packet->pts = one.time;
    // Muxers want decoding times that never fall and never pass the time of showing.
    packet->dts = one.time;
    for (size_t j = i; j < frames.size(); ++j) packet->dts = std::min(packet->dts, frames[j].time);
    packet->flags |= AV_PKT_FLAG_KEY;
    av_packet_rescale_ts(packet.get(), {1, ticks_per_s}, stream->time_base);
    Check(av_write_frame(muxer.get(), packet.get()), "packet");
  }
  return muxer.Finish();
}

}  // namespace gemma3n::film_maker
