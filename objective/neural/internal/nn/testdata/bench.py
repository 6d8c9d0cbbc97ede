"""The steps of bench_test.go in PyTorch, on one core: medians in milliseconds."""

import statistics
import time

import torch
from torch import nn

torch.set_num_threads(1)
BATCH, STEPS, OUT = 32, 24, 12


class Last(nn.Module):
    def __init__(self, body, width):
        super().__init__()
        self.body, self.head = body, nn.Linear(width, OUT)

    def forward(self, x):
        h = self.body(x)
        return self.head((h[0] if isinstance(h, tuple) else h)[:, -1])


class Block(nn.Module):
    def __init__(self, fan_in, dilation):
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.pad = 2 * dilation
        self.conv1 = norm(nn.Conv1d(fan_in, 32, 3, dilation=dilation))
        self.conv2 = norm(nn.Conv1d(32, 32, 3, dilation=dilation))
        self.residual = nn.Conv1d(fan_in, 32, 1) if fan_in != 32 else None

    def forward(self, x):
        h = torch.relu(self.conv1(nn.functional.pad(x, (self.pad, 0))))
        h = torch.relu(self.conv2(nn.functional.pad(h, (self.pad, 0))))
        return torch.relu(h + (self.residual(x) if self.residual else x))


class TCN(nn.Sequential):
    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def layer():
    return nn.TransformerEncoderLayer(32, 4, 128, dropout=0, batch_first=True, norm_first=True)


for name, model in {
    "LSTM32": Last(nn.LSTM(1, 32, batch_first=True), 32),
    "LSTM128": Last(nn.LSTM(1, 128, batch_first=True), 128),
    "TCN": Last(TCN(*(Block(32 if i else 1, 2**i) for i in range(4))), 32),
    "Transformer": Last(nn.Sequential(nn.Linear(1, 32), layer(), layer(), nn.LayerNorm(32)), 32),
}.items():
    x, y = torch.randn(BATCH, STEPS, 1), torch.randn(BATCH, OUT)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    took = []
    for _ in range(150):
        began = time.perf_counter()
        optimizer.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        optimizer.step()
        took.append(time.perf_counter() - began)
    print(f"{name:12} {1000 * statistics.median(took[30:]):.2f}  (least {1000 * min(took):.2f})")
