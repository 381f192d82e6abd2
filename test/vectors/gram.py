#!/usr/bin/env python3
"""Test vectors for sums of products and ridge regression: integers of Python, which have no limit, and NumPy in float64.

    /usr/bin/python3 test/vectors/gram.py      (made with NumPy 1.24)

Writes gram.json beside this file. x (N,p) and y (N,O) are float32, printed with nine digits. `sums` is the upper
half by rows of q qT summed over the rows, q = round([x, 1, y] * 2**16), as decimal strings; w (O,p) and b (O)
minimise sum |y - b - w x|^2 / N + lambda |w|^2 for x and y as rounded to the grid.
"""
import json
import pathlib
from fractions import Fraction

import numpy

random = numpy.random.default_rng(1)


def case(N, p, O, penalty):
    x = (random.standard_normal((N, p)) * 2.0 ** random.integers(-6, 4, p)).astype(numpy.float32)
    y = (x @ random.standard_normal((p, O)) + random.standard_normal((N, O))).astype(numpy.float32)
    z = numpy.hstack([x, numpy.ones((N, 1), numpy.float32), y])
    q = [[round(Fraction(float(value)) * 2 ** 16) for value in row] for row in z]  # ties to even
    D = p + 1 + O
    sums = [str(sum(row[i] * row[j] for row in q)) for i in range(D) for j in range(i, D)]
    grid = numpy.array(q, float) / 2 ** 16
    x64, y64 = grid[:, :p], grid[:, p + 1:]
    centred = x64 - x64.mean(0)
    w = numpy.linalg.solve(centred.T @ centred / N + penalty * numpy.eye(p), centred.T @ (y64 - y64.mean(0)) / N).T
    b = y64.mean(0) - w @ x64.mean(0)
    short = lambda array: [float("%.9g" % value) for value in array.flatten()]
    return dict(N=N, p=p, O=O, lambda_=penalty, x=short(x), y=short(y), sums=sums, w=short(w), b=short(b))


cases = [case(7, 3, 1, 0.1), case(1, 1, 1, 1), case(40, 6, 2, 1e-3), case(131, 5, 3, 0)]
path = pathlib.Path(__file__).with_name("gram.json")
path.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
print(path.name, path.stat().st_size, "bytes")
