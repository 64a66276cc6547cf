# SPDX-License-Identifier: Apache-2.0
"""Reads packed files as docs/format.md describes them, with NumPy alone."""
import json
import zlib

import numpy as np

PLAIN = {"F32": np.float32, "F16": np.float16, "I32": np.int32}


def read_header(data):
    """{"tensors": ..., "files": ...} of the bytes of a packed file."""
    assert bytes(data[:8]) == b"g3npack1"
    return json.loads(bytes(data[16:16 + int.from_bytes(data[8:16], "little")]))


def read_piece(data, entry):
    """The bytes of one tensor or file, their checksum compared."""
    piece = data[entry["offset"]:entry["offset"] + entry["bytes"]]
    assert zlib.crc32(piece) == int(entry["crc32"], 16)
    return np.frombuffer(piece, np.uint8)


def read_tensor(data, entry):
    """float32 [rows, columns] (or any shape, of the plain types)."""
    piece, shape, dtype = read_piece(data, entry), entry["shape"], entry["dtype"]
    if dtype == "BF16":
        return (piece.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if dtype in PLAIN:
        return piece.view(PLAIN[dtype]).astype(np.float32).reshape(shape)
    rows, columns = shape
    blocks = -(-columns // 128)
    r, k = np.arange(rows)[:, None], np.arange(columns)[None, :]
    b, i = k // 128, k % 128
    unit = {"Q4T": 64 + blocks * 1088, "Q8T": blocks * 2112, "Q4R": 4 + blocks * 68, "Q8R": blocks * 132}[dtype]
    begin = unit * (r // 16 if dtype[2] == "T" else r)

    def floats(at):
        return np.stack([piece[at + j] for j in range(4)], -1).view(np.float32)[..., 0]

    def half(at, high):
        return np.where(high, piece[at] >> 4, piece[at] & 15).astype(np.float32)

    if dtype == "Q8T":
        at = begin + 2112 * b
        return floats(at + 4 * (r % 16)) * (piece[at + 64 + 64 * (i // 4) + 4 * (r % 16) + i % 4] - np.float32(128))
    if dtype == "Q8R":
        return floats(begin + 4 * b) * (piece[begin + 4 * blocks + k] - np.float32(128))
    if dtype == "Q4T":
        at = begin + 64 + 1088 * b
        scale = floats(begin + 4 * (r % 16))
        sub = half(at + 8 * (i // 16) + r % 8, r % 16 >= 8)
        number = half(at + 64 + 64 * (i // 8) + 4 * (r % 16) + i % 4, i % 8 >= 4)
    else:
        scale = floats(begin)
        sub = half(begin + 4 + 4 * b + i % 64 // 16, i >= 64)
        number = half(begin + 4 + 4 * blocks + 64 * b + i % 64, i >= 64)
    return scale * (sub * (number - np.float32(8)))
