"""The light-curve transformer, inference only: what the tensors of ``lcclassify.transformer`` mean.

Only work that changes the answer is done. Tokens of all objects lie end to end without padding,
objects of the same length side by side, and only attention looks at one length at a time. The last
layer is computed for the pooled token alone, whose query takes the key projection upon itself, so
that keys and values of the other tokens are never made.

N objects, M observations, S tokens, T tokens of one object; D, H, F, V, C as in
``lcclassify.transformer``; h heads of d values.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lcclassify.predictors.observations import Observations
from lcclassify.transformer import Transformer


class Span(NamedTuple):
    """Tokens first to first + n * length: n objects of the same length."""

    first: int
    n: int
    length: int


def whole_rows(n: int) -> int:
    """The number of rows that a matrix of n rows is given: one of eight per power of two.

    oneDNN prepares 0.3 ms for each new number, and keeps 1 MB for it.
    """
    return n + -n % (1 << max(n.bit_length() - 4, 4))


def spans_of(lengths: np.ndarray) -> list[Span]:
    """The spans of objects of these ascending lengths, in tokens. (N,) int64"""
    values, counts = np.unique(lengths, return_counts=True)
    firsts = np.cumsum(np.concatenate([[0], values * counts]))[:-1]
    return [Span(*map(int, each)) for each in zip(firsts, counts, values, strict=True)]


class Linear:
    """Rows times a matrix plus a bias, through GELU if asked; packed for oneDNN on a CPU."""

    def __init__(self, weight: Tensor, bias: Tensor, gelu: bool = False) -> None:
        self.weight, self.bias, self.gelu = weight, bias, gelu
        # Twice as fast as functional.linear where MKL does not know the CPU, and GELU for free.
        self.packed = weight.device.type == "cpu" and torch.backends.mkldnn.is_available()
        if self.packed:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(weight)

    def __call__(self, x: Tensor) -> Tensor:  # (S, in) -> (S, out)
        """The layer's answer."""
        if self.packed:
            kind, whole = "gelu" if self.gelu else "none", whole_rows(len(x))
            rows = functional.pad(x, (0, 0, 0, whole - len(x))) if whole > len(x) else x
            run = torch.ops.mkldnn._linear_pointwise
            packed: Tensor = run(rows, self.weight, self.bias, kind, [], "none")
            return packed[: len(x)]
        y = functional.linear(x, self.weight, self.bias)
        return functional.gelu(y) if self.gelu else y


class LayerNorm:
    """Zero mean and unit variance over the last dimension, then factors and offsets."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:  # any shape (.., D)
        """The normalised rows."""
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class SampleNorm(LayerNorm):
    """The same by generation B: standard deviation of a sample, and epsilon added to it."""

    def __call__(self, x: Tensor) -> Tensor:  # any shape (.., D)
        """The normalised rows."""
        std, mean = torch.std_mean(x, -1, keepdim=True)
        return torch.addcmul(self.bias, (x - mean).div_(std.add_(1e-6)), self.weight)


class Part:
    """Tensors whose names share a beginning, on the device."""

    def __init__(self, tensors: Mapping[str, Tensor], name: str) -> None:
        self.tensors, self.name = tensors, name

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[f"{self.name}.{name}"]

    def linear(self, name: str, gelu: bool = False) -> Linear:
        """The layer of that name."""
        return Linear(self[f"{name}.weight"], self[f"{name}.bias"], gelu)


class Block:
    """Attention and feed-forward, each with a residual; the norm before (A) or after each (B)."""

    def __init__(self, part: Part, heads: int, pre_norm: bool) -> None:
        self.heads, self.pre_norm = heads, pre_norm
        norm = LayerNorm if pre_norm else SampleNorm
        self.norm1 = norm(part["norm1.weight"], part["norm1.bias"])
        self.norm2 = norm(part["norm2.weight"], part["norm2.bias"])
        self.qkv, self.out = part.linear("qkv"), part.linear("out")
        self.up, self.down = part.linear("up", gelu=True), part.linear("down")
        query, key, value = part["qkv.weight"].chunk(3)  # (D, D) each
        query_bias, _, value_bias = part["qkv.bias"].chunk(3)  # the keys' changes no softmax
        self.query = query.T.contiguous(), query_bias
        self.key, self.value = (m.unflatten(0, (heads, -1)) for m in (key, value))  # (h, d, D)
        self.value_bias = value_bias

    def __call__(self, x: Tensor, spans: Sequence[Span]) -> Tensor:  # (S, D) -> (S, D)
        """What becomes of all tokens."""
        return self._residuals(x, lambda y: self._attention(y, spans))

    def pooled(self, x: Tensor, spans: Sequence[Span]) -> Tensor:  # (S, D) -> (N, D)
        """What becomes of the first token of each object."""
        y = self.norm1(x) if self.pre_norm else x
        first = torch.cat([_tokens(x, span)[:, 0] for span in spans])  # (N, D)
        asking = torch.cat([_tokens(y, span)[:, 0] for span in spans])  # (N, D)
        return self._residuals(first, lambda _: self._pooled_attention(asking, y, spans))

    def _residuals(self, x: Tensor, attend: Callable[[Tensor], Tensor]) -> Tensor:
        if self.pre_norm:
            x = attend(self.norm1(x)).add_(x)
            return self.down(self.up(self.norm2(x))).add_(x)
        x = self.norm1(attend(x).add_(x))
        return self.norm2(self.down(self.up(x)).add_(x))

    def _attention(self, y: Tensor, spans: Sequence[Span]) -> Tensor:  # (S, D) -> (S, D)
        qkv = self.qkv(y)  # (S, 3D)
        mixed = torch.zeros_like(y)
        for span in spans:
            q, k, v = _tokens(qkv, span).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            found = functional.scaled_dot_product_attention(q, k, v)  # (n, h, T, d)
            _tokens(mixed, span).unflatten(2, (self.heads, -1)).copy_(found.transpose(1, 2))
        return self.out(mixed)

    def _pooled_attention(self, asking: Tensor, y: Tensor, spans: Sequence[Span]) -> Tensor:
        matrix, bias = self.query
        q = torch.addmm(bias, asking, matrix).unflatten(1, (self.heads, -1))  # (N, h, d)
        scale = 1 / math.sqrt(q.shape[2])
        q = torch.matmul(q.transpose(0, 1), self.key).transpose(0, 1)  # (N, h, D)
        found, row = [], 0
        for span in spans:
            tokens = _tokens(y, span)[:, None]  # (n, 1, T, D)
            asked = q[row : row + span.n, None]  # (n, 1, h, D): heads as if they were tokens
            mix = functional.scaled_dot_product_attention(asked, tokens, tokens, scale=scale)
            found.append(mix[:, 0])  # (n, h, D)
            row += span.n
        mixed = torch.cat(found).transpose(0, 1)  # (h, N, D)
        values = torch.matmul(mixed, self.value.transpose(1, 2)).transpose(0, 1)  # (N, h, d)
        return self.out(values.flatten(1) + self.value_bias)  # (N, D)


def _tokens(x: Tensor, span: Span) -> Tensor:  # (S, D) -> (n, T, D)
    first, n, length = span
    return x[first : first + n * length].view(n, length, -1)


class Tower:
    """Blocks on top of each other."""

    def __init__(self, part: Part, heads: int, pre_norm: bool) -> None:
        n_blocks = 0
        while f"{part.name}.{n_blocks}.qkv.weight" in part.tensors:
            n_blocks += 1
        names = [f"{part.name}.{block}" for block in range(n_blocks)]
        self.blocks = [Block(Part(part.tensors, name), heads, pre_norm) for name in names]

    def __call__(self, x: Tensor, spans: Sequence[Span]) -> Tensor:  # (S, D) -> (N, D)
        """What becomes of the first token of each object."""
        for block in self.blocks[:-1]:
            x = block(x, spans)
        return self.blocks[-1].pooled(x, spans)


class Modulator:
    """An observation's token: its values, embedded, times alpha(t) plus beta(t) of its band.

    With embedding w x + c, that is x (w alpha) + (c alpha + beta), and both brackets are linear
    in the harmonics of time: one matrix product per band.
    """

    def __init__(self, part: Part, t_max: float) -> None:
        weight, bias = part["value.weight"], part["value.bias"]  # (6, V, D), (6, D)
        alpha, beta = part["alpha"], part["beta"]  # (6, 2M, D)
        factors = [alpha * weight[:, None, v] for v in range(weight.shape[1])]
        matrix = torch.cat([alpha * bias[:, None] + beta, *factors], 2)  # (6, 2M, D + VD)
        nothing = torch.zeros(matrix.shape[2], device=matrix.device)
        self.bands = [Linear(each.T.contiguous(), nothing) for each in matrix]
        harmonic = torch.arange(alpha.shape[1] // 2, device=alpha.device)
        self.rate, self.t_max = 2 * math.pi * harmonic, t_max  # (M,)

    def __call__(self, seen: Observations) -> Tensor:  # (M, D)
        """The token of each observation, in their order."""
        order = torch.argsort(seen.band)
        counts = torch.bincount(seen.band, minlength=len(self.bands)).tolist()
        # The order of these operations is the trained network's: it matters in float32.
        angle = self.rate * seen.time[order, None] / self.t_max  # (M, harmonics)
        harmonics = torch.cat([angle.sin(), angle.cos()], 1)  # (M, 2 harmonics)
        value = seen.value[order, :, None]  # (M, V, 1)
        tokens, first = [], 0
        for band, n in zip(self.bands, counts, strict=True):
            here = slice(first, first + n)
            embedded = band(harmonics[here]).unflatten(1, (1 + value.shape[1], -1))
            tokens.append(embedded[:, 0] + (embedded[:, 1:] * value[here]).sum(1))  # (m, D)
            first += n
        of_all = torch.cat(tokens)
        return torch.empty_like(of_all).index_copy_(0, order, of_all)


class Network:
    """A trained network on a device: light curves and tabular inputs to logits."""

    def __init__(self, model: Transformer, device: torch.device) -> None:
        settings = model.settings
        self.n_values = model.tensors["modulator.value.weight"].shape[1]
        self.device = device
        self.tensors = {
            name: torch.from_numpy(np.array(array, np.float32)).to(device)
            for name, array in model.tensors.items()
        }
        pre_norm = settings.generation == "A"
        self.place = settings.table
        self.modulator = Modulator(Part(self.tensors, "modulator"), settings.t_max)
        self.light_curve = Tower(Part(self.tensors, "light_curve"), settings.heads, pre_norm)
        self.table = Tower(Part(self.tensors, "table"), settings.table_heads, pre_norm)
        head = Part(self.tensors, "head")
        n_layers = sum(name.startswith("head.") for name in self.tensors) // 2 - 1
        self.norm = LayerNorm(head["norm.weight"], head["norm.bias"])
        self.head = [head.linear(f"{i}", gelu=i < n_layers - 1) for i in range(n_layers)]

    @torch.inference_mode()
    def __call__(self, seen: Observations, inputs: Tensor) -> Tensor:  # inputs (N, F) -> (N, C)
        """Logits of each object; its observations and tabular inputs are given, or none (F = 0).

        InputError if the observations are not those of N objects.
        """
        seen.check(len(inputs))
        embedding = self.light_curve(*self.light_curve_tokens(seen, inputs))  # (N, D)
        if self.place == "beside":
            table = self.table(*self.table_tokens(inputs))  # (N, Dt)
            embedding = torch.cat([table, embedding], 1)
        logits = self.norm(embedding)
        for layer in self.head:
            logits = layer(logits)
        return logits

    def light_curve_tokens(self, seen: Observations, inputs: Tensor) -> tuple[Tensor, list[Span]]:
        """What enters the light-curve tower: the pooled token of each object, then the others."""
        n_objects, n_before = len(seen.counts), 1  # tokens of an object before its observations
        if self.place == "in front":
            n_before += inputs.shape[1]
        lengths = n_before + seen.counts
        x = self._rows(int(lengths.sum()), "light_curve.token")  # (S, D)
        ends = torch.from_numpy(np.cumsum(lengths)).to(self.device)
        start = ends - torch.from_numpy(lengths).to(self.device)  # (N,)
        if len(seen.time):
            owner = torch.from_numpy(np.repeat(np.arange(n_objects), seen.counts)).to(self.device)
            row = torch.arange(len(owner), device=self.device) + (owner + 1) * n_before
            x.index_copy_(0, row, self.modulator(seen))
        token = self.tensors["light_curve.token"].expand(n_objects, -1)
        x.index_copy_(0, start + n_before - 1, token)
        if self.place == "in front":
            row = start[:, None] + torch.arange(n_before - 1, device=self.device)  # (N, F)
            x.index_copy_(0, row.flatten(), self._inputs(inputs).flatten(0, 1))
        return x, spans_of(lengths)

    def table_tokens(self, inputs: Tensor) -> tuple[Tensor, list[Span]]:
        """What enters the tabular tower: its token, then one per input."""
        span = Span(0, len(inputs), 1 + inputs.shape[1])
        x = self._rows(span.n * span.length, "table.token")  # (N + NF, Dt)
        tokens = _tokens(x, span)
        tokens[:, 0] = self.tensors["table.token"]
        tokens[:, 1:] = self._inputs(inputs)
        return x, [span]

    def _inputs(self, inputs: Tensor) -> Tensor:  # (N, F) -> (N, F, Dt)
        weight, bias = self.tensors["table.weight"], self.tensors["table.bias"]  # (F, Dt)
        return torch.addcmul(bias, inputs[:, :, None], weight)

    def _rows(self, n_rows: int, like: str) -> Tensor:  # (S, D), zeros; some rows stay so
        return torch.zeros(whole_rows(n_rows), len(self.tensors[like]), device=self.device)
