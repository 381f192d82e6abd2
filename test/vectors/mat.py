#!/usr/bin/env python3
"""Test vectors for the .mat reader, from scipy.io.savemat, which shares nothing with ours.

    /usr/bin/python3 test/vectors/mat.py      (made with SciPy 1.10.1)

Writes mat.json beside this file: files as base64 with what they hold, row-major. SciPy writes the byte
order of the machine; the big-endian file is the little-endian one of plain doubles, turned by hand.
"""
import base64
import io
import json
import pathlib
import struct

import numpy as np
import scipy.io


def saved(variables, **options):
    file = io.BytesIO()
    scipy.io.savemat(file, variables, **options)
    # The first 116 bytes are a text with the time of writing.
    return b"MATLAB 5.0 MAT-file".ljust(116) + file.getvalue()[116:]


def described(variables):
    arrays = {}
    for name, value in variables.items():
        value = np.atleast_2d(value)
        arrays[name] = dict(shape=value.shape, values=[float(v) for v in np.real(value).flatten()])
        if np.iscomplexobj(value):
            arrays[name]["imaginary"] = [float(v) for v in np.imag(value).flatten()]
    return arrays


def big_endian(matrix, name):
    """A file of one 2-D array of doubles as a big-endian machine writes it; a name of at most 4 letters is a small element."""
    rows, columns = matrix.shape
    data = matrix.astype(">f8").tobytes(order="F")
    body = struct.pack(">IIII", 6, 8, 6, 0) + struct.pack(">IIii", 5, 8, rows, columns)
    body += struct.pack(">HH4s", len(name), 1, name.encode()) + struct.pack(">II", 9, len(data)) + data
    return b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + b"\x01\x00MI" + struct.pack(">II", 14, len(body)) + body


rng = np.random.default_rng(1)
grid = rng.normal(size=(3, 4))
numeric = {np.dtype(kind).name: np.array([[0, 1, 2], [3, 100, np.iinfo(kind).max if np.dtype(kind).itemsize < 8 else 2**53 - 1]], kind)
           for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")}
numeric |= {"double": grid, "single": grid.astype("f4"), "logical": np.array([[True, False, True]]), "scalar": 1797.0,
            "complex": grid[:2, :2] + 1j * grid[1:, 2:], "cube": rng.normal(size=(2, 3, 4)), "empty": np.zeros((0, 3)), "column": rng.normal(size=(5, 1)),
            "a_name_longer_than_thirty_one_characters": 1.0}
mixed = {"x": grid, "note": "not a number", "record": {"field": 1.0}, "list": np.array([1, "a"], object)}

cases = [
    dict(title="plain", file=saved(numeric, long_field_names=True), arrays=described(numeric), skipped=[]),
    dict(title="compressed", file=saved(numeric, do_compression=True, long_field_names=True), arrays=described(numeric), skipped=[]),
    dict(title="with text, a structure and cells", file=saved(mixed), arrays=described({"x": grid}), skipped=[["note", "char"], ["record", "struct"], ["list", "cell"]]),
    dict(title="big-endian", file=big_endian(grid, "x"), arrays=described({"x": grid}), skipped=[]),
]
assert np.array_equal(scipy.io.loadmat(io.BytesIO(cases[3]["file"]))["x"], grid)
path = pathlib.Path(__file__).with_name("mat.json")
lines = [json.dumps(dict(case, file=base64.b64encode(case["file"]).decode()), separators=(",", ":")) for case in cases]
path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
print(path.name, path.stat().st_size, "bytes")
