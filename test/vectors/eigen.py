#!/usr/bin/env python3
"""Test vectors for src/model/eigen.ts and projection.ts, from NumPy's and SciPy's LAPACK.

    /usr/bin/python3 test/vectors/eigen.py      (made with NumPy 1.24.2, SciPy 1.10.1)

Writes eigen.json: symmetric matrices with their eigenvalues in falling order and unit eigenvectors by
rows, the largest element positive; and projection.json: covariances of past and future with the
canonical correlations, by SciPy's singular values, and T² of the state for some rows.
"""
import json
import pathlib

import numpy as np
import scipy.linalg

random = np.random.default_rng(20260401)


def flat(array):
    return [float("%.17g" % value) for value in np.asarray(array).ravel()]


def write(name, cases):
    path = pathlib.Path(__file__).with_name(name + ".json")
    path.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
    print(path.name, path.stat().st_size, "bytes")


def decompose(matrix):
    values, vectors = np.linalg.eigh(matrix)
    vectors = vectors.T[::-1]
    vectors = vectors * np.sign([row[np.argmax(np.abs(row))] for row in vectors])[:, None]
    return dict(n=len(matrix), matrix=flat(matrix), values=flat(values[::-1]), vectors=flat(vectors))


def covariance(n, rows):
    x = random.standard_normal((rows, n)) @ random.standard_normal((n, n))
    return np.atleast_2d(np.cov(x.T, bias=True))


def graded(n):
    """Eigenvalues over twelve orders of magnitude."""
    q, _ = np.linalg.qr(random.standard_normal((n, n)))
    d = 10.0 ** -np.linspace(0, 12, n)
    matrix = (q * d) @ q.T
    return (matrix + matrix.T) / 2


def projection(P, F, states, rho):
    D = P + F
    S = covariance(D, 4 * D)
    mean = random.standard_normal(D)
    shrunk = (1 - rho) * S + rho * np.diag(np.diag(S))
    pp, ff, fp = shrunk[:P, :P], shrunk[P:, P:], shrunk[P:, :P]
    root = lambda matrix: scipy.linalg.inv(scipy.linalg.sqrtm(matrix).real)
    _, s, vt = scipy.linalg.svd(root(ff) @ fp @ root(pp))
    rows = mean[:P] + random.standard_normal((3, P))
    variates = (rows - mean[:P]) @ root(pp) @ vt.T
    squares = np.stack([(variates[:, :states] ** 2).sum(1), (variates[:, states:] ** 2).sum(1)], 1)
    return dict(P=P, F=F, states=states, rho=rho, mean=flat(mean), covariance=flat(S), rows=flat(rows), squares=flat(squares))


write("eigen", [decompose(covariance(n, 3 * n)) for n in (1, 2, 3, 5, 8)] + [decompose(graded(6))])
write("projection", [projection(4, 4, 2, 0.0), projection(6, 4, 3, 0.01), projection(3, 5, 1, 0.2)])
