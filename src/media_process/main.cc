// SPDX-License-Identifier: Apache-2.0
// gemma3n-media: the film on descriptor 0, or a device -> frames and sound on descriptor 1, as
// described in media/decoder_protocol.h. Before the first byte of the film is read, the process
// gives up everything else it could do; a device is opened before that. Or, in a process that does
// nothing else: an address -> its bytes on descriptor 1.
#include <sys/stat.h>
#include <unistd.h>

#include <new>
#include <string_view>

#include "media_process/decode.h"
#include "media_process/fetch.h"
#include "media_process/job.h"
#include "media_process/libav.h"
#include "media_process/live.h"
#include "media_process/microphone.h"
#include "media_process/picture_device.h"
#include "media_process/records.h"
#include "media_process/sandbox.h"

namespace gemma3n {
namespace {

void EnterSandboxFor(const Job& job, SandboxInput input) {
  const bool closed_in = EnterSandbox({job.memory_bytes, job.cpu_seconds, input});
  if (!closed_in && !job.allow_unsandboxed) throw DecoderError{DecoderFailure::kNoSandbox, ""};
}

void DecodeFile(const Job& job, RecordWriter& out) {
  struct stat status;
  if (fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0)
    throw DecoderError{DecoderFailure::kBadJob, ""};
  EnterSandboxFor(job, SandboxInput::kFile);
  if (job.live) return LiveShow(job, out).ShowFile(STDIN_FILENO, status.st_size);
  DecodeFilm(STDIN_FILENO, status.st_size, job, out);
}

// Devices are never destroyed: that could call what the sandbox forbids.
void ReadDevice(const Job& job, RecordWriter& out) {
  if (IsPictureDevice(job)) {
    auto* device = new PictureDevice(job);
    EnterSandboxFor(job, job.format == "v4l2" ? SandboxInput::kCamera : SandboxInput::kScreen);
    return device->Show(out);
  }
  auto* microphone = new Microphone(job);
  EnterSandboxFor(job, SandboxInput::kSound);
  microphone->Record(out);
}

void Run(const Job& job, RecordWriter& out) {
  if (!job.device.empty()) return ReadDevice(job, out);
  if (job.format != "pipe") return DecodeFile(job, out);
  EnterSandboxFor(job, SandboxInput::kPipe);
  LiveShow(job, out).ShowPipe(STDIN_FILENO);
}

int FetchUrl(const Job& job) {
  GiveUpWriting(job.memory_bytes);
  return static_cast<int>(Fetch(job.url, STDOUT_FILENO));
}

// It is told so before anything else.
bool IsToFetch(int argc, char** argv) {
  return argc > 1 && std::string_view(argv[1]) == "--url";
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  gemma3n::RecordWriter out(STDOUT_FILENO);
  const bool fetches = gemma3n::IsToFetch(argc, argv);  // then bytes of the address alone go there
  try {
    const gemma3n::Job job = gemma3n::ParseJob(argc, argv);
    av_log_set_level(AV_LOG_QUIET);  // what a file makes the library say is for nobody
    if (!job.url.empty()) _exit(gemma3n::FetchUrl(job));
    gemma3n::Run(job, out);
    _exit(0);
  } catch (const gemma3n::DecoderError& error) {
    if (!fetches) out.Failure(error.reason, error.detail);
  } catch (const std::bad_alloc&) {
    if (!fetches) out.Failure(gemma3n::DecoderFailure::kOutOfMemory, "");
  }
  _exit(1);  // no destructors: they could call what the sandbox forbids
}
