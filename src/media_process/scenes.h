// SPDX-License-Identifier: Apache-2.0
// Where the scenes of a film begin. Each frame is compared with others as a PictureGrid:
//
// - A cut is a jump from one frame to the next, by `change` at least, and by several times as much
//   as frames differed just before: where everything moves fast, nothing is a cut.
// - A flash is none: what looks again, within half a second, as it did before the jump has not
//   become another scene. Several jumps within half a second are one, whose scene begins after the
//   last.
// - Dissolves, fades and pans end a scene when they come to rest, if the picture then differs from
//   the scene's first by `change`. While it goes on moving it is one scene, however long.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "media/picture_grid.h"
#include "media_process/film.h"
#include "media_process/job.h"
#include "media_process/timeline.h"

namespace gemma3n {

struct SceneStart {
  double time_s;
  double change;  // from what was before; more than all others for the first
};

class SceneFinder {
 public:
  // `change`: in (0, 1], as GridChange has it.
  explicit SceneFinder(double change) : change_(change) {}

  // The next frame, in order of time.
  void Offer(double time_s, const PictureGrid& grid);

  // After the last: the first frame, and all that begin another scene.
  std::vector<SceneStart> Finish();

 private:
  struct Seen {
    double time_s;
    PictureGrid grid;
  };
  // A jump that may be a flash.
  struct Jump {
    PictureGrid before;
    Seen scene;      // the first frame after the last jump
    double first_s;  // when the first jump was
    double change;   // from `before` to `scene`
  };

  bool IsJump(double time_s, double change);
  void FollowJump(const Seen& now, bool jump);
  void LookForRest(const Seen& now);
  void Begin(const Seen& scene, double change);

  double change_;
  std::vector<SceneStart> scenes_;
  PictureGrid reference_ = {};  // the first frame of the scene
  std::deque<Seen> past_;       // of the scene, a second and the frame before that
  double motion_ = 0;           // how much frames differ of late
  double fastest_ = 0;          // most change in a second of this scene
  std::optional<Jump> jump_;
};

// The times of the first frame and of those, in the job's span, that begin other scenes: in order,
// at most job.max_frames of them, those of the greatest change. Decodes all of the span.
std::vector<double> FindScenes(Film& film, const Timeline& timeline, const Job& job);

}  // namespace gemma3n
