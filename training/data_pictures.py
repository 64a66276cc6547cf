# SPDX-License-Identifier: Apache-2.0
"""Pictures drawn with PIL: coloured shapes in the four corners, or one digit; with questions.

A scene is a plain dictionary, so that the same scene can be drawn at any size and asked anything.
"""
import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLOURS = {"red": (215, 40, 40), "blue": (45, 75, 215), "green": (40, 160, 60),
           "yellow": (235, 210, 40), "purple": (140, 50, 165), "orange": (240, 140, 30)}
SHAPES = ("circle", "square", "triangle", "cross")
PLACES = ("top left", "top right", "bottom left", "bottom right")
COUNT_WORDS = ("zero", "one", "two", "three", "four")
# Pairs (shape, colour) that never occur together in training, but each in other pairs.
HELD_OUT_PAIRS = frozenset({("circle", "green"), ("square", "orange"), ("triangle", "blue"),
                            ("cross", "yellow")})

_FONTS = ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
          "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf")


def random_scene(rng, held_out=False):
    """One to three shapes in different corners, or a digit. `held_out` puts in a held-out pair."""
    background = [int(v) for v in rng.integers(215, 256, 3)]
    if not held_out and rng.random() < 0.25:
        return {"background": background, "digit": int(rng.integers(10)), "shapes": [],
                "colour": str(rng.choice(list(COLOURS))), "bold": bool(rng.random() < 0.5),
                "jitter": [float(v) for v in rng.uniform(-1, 1, 3)]}
    shapes = []
    for place in rng.permutation(4)[:rng.integers(1, 4)]:
        while True:
            pair = (str(rng.choice(SHAPES)), str(rng.choice(list(COLOURS))))
            if pair not in HELD_OUT_PAIRS:
                break
        shapes.append({"place": int(place), "shape": pair[0], "colour": pair[1],
                       "jitter": [float(v) for v in rng.uniform(-1, 1, 3)]})
    if held_out:
        shape, colour = sorted(HELD_OUT_PAIRS)[int(rng.integers(len(HELD_OUT_PAIRS)))]
        shapes[0].update(shape=shape, colour=colour)
    return {"background": background, "digit": None, "shapes": shapes}


def _draw_shape(draw, item, size):
    half = size / 4
    dx, dy, ds = item["jitter"]
    cx = half + (item["place"] % 2) * 2 * half + dx * half * 0.2
    cy = half + (item["place"] // 2) * 2 * half + dy * half * 0.2
    r = half * (0.65 + 0.15 * ds)
    fill = COLOURS[item["colour"]]
    if item["shape"] == "circle":
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=fill)
    elif item["shape"] == "square":
        draw.rectangle((cx - r * 0.85, cy - r * 0.85, cx + r * 0.85, cy + r * 0.85), fill=fill)
    elif item["shape"] == "triangle":
        draw.polygon([(cx, cy - r), (cx - r, cy + r * 0.8), (cx + r, cy + r * 0.8)], fill=fill)
    else:
        arm = r * 0.3
        draw.rectangle((cx - r, cy - arm, cx + r, cy + arm), fill=fill)
        draw.rectangle((cx - arm, cy - r, cx + arm, cy + r), fill=fill)


def draw_scene(scene, size):
    """The scene as an RGB image of size x size."""
    big = size * 2  # drawn at twice the size and halved: smooth edges
    image = Image.new("RGB", (big, big), tuple(scene["background"]))
    draw = ImageDraw.Draw(image)
    if scene["digit"] is not None:
        dx, dy, ds = scene["jitter"]
        font = ImageFont.truetype(_FONTS[scene["bold"]], int(big * (0.72 + 0.12 * ds)))
        draw.text((big / 2 + dx * big * 0.1, big / 2 + dy * big * 0.08), str(scene["digit"]),
                  font=font, fill=COLOURS[scene["colour"]], anchor="mm")
    for item in scene["shapes"]:
        _draw_shape(draw, item, big)
    return image.resize((size, size), Image.LANCZOS)


def article(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def describe(scene):
    """The whole scene in words, corners in reading order."""
    if scene["digit"] is not None:
        return f"{article(scene['colour'])} {scene['digit']}"
    parts = [f"{article(s['colour'])} {s['shape']} at the {PLACES[s['place']]}"
             for s in sorted(scene["shapes"], key=lambda s: s["place"])]
    return " and ".join(parts)


def questions(scene):
    """All (kind, question, answer) that the scene answers without doubt."""
    result = [("describe", "Describe the picture.", describe(scene))]
    if scene["digit"] is not None:
        return result + [("digit", "Which digit is shown?", str(scene["digit"])),
                         ("colour", "What colour is the digit?", scene["colour"])]
    shapes = scene["shapes"]
    result.append(("count", "How many shapes are there?", COUNT_WORDS[len(shapes)]))
    for item in shapes:
        same_shape = sum(s["shape"] == item["shape"] for s in shapes)
        same_colour = sum(s["colour"] == item["colour"] for s in shapes)
        if same_shape == 1:
            result.append(("colour", f"What colour is the {item['shape']}?", item["colour"]))
            result.append(("place", f"Where is the {item['shape']}?", PLACES[item["place"]]))
        if same_colour == 1:
            result.append(("shape", f"What shape is {item['colour']}?", item["shape"]))
        result.append(("shape", f"What is at the {PLACES[item['place']]}?",
                       f"{article(item['colour'])} {item['shape']}"))
    return result


def pixels(image, size):
    """uint8 [3, size, size], resized as the reference's image processor does (antialiased bilinear)."""
    return np.asarray(image.resize((size, size), Image.BILINEAR)).transpose(2, 0, 1)


def grid_labels(scene):
    """For the auxiliary classifier: per corner 0 (empty) or 1 + shape * 6 + colour, and the digit (10: none)."""
    corners = [0, 0, 0, 0]
    colours = list(COLOURS)
    for item in scene["shapes"]:
        corners[item["place"]] = 1 + SHAPES.index(item["shape"]) * 6 + colours.index(item["colour"])
    return corners, 10 if scene["digit"] is None else scene["digit"]
