/**
 * @module
 * What a person sees while a run goes on: one line a round, aligned without knowing the lines to come.
 * Nothing moves the cursor, so that a pipe and a log read the same as a terminal.
 */
import type { RoundRecord } from "../tasks/result.ts";
import type { ProgressEvent } from "../tasks/run.ts";
import { bytes, decimal, duration } from "./format.ts";
import { isClassification, measuresOf, spread } from "./measure.ts";
import { formatRow, formatTitles, type Column } from "./table.ts";

/** Rounds differ in length as workers share cores; a few of them tell the time left well enough. */
const RECENT_ROUNDS = 5;
/** Between two lines about solo and centralised training. */
const QUIET_MS = 10_000;

const phases: Readonly<Record<Extract<ProgressEvent, { kind: "phase" }>["name"], string>> = {
  federated: "federated training",
  solo: "solo training: each factory alone, as many gradient steps per sample",
  centralised: "centralised training: all data in one place, as many gradient steps per sample",
  export: "writing ONNX and testing it",
};

function roundColumns(record: RoundRecord): readonly Column[] {
  const classes = isClassification(record.metrics);
  return [
    { title: "round", width: 1 + 2 * String(record.rounds).length },
    ...(classes
      ? [{ title: "accuracy", width: 8 }, { title: "detection", width: 8 }, { title: "false alarms" }]
      : [{ title: "RMSE", width: 7 }, { title: "MAE", width: 7 }, { title: "loss", width: 8 }]),
    { title: "per factory", width: classes ? 12 : 13 },
    { title: "bytes", width: 7 },
    { title: "time left", width: 11 },
  ];
}

function roundCells(record: RoundRecord, secondsLeft: number): readonly string[] {
  const { metrics, factories } = record;
  const measures = measuresOf(metrics);
  const figures = measures.slice(0, isClassification(metrics) ? 3 : 2).map((measure) => measure.show(measure.of(metrics)));
  if (!isClassification(metrics)) figures.push(decimal(meanLoss(record)));
  return [
    `${record.round}/${record.rounds}`,
    ...figures,
    spread(measures[0], factories.map((factory) => factory.metrics)),
    bytes(record.bytes),
    duration(secondsLeft),
  ];
}

/** Over the factories, each counted once. */
export function meanLoss({ factories }: RoundRecord): number {
  return factories.reduce((sum, { loss }) => sum + loss, 0) / factories.length;
}

/**
 * Writes one line for each event worth one.
 * @param roundsAfter how many rounds' time is needed after the last one, for what a run is compared with
 */
export function createProgress(write: (line: string) => void, nowMs: () => number, roundsAfter = 0): (event: ProgressEvent) => void {
  const seconds: number[] = [];
  let titled = false;
  /** What trains beside the federation is not to tear its table apart. */
  let underWay = false;
  let quietUntilMs = 0;

  const round = (record: RoundRecord) => {
    const columns = roundColumns(record);
    if (!titled) ["", formatTitles(columns)].forEach((line) => write(line));
    titled = true;
    underWay = record.round < record.rounds;
    seconds.push(record.seconds);
    const recent = seconds.slice(-RECENT_ROUNDS);
    const mean = recent.reduce((sum, value) => sum + value, 0) / recent.length;
    write(formatRow(columns, roundCells(record, mean * (record.rounds - record.round + roundsAfter))));
    if (!underWay) write("");
  };

  return (event) => {
    if (event.kind === "round") return round(event.record);
    if (event.kind === "phase") {
      if (underWay) return;
      quietUntilMs = nowMs() + QUIET_MS;
      return write(phases[event.name]);
    }
    if (underWay || (event.epoch < event.epochs && nowMs() < quietUntilMs)) return;
    quietUntilMs = nowMs() + QUIET_MS;
    const name = event.kind === "solo" ? `solo ${event.id}` : event.kind;
    write(`  ${name}  epoch ${event.epoch}/${event.epochs}`);
  };
}
