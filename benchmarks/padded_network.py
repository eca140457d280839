"""The light-curve transformer written plainly, as the published training code computes it.

Six bands side by side, each padded to the longest of the batch, all tokens through all layers, a
masked softmax, and all three heads. It is the baseline of ``transformer.py`` and, since it shares
no line with ``lcclassify.predictors.network``, a check on it.
"""

import math

import numpy as np
import torch
from torch.nn import functional

from lcclassify.transformer import Transformer

Grid = dict[str, torch.Tensor]  # flux, flux_err, time, mask: (N, L, 6) each


def padded(seen, n_objects: int) -> Grid:
    """Sequences of ``predictors.light_curves`` in six padded columns per object."""
    owner = np.repeat(np.arange(n_objects), seen.counts)
    cell = owner * 6 + seen.band
    order = np.argsort(cell, kind="stable")
    n_in_cell = np.bincount(cell, minlength=6 * n_objects)
    start = np.cumsum(n_in_cell) - n_in_cell
    place = np.empty(len(cell), np.int64)
    place[order] = np.arange(len(cell)) - start[cell[order]]
    grid = np.zeros((4, n_objects, int(n_in_cell.max(initial=1)), 6), np.float32)
    columns = (seen.value[:, 0], seen.value[:, -1], seen.time, np.float32(1))
    for part, column in zip(grid, columns, strict=True):
        part[owner, place, seen.band] = column
    return dict(zip(("flux", "flux_err", "time", "mask"), torch.from_numpy(grid), strict=True))


class PaddedNetwork:
    """Probabilities of a padded batch; also of the two heads that nobody asks for."""

    def __init__(self, model: Transformer) -> None:
        self.settings = model.settings
        self.tensors = {n: torch.from_numpy(np.array(a)) for n, a in model.tensors.items()}
        self.n_values = self.tensors["modulator.value.weight"].shape[1]

    @torch.inference_mode()
    def __call__(self, grid: Grid, inputs: torch.Tensor) -> torch.Tensor:  # (N, F) -> (N, C)
        t, table = self.tensors, self.settings.table
        x, mask = self.modulate(grid)
        x = torch.cat([t["light_curve.token"].expand(len(x), 1, -1), x], 1)
        mask = torch.cat([torch.ones(len(x), 1), mask], 1)
        if table != "none":
            tokens = inputs[:, :, None] * t["table.weight"] + t["table.bias"]
        if table == "in front":
            x = torch.cat([tokens, x], 1)
            mask = torch.cat([torch.ones(tokens.shape[:2]), mask], 1)
        found = self.tower("light_curve", x, mask, self.settings.heads)[:, 0]
        if table == "beside":
            y = torch.cat([t["table.token"].expand(len(x), 1, -1), tokens], 1)
            of_table = self.tower("table", y, None, self.settings.table_heads)[:, 0]
            self.unused_head(found)
            self.unused_head(of_table)
            found = torch.cat([of_table, found], 1)
        return self.head(found).softmax(1)

    def modulate(self, grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
        t, tokens = self.tensors, []
        harmonics = torch.arange(t["modulator.alpha"].shape[1] // 2)
        for band in range(6):
            angle = 2 * math.pi * harmonics * grid["time"][:, :, band, None] / self.settings.t_max
            values = [grid[name][:, :, band] for name in ("flux", "flux_err")[: self.n_values]]
            weight = t["modulator.value.weight"][band].T
            e = functional.linear(torch.stack(values, -1), weight, t["modulator.value.bias"][band])
            waves = torch.cat([angle.sin(), angle.cos()], -1)
            tokens.append(
                e * (waves @ t["modulator.alpha"][band]) + waves @ t["modulator.beta"][band]
            )
        mask = torch.cat(list(grid["mask"].unbind(2)), 1)  # (N, 6L)
        time = torch.cat(list(grid["time"].unbind(2)), 1)
        order = (time * mask + (1 - mask) * 9999999).argsort(1)
        x = torch.cat(tokens, 1).gather(1, order[:, :, None].expand(-1, -1, e.shape[-1]))
        return x, mask.gather(1, order)

    def tower(self, name, x, mask, heads):
        layer = 0
        while f"{name}.{layer}.qkv.weight" in self.tensors:
            x = self.block(f"{name}.{layer}", x, mask, heads)
            layer += 1
        return x

    def block(self, name, x, mask, heads):
        first = self.settings.generation == "A"
        y = x + self.attention(name, self.norm(f"{name}.norm1", x) if first else x, mask, heads)
        y = y if first else self.norm(f"{name}.norm1", y)
        z = self.norm(f"{name}.norm2", y) if first else y
        z = y + self.linear(f"{name}.down", functional.gelu(self.linear(f"{name}.up", z)))
        return z if first else self.norm(f"{name}.norm2", z)

    def attention(self, name, x, mask, heads):
        weights = self.tensors[f"{name}.qkv.weight"].chunk(3)
        biases = self.tensors[f"{name}.qkv.bias"].chunk(3)
        q, k, v = (
            functional.linear(x, weight, bias).unflatten(2, (heads, -1)).transpose(1, 2)
            for weight, bias in zip(weights, biases, strict=True)
        )
        logits = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])  # (N, h, T, T)
        if mask is not None:
            logits = logits.masked_fill(mask[:, None, None] == 0, -9e15)
        logits = logits - logits.amax(3, keepdim=True)
        mixed = logits.softmax(3) @ v
        return self.linear(f"{name}.out", mixed.transpose(1, 2).flatten(2))

    def norm(self, name, x):
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        if self.settings.generation == "A" or name == "head.norm":
            return functional.layer_norm(x, weight.shape, weight, bias)
        mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
        return weight * (x - mean) / (std + 1e-6) + bias

    def linear(self, name, x):
        return functional.linear(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def head(self, x):
        x = self.norm("head.norm", x)
        n_layers = sum(name.startswith("head.") for name in self.tensors) // 2 - 1
        for layer in range(n_layers):
            x = self.linear(f"head.{layer}", x)
            x = functional.gelu(x) if layer < n_layers - 1 else x
        return x

    def unused_head(self, x):
        """As much work as a head of norm and one layer, whose weights are not published here."""
        n_classes = next(reversed(self.tensors.values())).shape[0]
        return functional.layer_norm(x, x.shape[1:]) @ torch.ones(x.shape[1], n_classes)
