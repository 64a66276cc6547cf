#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows the main job on the model that comes with the project: a picture, a spoken sentence in Spanish,
# a short film, and a chat. Prints each command before its answer.
set -euo pipefail
gemma3n=$1
cd "$(dirname "$0")/.."
nano=models/nano

show() {
  printf '\n$ gemma3n'
  printf ' %q' "$@"
  printf '\n'
  "$gemma3n" "$@"
}

show run -m $nano --temp 0 "Describe the picture." $nano/examples/shapes.png
show run -m $nano --temp 0 "Transcribe the following speech segment, then translate it into English." \
  $nano/examples/spanish.wav
show run -m $nano --temp 0 "What is in the last picture?" $nano/examples/film.mp4
show run -m $nano --temp 0 "What is said in the film?" $nano/examples/film.mp4
printf '\n$ gemma3n chat -m %s --temp 0\n' $nano
printf 'Hello!\n/clear\nRepeat: red ball green hat\n/clear\nWhat is blue in Spanish?\n/bye\n' |
  while IFS= read -r line; do printf '%s\n' "$line"; done |
  tee /dev/stderr 2> >(sed 's/^/>>> /') |
  "$gemma3n" chat -m $nano --temp 0 --quiet
printf '\nThis was models/nano, a toy: see docs/nano.md. Google'\''s models: see README.md.\n'
