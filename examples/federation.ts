// Two factories fit one line through points that neither shows the other.
import { FactoryClient, fingerprintOf, Orchestrator, type Learner } from "millwright";

/** y = a x + b by gradient descent on this factory's points. */
function line(points: [x: number, y: number][]): Learner {
  const parameters = new Float32Array(2);
  const errors = () => points.map(([x, y]) => ({ x, error: parameters[0] * x + parameters[1] - y }));
  const squares = () => errors().reduce((sum, { error }) => sum + error ** 2, 0);
  const fit: Learner["fit"] = async () => {
    for (let step = 0; step < 20; step++) {
      for (const { x, error } of errors()) for (const p of [0, 1]) parameters[p] -= (0.1 / points.length) * error * (p === 0 ? x : 1);
    }
    return { samples: points.length, loss: squares() / points.length, steps: 20 };
  };
  return { parameters, samples: points.length, fit, evaluate: async () => Float64Array.of(points.length, squares()) };
}

const factories = { north: line([[-1, -1], [0, 1]]), south: line([[1, 3], [2, 5], [0.5, 2]]) };
const fingerprint = await fingerprintOf({ model: "y = a x + b" });
const orchestrator = new Orchestrator({
  clients: Object.keys(factories), parameters: new Float32Array(2), rounds: 10, fingerprint,
  onRound: ({ round, bytes, clients }) => console.log(round, bytes, clients.map(({ id, loss }) => `${id} ${loss.toFixed(6)}`).join(" ")),
});
await Promise.all(Object.entries(factories).map(([id, learner]) => new FactoryClient({ id, learner, fingerprint, exchange: orchestrator.handle }).run()));
const [a, b] = (await orchestrator.finished).parameters;
console.log(`y = ${a.toFixed(3)} x + ${b.toFixed(3)}`); // y = 2.000 x + 1.000
