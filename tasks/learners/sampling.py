"""Sampling texts from a small Llama: each token is computed once, and nothing else is done for it.

``transformers.generate`` computes all earlier tokens again for each new one (or keeps them, at several times the
launches); for models of two narrow layers its own preparations take most of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


@torch.no_grad()
def sample(
    model: Any, start: Sequence[int], count: int, length: int, top_p: float, temperature: float, end: int, seed: int
) -> torch.Tensor:
    """``count`` sequences of at most ``length`` tokens, N x T: ``start``, what is sampled, then ``end`` alone.

    Nucleus sampling (Holtzman et al. 2020, ICLR) at a temperature: of the distribution at that temperature, the most
    likely tokens that together hold ``top_p`` of it are kept.

    Args:
        model: a ``LlamaForCausalLM``.
    """
    generator = torch.Generator().manual_seed(seed)
    ids = torch.full((count, length), end)
    ids[:, : len(start)] = torch.tensor(start)
    ended = torch.zeros(count, dtype=torch.bool)
    rotations = model.model.rotary_emb(model.lm_head.weight, torch.arange(length)[None])
    memory: list[tuple[torch.Tensor, torch.Tensor]] = []
    for place in range(length - 1):
        turn = tuple(angles[:, place : place + 1] for angles in rotations)
        logits, memory = _step(model, ids[:, place], turn, memory)
        if place + 1 < len(start):
            continue
        token = _drawn((logits / temperature).softmax(-1), top_p, generator)
        ids[:, place + 1] = token.where(~ended, end)
        ended |= token == end
        if bool(ended.all()):
            break
    return ids


def _step(
    model: Any, token_N: torch.Tensor, turn: tuple[torch.Tensor, ...], memory: Sequence[tuple[torch.Tensor, ...]]
) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
    """Logits N x V after one more token, and every layer's keys and values with that token's.

    Args:
        turn: cosine and sine of the token's place.
        memory: of the tokens before it; empty before the first.
    """
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    hidden = model.model.embed_tokens(token_N)[:, None]
    grown: list[tuple[torch.Tensor, torch.Tensor]] = []
    for number, layer in enumerate(model.model.layers):
        attention, given = layer.self_attn, layer.input_layernorm(hidden)
        query, key, value = (
            project(given).view(len(token_N), 1, -1, attention.head_dim).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        query, key = apply_rotary_pos_emb(query, key, *turn)
        if memory:
            key, value = (torch.cat([old, new], 2) for old, new in zip(memory[number], (key, value), strict=True))
        grown.append((key, value))
        weights = (query @ key.mT * attention.scaling).softmax(-1)
        hidden = hidden + attention.o_proj((weights @ value).transpose(1, 2).flatten(2))
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    return model.lm_head(model.model.norm(hidden))[:, 0], grown


def _drawn(chances: torch.Tensor, top_p: float, generator: torch.Generator) -> torch.Tensor:
    """One token a row of N x V probabilities, from the fewest that hold ``top_p``."""
    ordered, tokens = chances.sort(dim=-1, descending=True, stable=True)
    better = ordered.cumsum(-1) - ordered
    better[:, 0] = -1.0  # the most likely one is always kept
    places = torch.multinomial(ordered.where(better < top_p, 0.0), 1, generator=generator)
    return tokens.gather(1, places)[:, 0]
