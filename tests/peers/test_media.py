# SPDX-License-Identifier: Apache-2.0
"""Pictures and sounds against the readers of the reference pipeline, live: Pillow (open,
exif_transpose, convert("RGB")), librosa over soundfile and soxr. Files are drawn anew with a seed.

  pytest tests/peers/test_media.py            # GEMMA3N_BUILD=build/release chooses the build
"""
import io
import os
import pathlib
import shutil
import struct
import subprocess
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("GEMMA3N_BUILD", "build/release")
DUMP = BUILD / "bin" / "media_dump"
SEED = 20250801
ImageFile.MAXBLOCK = 1 << 20  # room for what the JPEG writer makes at once


@pytest.fixture(scope="session", autouse=True)
def program():
    if not DUMP.exists():
        pytest.fail(f"{DUMP} is not built")


def dump(jobs, *options):
    """[(kind, file, out)] -> the answer line of each."""
    lines = "".join(f"{kind}\t{file}\t{out}\n" for kind, file, out in jobs)
    done = subprocess.run([DUMP, *options], input=lines, capture_output=True, text=True, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(jobs)
    return answers


def reference(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        return np.asarray(image.convert("RGB"))


def check_images(tmp_path, files, largest=0):
    """files: name -> bytes. Every pixel must be equal (or within `largest` levels)."""
    jobs = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        jobs.append(("image", tmp_path / name, tmp_path / (name + ".ppm")))
    for (name, data), answer, job in zip(files.items(), dump(jobs), jobs):
        assert answer.startswith("ok"), f"{name}: {answer}"
        ours = np.asarray(Image.open(job[2]))
        theirs = reference(data)
        assert ours.shape == theirs.shape, name
        worst = int(np.abs(ours.astype(int) - theirs).max())
        assert worst <= largest, f"{name}: differs by {worst}"


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def adam7(pixels):
    """[h, w, bytes a pixel] -> the scan lines of an interlaced PNG (8 bits or more a sample)."""
    out = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                           (1, 0, 2, 2), (0, 1, 1, 2)):
        part = pixels[y0::dy, x0::dx]
        if part.shape[0] and part.shape[1]:
            out += b"".join(b"\0" + row.tobytes() for row in part)
    return out


def png(rng, depth, color, width, height, interlaced=False, extra=b"", palette_size=None):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    if depth >= 8:
        pixels = rng.integers(0, 256, (height, width, channels * depth // 8), np.uint8)
        if depth == 16 and rng.integers(2):
            pixels[:, :, ::2] &= rng.integers(0, 2, pixels[:, :, ::2].shape, np.uint8)  # small values
        raw = adam7(pixels) if interlaced else b"".join(b"\0" + row.tobytes() for row in pixels)
    else:
        assert not interlaced
        raw = b"".join(b"\0" + rng.bytes((width * depth + 7) // 8) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    palette = b""
    if color == 3:
        palette = chunk(b"PLTE", rng.bytes(3 * (palette_size or 1 << min(depth, 8))))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + extra +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


PNG_MODES = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (2, 3), (4, 3),
             (8, 3), (8, 4), (16, 4), (8, 6), (16, 6)]


def test_png_of_every_kind_equals_pillow(tmp_path):
    rng = np.random.default_rng(SEED)
    files = {}
    for depth, color in PNG_MODES:
        for width, height in ((1, 1), (7, 5), (33, 17), (64, 3)):
            files[f"{depth}_{color}_{width}.png"] = png(rng, depth, color, width, height)
            if depth >= 8:
                files[f"{depth}_{color}_{width}_i.png"] = png(rng, depth, color, width, height, True)
    # Key colours and palette alpha change nothing; colours past the palette are black.
    files["key_grey.png"] = png(rng, 8, 0, 9, 9, extra=chunk(b"tRNS", b"\0\x05"))
    files["key_grey1.png"] = png(rng, 1, 0, 9, 9, extra=chunk(b"tRNS", b"\0\x01"))
    files["key_grey16.png"] = png(rng, 16, 0, 9, 9, extra=chunk(b"tRNS", b"\0\x05"))
    files["key_rgb.png"] = png(rng, 8, 2, 9, 9, extra=chunk(b"tRNS", b"\0\1\0\2\0\3"))
    files["palette_alpha.png"] = png(rng, 8, 3, 9, 9, extra=chunk(b"tRNS", bytes(range(100))))
    files["palette_short.png"] = png(rng, 8, 3, 30, 30, palette_size=5)
    files["palette_short4.png"] = png(rng, 4, 3, 30, 30, palette_size=3)
    files["gamma.png"] = png(rng, 8, 2, 9, 9, extra=chunk(b"gAMA", struct.pack(">I", 100000)))
    check_images(tmp_path, files)


def exif(orientation, big=False, kind=3):
    order, mark = (">", b"MM") if big else ("<", b"II")
    value = struct.pack(order + {1: "B3x", 3: "H2x", 4: "I"}[kind], orientation)
    return (mark + struct.pack(order + "HIH", 42, 8, 2) +
            struct.pack(order + "HHI", 0x0100, 3, 1) + bytes(4) +
            struct.pack(order + "HHI", 0x0112, kind, 1) + value + bytes(4))


def test_orientation_equals_pillow(tmp_path):
    rng = np.random.default_rng(SEED + 1)
    picture = Image.fromarray(rng.integers(0, 256, (13, 21, 3), np.uint8))
    files = {}
    for orientation in range(0, 10):
        for big in (False, True):
            for kind in (1, 3, 4):
                name = f"{orientation}_{int(big)}_{kind}"
                block = exif(orientation, big, kind)
                out = io.BytesIO()
                picture.save(out, "JPEG", exif=b"Exif\0\0" + block, quality=90)
                files[name + ".jpg"] = out.getvalue()
                files[name + ".png"] = png(rng, 8, 2, 5, 9, extra=chunk(b"eXIf", block))
        out = io.BytesIO()
        picture.save(out, "WEBP", exif=exif(orientation), lossless=True)
        files[f"{orientation}.webp"] = out.getvalue()
        for text in (f'<x tiff:Orientation="{orientation}"/>',
                     f"<tiff:Orientation>{orientation}</tiff:Orientation>"):
            out = io.BytesIO()
            picture.save(out, "JPEG", xmp=text.encode())
            files[f"xmp_{len(text)}_{orientation}.jpg"] = out.getvalue()
            out = io.BytesIO()
            picture.save(out, "WEBP", xmp=text.encode(), lossless=True)
            files[f"xmp_{len(text)}_{orientation}.webp"] = out.getvalue()
            body = b"XML:com.adobe.xmp\0\0\0\0\0" + text.encode()
            files[f"xmp_{len(text)}_{orientation}.png"] = png(rng, 8, 2, 5, 9,
                                                              extra=chunk(b"iTXt", body))
    check_images(tmp_path, files)


def smooth(rng, height, width, channels):
    """A picture with edges and gradients, kinder to JPEG than noise and harder on upsampling."""
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for _ in range(channels):
        a, b, c = rng.uniform(0.02, 0.4, 3)
        wave = 127 + 90 * np.sin(a * x + b * y) + 60 * np.sign(np.sin(c * (x - y)))
        planes.append(wave + rng.normal(0, 12, wave.shape))
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def test_jpeg_of_every_kind_equals_pillow(tmp_path):
    rng = np.random.default_rng(SEED + 2)
    files = {}
    for width, height in ((1, 1), (8, 8), (15, 9), (33, 47), (130, 67), (301, 203)):
        for mode, channels in (("L", 1), ("RGB", 3), ("CMYK", 4)):
            data = smooth(rng, height, width, channels)
            picture = Image.fromarray(data[:, :, 0] if mode == "L" else data, mode)
            for sampling in (0, 1, 2) if mode == "RGB" else (0,):
                for progressive in (False, True):
                    for quality in (30, 92):
                        out = io.BytesIO()
                        picture.save(out, "JPEG", quality=quality, subsampling=sampling,
                                     progressive=progressive)
                        name = f"{mode}_{width}_{sampling}_{int(progressive)}_{quality}.jpg"
                        files[name] = out.getvalue()
    out = io.BytesIO()
    Image.fromarray(smooth(rng, 40, 50, 3)).save(out, "JPEG", keep_rgb=True)
    files["kept_rgb.jpg"] = out.getvalue()
    for blocks in (1, 3, 1000):
        out = io.BytesIO()
        Image.fromarray(smooth(rng, 40, 50, 3)).save(out, "JPEG", restart_marker_blocks=blocks)
        files[f"restart_{blocks}.jpg"] = out.getvalue()
    check_images(tmp_path, files)


def test_webp_equals_pillow(tmp_path):
    rng = np.random.default_rng(SEED + 3)
    files = {}
    for width, height in ((1, 1), (16, 16), (37, 23), (128, 65)):
        for channels in (3, 4):
            picture = Image.fromarray(smooth(rng, height, width, channels))
            for lossless in (False, True):
                out = io.BytesIO()
                picture.save(out, "WEBP", lossless=lossless, quality=70, exact=True)
                files[f"{width}_{channels}_{int(lossless)}.webp"] = out.getvalue()
    frames = [Image.fromarray(smooth(rng, 30, 40, 4)) for _ in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    files["moving.webp"] = out.getvalue()
    check_images(tmp_path, files)


def gif(rng, screen, frame, at, colors, local, interlace, transparent):
    """A GIF by hand: the encoder of Pillow never makes frames smaller than the screen. LZW codes
    are written uncompressed, with a clear code before the table can grow."""
    bits = max(2, (colors - 1).bit_length())
    table = rng.bytes(3 << (colors - 1).bit_length())
    flags = 0x80 | ((colors - 1).bit_length() - 1)
    pixels = rng.integers(0, colors, (frame[1], frame[0]))
    rows = range(frame[1])
    if interlace:
        rows = [*range(0, frame[1], 8), *range(4, frame[1], 8), *range(2, frame[1], 4),
                *range(1, frame[1], 2)]
    codes = []
    for i, value in enumerate(pixels[list(rows)].ravel()):
        if i % ((1 << bits) - 2) == 0:
            codes.append(1 << bits)
        codes.append(int(value))
    codes.append((1 << bits) + 1)
    stream = sum(code << (i * (bits + 1)) for i, code in enumerate(codes))
    data = stream.to_bytes((len(codes) * (bits + 1) + 7) // 8, "little")
    blocks = b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255]
                      for i in range(0, len(data), 255))
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, 0 if local else flags, 0, 0)
    out += b"" if local else table
    if transparent is not None:
        out += b"!\xf9\x04" + struct.pack("<BHBB", 1, 0, transparent, 0)
    out += b"," + struct.pack("<HHHHB", *at, *frame, (flags if local else 0) | 0x40 * interlace)
    return out + (table if local else b"") + bytes([bits]) + blocks + b"\0;"


def test_gif_equals_pillow(tmp_path):
    rng = np.random.default_rng(SEED + 4)
    files = {}
    number = 0
    for screen, frame, at in (((9, 7), (9, 7), (0, 0)), ((20, 15), (9, 11), (3, 2)),
                              ((5, 5), (9, 11), (3, 2)), ((1, 1), (1, 1), (0, 0))):
        for colors in (4, 16, 100, 256):
            for local in (False, True):
                for interlace in (False, True):
                    for transparent in (None, 0, 3):
                        files[f"{number}.gif"] = gif(rng, screen, frame, at, colors, local,
                                                     interlace, transparent)
                        number += 1
    for mode in ("L", "P", "RGB", "RGBA", "1"):
        picture = Image.fromarray(smooth(rng, 40, 50, 3)).convert(mode)
        out = io.BytesIO()
        picture.save(out, "GIF", save_all=True, append_images=[picture.rotate(90)])
        files[f"{mode}.gif"] = out.getvalue()
    check_images(tmp_path, files)


def test_mutated_pictures_are_read_alike_or_refused(tmp_path):
    """Ours may refuse what Pillow reads; what both read must be equal, ours is never laxer."""
    rng = np.random.default_rng(SEED + 5)
    picture = Image.fromarray(smooth(rng, 24, 31, 3))
    seeds = {"png": png(rng, 8, 2, 20, 11)}
    for kind, settings in (("JPEG", {}), ("WEBP", {}), ("GIF", {}), ("PNG", {})):
        out = io.BytesIO()
        picture.save(out, kind, **settings)
        seeds[kind.lower() + "2"] = out.getvalue()
    jobs, datas = [], []
    for name, data in seeds.items():
        for i in range(150):
            broken = bytearray(data)
            broken[rng.integers(len(broken))] ^= 1 << rng.integers(8)
            if i % 5 == 0:
                broken = broken[:rng.integers(1, len(broken))]
            file = tmp_path / f"{name}_{i}"
            file.write_bytes(broken)
            jobs.append(("image", file, tmp_path / f"{name}_{i}.ppm"))
            datas.append(bytes(broken))
    accepted = unequal = laxer = 0
    for job, data, answer in zip(jobs, datas, dump(jobs)):
        try:
            theirs = reference(data)
        except Exception:  # Pillow raises many kinds
            theirs = None
        if not answer.startswith("ok"):
            continue
        accepted += 1
        if theirs is None:
            laxer += 1
            print("laxer:", job[1].name)
            continue
        ours = np.asarray(Image.open(job[2]))
        if ours.shape != theirs.shape or not np.array_equal(ours, theirs):
            unequal += 1
            print("unequal:", job[1].name)
    assert accepted > 50
    assert unequal == 0 and laxer == 0


# Sound.

def check_sounds(tmp_path, files):
    librosa = pytest.importorskip("librosa")
    jobs = [("audio", file, str(file) + ".f32") for file in files]
    for job, answer in zip(jobs, dump(jobs)):
        assert answer.startswith("ok"), f"{job[1].name}: {answer}"
        ours = np.fromfile(job[2], np.float32)
        theirs, rate = librosa.load(job[1], sr=16000)
        assert rate == 16000
        assert ours.shape == theirs.shape, f"{job[1].name}: {ours.shape} {theirs.shape}"
        worst = np.abs(ours - theirs).max()
        assert worst <= SOXR_TOLERANCE, f"{job[1].name}: {worst}"
        if "_16000_" in job[1].name:
            assert np.array_equal(ours, theirs), f"{job[1].name}: {worst}"


# libsoxr of Debian and the one inside the soxr wheel are built differently; sounds that are not
# resampled must be equal bit by bit.
SOXR_TOLERANCE = 1e-6


def test_wav_and_flac_equal_librosa(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    rng = np.random.default_rng(SEED + 6)
    files = []
    codings = [("WAV", s) for s in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE",
                                    "ULAW", "ALAW")]
    codings += [("WAVEX", "PCM_16"), ("WAVEX", "FLOAT"), ("RF64", "PCM_16"), ("FLAC", "PCM_S8"),
                ("FLAC", "PCM_16"), ("FLAC", "PCM_24")]
    for container, coding in codings:
        for rate in (8000, 16000, 22050, 44100, 48000):
            for channels in (1, 2, 3, 6, 7, 8):
                if rate != 16000 and channels > 2:
                    continue
                samples = rng.uniform(-1, 1, (int(rng.integers(1, 3 * rate)), channels))
                file = tmp_path / f"{container}_{coding}_{rate}_{channels}.wav"
                soundfile.write(file, samples, rate, coding, format=container)
                files.append(file)
    big_endian = tmp_path / "BIG_PCM_16000_1.wav"
    soundfile.write(big_endian, rng.uniform(-1, 1, 5000), 16000, "PCM_16", endian="BIG",
                    format="WAV")
    assert big_endian.read_bytes()[:4] == b"RIFX"
    files.append(big_endian)
    check_sounds(tmp_path, files)


def test_odd_rates_and_lengths_equal_librosa(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    rng = np.random.default_rng(SEED + 7)
    files = []
    for rate in (4000, 11025, 16001, 32000, 44099, 96000, 192000):
        for count in (1, 2, 3, 17, 1000, 4096, 100003):
            file = tmp_path / f"odd_{rate}_{count}.wav"
            soundfile.write(file, rng.uniform(-1, 1, count), rate, "FLOAT")
            files.append(file)
    check_sounds(tmp_path, files)


# Films, against the command-line ffmpeg.

FFMPEG = shutil.which("ffmpeg")
SCALE = "scale=flags=bicubic+accurate_rnd+full_chroma_int+bitexact,format=rgb24"


def ffmpeg(*words):
    done = subprocess.run([FFMPEG, "-v", "error", "-y", *map(str, words)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def film(path, codec, *more, size="96x64", seconds=4):
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=12:duration={seconds}", "-f", "lavfi",
           "-i", f"sine=frequency=500:sample_rate=44100:duration={seconds}", "-c:v", codec, *more,
           path)
    return path


def check_film(tmp_path, path, fps=3, quarter_turns=0):
    """quarter_turns: how often the stored pictures are to be turned to the left. ffmpeg turns
    before it converts to RGB, we after, so its own turning is compared loosely."""
    out = tmp_path / (path.name + ".out")
    answer, = dump([("video", path, out)], "--fps", str(fps), "--max-frames", "100")
    assert answer.startswith("ok"), answer
    times = [float(line) for line in (out / "times.txt").read_text().split()]
    ours = [np.asarray(Image.open(out / f"frame_{i}.ppm")) for i in range(len(times))]
    height, width, _ = ours[0].shape
    raw = {}
    for how in ("-autorotate", "-noautorotate"):
        data = ffmpeg(how, *(["1"] if how == "-autorotate" else []), "-i", path, "-map", "0:v:0",
                      "-vf", SCALE, "-vsync", "0", "-f", "rawvideo", "-")
        raw[how] = np.frombuffer(data, np.uint8)
    turned = raw["-autorotate"].reshape(-1, height, width, 3)
    shape = (width, height) if quarter_turns % 2 else (height, width)
    theirs = np.rot90(raw["-noautorotate"].reshape(-1, *shape, 3), quarter_turns, axes=(1, 2))
    assert np.abs(theirs.astype(int) - turned).mean() < 12
    stamps = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
         "frame=best_effort_timestamp_time", "-of", "csv=p=0", str(path)],
        capture_output=True, text=True, check=True).stdout.replace(",", " ").split()
    assert len(stamps) == len(theirs)
    stamps = np.array([float(s) for s in stamps])
    stamps -= stamps.min()
    assert len(times) == 4 * fps
    for i, (time, frame) in enumerate(zip(times, ours)):
        nearest = int(np.argmin(np.abs(stamps - i / fps)))
        assert abs(stamps[nearest] - time) < 1e-5, f"{path.name}: {time} for {i / fps}"
        assert np.array_equal(frame, theirs[nearest]), f"{path.name}: frame at {time}"
    return np.fromfile(out / "audio.f32", np.float32)


FILMS = [("a.mp4", "libx264", ["-pix_fmt", "yuv420p"]), ("b.mkv", "libx264", ["-pix_fmt", "yuv444p"]),
         ("c.mov", "libx265", ["-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"]),
         ("d.webm", "libvpx-vp9", ["-b:v", "500k"]), ("e.webm", "libvpx", ["-b:v", "500k"]),
         ("f.avi", "mpeg4", ["-c:a", "pcm_s16le"]), ("g.mkv", "mjpeg", ["-q:v", "3"]),
         ("h.mp4", "libx264", ["-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_range", "pc"]),
         ("i.mp4", "libx264", ["-bf", "3", "-g", "7", "-pix_fmt", "yuv420p"])]


@pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg")
@pytest.mark.parametrize("name,codec,more", FILMS)
def test_film_frames_equal_ffmpeg(tmp_path, name, codec, more):
    path = film(tmp_path / name, codec, *more)
    sound = check_film(tmp_path, path)
    assert abs(len(sound) / 16000 - 4) < 0.15


@pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg")
@pytest.mark.parametrize("turn", (90, 180, 270))
def test_turned_films_equal_ffmpeg(tmp_path, turn):
    straight = film(tmp_path / "s.mp4", "libx264", "-pix_fmt", "yuv420p")
    turned = tmp_path / f"turned{turn}.mp4"
    ffmpeg("-i", straight, "-c", "copy", "-metadata:s:v:0", f"rotate={turn}", turned)
    probe = subprocess.run(["ffprobe", "-v", "error", "-show_streams", turned], capture_output=True,
                           text=True, check=True).stdout
    if "rotation" not in probe:
        pytest.skip("this ffmpeg writes no rotation from metadata")
    check_film(tmp_path, turned, quarter_turns=turn // 90)


@pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg")
def test_soundtracks_equal_ffmpeg_then_librosa(tmp_path):
    librosa = pytest.importorskip("librosa")
    for name, more in (("a.mp3", ["-c:a", "libmp3lame"]), ("b.m4a", ["-c:a", "aac"]),
                       ("c.ogg", ["-c:a", "libvorbis"]), ("d.opus", ["-c:a", "libopus"]),
                       ("e.aac", ["-c:a", "aac"])):
        path = tmp_path / name
        ffmpeg("-f", "lavfi", "-i", "aevalsrc=0.4*sin(700*t*t)|0.3*cos(900*t):s=44100:d=3", *more,
               path)
        answer, = dump([("audio", path, tmp_path / "out.f32")])
        assert answer.startswith("ok"), answer
        ours = np.fromfile(tmp_path / "out.f32", np.float32)
        rate = 48000 if name.endswith("opus") else 44100
        raw = np.frombuffer(ffmpeg("-i", path, "-f", "f32le", "-c:a", "pcm_f32le", "-"), np.float32)
        mono = librosa.to_mono(raw.reshape(-1, 2).T)
        theirs = librosa.resample(mono, orig_sr=rate, target_sr=16000)
        assert ours.shape == theirs.shape, name
        assert np.abs(ours - theirs).max() <= SOXR_TOLERANCE, name
