/**
 * Planted defects: what the simulator is good for is what it finds. Each is a change to a source file, made when
 * the simulator is bundled; `--museum` runs seeds on each until one fails. docs/simulation.md has the table.
 */
const file = (name) => `src/federation/${name}.ts`;
const exhibit = (name, ...patches) => ({ name, patches });
const patch = (name, find, replace) => ({ file: file(name), find, replace });

export const museum = [
  // The disk
  exhibit("acknowledge before the fsync", patch("store", "    await this.disk.sync(this.segment);\n", "")),
  exhibit("forget the fsync of the folder after a segment is renamed", patch("store", `    await this.disk.rename(PART, this.segment);\n    await this.disk.syncFolder("");\n`, "    await this.disk.rename(PART, this.segment);\n")),
  exhibit("try an fsync that failed again", patch("store", "    await this.disk.sync(this.segment);\n", "    await this.disk.sync(this.segment).catch(() => this.disk.sync(this.segment));\n")),
  exhibit("take what is not proven for durable after a restart",
    patch("store", "const copy = unproven ? await disk.readAt(segments.at(-1)!, unproven.from, unproven.to - unproven.from) : NOTHING;", "const copy = NOTHING;"),
    patch("store", "first: unproven?.first ?? recovered.sequence + 1, chain: unproven?.chain ?? recovered.hash,", "first: recovered.sequence + 1, chain: recovered.hash,")),
  exhibit("forget the fsync of a snapshot", patch("store", "    await disk.sync(slot);\n", "")),
  exhibit("write every snapshot into the same slot", patch("recovery", "SLOTS[(number + 1) % 2]", "SLOTS[0]")),
  exhibit("remove the segments that the older snapshot needs", patch("store", "const since = this.#held;", "const since: number | undefined = sequence;")),
  exhibit("remove segments in any order", patch("store", "      await this.#journal.disk.remove(name);\n      await this.#journal.disk.syncFolder(\"\"); // one at a time, as a crash that keeps only the later removal would leave a gap\n", "      await this.#journal.disk.remove(name);\n")),
  exhibit("epoch that is not incremented", patch("store", "Math.max(last?.epoch ?? 0, above) + 1", "(last?.epoch ?? 0) || 1")),
  exhibit("take a bad record for the torn tail, always", patch("journal", "        if (witness) throw new DamageError", "        if (witness && false) throw new DamageError")),

  // The orchestrator
  exhibit("answer before the entry is durable", patch("orchestrator", "    this.#store.append([toStored(entry, bytes)]).then(() => {\n      this.#inFlight -= 1;\n      if (!this.#stopped) this.#written(entry, bytes);\n    }, (error)", "    this.#written(entry, bytes);\n    this.#store.append([toStored(entry, bytes)]).then(() => {\n      this.#inFlight -= 1;\n    }, (error)")),
  exhibit("snapshot that misses entries on their way", patch("orchestrator", "this.#inFlight > 0 || ", "")),
  exhibit("do not fold recovered updates into the sum again", patch("orchestrator", "      this.#absorb(entry, stored.numbers);\n", `      if (entry.kind !== "update") this.#absorb(entry, stored.numbers);\n`)),
  exhibit("do not look at what is due after a restart", patch("orchestrator", `    else this.#dispatch({ type: "woke" });\n`, "")),
  exhibit("report the open round's clients for the closed one after a restart", patch("orchestrator", "sha256: models[round], updates: included }", "sha256: models[round], updates: state.updates }")),
  exhibit("keep the model's frame of the round before", patch("orchestrator", "const key = `${order.kind} ${order.round} ${order.kind === \"model\" ? order.attempt : 0}`;", "const key = order.kind;")),
  exhibit("close while updates are on their way", patch("orchestration", `state.phase !== "closing" || isTaking(state)`, `state.phase !== "closing"`)),
  exhibit("open an attempt twice while it is being written", patch("orchestration", "  if (isChanging(state)) return { state, effects: [] };\n", "")),
  exhibit("use an attempt's number again", patch("orchestration", "opening(state, attempt + 1)", "opening(state, attempt)")),
  exhibit("draw the cohort from the order of arrival", patch("orchestration", `random(policy.seed, "cohort", round, attempt).shuffle([...others]).slice(0, policy.cohort)`,
    "[...others].sort((a, b) => arguments[0].waiting.findIndex((each: { client: string }) => each.client === a) - arguments[0].waiting.findIndex((each: { client: string }) => each.client === b)).slice(0, policy.cohort)")),
  exhibit("draw the cohort from the order of arrival of updates", patch("orchestration", "return { kind: \"opened\", round, attempt, model: models[round], cohort: [...there, ...drawn].sort() };", "return { kind: \"opened\", round, attempt, model: models[round], cohort: [...there, ...drawn] };")),
  exhibit("answer a pull with the closing round's model", patch("orchestration", `  if (phase !== "open" || updates[client]`, `  if ((phase !== "open" && phase !== "closing" && phase !== "computing") || updates[client]`)),
  exhibit("tell updates apart by their hash only", patch("orchestration", "earlier?.digest === digest && earlier.round === round && earlier.samples === claimed", "earlier?.digest === digest")),
  exhibit("accept late updates silently", patch("orchestration", "  if (objection) return refuse(state, ticket, ...objection);\n", `  if (objection?.[0] === "late") return reply(state, ticket, { kind: "accepted", round });\n  if (objection) return refuse(state, ticket, ...objection);\n`)),
  exhibit("count an update that arrives while it is being written",
    patch("orchestration", " && isOf(entry, members));", " && isOf(entry, members) && false);"),
    patch("objection", `new Set(writing.flatMap(({ entry }) => (entry.kind === "update" ? entry.members.map(({ id }) => id) : [])))`, "new Set(writing.flatMap(() => [] as string[]))")),
  exhibit("count a member of a sum again",
    patch("objection", "    if (updates[id] || arriving.has(id)) return secondUpdate(round, id);\n", ""),
    patch("objection", "    if (latest[id]?.round >= update.round) return", "    if (false) return")),
  exhibit("take updates of who is not invited", patch("objection", "    if (update.round === round && !cohort.includes(id)) return", "    if (false) return")),
  exhibit("count an older update in full", patch("orchestration", "Math.floor(capped / Math.sqrt(1 + round - update.round))", "Math.floor(capped)")),
  exhibit("discount an update by how many came before it", patch("orchestration", "function weightOf({ plan: { policy }, round }: State, update: Update): number {", "function weightOf({ plan: { policy }, round, updates }: State, update: Update): number {"),
    patch("orchestration", "Math.sqrt(1 + round - update.round)", "Math.sqrt(1 + Object.keys(updates).length * (round - update.round))")),
  exhibit("acknowledge figures that are not written down", patch("orchestration", "if (evaluates && earlier !== undefined) return reply", "if (evaluates) return reply")),
  exhibit("wake without end for a topic that lacks contributions", patch("state", " && mayMergeLate(state, topic) && !isBeingWritten(state, topic)", "")),
  exhibit("count an update of who is being struck off", patch("state", "[{ clients, aggregators }, ...writing.flatMap(({ entry }) => (entry.kind === \"clients\" ? [entry] : []))]", "[{ clients, aggregators }]")),

  // The numbers
  exhibit("fold in the order of arrival, in floats", patch("holdings", "    this.#sum = accumulator(arithmetic, parameters.length);", `    let floats = new Float32Array(parameters.length), weights = 0;
    this.#sum = arithmetic !== "lattice" ? accumulator(arithmetic, parameters.length) : {
      add: (_: string, numbers: Int32Array | Float32Array, samples: number) => { weights += samples; numbers.forEach((q, p) => (floats[p] += samples * (q / 2 ** 24))); },
      addSum: (sum: BigInt64Array, samples: number) => { weights += samples; sum.forEach((q, p) => (floats[p] += Number(q) / 2 ** 24)); },
      drain: () => { const mean = floats.map((sum) => sum / weights); floats = new Float32Array(parameters.length); weights = 0; return mean; },
      drainSum: () => { throw new Error(); },
    };`)),
  exhibit("average floats in the order of arrival", patch("accumulator", "      kept.sort((a, b) => (a.client < b.client ? -1 : 1));\n", "")),
  exhibit("go on with the sum of the round before", patch("accumulator", "    kernels.bigInt64(sum, P).fill(0n);\n", "")),
  exhibit("add gathered figures in the order of arrival", patch("holdings", "new Map(entry.clients.map((id) => [id, given!.get(id)!]))", "given!")),
  exhibit("do not check a frame's sum", patch("message", "  if (!isWhole(frame)) throw damaged();\n", "")),
  exhibit("check neither a frame's sum nor a model's hash", patch("message", "  if (!isWhole(frame)) throw damaged();\n", ""), patch("client", "if (hash !== reply.model) throw", "if (false) throw")),
  exhibit("take a damaged length for what was sent", patch("message", `error instanceof FrameError && error.code !== "frame" && !isWhole(frame)`, "false")),

  // The factories
  exhibit("retry with new bytes after a restart", patch("client", "const frame = await this.#outbox.read();", "const frame = (await this.#outbox.read())?.subarray(0, 0);")),
  exhibit("send before the outbox is durable", patch("client", "if (!round.kept) await this.#outbox.write(frame);", "if (!round.kept) void this.#outbox.write(frame).catch(() => {});")),
  exhibit("write the outbox without fsync", patch("outbox", "      await disk.sync(PART);\n", "")),
  exhibit("forget the fsync of the outbox's folder", patch("outbox", `      await disk.syncFolder("");\n`, "")),
  exhibit("believe an orchestrator that was replaced", patch("client", "if (reply.epoch < this.#epoch) throw", "if (false) throw")),
  exhibit("give up when an update comes too late", patch("client", `new Set(["late", "round", "model", "duplicate"])`, `new Set(["round", "model", "duplicate"])`)),
  exhibit("give up when the network fails", patch("retry", "if (!retry || (error", "if (!retry || String(error).includes(\"reset\") || (error")),
  exhibit("aggregator that acknowledges before the orchestrator has", patch("aggregator", "    try {\n      await askUntilAnswered(exchange, encode(this.#sumOf(arrived))", "    answer(({ task, fingerprint, round }) => encode({ kind: \"accepted\", task, fingerprint, round }));\n    try {\n      await askUntilAnswered(exchange, encode(this.#sumOf(arrived))")),
  exhibit("take two sums of the same numbers for one", patch("orchestration", "members.length > 0 && members.every(isTaken)", "members.length > 0 && isTaken(members[0])")),
  exhibit("add updates of two rounds with the same model", patch("aggregator", "const key = `${update.round} ${update.model}`;", "const key = update.model;")),
  exhibit("take the sums of an aggregator for one while they are being written", patch("orchestration", " && isOf(entry, members));", ");")),
  exhibit("forget who was told that a sum is taken", patch("aggregator", "if (taken?.checksum === checksum", "if (false && taken?.checksum === checksum"), patch("aggregator", "if (sent?.checksum === checksum", "if (false && sent?.checksum === checksum")),
  exhibit("refuse a late sum for good", patch("objection", "if (update.members && update.round !== round) return [\"late\",", "if (update.members && update.round !== round) return [\"members\",")),
];
