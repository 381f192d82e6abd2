/**
 * @module
 * A graph under construction, and the ONNX message around it. A node is named after its first output,
 * so what a viewer shows is what the code says.
 *
 * Initializers are exactly the rows of the canonical parameter vector, in its order: concatenated, their
 * bytes are the vector, and their SHA-256 is the model's. Every other constant is a Constant node.
 */
import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ModelProtoSchema,
  type AttributeProtoSchema,
  type NodeProtoSchema,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from "./schema.ts";

type Attribute = MessageInitShape<typeof AttributeProtoSchema>;
type Node = MessageInitShape<typeof NodeProtoSchema>;
type Tensor = MessageInitShape<typeof TensorProtoSchema>;
type Value = MessageInitShape<typeof ValueInfoProtoSchema>;

const ELEMENT = { float32: 1, int64: 7 } as const;
const ATTRIBUTE = { integer: 2, string: 3, tensor: 4, integers: 7 } as const;

export type AttributeValue = number | readonly number[] | string;

/** A graph input or output: a string in the shape names a dimension that is free. */
export interface Port {
  readonly name: string;
  readonly element: keyof typeof ELEMENT;
  readonly shape: readonly (number | string)[];
  readonly description: string;
}

export interface ModelDescription {
  readonly irVersion: number;
  readonly opset: number;
  readonly producer: { readonly name: string; readonly version: string };
  readonly description: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: readonly (readonly [key: string, value: string])[];
}

/** Nodes in the order of evaluation. Tensors are referred to by name. */
export class Graph {
  readonly #nodes: Node[] = [];
  readonly #initializers: Tensor[] = [];

  /** A learnt tensor. */
  initializer(name: string, shape: readonly number[], values: Float32Array): void {
    this.#initializers.push({ ...floats(shape, values), name });
  }

  /** Add a node and return the name of its output. */
  node(operator: string, name: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    this.nodeWithOutputs(operator, name, inputs, [name], attributes);
    return name;
  }

  /** Add a node with several outputs; an empty name leaves an optional one out. */
  nodeWithOutputs(
    operator: string,
    name: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): void {
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    this.#nodes.push({ name, opType: operator, input: [...inputs], output: [...outputs], attribute });
  }

  /** Numbers of float32, rounded from float64 as typed arrays round. */
  constant(name: string, shape: readonly number[], values: readonly number[]): string {
    return this.#constant(name, floats(shape, Float32Array.from(values)));
  }

  /** A vector of axes, starts or sizes, as operators take them since opset 13. */
  integers(name: string, ...values: number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.#constant(name, { dims: [BigInt(values.length)], dataType: ELEMENT.int64, rawData: bytesOf(data) });
  }

  #constant(name: string, tensor: Tensor): string {
    this.#nodes.push({ name, opType: "Constant", output: [name], attribute: [{ name: "value", type: ATTRIBUTE.tensor, t: tensor }] });
    return name;
  }

  /** The finished model as ONNX bytes: the same graph and description give the same bytes. */
  encode(model: ModelDescription): Uint8Array<ArrayBuffer> {
    const message = create(ModelProtoSchema, {
      irVersion: BigInt(model.irVersion),
      opsetImport: [{ domain: "", version: BigInt(model.opset) }],
      producerName: model.producer.name,
      producerVersion: model.producer.version,
      docString: model.description,
      graph: {
        name: model.producer.name,
        node: this.#nodes,
        initializer: this.#initializers,
        input: model.inputs.map(valueOf),
        output: model.outputs.map(valueOf),
      },
      metadataProps: model.metadata.map(([key, value]) => ({ key, value })),
    });
    return toBinary(ModelProtoSchema, message);
  }
}

function attributeOf(name: string, value: AttributeValue): Attribute {
  if (typeof value === "string") return { name, type: ATTRIBUTE.string, s: new TextEncoder().encode(value) };
  if (typeof value === "number") return { name, type: ATTRIBUTE.integer, i: BigInt(value) };
  return { name, type: ATTRIBUTE.integers, ints: value.map(BigInt) };
}

function floats(shape: readonly number[], values: Float32Array): Tensor {
  return { dims: shape.map(BigInt), dataType: ELEMENT.float32, rawData: bytesOf(values) };
}

/** Elements are little-endian in ONNX, and so they are in every runtime that has WebAssembly SIMD. */
function bytesOf(values: Float32Array | BigInt64Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}

function valueOf({ name, element, shape, description }: Port): Value {
  const dim = shape.map((size) => ({
    value: typeof size === "string" ? { case: "dimParam" as const, value: size } : { case: "dimValue" as const, value: BigInt(size) },
  }));
  return { name, docString: description, type: { value: { case: "tensorType", value: { elemType: ELEMENT[element], shape: { dim } } } } };
}
