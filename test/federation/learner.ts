import { Orchestrator, type OrchestratorOptions, type Result } from "../../src/federation/orchestrator.ts";
import { FactoryClient, type Learner } from "../../src/federation/client.ts";
import type { Exchange } from "../../src/federation/exchange.ts";

export const fingerprint = "ab".repeat(32);

/** A learner that moves its parameters towards its own target, in float32, with bits that depend on every step. */
export function learner(target: readonly number[], samples: number): Learner {
  const parameters = new Float32Array(target.length);
  return {
    parameters,
    samples,
    async fit({ round }) {
      for (let step = 0; step < 3; step++) target.forEach((value, p) => (parameters[p] += (0.1 + 0.01 * round) * (value - parameters[p])));
      return { samples, loss: distance(parameters, target), steps: 3 };
    },
    async evaluate() {
      return Float64Array.of(samples, distance(parameters, target));
    },
  };
}

const distance = (a: Float32Array, b: readonly number[]) => b.reduce((sum, value, index) => sum + Math.abs(value - a[index]), 0);

export interface Factory {
  readonly id: string;
  readonly target: readonly number[];
  readonly samples: number;
}

export const factories: readonly Factory[] = [
  { id: "north", target: [0.1, -0.7, 0.3, 1 / 3, 0.9], samples: 500 },
  { id: "south", target: [-0.2, 0.6, 0.35, -0.4, 0.01], samples: 1500 },
  { id: "west", target: [0.77, 0.05, -0.6, 0.2, -1], samples: 733 },
];

export const initial = Float32Array.of(0.5, -0.25, 0.125, 0.1, 0);

/** A whole federation in one thread. `through` stands between client and orchestrator. */
export async function federate(
  options: Partial<OrchestratorOptions> = {},
  through: (handle: Exchange, id: string) => Exchange = (handle) => handle,
  members: readonly Factory[] = factories,
): Promise<Result & { readonly orchestrator: Orchestrator }> {
  const orchestrator = new Orchestrator({ clients: members.map(({ id }) => id), parameters: initial, rounds: 4, fingerprint, ...options });
  const runs = members.map(({ id, target, samples }) =>
    new FactoryClient({ id, exchange: through(orchestrator.handle, id), learner: learner(target, samples), fingerprint }).run());
  const [result] = await Promise.all([orchestrator.finished, ...runs]);
  return { ...result, orchestrator };
}
