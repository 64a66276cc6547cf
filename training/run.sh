#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes models/nano from nothing: data, towers, decoder, evaluation. Seeded; about an hour and a half
# on two cores. Needs .venv-peers (tools/peers/install.sh) and Debian's espeak-ng, ffmpeg and
# fonts-dejavu-core.
#
#   training/run.sh [DIRECTORY for what is made on the way, build/nano]
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-build/nano}
python=.venv-peers/bin/python
mkdir -p "$work"
# Freed memory stays with the process: a step is then a fifth shorter.
export OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=2000000000

$python -c "from training import tokenizer; tokenizer.save('$work/tok')"
$python -m training.data_speech --out "$work/speech"
# The towers learn by themselves on one core, on the other the decoder learns from texts.
(
  $python -m training.pretrain_audio --data "$work" --out "$work/audio.pt" --minutes 18
  $python -m training.pretrain_vision --out "$work/vision.pt" --minutes 5
) &
towers=$!
$python -m training.train --data "$work" --out "$work/text.pt" --kinds text=16 --young --lessons 1 --minutes 17 \
  --processes 1
wait "$towers"
$python -m training.train --data "$work" --out "$work/joint.pt" --init "$work/text.pt" --audio "$work/audio.pt" \
  --vision "$work/vision.pt" --minutes 60
$python -m training.export --checkpoint "$work/joint.pt" --tokenizer "$work/tok" --out models/nano
$python -m training.evaluation_set --out models/nano/eval --examples models/nano/examples
$python -m training.evaluate models/nano models/nano/eval/eval.jsonl --out models/nano/eval/transformers.jsonl
