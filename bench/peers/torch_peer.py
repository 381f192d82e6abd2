"""PyTorch: train step, forward pass and flat weighted sum. How it is asked and what it answers: README.md.

    python3 torch_peer.py [THREADS]
"""
import ctypes
import json
import os
import re
import statistics
import sys
import time

import torch


def blas():
    """What multiplies matrices: the library that is loaded, not what the build says it was made for."""
    torch.rand(64, 64) @ torch.rand(64, 64)
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if re.search(r"/lib(open)?blas[^/]*\.so", line)}
    for file in sorted(map(os.path.realpath, files)):
        library = ctypes.CDLL(file)
        if hasattr(library, "openblas_get_config"):
            library.openblas_get_config.restype = library.openblas_get_corename.restype = ctypes.c_char_p
            version = library.openblas_get_config().decode().split()[1]
            return f"OpenBLAS {version} for {library.openblas_get_corename().decode()}"
    if files:
        return "reference BLAS, about seven times slower than OpenBLAS: apt-get install libopenblas0-pthread"
    return "MKL" if torch.backends.mkl.is_available() else "BLAS inside PyTorch"


class Model(torch.nn.Module):
    def __init__(self, I, H, D, layers, attention, dropout, **_):
        super().__init__()
        self.lstm = torch.nn.LSTM(I, H, num_layers=layers, bidirectional=D == 2, dropout=dropout if layers > 1 else 0.0, batch_first=True)
        width = D * H
        self.attention = torch.nn.Sequential(torch.nn.Linear(width, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)) if attention else None
        head = [torch.nn.Linear(width, 64), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(64, 4)]
        self.head = torch.nn.Sequential(*head) if attention else torch.nn.Linear(width, 4)

    def forward(self, x):
        h, _ = self.lstm(x)
        if self.attention is None:
            return self.head(h[:, -1])
        return self.head((torch.softmax(self.attention(h), 1) * h).sum(1))


def train(model, batch, **_):
    network = Model(**model)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    x = torch.rand(batch, model["T"], model["I"]) * 2 - 1
    y = torch.arange(batch) % 4

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    return step


def forward(model, batch, **_):
    network = Model(**model).eval()
    x = torch.rand(batch, model["T"], model["I"]) * 2 - 1

    def call():
        with torch.no_grad():
            network(x)

    return call


def add(clients, parameters, **_):
    """The weighted sum of flat parameter vectors, the way that is fastest in PyTorch."""
    updates = [torch.rand(parameters) for _ in range(clients)]
    total = torch.zeros(parameters)

    def call():
        total.zero_()
        for update in updates:
            total.add_(update, alpha=1 / clients)

    return call


def median_ms(call, seconds):
    times = []
    end = time.perf_counter() + seconds
    patience = time.perf_counter() + 1
    while not times or time.perf_counter() < end or (len(times) < 3 and time.perf_counter() < patience):
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
torch.set_num_threads(threads)
torch.manual_seed(1)
print(json.dumps({"peer": "PyTorch", "version": torch.__version__, "detail": f"{blas()}, threads: {threads}"}), flush=True)
works = {"train": train, "forward": forward, "add": add}
asked, call = None, None
for line in sys.stdin:
    request = json.loads(line)
    seconds = request.pop("seconds")
    if request != asked:
        call = None  # frees the memory of what was asked before
        call = works[request["work"]](**request)
        asked = request
    print(json.dumps({"ms": median_ms(call, seconds)}), flush=True)
