#!/usr/bin/env python3
"""Test vectors for the kernels, from PyTorch, as an implementation that shares nothing with ours.

    /usr/bin/python3 test/vectors/make.py      (made with PyTorch 1.13.0)

Writes lstm.json, attention.json, convolution.json, pool.json, normalise.json, dense.json, loss.json and optimizer.json beside this file. Numbers
are float32, printed with nine digits, which give the same float32 back. Gradients are those of
sum(output * weighting) with the weighting in the file (named d<output>).
"""
import json
import pathlib

import torch
from torch import nn

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def flat(tensor):
    return [float("%.9g" % value) for value in tensor.detach().to(torch.float32).flatten().tolist()]


def write(name, cases):
    path = pathlib.Path(__file__).with_name(name + ".json")
    path.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
    print(path.name, path.stat().st_size, "bytes")


def onnx_gates(tensor):
    """PyTorch stacks the gates i, f, g, o; ONNX and Millwright i, o, f, g (ONNX calls g c)."""
    i, f, g, o = tensor.chunk(4)
    return torch.cat([i, o, f, g])


def lstm(T, B, I, H, bidirectional):
    """W (D,4H,I), R (D,4H,H), b (D,8H) = [Wb, Rb] a direction; x (T,B,I), y (T,B,D*H)."""
    layer = nn.LSTM(I, H, bidirectional=bidirectional)
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


def attention(T, B, D, A):
    hidden, score = nn.Linear(D, A), nn.Linear(A, 1)
    h = torch.randn(T, B, D, requires_grad=True)
    alpha = torch.softmax(score(torch.tanh(hidden(h))), dim=0)
    context = (alpha * h).sum(dim=0)
    dcontext = torch.randn_like(context)
    (context * dcontext).sum().backward()
    return dict(T=T, B=B, D=D, A=A, h=flat(h), W=flat(hidden.weight), b=flat(hidden.bias), v=flat(score.weight),
                c=flat(score.bias), alpha=flat(alpha), context=flat(context), dcontext=flat(dcontext), dh=flat(h.grad),
                dW=flat(hidden.weight.grad), db=flat(hidden.bias.grad), dv=flat(score.weight.grad))


def dense(B, O, I, name):
    activation = dict(linear=nn.Identity(), relu=nn.ReLU(), tanh=nn.Tanh(), sigmoid=nn.Sigmoid())[name]
    layer = nn.Linear(I, O)
    x = torch.randn(B, I, requires_grad=True)
    y = activation(layer(x))
    dy = torch.randn_like(y)
    (y * dy).sum().backward()
    return dict(B=B, O=O, I=I, activation=name, x=flat(x), W=flat(layer.weight), b=flat(layer.bias), y=flat(y), dy=flat(dy),
                dx=flat(x.grad), dW=flat(layer.weight.grad), db=flat(layer.bias.grad))


def steps(tensor):
    """(B,C,T) or (B,C,rows,columns) as a sequence (T,B,C), an image's pixels row by row."""
    return tensor.flatten(2).permute(2, 0, 1)


def convolution(rows, columns, B, I, O, tall, size, stride, dilation, above=0, below=0, before=0, behind=0):
    x = torch.randn(B, I, rows, columns, requires_grad=True)
    padded = nn.functional.pad(x, (before, behind, above, below))
    layer = nn.Conv2d(I, O, (tall, size), stride=stride, dilation=dilation)
    y = layer(padded)
    dy = torch.randn_like(y)
    (y * dy).sum().backward()
    return dict(rows=rows, columns=columns, B=B, I=I, O=O, tall=tall, size=size, stride=stride, dilation=dilation,
                above=above, below=below, before=before, behind=behind, x=flat(steps(x)), W=flat(layer.weight), b=flat(layer.bias),
                y=flat(steps(y)), dy=flat(steps(dy)), dx=flat(steps(x.grad)), dW=flat(layer.weight.grad), db=flat(layer.bias.grad))


def pool(rows, columns, B, I, tall, size, stride, average):
    operator = nn.functional.avg_pool2d if average else nn.functional.max_pool2d
    x = torch.randn(B, I, rows, columns, requires_grad=True)
    y = operator(x, (tall, size), stride)
    dy = torch.randn_like(y)
    (y * dy).sum().backward()
    return dict(rows=rows, columns=columns, N=B * I, tall=tall, size=size, stride=stride, average=average, x=flat(steps(x)),
                y=flat(steps(y)), dy=flat(steps(dy)), dx=flat(steps(x.grad)))


def cross_entropy(B, O, smoothing, weighted):
    logits = (3 * torch.randn(B, O)).requires_grad_()
    target = torch.randint(O, (B,))
    weights = torch.rand(O) + 0.2 if weighted else torch.ones(O)
    loss = nn.CrossEntropyLoss(weight=weights, label_smoothing=smoothing)(logits, target)
    loss.backward()
    return dict(loss="crossEntropy", B=B, O=O, smoothing=smoothing, logits=flat(logits), target=flat(target), weights=flat(weights),
                value=flat(loss)[0], probabilities=flat(torch.softmax(logits, 1)), dlogits=flat(logits.grad))


def regression(N, name, delta=1.0):
    y = (2 * torch.randn(N)).requires_grad_()
    target = torch.randn(N)
    loss = (nn.HuberLoss(delta=delta) if name == "huber" else nn.MSELoss())(y, target)
    loss.backward()
    return dict(loss=name, N=N, delta=delta, y=flat(y), target=flat(target), value=flat(loss)[0], dy=flat(y.grad))


def optimize(name, P, steps, make, **options):
    """`steps` gradients (steps,P) applied to w0 (P); w (steps,P) is what each leaves."""
    w = torch.randn(P, requires_grad=True)
    w0 = flat(w)
    optimizer = make([w])
    gradients, path = [], []
    for _ in range(steps):
        w.grad = torch.randn(P) * 10 ** torch.randint(-3, 2, (P,))
        gradients += flat(w.grad)
        optimizer.step()
        path += flat(w)
    return dict(optimizer=name, P=P, steps=steps, w0=w0, g=gradients, w=path, **options)


def clip(P, scale, maxNorm):
    w = torch.zeros(P, requires_grad=True)
    w.grad = scale * torch.randn(P)
    before = flat(w.grad)
    norm = nn.utils.clip_grad_norm_([w], maxNorm)
    return dict(optimizer="clip", P=P, maxNorm=maxNorm, g=before, norm=flat(norm)[0], clipped=flat(w.grad))


def normalise(kind, N, I, offset):
    """x (N,I) around offset; mean and variance are those that inference by these rows alone would take."""
    layer = nn.BatchNorm1d(I, momentum=1.0) if kind == "batch" else nn.LayerNorm(I)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = (offset + 3 * torch.randn(N, I)).requires_grad_()
    y = layer(x)
    dy = torch.randn_like(y)
    (y * dy).sum().backward()
    statistics = dict(mean=flat(layer.running_mean), variance=flat(layer.running_var * (N - 1) / N)) if kind == "batch" else {}
    return dict(kind=kind, N=N, I=I, x=flat(x), scale=flat(layer.weight), bias=flat(layer.bias), y=flat(y), dy=flat(dy),
                dx=flat(x.grad), dscale=flat(layer.weight.grad), dbias=flat(layer.bias.grad), **statistics)


torch.manual_seed(20240229)
write("lstm", [lstm(1, 1, 1, 1, False), lstm(7, 3, 5, 6, False), lstm(6, 2, 3, 5, True), lstm(12, 4, 8, 8, True)])
write("attention", [attention(1, 1, 3, 2), attention(9, 3, 6, 5), attention(20, 4, 16, 8)])
write("dense", [dense(5, 7, 6, name) for name in ("linear", "relu", "tanh", "sigmoid")] + [dense(4, 4, 18, "linear")])
write("loss", [cross_entropy(6, 4, 0.0, False), cross_entropy(9, 5, 0.1, True), cross_entropy(3, 2, 0.0, True),
               regression(11, "huber", 1.0), regression(8, "huber", 0.25), regression(11, "mse")])
adam = dict(learningRate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8)
build = lambda kind, **extra: lambda parameters: kind(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, **extra)
write("optimizer", [
    optimize("adam", 13, 8, build(torch.optim.Adam), **adam, weightDecay=0),
    optimize("adam", 13, 8, build(torch.optim.AdamW, weight_decay=0.05), **adam, weightDecay=0.05),
    optimize("sgd", 13, 8, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=0.01),
             learningRate=0.02, momentum=0.9, weightDecay=0.01),
    clip(21, 3, 1.0), clip(21, 0.01, 1.0),
])
# Vectors that came later have a seed of their own, so that those above stay as they are.
torch.manual_seed(20240301)
write("pool", [pool(*sizes, average) for average in (False, True) for sizes in
               [(1, 11, 2, 3, 1, 2, 2), (1, 13, 3, 5, 1, 4, 3), (1, 9, 2, 2, 1, 9, 1), (6, 7, 2, 3, 2, 2, 2), (7, 8, 1, 5, 3, 3, 2)]])
write("convolution", [
    convolution(1, 40, 2, 1, 4, 1, 16, 4, 1, before=6, behind=6), convolution(1, 9, 3, 5, 7, 1, 3, 1, 1, before=1, behind=1),
    convolution(1, 12, 2, 3, 4, 1, 3, 1, 4, before=8), convolution(1, 11, 2, 4, 3, 1, 2, 3, 2),
    convolution(5, 6, 2, 3, 4, 3, 3, 1, 1, 1, 1, 1, 1), convolution(7, 8, 1, 2, 3, 3, 3, 2, 2, 1, 2, 1, 2),
])
torch.manual_seed(20240302)
write("normalise", [normalise(kind, *sizes, offset) for kind in ("batch", "layer") for sizes in [(2, 1), (5, 3), (9, 8)] for offset in (0, 30)
                    if kind == "batch" or sizes != (2, 1)])
