// Loaded when it is asked for: pages that only train need no ONNX.
export { exportOnnx } from "millwright";
