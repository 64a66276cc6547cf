# SPDX-License-Identifier: Apache-2.0
"""Sound as clients of live sessions send it."""
import base64
import wave

import numpy

from service import NANO

WAV = NANO / "examples" / "spanish.wav"  # 16 kHz, one channel


def speech():
    """What somebody says, at 16 kHz, full scale at 1."""
    with wave.open(str(WAV)) as file:
        return numpy.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def joined(*sounds):
    return numpy.concatenate(sounds)


def silence(seconds, rate=16000):
    return numpy.zeros(int(seconds * rate))


def whistle():
    """A second, loud and no speech."""
    return 0.5 * numpy.sin(numpy.arange(16000) * 2 * numpy.pi / 16)


def at_rate(samples, rate):
    """Of 16 kHz."""
    count = len(samples) * rate // 16000
    return numpy.interp(numpy.arange(count) * 16000 / rate, numpy.arange(len(samples)), samples)


def pcm(samples):
    return (numpy.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def mu_law(samples):
    """ITU-T G.711."""
    values = numpy.clip(numpy.abs(samples) * 32768, 0, 32635).astype(int) + 132
    exponent = numpy.floor(numpy.log2(values)).astype(int) - 7
    mantissa = (values >> (exponent + 3)) & 15
    sign = numpy.where(samples < 0, 128, 0)
    return (~(sign | (exponent << 4) | mantissa) & 255).astype("u1").tobytes()


def text(data):
    return base64.b64encode(data).decode()


def pieces(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]
