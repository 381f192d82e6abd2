/**
 * @module
 * The declarative description of a model: plain JSON, checked here and nowhere else.
 *
 *     input (T,I) ─ lstm | dropout … ─ attention | last ─ dense | dropout … ─ head
 *        sequence layers               reduction          vector layers       logits or value
 */
import * as z from "zod/mini"; // the same schemas at a third of the bytes, and none that compiles code, which pages forbid

/** What zod says of a wrong value; handed to each parse, because zod's own setting is one for the whole process. */
export const texts = { error: z.locales.en().localeError };

const count = (title: string, max: number) => {
  const expected = (bound: string) => ({ error: ({ input }: { input?: unknown }) => `"${title}" expected integer${bound}, got ${JSON.stringify(input)}` });
  return z.int(expected("")).check(z.gte(1, expected(" >= 1")), z.lte(max, expected(` <= ${max}`)));
};

const layer = z.discriminatedUnion("type", [
  /** Long short-term memory over the sequence (Hochreiter & Schmidhuber 1997), gates in ONNX order i, o, f, c. */
  z.strictObject({ type: z.literal("lstm"), hidden: count("hidden", 4096), bidirectional: z._default(z.boolean(), false) }),
  /** Inverted dropout while training, nothing at inference. */
  z.strictObject({ type: z.literal("dropout"), rate: z.number().check(z.gte(0), z.lt(1)) }),
  /** Temporal attention: context = Σ_t α_t h_t, α = softmax_t(v · tanh(W h_t + b) + c) (Bahdanau et al. 2015). */
  z.strictObject({ type: z.literal("attention"), size: count("size", 4096) }),
  /** The alternative to attention: each direction's final state, as PyTorch's h_n. */
  z.strictObject({ type: z.literal("last") }),
  /** y = activation(W x + b) on a vector. */
  z.strictObject({ type: z.literal("dense"), units: count("units", 65536), activation: z._default(z.enum(["relu", "tanh", "sigmoid", "linear"]), "relu") }),
]);

const head = z.discriminatedUnion("type", [
  /** A linear layer to one logit a class, and softmax. The order of the classes is that of severity where there is one. */
  z.strictObject({ type: z.literal("classify"), classes: z.array(z.string().check(z.minLength(1))).check(z.minLength(2), z.maxLength(1024)) }),
  /** A linear layer to one value; `scale` multiplies it, so that the network itself works in units of about one. */
  z.strictObject({ type: z.literal("regress"), unit: z.string(), scale: z._default(z.number().check(z.positive()), 1) }),
]);

const specSchema = z.strictObject({
  input: z.strictObject({ steps: count("steps", 1_000_000), features: count("features", 4096) }),
  layers: z.array(layer).check(z.minLength(1), z.maxLength(64)),
  head,
});

export type LayerSpec = z.infer<typeof layer>;
export type HeadSpec = z.infer<typeof head>;
export type ModelSpec = z.infer<typeof specSchema>;
/** A spec as people write it: what has a default may be left out. */
export type ModelSpecInput = z.input<typeof specSchema>;

const MAX_PARAMETERS = 2 ** 27;

/**
 * Check a spec from outside and fill in its defaults.
 * @throws RangeError naming the place in the spec.
 */
export function parseSpec(input: unknown): ModelSpec {
  const result = specSchema.safeParse(input, texts);
  if (!result.success) throw new RangeError(`model spec: ${z.prettifyError(result.error)}`);
  const spec = result.data;
  let reduction = -1;
  let features = spec.input.features;
  let parameters = 0;
  spec.layers.forEach((layer, index) => {
    const at = `model spec: layers[${index}] (${layer.type})`;
    const sequence = layer.type === "lstm";
    if (sequence && reduction >= 0) throw new RangeError(`${at} needs a sequence, but layers[${reduction}] has reduced it to a vector`);
    if (layer.type === "dense" && reduction < 0) throw new RangeError(`${at} needs a vector; put "attention" or "last" before it`);
    if (layer.type === "attention" || layer.type === "last") {
      if (reduction >= 0) throw new RangeError(`${at} needs a sequence, but layers[${reduction}] has reduced it already`);
      if (layer.type === "last" && lastSequenceLayer(spec, index)?.type !== "lstm") throw new RangeError(`${at} takes the final state of an lstm; put it directly after one`);
      reduction = index;
    }
    if (layer.type === "lstm") {
      const directions = layer.bidirectional ? 2 : 1;
      parameters += directions * 4 * layer.hidden * (features + layer.hidden + 2);
      features = directions * layer.hidden;
    }
    if (layer.type === "attention") parameters += layer.size * (features + 2) + 1;
    if (layer.type === "dense") {
      parameters += layer.units * (features + 1);
      features = layer.units;
    }
  });
  if (reduction < 0) throw new RangeError(`model spec: layers expected one "attention" or "last" between the sequence and the head, got none`);
  if (parameters > MAX_PARAMETERS) throw new RangeError(`model spec: expected at most ${MAX_PARAMETERS} parameters, got ${parameters}`);
  return spec;
}

function lastSequenceLayer(spec: ModelSpec, before: number): LayerSpec | undefined {
  return spec.layers.slice(0, before).findLast((layer) => layer.type !== "dropout");
}

/** How many numbers the head puts out for one window. */
export function outputs(head: HeadSpec): number {
  return head.type === "classify" ? head.classes.length : 1;
}
