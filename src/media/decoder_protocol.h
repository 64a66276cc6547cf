// SPDX-License-Identifier: Apache-2.0
// What gemma3n and gemma3n-media say to each other. The job goes in as command-line words, the
// file as descriptor 0 (something that can be read at any offset; of live pictures also a pipe; a
// device needs none), the answer comes out of descriptor 1 as records: a RecordHead, then `bytes`
// bytes. Numbers are little-endian. With an address as its job it answers with the plain bytes that
// come from there, and with FetchEnd.
//
//   kFilm     FilmBody           once, first: what was found
//   kFrame    FrameHead, RGB     one picture, width * height * 3 bytes
//   kSound    SoundHead, floats  a piece of sound, interleaved channels
//   kDone     nothing            last; a stream that ends without it is an error
//   kFailure  FailureBody        last, in place of kDone
#pragma once

#include <cstdint>

namespace gemma3n {

enum class RecordKind : uint32_t { kFilm = 1, kFrame = 2, kSound = 3, kDone = 4, kFailure = 5 };

struct RecordHead {
  RecordKind kind;
  uint32_t bytes;
};

struct FilmBody {
  double duration_s;     // from the time stamps of all packets looked at, if measured
  double sound_start_s;  // without frames: since the first frame, as the container says
};

struct FrameHead {
  double time_s;  // since the first frame
  uint32_t width;
  uint32_t height;
  uint32_t orientation;  // as EXIF's: 1 to 8
  uint32_t passed_over;  // live: how many pictures since the one before were not made into pixels
};

struct SoundHead {
  uint32_t rate_hz;
  uint32_t channels;
};

enum class DecoderFailure : uint32_t {
  kBadJob = 1,     // our own words were not understood
  kNoSandbox = 2,  // this kernel has none and the job does not allow to go without
  kContainer = 3,  // the container cannot be read
  kTooManyStreams = 4,
  kNoVideo = 5,
  kNoSound = 6,
  kCodec = 7,  // detail: its name
  kNothingDecoded = 8,
  kOutOfMemory = 9,
  kTooLarge = 10,         // more pixels in a frame than the limit
  kNoDevices = 11,        // detail: the library that is missing
  kMicrophone = 12,       // it cannot be opened
  kMicrophoneLost = 13,   // it gave sound and does no longer
  kNotLive = 14,          // what comes through the pipe cannot be read as it comes
  kNothingCame = 15,      // the pipe ended without a byte
  kCamera = 16,           // it cannot be opened; detail: "missing", "denied", "busy" or ""
  kScreen = 17,           // the same of a screen; detail "outside": the corner is not on it
  kPicturesLost = 18,     // the device gave pictures and does no longer
  kTooManyChannels = 19,  // of sound; detail: how many
};

struct FailureBody {
  DecoderFailure reason;
  char detail[60];  // a name of [A-Za-z0-9_.-], 0-terminated
};

// How a process that fetches ends: the status it exits with.
enum class FetchEnd : int {
  kAll = 0,
  kUnreachable = 20,  // no such host, or nobody answers there
  kRefused = 21,      // the server says no: not found, not allowed
  kServer = 22,       // the server has trouble of its own
  kBrokeOff = 23,     // in the middle
};

inline constexpr uint32_t kMaxSoundRecordBytes = 1 << 20;

}  // namespace gemma3n
