// SPDX-License-Identifier: Apache-2.0
#include "media/child_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

namespace gemma3n {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::vector<std::string> Shell(const std::string& script) {
  return {"/bin/sh", "-c", script};
}

Descriptor Nothing() {
  return Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

constexpr double kLimit_s = 0.1;  // so that a second may pass on the clock

TEST(ChildProcess, WaitsForAReaderAsLongAsHeLikes) {
  ChildProcess child(Shell("printf ab; printf cd"), Nothing());
  child.set_cpu_limit_s(kLimit_s);
  char bytes[2];
  EXPECT_TRUE(child.Read(bytes, 2));
  std::this_thread::sleep_for(milliseconds(1500));
  EXPECT_TRUE(child.Read(bytes, 2));
  EXPECT_EQ(bytes[1], 'd');
  EXPECT_FALSE(child.Read(bytes, 1));
  EXPECT_EQ(child.Wait(), 0);
}

TEST(ChildProcess, IsNotWaitedForLongerThanItsLimit) {
  ChildProcess child(Shell("printf ab; exec sleep 1000"), Nothing());
  child.set_cpu_limit_s(kLimit_s);
  char bytes[2];
  EXPECT_TRUE(child.Read(bytes, 2));
  EXPECT_FALSE(child.Read(bytes, 2));
  EXPECT_EQ(WTERMSIG(child.Wait()), SIGXCPU);
}

TEST(ChildProcess, OneReadMayHaveALimitOfItsOwn) {
  ChildProcess child(Shell("printf ab; sleep 0.1; printf cd; exec sleep 1000"), Nothing());
  child.set_cpu_limit_s(1000);
  child.set_read_limit_s(0.5);
  char bytes[4];
  EXPECT_TRUE(child.Read(bytes, 4));
  const auto start = steady_clock::now();
  EXPECT_FALSE(child.Read(bytes, 1));
  EXPECT_GE(steady_clock::now() - start, milliseconds(450));
  EXPECT_EQ(WTERMSIG(child.Wait()), SIGXCPU);
}

TEST(ChildProcess, AnotherThreadMayStopTheWaiting) {
  ChildProcess child(Shell("exec sleep 1000"), Nothing());
  child.set_cpu_limit_s(1000);
  std::thread other([&] { child.Stop(); });
  char byte;
  EXPECT_FALSE(child.Read(&byte, 1));
  other.join();
  // It is not given the time to end by itself, which this one would.
  ChildProcess slow(Shell("sleep 0.8"), Nothing());
  slow.set_cpu_limit_s(1000);
  slow.Stop();
  EXPECT_FALSE(slow.Read(&byte, 1));
  const int status = slow.Wait();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

TEST(ChildProcess, SeesTheEnvironmentItIsGivenAlone) {
  ChildProcess child({"/usr/bin/env"}, Nothing(), {"A=b"});
  child.set_cpu_limit_s(10);
  char bytes[4];
  EXPECT_TRUE(child.Read(bytes, 4));
  EXPECT_EQ(std::string(bytes, 4), "A=b\n");
  EXPECT_FALSE(child.Read(bytes, 1));
}

TEST(ChildProcess, EndsAtOnceWithItsOwner) {
  const auto start = steady_clock::now();
  for (const char* script : {"exec sleep 1000", "exec cat /dev/zero"}) {
    ChildProcess child(Shell(script), Nothing());
  }
  EXPECT_LT(steady_clock::now() - start, milliseconds(1000));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // nothing is left to be waited for
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace gemma3n
