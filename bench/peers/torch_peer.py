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


class Steps(torch.nn.Module):
    """Zeros around a sequence or an image as a convolution of ours wants them: behind by half, or all before."""
    def __init__(self, before, behind, image):
        super().__init__()
        self.padding = (before, behind) * (2 if image else 1)

    def forward(self, x):
        return torch.nn.functional.pad(x, self.padding)


def chain(chain, T, I, width=None):
    """A network from a list of our layers; x is (B,I,T), or (B,I,rows,columns)."""
    nn, image, lengths, features = torch.nn, width is not None, [T] if width is None else [T // width, width], I
    modules = []
    for layer in chain:
        kind = layer["type"]
        if kind == "convolution":
            reach = (layer["kernel"] - 1) * layer["dilation"]
            everything = max(0, (-(-lengths[-1] // layer["stride"]) - 1) * layer["stride"] + reach + 1 - lengths[-1])
            before, behind = (reach, 0) if layer["padding"] == "causal" else (everything // 2, -(-everything // 2))
            operator = nn.Conv2d if image else nn.Conv1d
            own = dict(stride=layer["stride"], dilation=layer["dilation"], padding=before if before == behind else 0)
            modules += [] if before == behind else [Steps(before, behind, image)]
            modules.append(operator(features, layer["filters"], layer["kernel"], **own))
            lengths, features = [-(-length // layer["stride"]) for length in lengths], layer["filters"]
        elif kind == "pool":
            modules.append((nn.MaxPool2d if image else nn.MaxPool1d)(layer["size"]))
            lengths = [length // layer["size"] for length in lengths]
        elif kind == "activation":
            modules.append(nn.ReLU())
        elif kind == "flatten":
            modules.append(nn.Flatten())
            for length in lengths:
                features *= length
        elif kind == "mean":
            modules += [nn.AdaptiveAvgPool1d(1), nn.Flatten()]
        elif kind == "dense":
            modules += [nn.Linear(features, layer["units"]), nn.ReLU()]
            features = layer["units"]
    return nn.Sequential(*modules, nn.Linear(features, 4))


def train(model, batch, **_):
    network = chain(**model) if "chain" in model else Model(**model)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    x = torch.rand(batch, model["T"], model["I"]) * 2 - 1
    if "chain" in model:
        x = x.transpose(1, 2).reshape(batch, model["I"], *([model["T"]] if model.get("width") is None else [-1, model["width"]])).contiguous()
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
