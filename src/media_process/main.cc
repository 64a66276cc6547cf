// SPDX-License-Identifier: Apache-2.0
// gemma3n-media: the film on descriptor 0, or a microphone -> frames and sound on descriptor 1, as
// described in media/decoder_protocol.h. Before the first byte of the film is read, the process
// gives up everything else it could do; a microphone is opened before that.
#include <sys/stat.h>
#include <unistd.h>

#include <new>

#include "media_process/decode.h"
#include "media_process/job.h"
#include "media_process/libav.h"
#include "media_process/microphone.h"
#include "media_process/records.h"
#include "media_process/sandbox.h"

namespace gemma3n {
namespace {

void EnterSandboxFor(const Job& job) {
  const bool closed_in = EnterSandbox({job.memory_bytes, job.cpu_seconds, !job.device.empty()});
  if (!closed_in && !job.allow_unsandboxed) throw DecoderError{DecoderFailure::kNoSandbox, ""};
}

void DecodeFile(const Job& job, RecordWriter& out) {
  struct stat status;
  if (fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0)
    throw DecoderError{DecoderFailure::kBadJob, ""};
  EnterSandboxFor(job);
  DecodeFilm(STDIN_FILENO, status.st_size, job, out);
}

void Run(int argc, char** argv, RecordWriter& out) {
  const Job job = ParseJob(argc, argv);
  av_log_set_level(AV_LOG_QUIET);  // what a file makes the library say is for nobody
  if (job.device.empty()) return DecodeFile(job, out);
  // Never destroyed: that could call what the sandbox forbids.
  auto* microphone = new Microphone(job);
  EnterSandboxFor(job);
  microphone->Record(out);
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  gemma3n::RecordWriter out(STDOUT_FILENO);
  try {
    gemma3n::Run(argc, argv, out);
    _exit(0);
  } catch (const gemma3n::DecoderError& error) {
    out.Failure(error.reason, error.detail);
  } catch (const std::bad_alloc&) {
    out.Failure(gemma3n::DecoderFailure::kOutOfMemory, "");
  }
  _exit(1);  // no destructors: they could call what the sandbox forbids
}
