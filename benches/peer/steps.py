"""Training steps in PyTorch, eager, one thread: the peer of the programs beside this file.

Reads lines `CASE MILLISECONDS`, answers each with the fastest and the median step in milliseconds.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
torch.manual_seed(1)


def step_of(model, objective):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        objective(model).backward()
        optimizer.step()

    return step


def mlp():
    x, y = torch.randn(64, 784), torch.randint(0, 10, (64,))
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return step_of(model, lambda m: F.cross_entropy(m(x), y))


def lenet():
    x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )
    return step_of(model, lambda m: F.cross_entropy(m(x), y))


def convnet():
    x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 144, 128), nn.ReLU(), nn.Linear(128, 10),
    )
    return step_of(model, lambda m: F.cross_entropy(m(x), y))


def normed():
    x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 49, 10),
    )
    return step_of(model, lambda m: F.cross_entropy(m(x), y))


class Block(nn.Module):
    def __init__(self, channels, width, time):
        super().__init__()
        self.first, self.second = nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.norm1, self.norm2 = nn.GroupNorm(4, width), nn.GroupNorm(4, width)
        self.time = nn.Linear(time, width)

    def forward(self, x, time):
        h = F.silu(self.norm1(self.first(x)))
        return F.silu(self.norm2(self.second(h + self.time(time)[:, :, None, None])))


class Unet(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Linear(32, 32)
        self.a, self.b, self.c = Block(1, 32, 32), Block(32, 64, 32), Block(64, 64, 32)
        self.d, self.e = Block(128, 64, 32), Block(96, 32, 32)
        self.out = nn.Conv2d(32, 1, 1)

    def forward(self, x, waves):
        time = F.silu(self.time(waves))
        a = self.a(x, time)
        b = self.b(F.avg_pool2d(a, 2), time)
        c = self.c(F.avg_pool2d(b, 2), time)
        d = self.d(torch.cat([F.interpolate(c, scale_factor=2), b], 1), time)
        e = self.e(torch.cat([F.interpolate(d, scale_factor=2), a], 1), time)
        return self.out(e)


def unet():
    x, noise, waves = torch.randn(64, 1, 28, 28), torch.randn(64, 1, 28, 28), torch.randn(64, 32)
    return step_of(Unet(), lambda m: F.mse_loss(m(x, waves), noise))


class Recurrent(nn.Module):
    def __init__(self, cell, inputs, width):
        super().__init__()
        self.cell, self.head = cell(inputs, width, batch_first=True), nn.Linear(width, inputs)

    def forward(self, x):
        return self.head(self.cell(x)[0])


def recurrent(cell, width, turns, batch):
    x = torch.randn(batch, turns, width)
    return step_of(Recurrent(cell, width, width), lambda m: F.mse_loss(m(x), x))


class GptBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.qkv(self.norm1(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, d))
        return x + self.feed(self.norm2(x))


class Gpt(nn.Module):
    def __init__(self, kinds, width, turns, heads, blocks):
        super().__init__()
        self.embedding, self.places = nn.Embedding(kinds, width), nn.Parameter(torch.zeros(turns, width))
        self.blocks = nn.Sequential(*[GptBlock(width, heads) for _ in range(blocks)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, kinds)

    def forward(self, ids):
        return self.head(self.norm(self.blocks(self.embedding(ids) + self.places)))


def gpt():
    ids = torch.randint(0, 65, (12, 65))
    model = Gpt(65, 128, 64, 4, 4)
    return step_of(model, lambda m: F.cross_entropy(m(ids[:, :-1]).reshape(-1, 65), ids[:, 1:].reshape(-1)))


CASES = {
    "mlp": mlp,
    "lenet": lenet,
    "convnet": convnet,
    "normed": normed,
    "unet": unet,
    "rnn": lambda: recurrent(nn.RNN, 32, 64, 16),
    "gru": lambda: recurrent(nn.GRU, 128, 64, 32),
    "lstm": lambda: recurrent(nn.LSTM, 128, 64, 32),
    "gpt": gpt,
}


def measure(step, milliseconds):
    for _ in range(3):
        step()
    times, started = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < milliseconds / 1e3:
        before = time.perf_counter()
        step()
        times.append((time.perf_counter() - before) * 1e3)
    times.sort()
    return times[0], times[len(times) // 2]


steps = {}
print("PyTorch", torch.__version__, flush=True)
for line in sys.stdin:
    case, milliseconds = line.split()
    if case not in steps:
        steps[case] = CASES[case]()
    print(*measure(steps[case], float(milliseconds)), flush=True)
