# SPDX-License-Identifier: Apache-2.0
"""Short films: two to four pictures in which one shape changes colour or moves, with a question."""
from training.data_pictures import COLOURS, PLACES, SHAPES


def random_film(rng):
    """(scenes in order, question, answer). One shape on an empty ground; one thing about it changes."""
    count = int(rng.integers(2, 5))
    background = [int(v) for v in rng.integers(215, 256, 3)]
    shape = str(rng.choice(SHAPES))
    before, after = (str(c) for c in rng.permutation(list(COLOURS))[:2])
    place, other = (int(p) for p in rng.permutation(4)[:2])
    moves = bool(rng.random() < 0.5)
    turn = int(rng.integers(1, count))  # the first frame of the new state
    scenes = []
    for frame in range(count):
        changed = frame >= turn
        scenes.append({"background": background, "digit": None, "shapes": [{
            "place": other if moves and changed else place, "shape": shape,
            "colour": after if not moves and changed else before,
            "jitter": [float(v) for v in rng.uniform(-1, 1, 3)]}]})
    if rng.random() < 0.3:
        last = scenes[-1]["shapes"][0]
        return scenes, "What is in the last picture?", \
            f"{'an' if last['colour'][0] in 'aeiou' else 'a'} {last['colour']} {shape}"
    if moves:
        answer = f"the {shape} moves from the {PLACES[place]} to the {PLACES[other]}"
    else:
        answer = f"the {shape} turns from {before} to {after}"
    return scenes, "What happens in the film?", answer


def timestamp(seconds):
    """The time of a frame as the engine writes it before each picture of a film."""
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
