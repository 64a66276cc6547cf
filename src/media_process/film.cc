// SPDX-License-Identifier: Apache-2.0
#include "media_process/film.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace gemma3n {
namespace {

constexpr int kBufferBytes = 64 << 10;
constexpr double kMostSeconds = 1e8;  // more than this a container only says in error

constexpr std::array kFormats = {"mov", "matroska", "avi",   "mpegts", "ogg",
                                 "mp3", "aac",      "mjpeg", "mpjpeg"};

// Of a pipe, what its container is known by; and how much of it is looked at, and for how long,
// before the first picture, where FFmpeg would take 5 s.
constexpr size_t kSniffBytes = 377;  // two packets of a transport stream, and the next one's mark
constexpr int64_t kProbeBytes = 1 << 20, kProbeMicroseconds = 1000000;

struct KnownCodec {
  AVCodecID id;
  const char* decoder;
};
// All that is ever decoded; where FFmpeg has several decoders, this one.
constexpr KnownCodec kCodecs[] = {
    {AV_CODEC_ID_H264, "h264"},
    {AV_CODEC_ID_HEVC, "hevc"},
    {AV_CODEC_ID_VP8, "vp8"},
    {AV_CODEC_ID_VP9, "vp9"},
    {AV_CODEC_ID_AV1, "libdav1d"},
    {AV_CODEC_ID_MPEG4, "mpeg4"},
    {AV_CODEC_ID_MPEG2VIDEO, "mpeg2video"},
    {AV_CODEC_ID_MJPEG, "mjpeg"},
    {AV_CODEC_ID_AAC, "aac"},
    {AV_CODEC_ID_MP3, "mp3float"},
    {AV_CODEC_ID_OPUS, "opus"},
    {AV_CODEC_ID_VORBIS, "vorbis"},
    {AV_CODEC_ID_FLAC, "flac"},
    {AV_CODEC_ID_PCM_U8, "pcm_u8"},
    {AV_CODEC_ID_PCM_S16LE, "pcm_s16le"},
    {AV_CODEC_ID_PCM_S16BE, "pcm_s16be"},
    {AV_CODEC_ID_PCM_S24LE, "pcm_s24le"},
    {AV_CODEC_ID_PCM_S24BE, "pcm_s24be"},
    {AV_CODEC_ID_PCM_S32LE, "pcm_s32le"},
    {AV_CODEC_ID_PCM_S32BE, "pcm_s32be"},
    {AV_CODEC_ID_PCM_F32LE, "pcm_f32le"},
    {AV_CODEC_ID_PCM_F32BE, "pcm_f32be"},
    {AV_CODEC_ID_PCM_MULAW, "pcm_mulaw"},
    {AV_CODEC_ID_PCM_ALAW, "pcm_alaw"},
};

// FFmpeg looks into streams before we choose among them; this keeps it to the same decoders.
std::string CodecList() {
  std::string list;
  for (const KnownCodec& codec : kCodecs)
    list += std::string(list.empty() ? "" : ",") + codec.decoder;
  return list;
}

// How much of the file is ID3 tags in front of the sound. We want nothing of what they say, and
// FFmpeg would take long over it: it compares each of its names with all others.
int64_t BytesOfTags(int fd, int64_t size) {
  constexpr int64_t kHead = 10, kFooter = 10;
  constexpr uint8_t kHasFooter = 0x10;
  int64_t bytes = 0;
  uint8_t head[kHead];
  while (bytes < size && pread(fd, head, sizeof head, bytes) == kHead) {
    const bool plain = ((head[6] | head[7] | head[8] | head[9]) & 0x80) == 0;
    if (std::memcmp(head, "ID3", 3) != 0 || !plain) break;
    const int64_t body = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9];
    bytes += kHead + body + ((head[5] & kHasFooter) != 0 ? kFooter : 0);
  }
  return std::min(bytes, size);
}

int RefuseToOpen(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
  return AVERROR(EACCES);
}

}  // namespace

double SecondsOf(int64_t stamp, AVRational base) {
  if (stamp == AV_NOPTS_VALUE || base.num <= 0 || base.den <= 0)
    return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(stamp) * base.num / base.den;
}

int Film::OnRead(void* opaque, uint8_t* to, int count) {
  auto& film = *static_cast<Film*>(opaque);
  const auto want =
      static_cast<size_t>(std::clamp<int64_t>(film.size_ - film.position_, 0, std::max(count, 0)));
  if (want == 0) return AVERROR_EOF;
  const ssize_t got = pread(film.fd_, to, want, film.begin_ + film.position_);
  if (got < 0) return AVERROR(EIO);
  if (got == 0) {
    film.cut_ = true;
    return AVERROR_EOF;
  }
  film.position_ += got;
  return static_cast<int>(got);
}

// As many bytes as there are, at least one, waiting for it; 0 at the end.
ssize_t ReadPipe(int fd, uint8_t* to, size_t count) {
  for (;;) {
    const ssize_t got = read(fd, to, count);
    if (got >= 0 || (errno != EINTR && errno != EAGAIN)) return got;
    pollfd wait = {fd, POLLIN, 0};
    poll(&wait, 1, -1);  // its other owner may have made it one that does not wait
  }
}

// The demuxer for what is read as it comes; none for all else.
const char* LiveDemuxer(std::string_view start) {
  constexpr char kSync = 'G';
  constexpr size_t kPacket = 188;
  using namespace std::string_view_literals;
  if (start.starts_with("\x1a\x45\xdf\xa3"sv)) return "matroska";
  if (start.starts_with("\xff\xd8\xff"sv)) return "mjpeg";
  if (start.starts_with("--"sv) || start.starts_with("\r\n--"sv)) return "mpjpeg";
  const bool packets = start.size() > 2 * kPacket && start[0] == kSync && start[kPacket] == kSync &&
                       start[2 * kPacket] == kSync;
  return packets ? "mpegts" : nullptr;
}

int Film::OnReadPipe(void* opaque, uint8_t* to, int count) {
  auto& film = *static_cast<Film*>(opaque);
  const size_t most = static_cast<size_t>(std::max(count, 0));
  if (!film.sniffed_.empty()) {
    const size_t had = std::min(most, film.sniffed_.size());
    std::copy_n(film.sniffed_.begin(), had, to);
    film.sniffed_.erase(film.sniffed_.begin(), film.sniffed_.begin() + static_cast<ptrdiff_t>(had));
    return static_cast<int>(had);
  }
  film.before_read_();
  const ssize_t got = ReadPipe(film.fd_, to, most);
  return got < 0 ? AVERROR(EIO) : got == 0 ? AVERROR_EOF : static_cast<int>(got);
}

void Film::Sniff() {
  sniffed_.resize(kSniffBytes);
  size_t have = 0;
  while (have < kSniffBytes) {
    const ssize_t got = ReadPipe(fd_, sniffed_.data() + have, kSniffBytes - have);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  sniffed_.resize(have);
  if (have == 0) throw DecoderError{DecoderFailure::kNothingCame, ""};
  const char* demuxer =
      LiveDemuxer({reinterpret_cast<const char*>(sniffed_.data()), sniffed_.size()});
  if (demuxer == nullptr) throw DecoderError{DecoderFailure::kNotLive, ""};
  demuxer_ = demuxer;
}

int64_t Film::OnSeek(void* opaque, int64_t offset, int whence) {
  auto& film = *static_cast<Film*>(opaque);
  whence &= ~AVSEEK_FORCE;
  if (whence == AVSEEK_SIZE) return film.size_;
  const int64_t base = whence == SEEK_CUR ? film.position_ : whence == SEEK_END ? film.size_ : 0;
  int64_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0) return AVERROR(EINVAL);
  return film.position_ = target;
}

Film::Film(int fd, int64_t size, const Job& job)
    : fd_(fd), begin_(BytesOfTags(fd, size)), size_(size - begin_), demuxer_(job.format) {
  Build(job);
}

Film::Film(int pipe, const Job& job, std::function<void()> before_read)
    : fd_(pipe), begin_(0), size_(-1), before_read_(std::move(before_read)) {
  Sniff();
  Build(job);
}

void Film::Build(const Job& job) {
  try {
    Open(job);
    ChooseTracks(job);
  } catch (...) {
    Close();
    throw;
  }
}

Film::~Film() {
  Close();
}

void Film::Close() {
  avformat_close_input(&format_);
  if (io_ != nullptr) av_freep(&io_->buffer);
  avio_context_free(&io_);
}

void Film::Open(const Job& job) {
  const AVInputFormat* input = nullptr;
  for (const char* known : kFormats)
    if (demuxer_ == known) input = av_find_input_format(known);
  if (input == nullptr) throw DecoderError{DecoderFailure::kContainer, ""};
  auto* buffer = static_cast<unsigned char*>(OrNoMemory(av_malloc(kBufferBytes)));
  const bool pipe = size_ < 0;
  io_ = avio_alloc_context(buffer, kBufferBytes, 0, this, pipe ? &OnReadPipe : &OnRead, nullptr,
                           pipe ? nullptr : &OnSeek);
  if (io_ == nullptr) av_free(buffer);
  OrNoMemory(io_);
  format_ = OrNoMemory(avformat_alloc_context());
  format_->pb = io_;
  format_->io_open = &RefuseToOpen;
  if (pipe) {
    format_->probesize = kProbeBytes;
    format_->max_analyze_duration = kProbeMicroseconds;
  }
  AVDictionary* options = nullptr;
  av_dict_set(&options, "codec_whitelist", CodecList().c_str(), 0);
  av_dict_set(&options, "format_whitelist", input->name, 0);
  av_dict_set(&options, "protocol_whitelist", "none", 0);
  // A failed open frees format_ and sets it to null.
  const int error = avformat_open_input(&format_, nullptr, input, &options);
  av_dict_free(&options);
  if (error == AVERROR(ENOMEM)) throw std::bad_alloc();
  if (error < 0) throw DecoderError{DecoderFailure::kContainer, ""};
  if (format_->nb_streams > static_cast<unsigned>(job.streams))
    throw DecoderError{DecoderFailure::kTooManyStreams, ""};
  if (avformat_find_stream_info(format_, nullptr) < 0)
    throw DecoderError{DecoderFailure::kContainer, ""};
  if (format_->nb_streams > static_cast<unsigned>(job.streams))
    throw DecoderError{DecoderFailure::kTooManyStreams, ""};
}

void Film::ChooseTracks(const Job& job) {
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    AVStream* stream = format_->streams[i];
    const AVMediaType type = stream->codecpar->codec_type;
    const bool cover = (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
    if (type == AVMEDIA_TYPE_VIDEO && !cover && video_ == nullptr) video_ = stream;
    const bool marked = (stream->disposition & AV_DISPOSITION_DEFAULT) != 0;
    const bool have_marked = audio_ != nullptr && (audio_->disposition & AV_DISPOSITION_DEFAULT);
    if (type == AVMEDIA_TYPE_AUDIO && (audio_ == nullptr || (marked && !have_marked)))
      audio_ = stream;
  }
  pictures_ = video_;
  if (!job.frames) video_ = nullptr;
  if (!job.sound) audio_ = nullptr;
  if (job.frames && video_ == nullptr) throw DecoderError{DecoderFailure::kNoVideo, ""};
  if (!job.frames && audio_ == nullptr) throw DecoderError{DecoderFailure::kNoSound, ""};
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    AVStream* stream = format_->streams[i];
    if (stream != video_ && stream != audio_) stream->discard = AVDISCARD_ALL;
  }
}

bool Film::Read(AVPacket& packet) {
  // A container may report damage many times and go on; without end it may not.
  for (int errors = 0; errors < 1000;) {
    av_packet_unref(&packet);
    const int error = av_read_frame(format_, &packet);
    if (cut_) throw DecoderError{DecoderFailure::kContainer, ""};
    if (error == AVERROR_EOF) return false;
    if (error == AVERROR(ENOMEM)) throw std::bad_alloc();
    if (error < 0) {
      if (io_->eof_reached != 0) return false;
      ++errors;
      continue;
    }
    const bool ours = (video_ != nullptr && packet.stream_index == video_->index) ||
                      (audio_ != nullptr && packet.stream_index == audio_->index);
    if (ours) return true;
  }
  return false;
}

bool Film::HasTimes() const {
  return demuxer_ != "mjpeg" && demuxer_ != "mpjpeg";
}

double Film::DeclaredLength() const {
  const double seconds = SecondsOf(format_->duration, {1, AV_TIME_BASE});
  return seconds > 0 && seconds < kMostSeconds ? seconds : 0;
}

double Film::DeclaredSoundStart() const {
  if (audio_ == nullptr || pictures_ == nullptr) return 0;
  const double seconds = SecondsOf(audio_->start_time, audio_->time_base) -
                         SecondsOf(pictures_->start_time, pictures_->time_base);
  return std::abs(seconds) < kMostSeconds ? seconds : 0;  // what is not known is no number
}

CodecContextPtr OpenDecoder(const AVStream& stream, const Job& job) {
  const AVCodec* codec = nullptr;
  for (const KnownCodec& known : kCodecs)
    if (known.id == stream.codecpar->codec_id) codec = avcodec_find_decoder_by_name(known.decoder);
  if (stream.codecpar->codec_id == AV_CODEC_ID_RAWVIDEO && !job.device.empty())
    codec = avcodec_find_decoder_by_name("rawvideo");  // cameras and screens
  const DecoderError refused{DecoderFailure::kCodec, avcodec_get_name(stream.codecpar->codec_id)};
  if (codec == nullptr) throw refused;
  if (int64_t{stream.codecpar->width} * stream.codecpar->height > job.decode_pixels)
    throw DecoderError{DecoderFailure::kTooLarge, ""};
  CodecContextPtr context = OrNoMemory(CodecContextPtr(avcodec_alloc_context3(codec)));
  if (avcodec_parameters_to_context(context.get(), stream.codecpar) < 0) throw refused;
  context->pkt_timebase = stream.time_base;
  context->thread_count = 1;  // no thread may start in the sandbox
  context->max_pixels = job.decode_pixels;
  const int error = avcodec_open2(context.get(), codec, nullptr);
  if (error == AVERROR(ENOMEM)) throw std::bad_alloc();
  if (error < 0) throw refused;
  return context;
}

}  // namespace gemma3n
