"""Files that NumPy writes, and what is in them: run with Python 3 and NumPy, writes npy.json beside itself."""
import base64, io, json, os
import numpy as np

cases = []
for descr in ["<f4", "<f8", ">f8", "|i1", "<i2", "<i4", ">i4", "<i8", "|u1", "<u2", "<u4", "<u8", "|b1"]:
    for shape in [(), (5,), (2, 3), (2, 3, 4), (0, 3)]:
        for order in "CF":
            values = (np.arange(int(np.prod(shape))) * 3 - 4).reshape(shape)
            if "u" in descr: values = np.abs(values)
            if "b" in descr: values = values % 2
            if "f" in descr: values = values / 4
            array = np.asarray(values.astype(descr), order=order)
            file = io.BytesIO()
            np.save(file, array)
            if shape == (2, 3, 4) or (descr == "<f4" and order == "C"):
                cases.append({"file": base64.b64encode(file.getvalue()).decode(), "descr": descr, "shape": list(shape), "values": array.reshape(-1).astype(float).tolist()})
file = io.BytesIO()
np.lib.format.write_array(file, np.arange(3, dtype="<f4"), version=(2, 0))
cases.append({"file": base64.b64encode(file.getvalue()).decode(), "descr": "<f4", "shape": [3], "values": [0, 1, 2]})
with open(os.path.join(os.path.dirname(__file__), "npy.json"), "w") as out:
    json.dump(cases, out, separators=(",", ":"))
    out.write("\n")
