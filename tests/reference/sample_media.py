# SPDX-License-Identifier: Apache-2.0
"""A picture and a clip, the same bytes everywhere, with Python's standard library alone."""
import struct
import wave
import zlib


def write_picture(path, width=75, height=50):
    """An RGB PNG of smooth colours with a sharp square."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)  # no filter
        for x in range(width):
            inside = 20 <= x < 45 and 10 <= y < 30
            rows += bytes(((250, 30, 60) if inside else
                           (x * 255 // width, y * 255 // height, (x * y) % 256)))
    _write_png(path, width, height, bytes(rows))


def write_even_picture(path, width, height):
    """An RGB PNG of one colour: a small file of many pixels."""
    _write_png(path, width, height, (b"\0" + bytes((200, 120, 40)) * width) * height)


def _write_png(path, width, height, rows):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                     + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def write_sound(path, samples=20000):
    """A 16 kHz WAV: two square tones, a rest, and a pseudo-random hiss."""
    values, state = [], 12345
    for n in range(samples):
        state = (state * 1103515245 + 12345) % 2**31
        tone = 6000 if (n // 23) % 2 else -6000
        if n > samples // 2:
            tone = 4000 if (n // 37) % 2 else -4000
        rest = samples // 3 < n < samples // 2
        values.append((0 if rest else tone) + state // 2**20 - 1024)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(struct.pack(f"<{samples}h", *values))
