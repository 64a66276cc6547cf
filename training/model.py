# SPDX-License-Identifier: Apache-2.0
"""The nano model: Transformers' Gemma 3n classes at small size, and what training adds to them.

Training adds: FFN widths that can be narrowed per layer, layers that can be skipped and a sparsity that
can be ramped (see fused.py), and two helper heads (CTC on audio frames, a classifier on vision) that are
not saved.
"""
import torch
from timm.models._efficientnet_builder import decode_arch_def
from torch import nn
from transformers import Gemma3nConfig, Gemma3nForConditionalGeneration
from transformers.models.gemma3n import modeling_gemma3n as reference

from training import fused
from training.tokenizer import AUDIO_ROWS, TEXT_VOCAB, VISION_ROWS, VOCAB

IMAGE_SIZE = 64
IMAGE_TOKENS = 16
AUDIO_TOKENS = 19
FULL, HALF, QUARTER = 512, 256, 128
SKIPPABLE = (5, 6, 7)  # layers that read K/V of lower ones, as layers 20-24 of E4B do
SPARSE_LAYERS = 3

_VISION_BLOCKS = [
    ["er_r1_k3_s2_e4_c24", "er_r1_k3_s1_e4_c24"],
    ["uir_r1_a3_k5_s2_e4_c48", "uir_r1_a5_k0_s1_e3_c48"],
    ["uir_r1_a5_k5_s2_e4_c96", "uir_r1_a3_k0_s1_e3_c96", "mqa_r1_k3_h4_v2_s1_d24_c96",
     "uir_r1_a0_k0_s1_e2_c96"],
    ["uir_r1_a5_k5_s2_e4_c128", "mqa_r1_k3_h4_s1_d32_c128", "uir_r1_a0_k0_s1_e2_c128"],
]


def vision_block_args():
    """timm's decoded block arguments, which config.json can carry in vision_config.model_args."""
    return decode_arch_def(_VISION_BLOCKS)


def config():
    """The whole configuration; every mechanism of Gemma 3n is alive in it."""
    layers = 10
    return Gemma3nConfig(
        text_config=dict(
            vocab_size=VOCAB, vocab_size_per_layer_input=TEXT_VOCAB, hidden_size=128,
            intermediate_size=[FULL] * layers, num_hidden_layers=layers, num_attention_heads=4,
            num_key_value_heads=2, head_dim=32, sliding_window=48, max_position_embeddings=2048,
            hidden_size_per_layer_input=16, laurel_rank=16, num_kv_shared_layers=5,
            activation_sparsity_pattern=[0.95] * SPARSE_LAYERS + [0.0] * (layers - SPARSE_LAYERS),
            pad_token_id=0, eos_token_id=1, bos_token_id=2),
        vision_config=dict(
            architecture="mobilenetv5_300m_enc", hidden_size=2048, vocab_size=VISION_ROWS,
            vocab_offset=TEXT_VOCAB, do_pooling=False,
            model_args={"block_args": vision_block_args(), "stem_size": 16,
                        "msfa_output_resolution": 4, "layer_scale_init_value": 0.3}),
        audio_config=dict(
            hidden_size=144, vocab_size=AUDIO_ROWS, vocab_offset=TEXT_VOCAB + VISION_ROWS,
            conf_num_hidden_layers=4, conf_num_attention_heads=4, sscp_conv_channel_size=[32, 16]),
        audio_soft_tokens_per_image=AUDIO_TOKENS, vision_soft_tokens_per_image=IMAGE_TOKENS,
        boi_token_id=8, boa_token_id=9, eoi_token_id=TEXT_VOCAB, image_token_id=TEXT_VOCAB + 1,
        eoa_token_id=TEXT_VOCAB + VISION_ROWS, audio_token_id=TEXT_VOCAB + VISION_ROWS + 1,
        eos_token_id=[1, 7], tie_word_embeddings=True)


class Trainee(nn.Module):
    """The reference model with its training-only parts."""

    def __init__(self, characters):
        super().__init__()
        reference.Gemma3nTextDecoderLayer.forward = fused.layer_forward
        self.model = Gemma3nForConditionalGeneration(config())
        self.model.set_attn_implementation({"text_config": "sdpa", "": "eager"})
        self._initialize()
        audio = self.model.config.audio_config.hidden_size
        self.ctc = nn.Linear(audio, characters + 1)
        self.corner = nn.Linear(2048, 25)
        self.digit = nn.Linear(2048, 11)
        self.teach_vision = True
        for layer in self.layers:
            layer.mlp.deviations = None
        self.set_sparsity(0.95)
        self.choose()

    @property
    def layers(self):
        return self.model.model.language_model.layers

    def _initialize(self):
        """Fan-in scaled linear layers; scales that start at one, so that no path starts dead."""
        for name, module in self.model.named_modules():
            if isinstance(module, nn.Linear) and "lm_head" not in name:
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.05)
        for layer in self.layers:
            # Scores are not scaled in this family: norms of one would make attention one-hot at first.
            for norm in (getattr(layer.self_attn, name, None) for name in ("q_norm", "k_norm")):
                if norm is not None:
                    nn.init.constant_(norm.weight, layer.self_attn.head_dim**-0.25)
            nn.init.ones_(layer.altup.correct_output_scale)
            nn.init.normal_(layer.altup.prediction_coefs.weight, std=0.05)
            nn.init.normal_(layer.altup.correction_coefs.weight, std=0.05)

    def choose(self, widths=FULL, skip=False):
        """Sets the submodel: one width, or one per layer; with or without the skippable block."""
        for i, layer in enumerate(self.layers):
            layer.mlp.width = widths[i] if isinstance(widths, (list, tuple)) else widths
            layer.skipped = skip and i in SKIPPABLE

    def set_sparsity(self, value):
        """The share of neurons that the lowest layers switch off."""
        deviations = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(value))
        for layer in list(self.layers)[:SPARSE_LAYERS]:
            layer.mlp.deviations = deviations

    def encode(self, batch):
        """Features of the batch's pictures and clips, and the loss of the CTC head."""
        features, helper = {}, torch.zeros(())
        core = self.model.model
        if "pixels" in batch:
            with torch.set_grad_enabled(self.teach_vision):
                maps = core.vision_tower(pixel_values=batch["pixels"], do_pooling=False,
                                         return_dict=True).last_hidden_state
            flat = maps.flatten(2).transpose(1, 2)
            features["image"] = core.embed_vision(inputs_embeds=flat * 2048**0.5)
        if "mels" in batch:
            features["audio"], helper = self._encode_audio(batch)
        return features, helper

    def _encode_audio(self, batch):
        core = self.model.model
        frames = {}
        hook = core.audio_tower.conformer[-1].register_forward_hook(
            lambda module, inputs, output: frames.update(out=output))
        out = core.audio_tower(batch["mels"], ~batch["mel_mask"], return_dict=True)
        hook.remove()
        soft = core.embed_audio(inputs_embeds=out.last_hidden_state)
        padding = core.embed_audio(input_ids=torch.tensor([[VOCAB - 1]]))
        soft = torch.where(out.audio_mel_mask.unsqueeze(-1), padding, soft)
        missing = padding.expand(soft.shape[0], AUDIO_TOKENS - soft.shape[1], -1)
        log_probs = self.ctc(frames["out"]).log_softmax(-1).transpose(0, 1)
        lengths = (batch["mel_mask"].sum(1) + 3) // 4
        loss = nn.functional.ctc_loss(log_probs, batch["chars"], lengths, batch["char_lengths"],
                                      blank=0, zero_infinity=True)
        return torch.cat([soft, missing], 1), loss

    def logits(self, batch, features):
        """Logits at the positions whose next token is part of an answer, and those tokens."""
        core = self.model.model
        ids = batch["ids"]
        embeds = core.get_input_embeddings()(ids)
        for embedder, low, high in ((core.embed_vision, TEXT_VOCAB, TEXT_VOCAB + VISION_ROWS),
                                    (core.embed_audio, TEXT_VOCAB + VISION_ROWS, VOCAB)):
            mask = (ids >= low) & (ids < high)
            hard = embedder(input_ids=torch.where(mask, ids, low))
            embeds = torch.where(mask.unsqueeze(-1), hard, embeds)
        for kind, token in (("image", self.model.config.image_token_id),
                            ("audio", self.model.config.audio_token_id)):
            if kind in features:
                mask = (ids == token).unsqueeze(-1).expand_as(embeds)
                embeds = embeds.masked_scatter(mask, features[kind])
        language = core.language_model
        hidden = language(inputs_embeds=embeds, per_layer_inputs=language.get_per_layer_inputs(ids),
                          use_cache=False).last_hidden_state
        wanted = batch["labels"][:, 1:] >= 0
        scores = self.model.lm_head(hidden[:, :-1][wanted])
        cap = self.model.config.text_config.final_logit_softcapping
        return torch.tanh(scores / cap) * cap, batch["labels"][:, 1:][wanted]
