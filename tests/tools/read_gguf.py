# SPDX-License-Identifier: Apache-2.0
"""Reads GGUF files with NumPy alone, by the format's description: metadata, and tensors as float32."""
import struct

import numpy as np

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
TEXT, ARRAY = 8, 9
TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 8: "Q8_0", 14: "Q6_K", 30: "BF16"}
BLOCKS = {"F32": (1, 4), "F16": (1, 2), "BF16": (1, 2), "Q4_0": (32, 18), "Q8_0": (32, 34), "Q6_K": (256, 210)}


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def scalar(self, form):
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self):
        length = self.scalar("<Q")
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def value(self, kind):
        if kind == TEXT:
            return self.text()
        if kind == ARRAY:
            kind, count = self.scalar("<I"), self.scalar("<Q")
            return [self.value(kind) for _ in range(count)]
        return self.scalar(SCALARS[kind])


def read(data):
    """(metadata, tensors): values by key; {"type", "shape", "offset", "bytes"} by name, the shape
    outermost first and the offset from the file's first byte."""
    assert data[:4] == b"GGUF"
    cursor = Cursor(data)
    cursor.at = 4
    assert cursor.scalar("<I") == 3
    tensor_count, value_count = cursor.scalar("<Q"), cursor.scalar("<Q")
    metadata, tensors = {}, {}
    for _ in range(value_count):
        key = cursor.text()
        assert key not in metadata, key
        metadata[key] = cursor.value(cursor.scalar("<I"))
    for _ in range(tensor_count):
        name = cursor.text()
        assert name not in tensors, name
        dims = [cursor.scalar("<Q") for _ in range(cursor.scalar("<I"))]
        kind, offset = TYPES[cursor.scalar("<I")], cursor.scalar("<Q")
        elements, size = BLOCKS[kind]
        tensors[name] = {"type": kind, "shape": dims[::-1], "offset": offset,
                         "bytes": int(np.prod(dims)) // elements * size}
    alignment = metadata.get("general.alignment", 32)
    begin = -(-cursor.at // alignment) * alignment
    for tensor in tensors.values():
        assert tensor["offset"] % alignment == 0
        tensor["offset"] += begin
        assert tensor["offset"] + tensor["bytes"] <= len(data)
    return metadata, tensors


def tensor(data, entry):
    """One tensor as float32, in its shape."""
    raw = np.frombuffer(data, np.uint8, entry["bytes"], entry["offset"])
    elements, size = BLOCKS[entry["type"]]
    if entry["type"] == "F32":
        values = raw.view(np.float32)
    elif entry["type"] == "F16":
        values = raw.view(np.float16)
    elif entry["type"] == "BF16":
        values = (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    else:
        values = unpack(entry["type"], raw.reshape(-1, size))
    return values.astype(np.float32).reshape(entry["shape"])


def halves(columns):
    return np.ascontiguousarray(columns).view(np.float16).astype(np.float32)


def unpack(kind, blocks):
    """[blocks, bytes] -> [blocks, elements]."""
    if kind == "Q8_0":
        return halves(blocks[:, :2]) * np.ascontiguousarray(blocks[:, 2:]).view(np.int8)
    if kind == "Q4_0":
        numbers = np.concatenate((blocks[:, 2:] & 15, blocks[:, 2:] >> 4), 1)
        return halves(blocks[:, :2]) * (numbers.astype(np.float32) - 8)
    # Q6_K: element e of 256 is in half e / 128, quarter e % 128 / 32 of it, at place e % 32.
    e = np.arange(256)
    half, quarter, place = e // 128, e % 128 // 32, e % 32
    low = blocks[:, half * 64 + quarter % 2 * 32 + place] >> (4 * (quarter // 2)) & 15
    high = blocks[:, 128 + half * 32 + place] >> (2 * quarter) & 3
    scales = np.ascontiguousarray(blocks[:, 192:208]).view(np.int8)[:, e // 16].astype(np.float32)
    return halves(blocks[:, 208:210]) * scales * ((low | high << 4).astype(np.float32) - 32)
