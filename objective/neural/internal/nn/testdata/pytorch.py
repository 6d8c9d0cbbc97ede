"""Outputs, losses and gradients of PyTorch's own modules, in double precision, for the
networks of torch_test.go. Writes torch.json:

    python pytorch.py > torch.json

Weights and inputs are exact in single precision. Everything is in the layout of the Go
package: activations by step, row and feature; matrices input by output.
"""

import json
import math
import sys

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
ROWS, STEPS, FEATURES = 4, 7, 3


def draw(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).float().double()


def perturb(module):
    """Weights that are exact in single precision, none of them special."""
    for p in module.parameters():
        p.data = (p.data + 0.1 * torch.randn_like(p)).float().double()


def flat(t):
    return [float(f"{x:.9g}") for x in t.detach().reshape(-1).tolist()]  # 9 digits hold a single


class Names:
    """The package's tensors of a module's, by name, for values or gradients."""

    def __init__(self, of):
        self.of, self.out = of, {}

    def put(self, name, p, view=lambda t: t):
        self.out[name] = flat(view(self.of(p)))

    def linear(self, name, m):
        self.put(name + "weight", m.weight, lambda t: t.T)
        self.put(name + "bias", m.bias)

    def norm(self, name, m):
        self.put(name + "gain", m.weight)
        self.put(name + "bias", m.bias)

    def lstm(self, layer, m, i, both):
        for d in range(2 if both else 1):
            theirs, ours = f"_l{i}" + ["", "_reverse"][d], ["", "_reverse"][d]
            self.put(f"{layer}.weight_input{ours}", getattr(m, "weight_ih" + theirs), lambda t: t.T)
            self.put(f"{layer}.weight_hidden{ours}", getattr(m, "weight_hh" + theirs), lambda t: t.T)
            self.put(f"{layer}.bias{ours}", getattr(m, "bias_ih" + theirs))

    def attention(self, name, m, norm):
        self.norm(name + "norm.", norm)
        width = m.embed_dim
        for i, of in enumerate(["query", "key", "value"]):
            at = slice(i * width, (i + 1) * width)
            self.put(f"{name}{of}.weight", m.in_proj_weight, lambda t: t[at].T)
            self.put(f"{name}{of}.bias", m.in_proj_bias, lambda t: t[at])
        self.linear(name + "out.", m.out_proj)

    def feed_forward(self, name, m, norm):
        self.norm(name + "norm.", norm)
        self.linear(name + "up.", m.linear1)
        self.linear(name + "down.", m.linear2)


class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(10, 2)

    def forward(self, x):
        h, _ = self.lstm(x)
        return self.head(torch.cat([h[:, -1, :5], h[:, 0, 5:]], 1))

    def names(self, n):
        n.lstm("lstm.0", self.lstm, 0, True)
        n.lstm("lstm.1", self.lstm, 1, True)
        n.linear("head.", self.head)


class Block(nn.Module):
    def __init__(self, fan_in, channels, kernel, dilation, layer):
        super().__init__()
        norm = (lambda c: c) if layer else weight_norm
        self.layer, self.pad = layer, (kernel - 1) * dilation
        self.conv1 = norm(nn.Conv1d(fan_in, channels, kernel, dilation=dilation))
        self.conv2 = norm(nn.Conv1d(channels, channels, kernel, dilation=dilation))
        if layer:
            self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.residual = nn.Conv1d(fan_in, channels, 1) if fan_in != channels else None

    def forward(self, x):
        h = x
        for i in "12":
            h = getattr(self, "conv" + i)(nn.functional.pad(h, (self.pad, 0)))
            if self.layer:
                h = getattr(self, "norm" + i)(h.transpose(1, 2)).transpose(1, 2)
            h = torch.relu(h)
        return torch.relu(h + (self.residual(x) if self.residual else x))

    def names(self, n, name):
        for i in "12":
            conv, to = getattr(self, "conv" + i), f"{name}.conv{i}."
            if self.layer:
                n.put(to + "weight", conv.weight, lambda t: t.permute(2, 1, 0))
                n.put(to + "norm_gain", getattr(self, "norm" + i).weight)
                n.put(to + "norm_bias", getattr(self, "norm" + i).bias)
            else:
                n.put(to + "weight", conv.parametrizations.weight.original1, lambda t: t.permute(2, 1, 0))
                n.put(to + "gain", conv.parametrizations.weight.original0)
            n.put(to + "bias", conv.bias)
        if self.residual:
            n.put(name + ".residual.weight", self.residual.weight, lambda t: t[:, :, 0].T)
            n.put(name + ".residual.bias", self.residual.bias)


class TCN(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.a, self.b = Block(FEATURES, 5, 3, 1, layer), Block(5, 5, 3, 4, layer)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.b(self.a(x.transpose(1, 2)))[:, :, -1])

    def names(self, n):
        self.a.names(n, "tcn.0")
        self.b.names(n, "tcn.1")
        n.linear("head.", self.head)


def positions(steps, width):
    at = torch.zeros(steps, width)
    for t in range(steps):
        for i in range(0, width, 2):
            angle = t / 10000 ** (i / width)
            at[t, i], at[t, i + 1] = math.sin(angle), math.cos(angle)
    return at


class Transformer(nn.Module):
    def __init__(self, decoder):
        super().__init__()
        of = dict(d_model=8, nhead=2, dim_feedforward=10, dropout=0, batch_first=True, norm_first=True)
        self.embed, self.norm = nn.Linear(FEATURES, 8), nn.LayerNorm(8)
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(**of) for _ in range(2))
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(**of) for _ in range(2)) if decoder else None
        if decoder:
            self.steps, self.decoder_norm, self.head = nn.Linear(2, 8), nn.LayerNorm(8), nn.Linear(8, 1)
        else:
            self.head = nn.Linear(8, 2)

    def forward(self, x, future=None):
        h = self.embed(x) + positions(STEPS, 8)
        for i, layer in enumerate(self.encoder):
            mask = nn.Transformer.generate_square_subsequent_mask(STEPS) if i == 1 else None
            h = layer(h, src_mask=mask)
        h = self.norm(h)
        if self.decoder is None:
            return self.head(h[:, -1])
        y = self.steps(future) + positions(future.shape[1], 8)
        mask = nn.Transformer.generate_square_subsequent_mask(future.shape[1])
        for layer in self.decoder:
            y = layer(y, h, tgt_mask=mask)
        return self.head(self.decoder_norm(y))

    def names(self, n):
        n.linear("embed.", self.embed)
        for i, m in enumerate(self.encoder):
            n.attention(f"encoder.{i}.attention.", m.self_attn, m.norm1)
            n.feed_forward(f"encoder.{i}.feed_forward.", m, m.norm2)
        n.norm("norm.", self.norm)
        n.linear("head.", self.head)
        if self.decoder is None:
            return
        n.linear("steps.", self.steps)
        n.norm("decoder_norm.", self.decoder_norm)
        for i, m in enumerate(self.decoder):
            n.attention(f"decoder.{i}.attention.", m.self_attn, m.norm1)
            n.attention(f"decoder.{i}.memory.", m.multihead_attn, m.norm2)
            n.feed_forward(f"decoder.{i}.feed_forward.", m, m.norm3)


def run(name, module, *inputs):
    module.eval()  # there is no dropout; the path through autograd is the plain one
    perturb(module)
    y = module(*inputs)
    truth = draw(*y.shape)
    loss = ((y - truth) ** 2).mean()
    loss.backward()
    values, grads = Names(lambda p: p), Names(lambda p: p.grad)
    module.names(values)
    # What PyTorch has two biases of, this package has one of: the sum.
    if isinstance(module, LSTM):
        for i in range(2):
            for d, of in enumerate(["", "_reverse"]):
                both = getattr(module.lstm, f"bias_ih_l{i}{of}") + getattr(module.lstm, f"bias_hh_l{i}{of}")
                values.out[f"lstm.{i}.bias{of}"] = flat(both)
    module.names(grads)

    def by_step(t):
        return flat(t.transpose(0, 1)) if t.dim() == 3 else flat(t)

    return {"name": name, "weights": values.out, "gradients": grads.out, "inputs": [by_step(x) for x in inputs],
            "truth": by_step(truth), "output": by_step(y), "loss": loss.item()}


x = draw(ROWS, STEPS, FEATURES)
json.dump({"torch": torch.__version__, "rows": ROWS, "networks": [
    run("lstm", LSTM(), x),
    run("tcn, weight norm", TCN(False), x),
    run("tcn, layer norm", TCN(True), x),
    run("transformer, encoder", Transformer(False), x),
    run("transformer, encoder and decoder", Transformer(True), x, draw(ROWS, 4, 2)),
]}, sys.stdout)
