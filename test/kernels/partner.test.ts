/** The second thread, as it ships: its file is started from the build. Needs `npm run build`. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, test } from "vitest";
import type { ModelSpecInput, Training } from "../../src/index.ts";
import type { Thread } from "../../src/kernels/partner.ts";
import { numbers } from "../memory.ts";

const file = (name: string) => new URL(`../../build/${name}`, import.meta.url);
const built = <Module>(name: string): Promise<Module> => import(fileURLToPath(file(name)));
const { adam, initialParameters, loadBuild, Network, parseSpec, startPartner: startWebPartner, Trainer } = await built<typeof import("../../src/index.ts")>("index.js");
const { startPartner } = await built<typeof import("../../src/node.ts")>("node.js");
const { Partner } = await built<typeof import("../../src/kernels/partner.ts")>("kernels/partner.js");

const lstm = (hidden: number, bidirectional: boolean) => ({ type: "lstm" as const, hidden, bidirectional });
const head = { type: "classify" as const, classes: ["calm", "wavering", "failing"] };
const specs: Record<string, ModelSpecInput> = {
  "two bidirectional layers, dropout and attention": {
    input: { steps: 20, features: 8 }, head,
    layers: [lstm(16, true), { type: "dropout", rate: 0.3 }, lstm(16, true), { type: "attention", size: 8 }],
  },
  "sizes that fill no vector": { input: { steps: 7, features: 3 }, head, layers: [lstm(5, true), lstm(7, true), lstm(3, true), { type: "last" }] },
  "one direction after two": { input: { steps: 9, features: 2 }, head, layers: [lstm(6, true), lstm(9, false), { type: "last" }] },
  "a single step": { input: { steps: 1, features: 1 }, head, layers: [lstm(4, true), lstm(1, true), { type: "last" }] },
};

describe.each(["simd", "relaxed"] as const)("with a partner, in the %s build", async (name) => {
  const build = await loadBuild(name);
  const partner = await startPartner({ build });
  afterAll(() => partner.close());

  test.each(Object.entries(specs))("%s learn and predict the same bits as without", (_, given) => {
    const spec = parseSpec(given);
    const { steps, features } = spec.input;
    const count = 11; // batches of 5, 5 and 1
    const examples = { count, inputs: numbers(count * steps * features, 1), targets: Float32Array.from({ length: count }, (_, n) => n % 3) };
    const training: Training = { epochs: 3, batch: 5, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: {} };
    const outcomes = [{ build }, { partner }].map((machinery) => {
      const network = new Network(spec, { batch: 5, training: true, ...machinery });
      network.parameters.set(initialParameters(spec, 1));
      const { loss } = new Trainer(network).fit(examples, training, ["bits"]);
      const reader = new Network(spec, { batch: 5, training: false, ...machinery });
      reader.parameters.set(network.parameters);
      reader.load(examples.inputs, [0, 1, 2, 3]);
      reader.forward(4);
      return { loss, parameters: network.parameters.slice(), predictions: reader.predictions(4) };
    });
    expect(outcomes[0].parameters).not.toEqual(initialParameters(spec, 1));
    expect(outcomes[1]).toEqual(outcomes[0]);
  });

  test("the memory is shared and of that build", () => {
    expect(partner.kernels.build).toBe(build);
    expect(partner.kernels.memory.buffer).toBeInstanceOf(SharedArrayBuffer);
  });
});

test("a network does not take a partner of another build", async () => {
  const partner = await startPartner();
  const build = await loadBuild("relaxed");
  expect(() => new Network(specs["a single step"], { batch: 1, training: false, build, partner })).toThrow('"build" expected simd, that of the partner, got relaxed');
  await partner.close();
});

describe("a partner", () => {
  const dx = (rows: number) => [0, 0, 0, 0, rows, 1, 1] as [number, number, number, number, number, number, number];
  const nothing = () => {};

  test("whose kernel traps says so, and goes on", async () => {
    const partner = await startPartner();
    expect(() => partner.run("lstmInput", [2 ** 31, 2 ** 31, 2 ** 31, 2 ** 31, 4, 4, 4], nothing)).toThrow("lstmInput failed in the partner thread");
    expect(() => partner.run("lstmInput", dx(0), nothing)).not.toThrow();
    await partner.close();
  });

  test("has ended its call when this thread's own work throws", async () => {
    const partner = await startPartner();
    const fail = () => { throw new Error("here"); };
    expect(() => partner.run("lstmInput", dx(0), fail)).toThrow("here");
    expect(() => partner.run("lstmInput", dx(0), nothing)).not.toThrow();
    await partner.close();
  });

  test("that is closed takes no call, and may be closed again", async () => {
    const partner = await startPartner();
    const network = new Network(specs["a single step"], { batch: 1, training: false, partner });
    await partner.close();
    await partner.close();
    expect(() => network.forward(1)).toThrow("the partner was closed");
    expect(network.parameters).toHaveLength(network.layout.length);
  });

  test("does not keep a process alive", () => {
    const program = `import(${JSON.stringify(file("node.js").href)}).then(({ startPartner }) => startPartner()).then(() => console.log("started"))`;
    expect(execFileSync(process.execPath, ["-e", program], { encoding: "utf8" })).toBe("started\n");
  });

  test("in a web worker needs a runtime that has them", async () => {
    await expect(startWebPartner()).rejects.toThrow("this runtime has no web workers; use startPartner of millwright/node");
  });

  /** A thread that begins and then does what the test says. */
  const thread = (changes: Partial<Thread>): Thread => ({ begin: async () => {}, end: nothing, onDeath: nothing, ...changes });

  test("whose thread ends while this one waits for it is given up", async () => {
    const worker = new Worker("require('worker_threads').parentPort.once('message', () => process.exit())", { eval: true });
    const silent = await Partner.on(thread({ begin: async () => worker.postMessage("end") }), undefined, 1);
    expect(() => silent.run("lstmInput", dx(0), nothing)).toThrow("the partner thread does not answer: it has ended or was ended; start another");
    expect(() => silent.run("lstmInput", dx(0), nothing)).toThrow("does not answer"); // at once
  });

  test("whose thread dies between calls says of what", async () => {
    let report = (_: Error) => {};
    const partner = await Partner.on(thread({ onDeath: (listener) => (report = listener) }));
    report(new Error("out of memory"));
    expect(() => partner.run("lstmInput", dx(0), nothing)).toThrow("the partner thread died: out of memory");
  });

  test("whose thread does not start is ended, and there is none", async () => {
    let ended = 0;
    const starting = Partner.on(thread({ begin: () => Promise.reject(new Error("no such file")), end: () => void ended++ }));
    await expect(starting).rejects.toThrow("no such file");
    expect(ended).toBe(1);
  });
});
