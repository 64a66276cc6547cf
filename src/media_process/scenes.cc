// SPDX-License-Identifier: Apache-2.0
#include "media_process/scenes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "media_process/group_decoder.h"
#include "media_process/pictures.h"

namespace gemma3n {
namespace {

constexpr double kFlash_s = 0.5;  // what is shorter is no scene
constexpr double kMostJumps_s = 1.5;
constexpr double kPeak = 3;        // a cut changes so many times as much as motion does
constexpr double kMotion_s = 0.3;  // how long motion is remembered
constexpr double kFilmStep_s = 0.04;
constexpr double kRest_s = 1;
// At rest a second changes little: by a tenth of what a scene does, or, since what is shown may
// live on, by a third of what the fastest second of the transition did.
constexpr double kStill = 0.1, kSlowedDown = 1.0 / 3;

}  // namespace

// At 25 frames a second and more `motion_` is the mean change from frame to frame; at fewer it is
// less, since there every frame may well be another picture.
bool SceneFinder::IsJump(double time_s, double change) {
  const double step_s = time_s - past_.back().time_s;
  motion_ *= std::exp(-step_s / kMotion_s);
  const bool jump = change >= change_ && change >= kPeak * motion_;
  motion_ += change * std::min(step_s, kFilmStep_s) / kMotion_s;
  return jump;
}

void SceneFinder::Begin(const Seen& scene, double change) {
  scenes_.push_back({scene.time_s, change});
  reference_ = scene.grid;
  fastest_ = 0;
  while (!past_.empty() && past_.front().time_s < scene.time_s) past_.pop_front();
}

void SceneFinder::FollowJump(const Seen& now, bool jump) {
  const double change = GridChange(jump_->before, now.grid);
  if (change < jump_->change / 2) {
    jump_.reset();
  } else if (jump) {
    jump_->scene = now;
    jump_->change = change;
  }
}

void SceneFinder::LookForRest(const Seen& now) {
  const Seen& then = past_.front();
  if (now.time_s - then.time_s < kRest_s) return;
  const double change = GridChange(then.grid, now.grid);
  fastest_ = std::max(fastest_, change);
  const double calm = fastest_ >= change_ ? fastest_ * kSlowedDown : change_ * kStill;
  // By frames a second apart, and by those next to each other: what swings may look as before.
  if (change > calm || motion_ > calm) return;
  const double since =
      std::min(GridChange(reference_, then.grid), GridChange(reference_, now.grid));
  if (since < change_) return;
  if (then.time_s - scenes_.back().time_s < kRest_s)
    reference_ = then.grid;  // the same transition, not yet quite over
  else
    Begin(Seen(then), since);
}

void SceneFinder::Offer(double time_s, const PictureGrid& grid) {
  const Seen now = {time_s, grid};
  if (past_.empty()) {
    Begin(now, std::numeric_limits<double>::infinity());
    past_.push_back(now);
    return;
  }
  const double change = GridChange(past_.back().grid, grid);
  const bool jump = IsJump(time_s, change);
  const bool lasted = jump_ && (time_s - jump_->scene.time_s >= kFlash_s ||
                                time_s - jump_->first_s >= kMostJumps_s);
  if (lasted) {
    Begin(jump_->scene, jump_->change);
    jump_.reset();
  }
  if (jump_)
    FollowJump(now, jump);
  else if (jump)
    jump_ = Jump{past_.back().grid, now, time_s, change};
  else
    LookForRest(now);
  past_.push_back(now);
  while (past_.size() > 1 && time_s - past_[1].time_s >= kRest_s) past_.pop_front();
}

std::vector<SceneStart> SceneFinder::Finish() {
  if (jump_) Begin(jump_->scene, jump_->change);
  jump_.reset();
  return scenes_;
}

std::vector<double> FindScenes(Film& film, const Timeline& timeline, const Job& job) {
  GroupDecoder decoder(*film.video(), job,
                       GroupsWithin(timeline, job.from_s, std::min(job.to_s, timeline.duration_s)));
  GridMaker grids;
  SceneFinder finder(job.scene_change);
  double last_s = -1;
  bool done = false;
  const auto take = [&](AVFrame& frame) {
    const double time_s = PictureTime(frame, *film.video(), timeline.origin_s, last_s);
    if (time_s <= last_s || frame.width <= 0 || frame.height <= 0) return;
    last_s = time_s;
    done = time_s >= job.to_s;
    if (time_s >= job.from_s && !done) finder.Offer(time_s, grids.GridOf(frame));
  };
  const PacketPtr packet = NewPacket();
  while (!done && film.Read(*packet))
    if (packet->stream_index == film.video()->index) decoder.Take(*packet, take);
  decoder.Finish(take);

  std::vector<SceneStart> scenes = finder.Finish();
  const auto most = static_cast<size_t>(job.max_frames);
  if (scenes.size() > most) {
    std::stable_sort(scenes.begin(), scenes.end(),
                     [](const SceneStart& a, const SceneStart& b) { return a.change > b.change; });
    scenes.resize(most);
    std::sort(scenes.begin(), scenes.end(),
              [](const SceneStart& a, const SceneStart& b) { return a.time_s < b.time_s; });
  }
  std::vector<double> times = {job.from_s};
  for (size_t i = 1; i < scenes.size(); ++i) times.push_back(scenes[i].time_s);
  return times;
}

}  // namespace gemma3n
