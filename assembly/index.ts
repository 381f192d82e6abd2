/**
 * Every kernel, in the order in which data flows through them.
 *
 * Dimension letters, here and nowhere else:
 *   B batch          T time steps      I input features    H hidden units     O outputs
 *   N samples or the length of an array                    K clients          P parameters
 *   A attention units
 *
 * Sequences are (T,B,·), row-major float32. Signatures are name(outputs…, inputs…, dimensions…);
 * pointers are byte addresses. The gradient of v is dv. A forward kernel assigns its outputs, a
 * backward kernel adds to its gradients. Kernels trust their arguments: TypeScript checks them once.
 */
export { panelFloats, pack, packTransposed, gemm, gemmBias, gemmPair, gemmBelow, gemmOuter, addRows } from "./gemm";
export {
  lstmRow, lstmForwardScratch, lstmForward, lstmPack, lstmStepFloats, lstmStep,
  lstmGradientFloats, lstmBackwardScratch, lstmBackward, lstmInputScratch, lstmInput, lstmGradients,
} from "./lstm";
export { gruForward, gruPack, gruStep, gruBackward, gruInput, gruGradients } from "./gru";
export { attentionScratch, attentionForward, attentionBackward } from "./attention";
export { denseScratch, denseForward, denseBackward } from "./dense";
export { convolutionScratch, convolutionForward, convolutionBackward } from "./convolution";
export { poolForward, poolBackward, exchange } from "./pool";
export { activationForward, activationBackward } from "./activation";
export {
  batchNormFloats, batchNormSums, batchNormStatistics, batchNormForward, batchNormBackward, layerNormForward, layerNormBackward,
} from "./normalise";
export { dropout, uniform, philox } from "./random";
export { softmax, softmaxCrossEntropy, mse, huber, pinball } from "./loss";
export { proximal, clipNorm, adam, sgd } from "./optimizer";
export { gramScratch, gram } from "./gram";
export { latticeEncode, latticeAdd, latticeMean, applyUpdate, average32 } from "./aggregate";
export { sine, cosine, exponential, logarithm } from "./elementary";

/** Where the module's static data end and the arena may begin. */
export function heapBase(): usize {
  return __heap_base;
}
