/**
 * @module
 * The declarative description of a model: plain JSON, checked here and nowhere else.
 *
 *     input (T,I) ─ lstm gru convolution … ─ attention last mean … ─ dense … ─ head
 *                   sequence layers          reduction               vector layers
 *                                            ─ repeat ─ sequence layers ─ …
 *      side (T,I) ─ sequence layers ─ reduction ─┘ its vector is appended behind the first reduction
 *
 * Which layer may follow which is shape.ts's.
 */
import * as z from "zod/mini"; // the same schemas at a third of the bytes, and none that compiles code, which pages forbid
import { layoutOf } from "./layout.ts";
import { jointOf, shapesOf, sideShapesOf, type Shape } from "./shape.ts";

/** What zod says of a wrong value; handed to each parse, because zod's own setting is one for the whole process. */
export const texts = { error: z.locales.en().localeError };

/** With the side's: the layers share the numbers of the dropout masks. */
export const MAX_LAYERS = 64;

const count = (title: string, max: number) => {
  const expected = (bound: string) => ({ error: ({ input }: { input?: unknown }) => `"${title}" expected integer${bound}, got ${JSON.stringify(input)}` });
  return z.int(expected("")).check(z.gte(1, expected(" >= 1")), z.lte(max, expected(` <= ${max}`)));
};

const layer = z.discriminatedUnion("type", [
  /** Long short-term memory over the sequence (Hochreiter & Schmidhuber 1997), gates in ONNX order i, o, f, c. */
  z.strictObject({ type: z.literal("lstm"), hidden: count("hidden", 4096), bidirectional: z._default(z.boolean(), false) }),
  /** Gated recurrent unit (Cho et al. 2014), gates in ONNX order z, r, h, the reset behind the recurrent product, as PyTorch's. */
  z.strictObject({ type: z.literal("gru"), hidden: count("hidden", 4096), bidirectional: z._default(z.boolean(), false) }),
  /**
   * y_t = b + Σ_k W_k x_{t·stride + k·dilation - before}; over rows and columns alike where the input is an image. "same" pads with
   * zeros on both sides, the larger half behind; "causal" only before, so that no step sees a later one.
   */
  z.strictObject({
    type: z.literal("convolution"),
    filters: count("filters", 4096),
    kernel: count("kernel", 4096),
    stride: z._default(count("stride", 4096), 1),
    dilation: z._default(count("dilation", 65536), 1),
    padding: z._default(z.enum(["valid", "same", "causal"]), "valid"),
  }),
  /** The greatest or the mean of `size` steps, a window every `stride` (default: size) of them; what does not fill a window is left out. */
  z.strictObject({ type: z.literal("pool"), kind: z.enum(["max", "average"]), size: count("size", 4096), stride: z.optional(count("stride", 4096)) }),
  z.strictObject({ type: z.literal("activation"), kind: z.enum(["relu", "tanh", "sigmoid"]) }),
  /**
   * To mean 0 and variance 1, then scale and bias a feature. "layer": over the features of a step (Ba et al. 2016). "batch": over windows and
   * steps (Ioffe & Szegedy 2015); scale and bias are learnt together, the statistics are a factory's own and never
   * leave it (Andreux et al. 2020, SiloBN; FedBN, Li et al. 2021, keeps scale and bias, too).
   */
  z.strictObject({ type: z.literal("normalise"), kind: z.enum(["batch", "layer"]) }),
  /** Inverted dropout while training, nothing at inference. */
  z.strictObject({ type: z.literal("dropout"), rate: z.number().check(z.gte(0), z.lt(1)) }),
  /** Temporal attention: context = Σ_t α_t h_t, α = softmax_t(v · tanh(W h_t + b) + c) (Bahdanau et al. 2015). */
  z.strictObject({ type: z.literal("attention"), size: count("size", 4096) }),
  /** The alternative to attention: each direction's final state, as PyTorch's h_n. */
  z.strictObject({ type: z.literal("last") }),
  /** Mean and maximum over the steps, and all steps one after the other. */
  z.strictObject({ type: z.literal("mean") }),
  z.strictObject({ type: z.literal("max") }),
  z.strictObject({ type: z.literal("flatten") }),
  /** The way back from a vector to a sequence: the same in each of the steps, by default as many as the input has. */
  z.strictObject({ type: z.literal("repeat"), steps: z.optional(count("steps", 1_000_000)) }),
  /** y = activation(W x + b) on a vector. */
  z.strictObject({ type: z.literal("dense"), units: count("units", 65536), activation: z._default(z.enum(["relu", "tanh", "sigmoid", "linear"]), "relu") }),
]);

const ascends = (values: readonly number[]) => values.every((value, index) => index === 0 || value > values[index - 1]);

const head = z.discriminatedUnion("type", [
  /** A linear layer to one logit a class, and softmax. The order of the classes is that of severity where there is one. */
  z.strictObject({ type: z.literal("classify"), classes: z.array(z.string().check(z.minLength(1))).check(z.minLength(2), z.maxLength(1024)) }),
  /** A linear layer to one value; `scale` multiplies it, so that the network itself works in units of about one. */
  z.strictObject({ type: z.literal("regress"), unit: z.string(), scale: z._default(z.number().check(z.positive()), 1) }),
  /**
   * A linear layer to one value for each name: several quantities, or one at several times. With quantiles (Koenker & Bassett 1978) to
   * as many values for each name, ascending; `scale` as in regress.
   */
  z.strictObject({
    type: z.literal("forecast"),
    outputs: z.array(z.string().check(z.minLength(1))).check(z.minLength(1), z.maxLength(1024)),
    unit: z.string(),
    scale: z._default(z.number().check(z.positive()), 1),
    quantiles: z.optional(z.array(z.number().check(z.gt(0), z.lt(1))).check(z.minLength(1), z.maxLength(99), z.refine(ascends, { error: "expected ascending numbers" }))),
  }),
  /** A linear layer at each step to the input's features, compared with the input itself: an autoencoder. */
  z.strictObject({ type: z.literal("reconstruct") }),
]);

/** With a width, the steps are an image's pixels, row by row, and the features its channels. */
const input = z.strictObject({ steps: count("steps", 1_000_000), features: count("features", 4096), width: z.optional(count("width", 65536)) });
const layers = z.array(layer).check(z.minLength(1), z.maxLength(MAX_LAYERS));

const specSchema = z.strictObject({
  input,
  layers,
  /**
   * A second view of the same window, of other steps and features: feature sequences beside raw values. A window is then
   * the input's values followed by the side's.
   */
  side: z.optional(z.strictObject({ input, layers })),
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
  const shapes = shapesOf(spec);
  checkHead(spec, shapes[shapes.length - 1]);
  checkSide(spec);
  const { length } = layoutOf(spec);
  if (length > MAX_PARAMETERS) throw new RangeError(`model spec: expected at most ${MAX_PARAMETERS} parameters, got ${length}`);
  return spec;
}

function checkHead({ head, input: { steps } }: ModelSpec, before: Shape): void {
  if (head.type === "reconstruct") {
    if (before.kind !== "sequence") throw new RangeError(`model spec: head (reconstruct) needs a sequence, but the layers end in a vector; put "repeat" behind it`);
    if (before.steps !== steps) throw new RangeError(`model spec: head (reconstruct) needs the ${steps} steps of the input, but the layers end in ${before.steps}; use padding "same" and stride 1, or "repeat" behind a vector`);
  } else if (before.kind === "sequence") {
    throw new RangeError(`model spec: layers expected one "attention", "last", "mean", "max" or "flatten" between the sequence and the head, got none`);
  }
}

function checkSide(spec: ModelSpec): void {
  if (!spec.side) return;
  const all = spec.layers.length + spec.side.layers.length;
  if (all > MAX_LAYERS) throw new RangeError(`model spec: layers expected at most ${MAX_LAYERS} with those of side, got ${all}`);
  if (sideShapesOf(spec).at(-1)!.kind === "sequence") throw new RangeError(`model spec: side.layers expected an "attention", "last", "mean", "max" or "flatten" that leads to a vector, got none`);
  if (jointOf(spec) < 0) throw new RangeError(`model spec: side is joined behind the reduction of layers, but they have none`);
}
