// SPDX-License-Identifier: Apache-2.0
// After this the process can read descriptor 0, write descriptor 1, compute, take memory that is
// not executable, and end. That is all that FFmpeg needs once it is loaded.
#include "media_process/sandbox.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <initializer_list>

namespace gemma3n {
namespace {

// Kernel interface of Landlock (linux/landlock.h), spelled out since headers may be older than the
// running kernel.
struct LandlockRules {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};
constexpr long kLandlockCreate = 444, kLandlockRestrict = 446;
constexpr uint32_t kLandlockVersion = 1;
constexpr uint64_t kAllAccess = ~0ull;
constexpr uint64_t kReadFile = 1ull << 2, kReadFolder = 1ull << 3;

// No path may be touched in a way that is in `kinds`, of those that this kernel knows; and, if
// `alone`, no port and nothing outside this process.
void RestrictPaths(uint64_t kinds, bool alone) {
  const long abi = syscall(kLandlockCreate, nullptr, 0, kLandlockVersion);
  if (abi < 1) return;
  // Kinds of file access by version: 13, then link across directories, truncate, device control.
  const int known = abi == 1 ? 13 : abi == 2 ? 14 : abi < 5 ? 15 : 16;
  LandlockRules rules = {kinds & ((1ull << known) - 1), alone && abi >= 4 ? 3ull : 0,
                         alone && abi >= 6 ? 3ull : 0};
  const size_t size = abi < 4 ? 8 : abi < 6 ? 16 : 24;
  const long fd = syscall(kLandlockCreate, &rules, size, 0);
  if (fd < 0) return;
  syscall(kLandlockRestrict, fd, 0);
  close(static_cast<int>(fd));
}

bool Allow(scmp_filter_ctx filter, int call) {
  return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0;
}

bool AllowFd(scmp_filter_ctx filter, int call, unsigned fd) {
  return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                          SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffffu, fd)) == 0;
}

bool AllowNotExecutable(scmp_filter_ctx filter, int call) {
  return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                          SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
}

bool AllowRequests(scmp_filter_ctx filter, uint64_t mask, uint64_t requests) {
  return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                          SCMP_A1(SCMP_CMP_MASKED_EQ, mask, requests)) == 0;
}

bool AllowAll(scmp_filter_ctx filter, std::initializer_list<int> calls) {
  bool fine = true;
  for (const int call : calls) fine = fine && Allow(filter, call);
  return fine;
}

// Of an ioctl request, its number and kind; what is above says sizes.
constexpr uint64_t kNumberAndKind = 0xffff;

// What a microphone takes beside what decoding does. Nothing here opens, connects to or starts
// anything: it goes on with the descriptors and threads that were there before.
bool AllowSound(scmp_filter_ctx filter) {
  // ALSA: the requests of its PCM devices, and to start, stop, go on with and pause the timer by
  // which programs share a device.
  bool fine = AllowRequests(filter, 0xff00, uint64_t{'A'} << 8);
  for (uint64_t request = 0x54a0; request <= 0x54a3; ++request)
    fine = fine && AllowRequests(filter, kNumberAndKind, request);
  return fine &&
         AllowAll(
             filter,
             {// ALSA's devices and timers; the sockets, events and pipes of PulseAudio's and
              // PipeWire's clients and of their threads.
              SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(poll),
              SCMP_SYS(ppoll), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
              SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
              SCMP_SYS(timerfd_settime), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
              // The semaphore by which programs that share an ALSA device take turns.
              SCMP_SYS(semop), SCMP_SYS(semtimedop),
              // Descriptors that a server sends are closed; threads name themselves in messages.
              SCMP_SYS(close), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(rt_sigprocmask)});
}

// A camera fills buffers that were mapped when it was opened: each is taken when it is full, and
// given back. No setting of the camera can be changed.
bool AllowCamera(scmp_filter_ctx filter) {
  constexpr uint64_t kQueueBuffer = 'V' << 8 | 15, kTakeBuffer = 'V' << 8 | 17;
  return AllowRequests(filter, kNumberAndKind, kQueueBuffer) &&
         AllowRequests(filter, kNumberAndKind, kTakeBuffer);
}

// The socket to the X server, which fills memory that was shared with it when the screen was
// opened, and the pause from picture to picture.
bool AllowScreen(scmp_filter_ctx filter) {
  return AllowAll(filter, {SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(writev), SCMP_SYS(sendmsg),
                           SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
                           SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep)});
}

bool AllowInput(scmp_filter_ctx filter, SandboxInput input) {
  switch (input) {
    case SandboxInput::kFile:
      break;
    case SandboxInput::kPipe:
      return AllowAll(filter, {SCMP_SYS(poll), SCMP_SYS(ppoll)});
    case SandboxInput::kSound:
      return AllowSound(filter);
    case SandboxInput::kCamera:
      return AllowCamera(filter);
    case SandboxInput::kScreen:
      return AllowScreen(filter);
  }
  return true;
}

bool LoadFilter(SandboxInput input) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (filter == nullptr) return false;
  // Libraries of sound devices have threads by now.
  bool fine = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0;
  fine = fine && AllowInput(filter, input);
  fine = fine && AllowFd(filter, SCMP_SYS(read), 0) && AllowFd(filter, SCMP_SYS(pread64), 0) &&
         AllowFd(filter, SCMP_SYS(write), 1) && AllowNotExecutable(filter, SCMP_SYS(mmap)) &&
         AllowNotExecutable(filter, SCMP_SYS(mprotect));
  fine = fine &&
         AllowAll(filter, {SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
                           SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
                           SCMP_SYS(getrandom), SCMP_SYS(sysinfo), SCMP_SYS(sched_getaffinity),
                           SCMP_SYS(sched_yield), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
                           SCMP_SYS(exit), SCMP_SYS(exit_group)});
  fine = fine && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return fine;
}

void Limit(__rlimit_resource resource, uint64_t soft, uint64_t hard) {
  const rlimit limit = {soft, hard};
  setrlimit(resource, &limit);
}

void LimitResources(const SandboxLimits& limits) {
  Limit(RLIMIT_AS, limits.memory_bytes, limits.memory_bytes);
  const auto seconds = static_cast<uint64_t>(limits.cpu_seconds);
  Limit(RLIMIT_CPU, seconds, seconds + 1);
  Limit(RLIMIT_NPROC, 0, 0);
  Limit(RLIMIT_FSIZE, 0, 0);
  Limit(RLIMIT_CORE, 0, 0);
  // With devices some are open, and servers send more of them.
  const bool alone = limits.input == SandboxInput::kFile || limits.input == SandboxInput::kPipe;
  const uint64_t files = alone ? 3 : 256;
  Limit(RLIMIT_NOFILE, files, files);
}

}  // namespace

bool EnterSandbox(const SandboxLimits& limits) {
  const bool no_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  RestrictPaths(kAllAccess, true);  // opens a descriptor for a moment, so before the limit on these
  LimitResources(limits);
  return no_privileges && LoadFilter(limits.input);  // last: it forbids all of the above
}

void GiveUpWriting(uint64_t memory_bytes) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  RestrictPaths(kAllAccess & ~(kReadFile | kReadFolder), false);
  Limit(RLIMIT_AS, memory_bytes, memory_bytes);
  Limit(RLIMIT_CORE, 0, 0);
}

}  // namespace gemma3n
