// SPDX-License-Identifier: Apache-2.0
// Cameras and screens where there are none (and a screen where Xvfb is installed), addresses of a
// server of our own, and what the sandbox of each allows.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <thread>

#include "gemma3n/error.h"
#include "gemma3n/picture_stream.h"
#include "media/test_files.h"
#include "media_process/film_maker.h"

namespace gemma3n {
namespace {

using namespace film_maker;
using test_files::MessageOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Stream = std::unique_ptr<PictureStream>;

constexpr double kLong = 30;  // seconds; what waits for so long has failed

void ExpectNoChildren() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

// ---- cameras and screens ----

TEST(Camera, hostile_F08_ThatIsNotThereOrNone) {
  const auto message = [](const std::string& device) {
    return MessageOf([&] { PictureStream::OpenCamera(device); });
  };
  EXPECT_THAT(message("/dev/video99"),
              StartsWith("camera /dev/video99: cannot be opened: there is no such camera; "));
  for (const char* none : {"/dev/null", "/etc/passwd", "/dev/zero", "/"})
    EXPECT_THAT(message(none), StartsWith("camera " + std::string(none) + ": cannot be opened: "));
  EXPECT_THAT(message(""), HasSubstr("found no name"));
  // What cameras there are is said.
  const bool any = std::filesystem::exists("/dev/video0");
  EXPECT_THAT(message("/dev/video99"),
              HasSubstr(any ? "there are /dev/video0" : "this system has no camera"));
  ExpectNoChildren();
}

TEST(Camera, RefusesSizesThatAreNone) {
  for (const CameraOptions& camera :
       {CameraOptions{.width = 0}, {.height = -1}, {.width = 1 << 20}, {.fps = 0}, {.fps = 1e9}}) {
    EXPECT_THAT(MessageOf([&] { PictureStream::OpenCamera("/dev/video0", camera); }),
                StartsWith("camera /dev/video0: expected a size"));
  }
}

TEST(Camera, hostile_F08_GivesPicturesWhereThereIsOne) {
  if (access("/dev/video0", R_OK | W_OK) != 0) GTEST_SKIP() << "no camera here";
  const Stream stream = PictureStream::OpenCamera("/dev/video0");
  const auto frame = stream->Newest(kLong);
  ASSERT_TRUE(frame);
  EXPECT_GT(frame->image.width, 0);
}

// An X server without a screen to see.
class ScreenServer {
 public:
  ScreenServer() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 9);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    const char* words[] = {"Xvfb", "-displayfd", "9",        "-screen",
                           "0",    "320x240x24", "-noreset", nullptr};
    if (posix_spawnp(&pid_, words[0], &actions, nullptr, const_cast<char**>(words), environ) != 0)
      pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    std::string number;  // that it took; the line is read to its end, or writing it ends the server
    char digit = 0;
    for (pollfd wait = {ends[0], POLLIN, 0};
         pid_ > 0 && poll(&wait, 1, 20000) == 1 && read(ends[0], &digit, 1) == 1 && digit != '\n';)
      number += digit;
    if (digit == '\n') display_ = ":" + number;
    close(ends[0]);
  }
  ~ScreenServer() { Stop(); }
  void Stop() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    pid_ = -1;
  }
  const std::string& display() const { return display_; }

 private:
  pid_t pid_ = -1;
  std::string display_;
};

TEST(Screen, hostile_F08_ThatIsNotThere) {
  for (const char* display : {":4711", "nonsense", ":4711+5,5"})
    EXPECT_THAT(MessageOf([&] { PictureStream::OpenScreen(display); }),
                StartsWith("screen " + std::string(display) + ": cannot be opened: expected a"));
  ExpectNoChildren();
}

TEST(Screen, hostile_F08_IsSeenUntilItsServerGoesAway) {
  if (std::system("command -v Xvfb > /dev/null 2>&1") != 0) GTEST_SKIP() << "Xvfb is not installed";
  ScreenServer server;
  ASSERT_NE(server.display(), "");
  {
    const Stream part = PictureStream::OpenScreen(server.display() + "+100,40");
    const auto frame = part->Newest(kLong);
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->image.width, 220);
    EXPECT_EQ(frame->image.height, 200);
  }
  EXPECT_THAT(MessageOf([&] { PictureStream::OpenScreen(server.display() + "+320,0"); }),
              HasSubstr("the corner must lie on the screen"));
  const Stream stream = PictureStream::OpenScreen(server.display());
  double last_s = -1;
  for (int i = 0; i < 12; ++i) {  // more than were taken before the sandbox was entered
    const auto frame = stream->Newest(kLong);
    ASSERT_TRUE(frame);
    EXPECT_GT(frame->time_s, last_s);
    last_s = frame->time_s;
    EXPECT_EQ(frame->image.width, 320);
    EXPECT_EQ(frame->image.height, 240);
  }
  {
    // So fast that some come too early and are held, which takes memory shared with the server.
    MediaOptions fast;
    fast.limits.live_fps = 500;
    const Stream hasty = PictureStream::OpenScreen(server.display(), fast);
    for (double time_s = 0; time_s < 1;) {
      const auto frame = hasty->Newest(kLong);
      ASSERT_TRUE(frame);
      time_s = frame->time_s;
    }
  }
  server.Stop();
  EXPECT_EQ(MessageOf([&] {
              while (stream->Newest(kLong)) {
              }
            }),
            "screen " + server.display() + ": gives no pictures any more: the device is gone");
}

// ---- addresses ----

// Answers each path with the bytes it was given, then closes.
class HttpServer {
 public:
  explicit HttpServer(std::map<std::string, std::string> answers, bool waits_to_be_asked = true)
      : answers_(std::move(answers)), waits_to_be_asked_(waits_to_be_asked) {
    signal(SIGPIPE, SIG_IGN);
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(socket_, 8), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~HttpServer() {
    stopping_ = true;
    thread_.join();
    close(socket_);
  }
  std::string Url(const std::string& path, const char* scheme = "http") const {
    return std::string(scheme) + "://127.0.0.1:" + std::to_string(port_) + path;
  }

 private:
  void Serve() {
    while (!stopping_) {
      pollfd wait = {socket_, POLLIN, 0};
      if (poll(&wait, 1, 20) != 1) continue;
      const int client = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      char request[4096] = {};
      if (waits_to_be_asked_) (void)!read(client, request, sizeof request - 1);
      const std::string line = std::string(request) + "  ";
      const size_t from = line.find(' ') + 1;
      const std::string path = line.substr(from, line.find(' ', from) - from);
      const std::string& answer = answers_.contains(path) ? answers_.at(path) : answers_.at("");
      for (size_t at = 0; at < answer.size();) {
        const ssize_t wrote = write(client, answer.data() + at, answer.size() - at);
        if (wrote <= 0) break;
        at += static_cast<size_t>(wrote);
      }
      close(client);
    }
  }

  std::map<std::string, std::string> answers_;
  bool waits_to_be_asked_;
  int socket_ = -1, port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

std::string Text(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

Bytes LiveFilm() {
  return MakeFilm(
      {.format = "mpegts", .video_codec = "mpeg2video", .audio_codec = "", .frames = 12});
}

// How it ended: "" for an end that is one.
std::string EndOf(const std::string& url, int* pictures = nullptr) {
  return MessageOf([&] {
    MediaOptions options;
    options.limits.live_fps = 1000;
    const Stream stream = PictureStream::OpenUrl(url, options);
    while (!stream->ended()) {
      const bool any = stream->Newest(kLong).has_value();
      if (any && pictures != nullptr) ++*pictures;
    }
  });
}

TEST(Address, IsReadAsItComes) {
  const HttpServer server({{"", "HTTP/1.0 200 OK\r\n\r\n" + Text(LiveFilm())}});
  int pictures = 0;
  EXPECT_EQ(EndOf(server.Url("/live"), &pictures), "");
  EXPECT_GT(pictures, 0);
  ExpectNoChildren();
}

TEST(Address, MayBeOfPlainTcp) {
  const HttpServer server({{"", Text(LiveFilm())}}, false);
  int pictures = 0;
  EXPECT_EQ(EndOf(server.Url("", "tcp"), &pictures), "");
  EXPECT_GT(pictures, 0);
}

TEST(Address, hostile_V02_OtherKindsOpenNothing) {
  for (const char* url :
       {"file:///etc/passwd", "/etc/passwd", "concat:/etc/passwd|/etc/passwd", "data:video/mp4,x",
        "subfile,,start,0,end,9,,:/etc/passwd", "pipe:0", "rtsp://127.0.0.1/x", "ftp://127.0.0.1/x",
        "httpproxy://127.0.0.1/x", "", "http", "crypto+http://127.0.0.1/x", "hls+http://x/"}) {
    EXPECT_THAT(EndOf(url), StartsWith(std::string(url) + ": expected an address of http, https,"));
  }
  ExpectNoChildren();
}

TEST(Address, hostile_V02_ThatLeadsElsewhereOpensNothing) {
  const HttpServer server(
      {{"/file", "HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"},
       {"/gopher", "HTTP/1.0 302 Found\r\nLocation: gopher://127.0.0.1:1/\r\n\r\n"},
       {"", "HTTP/1.0 200 OK\r\n\r\n#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"}});
  EXPECT_THAT(EndOf(server.Url("/file")), HasSubstr(": cannot be reached"));
  EXPECT_THAT(EndOf(server.Url("/gopher")), HasSubstr(": cannot be reached"));
  EXPECT_THAT(EndOf(server.Url("/list.m3u8")), HasSubstr(": cannot be read as it comes"));
}

TEST(Address, hostile_F08_ThatDoesNotAnswerOrBreaksOff) {
  const std::string film = Text(LiveFilm());
  const HttpServer server({{"/missing", "HTTP/1.0 404 Not Found\r\n\r\n"},
                           {"/secret", "HTTP/1.0 403 Forbidden\r\n\r\n"},
                           {"/busy", "HTTP/1.0 429 Too Many Requests\r\n\r\n"},
                           {"/broken", "HTTP/1.0 503 Service Unavailable\r\n\r\n"},
                           {"/cut", "HTTP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n" + film},
                           {"", ""}});
  EXPECT_THAT(EndOf(server.Url("/missing")), HasSubstr(": the server refuses it"));
  EXPECT_THAT(EndOf(server.Url("/secret")), HasSubstr(": the server refuses it"));
  EXPECT_THAT(EndOf(server.Url("/busy")), HasSubstr(": the server refuses it"));
  EXPECT_THAT(EndOf(server.Url("/broken")), HasSubstr(": the server has an error"));
  int pictures = 0;
  EXPECT_EQ(EndOf(server.Url("/cut"), &pictures),
            server.Url("/cut") + ": the connection broke off");
  EXPECT_GT(pictures, 0);  // what came before stands
  EXPECT_THAT(EndOf("http://127.0.0.1:1/x"), HasSubstr(": cannot be reached"));
  // TLS with somebody who speaks none.
  EXPECT_THAT(EndOf(server.Url("/x", "https")), HasSubstr(": cannot be reached"));
  ExpectNoChildren();
}

// A gemma3n-media that fetches by this script, and decodes as ever.
MediaOptions FetchingBy(const std::string& script) {
  static int number = 0;
  const std::string bin = std::string(GEMMA3N_BINARY_DIR) + "/bin/";
  MediaOptions options;
  options.decoder_program =
      ::testing::TempDir() + "/fetch_" + std::to_string(getpid()) + "_" + std::to_string(number++);
  std::ofstream(options.decoder_program) << "#!/bin/sh\ncase \"$1\" in --url) " << script
                                         << ";; esac\nexec " << bin << "gemma3n-media \"$@\"\n";
  std::filesystem::permissions(options.decoder_program, std::filesystem::perms::owner_all);
  return options;
}

TEST(Address, hostile_F08_FetchThatDies) {
  const Bytes film = LiveFilm();
  const std::string path = ::testing::TempDir() + "/fetched_" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << Text(film);
  const auto end = [&](const std::string& script) {
    return MessageOf([&] {
      const Stream stream =
          PictureStream::OpenUrl("http://x/", FetchingBy("cat " + path + "; " + script));
      while (!stream->ended()) stream->Newest(kLong);
    });
  };
  EXPECT_EQ(end("exit 0"), "");
  for (const char* script : {"kill -SEGV $$", "kill -KILL $$", "exit 1", "exit 77"})
    EXPECT_EQ(end(script), "http://x/: its reader ended without a word") << script;
  ExpectNoChildren();
}

// Its descriptor is for bytes of the address, also where it fails.
TEST(Address, hostile_F08_FetchThatFailsWritesNothing) {
  const std::string program = std::string(GEMMA3N_BINARY_DIR) + "/bin/gemma3n-media";
  const std::string out = ::testing::TempDir() + "/failed_" + std::to_string(getpid());
  for (const char* words : {"--url", "--url http://127.0.0.1:1/ --memory-bytes nonsense",
                            "--url http://127.0.0.1:1/ --memory-bytes 134217728"}) {
    EXPECT_NE(std::system((program + " " + words + " > " + out).c_str()), 0) << words;
    EXPECT_EQ(std::filesystem::file_size(out), 0u) << words;
  }
}

// ---- the sandbox ----

int StatusOf(const std::string& input, const std::string& call) {
  const std::string probe =
      std::string(GEMMA3N_BINARY_DIR) + "/bin/sandbox_probe --" + input + " " + call;
  return std::system(("exec " + probe + " < /dev/zero > /dev/null 2> /dev/null").c_str());
}

TEST(LiveSandbox, hostile_V08_AllowsEachInputItsOwnCallsAlone) {
  const int status = StatusOf("pipe", "compute");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    GTEST_SKIP() << "this kernel cannot filter system calls";
  const std::map<std::string, std::vector<const char*>> allowed = {
      {"pipe", {"poll"}},
      {"camera", {"take_buffer", "queue_buffer"}},
      {"screen", {"poll", "sleep", "receive"}}};
  for (const auto& [input, calls] : allowed) {
    for (const char* call : {"open",
                             "create",
                             "stat",
                             "unlink",
                             "socket",
                             "fork",
                             "thread",
                             "execute",
                             "map_executable",
                             "make_executable",
                             "duplicate",
                             "kill",
                             "signal_parent",
                             "ptrace",
                             "ioctl",
                             "io_uring",
                             "raise_limit",
                             "memfd",
                             "pcm_ioctl",
                             "set_format",
                             "write_elsewhere",
                             "read_elsewhere",
                             "poll",
                             "sleep",
                             "receive",
                             "take_buffer",
                             "queue_buffer"}) {
      const bool ours = std::any_of(calls.begin(), calls.end(),
                                    [&](std::string_view one) { return one == call; });
      const int ended = StatusOf(input, call);
      EXPECT_EQ(ours, WIFEXITED(ended)) << input << " " << call;
      EXPECT_EQ(!ours, WIFSIGNALED(ended) && WTERMSIG(ended) == SIGSYS) << input << " " << call;
    }
    for (const char* call : {"read", "write", "memory"})
      EXPECT_EQ(StatusOf(input, call), 0) << input << " " << call;
  }
}

}  // namespace
}  // namespace gemma3n
