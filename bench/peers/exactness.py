"""NumPy, SciPy and PyWavelets in float64: what bench/exactness.js holds ours against.

Asked on stdin in one line of JSON, {"signals": {name: base64 of float32}}; answers {"versions": ..., "results": {name: base64 of float64}}.
"""
import base64
import json
import sys

import numpy
import pywt
import scipy
import scipy.signal
import scipy.stats

BAND = (0.1, 0.3)


def analytic(x, banded):
    centred = x - x.mean()
    X = numpy.fft.fft(centred)
    X[0] = 0
    if banded:
        f = numpy.abs(numpy.fft.fftfreq(len(x)))
        keep = (f >= BAND[0]) & (f < BAND[1])
        X = numpy.where(keep, X / numpy.maximum(numpy.abs(X), 1e-300), 0)
    return numpy.abs(scipy.signal.hilbert(numpy.fft.ifft(X).real))


def transform(x):
    X = numpy.fft.rfft(x)
    return numpy.concatenate([X.real, X.imag])


def statistics(x):
    d = x - x.mean()
    rms = numpy.sqrt((x * x).mean())
    return [x.mean(), x.std(), rms, x.min(), x.max(), abs(x).max(), abs(x).max() / rms, scipy.stats.skew(x), scipy.stats.kurtosis(x, fisher=False),
            (numpy.diff(d < 0)).sum(), *numpy.percentile(x, [5, 25, 50, 75, 95])]


signals = {name: numpy.frombuffer(base64.b64decode(text), "<f4").astype(numpy.float64) for name, text in json.loads(sys.stdin.readline())["signals"].items()}
results = {}
for name, x in signals.items():
    results[f"{name} transform"] = transform(x)
x = signals["machine"]
whitened = analytic(x, True)
bands = pywt.wavedec(x, "db8", "symmetric", 6)
results |= {
    "density 2048": scipy.signal.welch(x, 25600, nperseg=2048)[1],
    "density": scipy.signal.welch(x, 25600, nperseg=len(x))[1],
    "envelope": analytic(x, False),
    "whitened": whitened,
    "whitened density": scipy.signal.welch(whitened, 25600, nperseg=len(x))[1],
    "statistics": statistics(x),
    "wavelet": numpy.concatenate(bands),
    "energies": [(band * band).sum() for band in bands],
}
print(json.dumps({
    "versions": f"NumPy {numpy.__version__}, SciPy {scipy.__version__}, PyWavelets {pywt.__version__}",
    "results": {name: base64.b64encode(numpy.asarray(values, "<f8").tobytes()).decode() for name, values in results.items()},
}))
