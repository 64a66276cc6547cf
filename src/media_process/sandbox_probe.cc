// SPDX-License-Identifier: Apache-2.0
// For tests. `sandbox_probe [--pipe|--sound|--camera|--screen] NAME` enters the sandbox for
// a file, or for what the option says, and then tries what NAME says; exit status 0 means that it
// was allowed. `sandbox_probe --without-seccomp PROGRAM WORDS...` runs a program as on a kernel
// that cannot filter system calls.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sound/asound.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

#include "media_process/sandbox.h"

namespace {

constexpr int kNoSandbox = 77;

void MapExecutable() {
  mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void MakeExecutable() {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

void Execute() {
  char* words[] = {const_cast<char*>("/bin/true"), nullptr};
  execv(words[0], words);
}

void Thread() {
  std::thread([] {}).join();
}

void Try(std::string_view name) {
  char byte = 0;
  struct stat status;
  if (name == "open") open("/etc/passwd", O_RDONLY);
  if (name == "create") open("/tmp/gemma3n_sandbox_probe", O_WRONLY | O_CREAT, 0600);
  if (name == "stat") stat("/etc/passwd", &status);
  if (name == "unlink") unlink("/tmp/gemma3n_sandbox_probe");
  if (name == "socket") socket(AF_INET, SOCK_STREAM, 0);
  if (name == "fork") fork();
  if (name == "thread") Thread();
  if (name == "execute") Execute();
  if (name == "map_executable") MapExecutable();
  if (name == "make_executable") MakeExecutable();
  if (name == "write_elsewhere") (void)!write(2, &byte, 1);
  if (name == "read_elsewhere") (void)!read(1, &byte, 1);
  if (name == "duplicate") dup(0);
  if (name == "kill") kill(getppid(), 0);
  if (name == "signal_parent") syscall(SYS_kill, 1, 0);
  if (name == "ptrace") ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  if (name == "ioctl") ioctl(0, 0x5401);
  if (name == "io_uring") syscall(425, 1, nullptr);
  if (name == "raise_limit") prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  if (name == "memfd") syscall(SYS_memfd_create, "x", 0);
  // Allowed with devices, some of them.
  if (name == "poll") poll(nullptr, 0, 1);
  if (name == "sleep") usleep(1);
  if (name == "receive") recv(0, &byte, 1, 0);
  if (name == "pcm_ioctl") ioctl(0, SNDRV_PCM_IOCTL_DELAY);
  if (name == "take_buffer") ioctl(0, VIDIOC_DQBUF, nullptr);
  if (name == "queue_buffer") ioctl(0, VIDIOC_QBUF, nullptr);
  if (name == "set_format") ioctl(0, VIDIOC_S_FMT, nullptr);
  // Allowed, within limits.
  if (name == "compute") std::free(std::malloc(1 << 20));
  if (name == "read") (void)!read(0, &byte, 1);
  if (name == "write") (void)!write(1, "x", 1);
  if (name == "memory") _exit(std::malloc(size_t{1} << 30) == nullptr ? 0 : 1);
  volatile bool spinning = name == "spin";
  while (spinning) {
  }
}

gemma3n::SandboxInput InputOf(std::string_view option) {
  if (option == "--pipe") return gemma3n::SandboxInput::kPipe;
  if (option == "--sound") return gemma3n::SandboxInput::kSound;
  if (option == "--camera") return gemma3n::SandboxInput::kCamera;
  if (option == "--screen") return gemma3n::SandboxInput::kScreen;
  return gemma3n::SandboxInput::kFile;
}

int RunWithoutSeccomp(char** words) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0);
  seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                   SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
  if (seccomp_load(filter) != 0) return kNoSandbox;
  execv(words[0], words);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (std::strcmp(argv[1], "--without-seccomp") == 0) return RunWithoutSeccomp(argv + 2);
  const auto input = argc > 2 ? InputOf(argv[1]) : gemma3n::SandboxInput::kFile;
  if (!gemma3n::EnterSandbox({512ull << 20, 1, input})) _exit(kNoSandbox);
  Try(argv[argc - 1]);
  _exit(0);
}
