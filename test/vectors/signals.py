#!/usr/bin/env python3
"""Test vectors for signal features, from SciPy, NumPy and PyWavelets, which share nothing with ours.

    /usr/bin/python3 test/vectors/signals.py      (made with NumPy 1.24.2, SciPy 1.10.1, PyWavelets 1.1.1)

Writes signals.json beside this file. Signals are float32, printed with nine digits, which give the same
float32 back; everything else is computed from them in float64 and printed with nine digits.
"""
import json
import pathlib

import numpy
import pywt
import scipy.signal
import scipy.stats

random = numpy.random.default_rng(1)


def flat(values):
    return [float("%.9g" % value) for value in numpy.asarray(values, dtype=numpy.float64).ravel()]


def series(length, offset=0.0):
    """A tone, noise and an offset."""
    n = numpy.arange(length)
    return (numpy.sin(0.7 * n + 1) + 0.3 * random.normal(size=length) + offset).astype(numpy.float32)


def transform(length):
    x = series(length)
    X = numpy.fft.rfft(x.astype(numpy.float64))
    return dict(kind="fft", x=flat(x), re=flat(X.real), im=flat(X.imag))


def welch(length, rate, segment, overlap):
    x = series(length, offset=3)
    f, P = scipy.signal.welch(x.astype(numpy.float64), rate, nperseg=segment, noverlap=overlap)
    p = P[1:] / P[1:].sum()
    centroid = (p * f[1:]).sum()
    return dict(kind="welch", x=flat(x), rate=rate, segment=segment, overlap=overlap, density=flat(P), power=P[1:].sum() * f[1],
                centroid=centroid, spread=numpy.sqrt((p * (f[1:] - centroid) ** 2).sum()), entropy=-(p * numpy.log(p)).sum() / numpy.log(len(p)), peak=f[P.argmax()])


def envelope(length):
    """Of the whole band by scipy.signal.hilbert; of half of it, plain and whitened, by cutting the spectrum that goes in."""
    x = series(length, offset=3)
    centred = x.astype(numpy.float64) - x.astype(numpy.float64).mean()
    X = numpy.fft.fft(centred)
    f = numpy.abs(numpy.fft.fftfreq(length))
    band = (f >= 0.1) & (f < 0.3)
    X[0] = 0
    whitened = numpy.where(numpy.arange(length) > 0, X / numpy.maximum(numpy.abs(X), 1e-300), 0)
    hilbert = lambda spectrum: numpy.abs(scipy.signal.hilbert(numpy.fft.ifft(spectrum).real))
    return dict(kind="envelope", x=flat(x), whole=flat(hilbert(X)), band=flat(hilbert(X * band)), whitened=flat(hilbert(whitened * band)))


def moments(length, offset):
    x = series(length, offset)
    v = x.astype(numpy.float64)
    d = v - v.mean()
    rms = numpy.sqrt((v * v).mean())
    names = dict(mean=v.mean(), std=v.std(), rms=rms, min=v.min(), max=v.max(), peak=abs(v).max(), crest=abs(v).max() / rms,
                 skewness=scipy.stats.skew(v), kurtosis=scipy.stats.kurtosis(v, fisher=False), crossings=int((numpy.diff(d < 0)).sum()))
    percents = [0, 2.5, 25, 50, 75, 90, 100]
    return dict(kind="statistics", x=flat(x), values={name: float("%.9g" % value) for name, value in names.items()}, percents=percents, percentiles=flat(numpy.percentile(v, percents)))


def wavelet(name, length, mode, levels):
    x = series(length)
    v = x.astype(numpy.float64)
    packet = pywt.WaveletPacket(v, name, mode, levels)
    return dict(kind="wavelet", wavelet=name, mode=mode, levels=levels, x=flat(x), bands=[flat(band) for band in pywt.wavedec(v, name, mode, levels)],
                packet=[flat(node.data) for node in packet.get_level(levels, "freq")])


def tutorial(count, steps, channels):
    """The function that bench/peers/numpy_features.py times."""
    x = series(count * steps * channels).reshape(count, steps, channels)
    v = x.astype(numpy.float64)
    magnitudes = numpy.abs(numpy.fft.rfft(v, axis=1))
    lower, upper = numpy.percentile(v, [25, 75], axis=1)
    features = numpy.stack([v.mean(1), v.std(1), v.min(1), v.max(1), magnitudes.max(1), magnitudes.argmax(1), magnitudes.mean(1), lower, upper], axis=-1)
    return dict(kind="tutorial", count=count, steps=steps, channels=channels, x=flat(x), features=flat(features))


def recipe(length, rate, segment, shaft, wavelet, levels):
    """Columns of a recipe by name: bands, harmonics of orders, of a Welch density, of that of the envelope, and of wavelets."""
    x = series(length, offset=3)
    v = x.astype(numpy.float64)
    orders = {"shaft": 1.0, "outer": 3.585, "beyond": 40.0}
    bands = [[0, 10], [10, 25], [25, 50]]
    columns = {}

    def spectral(name, signal, nperseg, relative):
        f, P = scipy.signal.welch(signal, rate, nperseg=nperseg)
        total = P[1:].sum() if relative else 1 / f[1]
        for low, high in bands:
            columns["%s.%d-%d Hz" % (name, low, high)] = P[(f >= low) & ((f < high) | (f == high) & (high == f[-1]))].sum() / total
        for title, order in orders.items():
            for harmonic in (1, 2):
                hertz = order * harmonic * shaft
                within = numpy.abs(f - hertz) <= 0.02 * hertz
                within[numpy.abs(f - hertz).argmin()] = True
                columns["%s.%s x%d" % (name, title, harmonic)] = P[within].sum() / total if hertz < f[-1] else 0.0

    spectral("spectrum", v, segment, False)
    spectral("envelope", numpy.abs(scipy.signal.hilbert(v - v.mean())), length, True)
    for name, coefficients in (("levels", pywt.wavedec(v, wavelet, "symmetric", levels)),
                               ("packet", [node.data for node in pywt.WaveletPacket(v, wavelet, "symmetric", levels).get_level(levels, "freq")])):
        energies = numpy.array([(c * c).sum() for c in coefficients])
        p = energies / energies.sum()
        columns[name] = flat(energies)
        columns[name + " entropy"] = -(p * numpy.log(p)).sum() / numpy.log(len(p))
    return dict(kind="recipe", x=flat(x), rate=rate, segment=segment, shaft=shaft, orders=orders, bands=bands, wavelet=wavelet, levels=levels,
                columns={name: value if isinstance(value, list) else float("%.9g" % value) for name, value in columns.items()})


filters = ["haar"] + ["db%d" % n for n in range(2, 9)] + ["sym%d" % n for n in range(2, 9)]
taps = lambda name: pywt.Wavelet(name).dec_len
cases = [transform(length) for length in (2, 6, 10, 16, 60, 74)]
cases += [welch(150, 100.0, 64, 32), welch(100, 12000.0, 100, 50), welch(90, 1.0, 20, 5)]
cases += [envelope(length) for length in (40, 74)]
cases += [moments(33, 0), moments(50, 1000)]
cases += [wavelet(name, 2 * taps(name) + 1, mode, 1) for name in filters for mode in ("symmetric", "periodization")]
cases += [wavelet(name, length, mode, 3) for name, length in (("haar", 25), ("db2", 31), ("sym4", 60)) for mode in ("symmetric", "periodic", "zero", "periodization")]
cases += [tutorial(2, 20, 3)]
cases += [recipe(200, 100.0, 64, 6.2, "db4", 3), recipe(256, 100.0, 100, 9.7, "haar", 2)]
path = pathlib.Path(__file__).with_name("signals.json")
path.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
print(path.name, path.stat().st_size, "bytes")
