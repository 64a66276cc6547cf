# SPDX-License-Identifier: Apache-2.0
"""Files as the reference's processors hand them to its model, batches of one."""
import wave

import numpy as np
from PIL import Image
from transformers import Gemma3nAudioFeatureExtractor
from transformers.models.siglip.image_processing_siglip import SiglipImageProcessor


def samples(path):
    """float32 in [-1, 1) of a 16-bit WAV of one channel."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(-1), "<i2").astype(np.float32) / 32768


def picture(path, side):
    """{"pixel_values": float32 [1, 3, side, side]}."""
    processor = SiglipImageProcessor(do_normalize=False, size={"height": side, "width": side}, resample=2)
    return processor(images=[Image.open(path).convert("RGB")], return_tensors="pt")


def clip(path):
    """{"input_features": float32 [1, frames, 128], "input_features_mask": bool [1, frames]}."""
    return Gemma3nAudioFeatureExtractor()([samples(path)], return_tensors="pt")
