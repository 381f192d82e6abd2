"""Train step and forward pass of bench/step.js's shapes in PyTorch, one thread: median milliseconds as JSON."""
import json
import statistics
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(1)


class Model(torch.nn.Module):
    def __init__(self, inputs, hidden, bidirectional, attention):
        super().__init__()
        self.lstm = torch.nn.LSTM(inputs, hidden, num_layers=2, bidirectional=bidirectional, dropout=0.2, batch_first=True)
        width = hidden * (2 if bidirectional else 1)
        self.attention = torch.nn.Sequential(torch.nn.Linear(width, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)) if attention else None
        self.head = torch.nn.Sequential(torch.nn.Linear(width, 64), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(64, 4)) if attention else torch.nn.Linear(width, 4)

    def forward(self, x):
        h, _ = self.lstm(x)
        if self.attention is None:
            return self.head(h[:, -1])
        alpha = torch.softmax(self.attention(h), 1)
        return self.head((alpha * h).sum(1))


def median_ms(call, seconds=3.0):
    for end in [time.perf_counter() + 1.5]:
        while time.perf_counter() < end:
            call()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


result = {"version": torch.__version__, "blas": "OpenBLAS" if "openblas" in torch.__config__.show().lower() else "BLAS as installed"}
for name, (steps, inputs, hidden, bidirectional, attention) in {"reference": (100, 8, 64, True, True), "turbofan": (30, 14, 100, False, False)}.items():
    model = Model(inputs, hidden, bidirectional, attention)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    x = torch.rand(32, steps, inputs) * 2 - 1
    y = torch.arange(32) % 4

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    result[f"{name}_train"] = median_ms(step)
    model.eval()
    with torch.no_grad():
        result[f"{name}_forward"] = median_ms(lambda: model(x))
print(json.dumps(result))
