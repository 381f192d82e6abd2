#!/usr/bin/env python3
"""Test vectors for quantile losses and the GRU, made as those of make.py.

    /usr/bin/python3 test/vectors/heads.py      (made with PyTorch 1.13.0 and scikit-learn 1.2.1)

Writes pinball.json and gru.json beside this file. The value of a pinball loss is scikit-learn's, its
gradient PyTorch's of the definition by Koenker and Bassett.
"""
import json
import pathlib

import torch
from sklearn.metrics import mean_pinball_loss
from torch import nn

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def flat(tensor):
    return [float("%.9g" % value) for value in tensor.detach().to(torch.float32).flatten().tolist()]


def write(name, cases):
    path = pathlib.Path(__file__).with_name(name + ".json")
    path.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
    print(path.name, path.stat().st_size, "bytes")


def pinball(N, quantiles):
    """y, dy (N,Q), target (N)."""
    Q = len(quantiles)
    y = (2 * torch.randn(N, Q)).requires_grad_()
    target = torch.randn(N)
    q = torch.tensor(quantiles)
    e = target[:, None] - y
    torch.maximum(q * e, (q - 1) * e).mean().backward()
    value = sum(mean_pinball_loss(target.numpy(), y.detach()[:, k].numpy(), alpha=quantiles[k]) for k in range(Q)) / Q
    return dict(N=N, Q=Q, quantiles=quantiles, y=flat(y), target=flat(target), value=float("%.9g" % value), dy=flat(y.grad))


def onnx_gates(tensor):
    """PyTorch stacks the gates r, z, n; ONNX and Millwright z, r, h."""
    r, z, n = tensor.chunk(3)
    return torch.cat([z, r, n])


def gru(T, B, I, H, bidirectional):
    """W (D,3H,I), R (D,3H,H), b (D,6H) = [Wb, Rb] a direction; x (T,B,I), y (T,B,D*H)."""
    layer = nn.GRU(I, H, bidirectional=bidirectional)
    x = torch.randn(T, B, I, requires_grad=True)
    y, _ = layer(x)
    dy = torch.randn_like(y)
    (y * dy).sum().backward()
    suffixes = ["", "_reverse"] if bidirectional else [""]

    def weights(read):
        named = lambda kind, suffix: onnx_gates(read(getattr(layer, f"{kind}_l0{suffix}")))
        W = torch.stack([named("weight_ih", s) for s in suffixes])
        R = torch.stack([named("weight_hh", s) for s in suffixes])
        b = torch.stack([torch.cat([named("bias_ih", s), named("bias_hh", s)]) for s in suffixes])
        return W, R, b

    W, R, b = weights(lambda parameter: parameter)
    dW, dR, db = weights(lambda parameter: parameter.grad)
    return dict(T=T, B=B, I=I, H=H, D=len(suffixes), x=flat(x), W=flat(W), R=flat(R), b=flat(b), y=flat(y),
                dy=flat(dy), dx=flat(x.grad), dW=flat(dW), dR=flat(dR), db=flat(db))


torch.manual_seed(20240301)
write("pinball", [pinball(9, [0.5]), pinball(12, [0.1, 0.5, 0.9]), pinball(5, [0.05, 0.25, 0.5, 0.75, 0.95])])
write("gru", [gru(1, 1, 1, 1, False), gru(7, 3, 5, 6, False), gru(6, 2, 3, 5, True), gru(12, 4, 8, 8, True)])
