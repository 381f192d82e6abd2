/** The models that are measured, as a spec of ours, as plain numbers for the peers, and as work. */

const CLASSES = ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"];

/**
 * @param layers LSTM layers of H units over windows of T steps and I features; D 2 is bidirectional
 * @param attention 64 units, then dense 64, dropout and the head; otherwise the last state and the head
 */
function model({ T, I, H, D, layers, attention = false, dropout = 0.2 }) {
  const stack = Array.from({ length: layers }, () => ({ type: "lstm", hidden: H, bidirectional: D === 2 }));
  const sequence = dropout ? stack.flatMap((lstm, layer) => (layer ? [{ type: "dropout", rate: dropout }, lstm] : [lstm])) : stack;
  const reduction = attention ? [{ type: "attention", size: 64 }, { type: "dense", units: 64 }, { type: "dropout", rate: 0.3 }] : [{ type: "last" }];
  return {
    T, I, H, D, layers, attention, dropout,
    spec: { input: { steps: T, features: I }, layers: [...sequence, ...reduction], head: { type: "classify", classes: CLASSES } },
  };
}

export const reference = (H = 64) => model({ T: 100, I: 8, H, D: 2, layers: 2, attention: true });
export const turbofan = (layers) => model({ T: 30, I: 14, H: 100, D: 1, layers });
export const streaming = model({ T: 1, I: 8, H: 64, D: 1, layers: 1, dropout: 0 });
export const shape = model;

/** What a peer needs to build the same model. */
export const plain = ({ spec, ...numbers }) => numbers;

/**
 * Multiplications and additions of the matrix products in a batch of B: what the LSTM layers, attention and
 * dense layers multiply by a weight matrix. A backward pass makes two products of every one forward,
 * but for the input of the first layer, whose gradient nobody needs.
 */
export function flops({ T, I, H, D, layers, attention }, B) {
  let forward = 0;
  for (let layer = 0; layer < layers; layer++) forward += 2 * T * B * D * 4 * H * ((layer ? D * H : I) + H);
  const first = 2 * T * B * D * 4 * H * I;
  const features = D * H;
  forward += attention ? 2 * T * B * features * 64 + 2 * B * (features * 64 + 64 * CLASSES.length) : 2 * B * features * CLASSES.length;
  return { forward, train: 3 * forward - first };
}
