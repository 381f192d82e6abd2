/**
 * Timing. A machine's clock and its other work drift by more than what is compared here, so contenders
 * take turns: a slice of time each, several rounds, and a ratio is taken within a round.
 */

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Median milliseconds of one call, of as many as fit into `seconds`, three at least where one is not a second long. */
export function slice(call, seconds) {
  const times = [];
  const end = performance.now() + 1000 * seconds;
  const patience = performance.now() + 1000;
  do {
    const began = performance.now();
    call();
    times.push(performance.now() - began);
  } while (performance.now() < end || (times.length < 3 && performance.now() < patience));
  return median(times);
}

/** The same for calls of microseconds: `slice` would measure the clock. */
export function sliceOfMany(call, seconds) {
  let calls = 1;
  for (;;) {
    const began = performance.now();
    for (let n = 0; n < calls; n++) call();
    if (performance.now() - began > 1) break;
    calls *= 2;
  }
  return slice(() => {
    for (let n = 0; n < calls; n++) call();
  }, seconds) / calls;
}

/**
 * Let contenders take turns.
 * @param contenders name → (seconds) => ms, or a promise of it; what throws or rejects drops out, with its reason
 * @returns name → { ms (median of the rounds), each (ms of each round) } or { absent: reason }
 */
export async function compare(contenders, { seconds = 0.4, rounds = 5, warm = 0.8 } = {}) {
  const results = Object.fromEntries(Object.keys(contenders).map((name) => [name, { each: [] }]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, contender] of Object.entries(contenders)) {
      const result = results[name];
      if (result.absent) continue;
      try {
        const ms = await contender(round < 0 ? warm : seconds);
        if (round >= 0) result.each.push(ms);
      } catch (error) {
        result.absent = error.message;
      }
    }
  }
  for (const result of Object.values(results)) if (!result.absent) result.ms = median(result.each);
  return results;
}

/** Median over the rounds of a's time over b's; undefined where one of them is absent. */
export function ratio(a, b) {
  if (!a?.each?.length || !b?.each?.length || a.absent || b.absent) return undefined;
  return median(a.each.map((ms, round) => ms / b.each[round]));
}
