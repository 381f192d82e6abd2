/**
 * @module
 * How the report looks: light and dark as the reader's system has it, one column on a narrow screen, ink-saving on paper.
 * Widths and colours that depend on figures are SVG attributes, since the page's policy allows no style attributes.
 */
/** Of lines that are told apart by colour. */
export const palette = {
  light: ["#1f6feb", "#d9730d", "#1a9c6b", "#b8409c", "#8a6d00", "#0a94b3", "#c0392b", "#7457d6"],
  dark: ["#6cb0ff", "#f5a35c", "#57d3a0", "#f08bd6", "#e0c34f", "#5fd0e6", "#ff8a80", "#b49cff"],
} as const;
export const HUES = palette.light.length;
const hues = (colours: readonly string[]) => colours.map((colour, index) => `.hue-${index} { color: ${colour}; }`).join(" ");

export const style = `
${hues(palette.light)}
@media (prefers-color-scheme: dark) { ${hues(palette.dark)} }
@media print { ${hues(palette.light)} }
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #16202c; --soft: #5b6776; --line: #dfe4ea;
  --solo: #9aa7b5; --federated: #1f6feb; --centralised: #6e56cf;
  --good: #1a7f48; --good-soft: #e3f4ea; --bad: #b3372f; --bad-soft: #fbe9e7; --heat: 31, 111, 235; --on-heat: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151c; --card: #19212b; --ink: #e8edf3; --soft: #9aa8b8; --line: #2c3744;
    --solo: #718093; --federated: #58a6ff; --centralised: #a78bfa;
    --good: #57c98b; --good-soft: #17342a; --bad: #ff8a80; --bad-soft: #3d2224; --heat: 88, 166, 255; --on-heat: #0b1420;
  }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc;
    --solo: #9aa7b5; --federated: #1f6feb; --centralised: #6e56cf;
    --good: #1a7f48; --good-soft: #fff; --bad: #b3372f; --bad-soft: #fff; --heat: 31, 111, 235; --on-heat: #fff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 3rem; max-width: 70rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 0 0 .25rem; font-size: 1.1rem; }
header p { margin: .35rem 0 0; color: var(--soft); }
.eyebrow { margin: 0 0 .3rem; font-size: .78rem; font-weight: 600; letter-spacing: .08em; text-transform: uppercase; color: var(--federated); }
section, .figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
section { margin-top: 1.25rem; padding: 1.25rem 1.4rem 1.4rem; }
section > p, .note { margin: 0 0 1rem; color: var(--soft); max-width: 50rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(13.5rem, 1fr)); gap: 1rem; margin: 1.6rem 0 0; }
.figure { padding: 1rem 1.15rem 1.1rem; }
.figure dt { font-size: .88rem; color: var(--soft); }
.figure dt::first-letter, thead th::first-letter, tfoot th::first-letter, .plain th::first-letter { text-transform: uppercase; }
.figure dd { margin: 0; }
.figure .value { font-size: 2.05rem; font-weight: 650; line-height: 1.25; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.figure .target { font-size: .85rem; color: var(--soft); }
.verdict { display: inline-block; padding: 0 .5em; border-radius: 1em; font-size: .8rem; font-weight: 600; }
.met { color: var(--good); background: var(--good-soft); }
.missed { color: var(--bad); background: var(--bad-soft); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem; }
.pair > * { min-width: 0; }
.pair table + h3 { margin-top: 1.5rem; }
.plain { width: 100%; }
.plain th, .plain td { padding: .3rem .9rem .3rem 0; } .plain th:last-child, .plain td:last-child { padding-right: 0; }
.plain tr > * { border-bottom: 1px solid var(--line); }
h3 { margin: 0 0 .4rem; font-size: .95rem; font-weight: 600; }
.chart { min-height: 300px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { width: 100%; }
th, td { padding: .42rem .7rem; text-align: right; vertical-align: middle; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.wide th:last-child, .wide td:last-child { padding-right: 0; }
.wide tr > * { border-bottom: 1px solid var(--line); }
thead th { font-size: .82rem; font-weight: 600; color: var(--soft); vertical-align: bottom; }
tbody th { font-weight: 500; }
tfoot tr:first-child > * { border-top: 2px solid var(--soft); }
tfoot th, tfoot td { font-weight: 600; }
tr:last-child > * { border-bottom: 0; }
.held th { white-space: nowrap; }
.held th::after { content: "held out"; margin-left: .6em; padding: 0 .5em; border: 1px solid var(--line); border-radius: 1em; font-size: .75rem; font-weight: 500; color: var(--soft); }
.bar { min-width: 8.5rem; white-space: nowrap; }
.bar svg { display: block; width: 100%; height: 6px; margin-top: 3px; }
.track { fill: var(--line); opacity: .6; }
.fill-solo { fill: var(--solo); } .fill-federated { fill: var(--federated); } .fill-centralised { fill: var(--centralised); }
.best { font-weight: 700; }
.gain { color: var(--good); white-space: nowrap; } .loss { color: var(--bad); white-space: nowrap; }
.confusion { border-spacing: 3px; border-collapse: separate; }
.confusion th { padding: .3rem .5rem; font-size: .82rem; color: var(--soft); font-weight: 600; text-align: center; white-space: nowrap; }
.confusion tbody th { text-align: right; }
.confusion td { padding: 0; }
.confusion svg { display: block; width: 5.4rem; height: 3.6rem; border-radius: 6px; }
.confusion rect { fill: rgb(var(--heat)); }
.confusion text { fill: var(--ink); text-anchor: middle; font-size: 16px; font-weight: 650; }
.confusion .count { font-size: 11px; font-weight: 400; opacity: .8; }
.confusion .strong { fill: var(--on-heat); }
.confusion .alarm { border-left: 2px solid var(--soft); }
.scatter { display: block; width: 100%; max-width: 32rem; height: auto; font-size: 11px; }
.scatter text { fill: var(--soft); }
.scatter .grid { stroke: var(--line); }
.scatter .diagonal { stroke: var(--soft); stroke-dasharray: 5 4; }
.scatter circle { fill: var(--federated); fill-opacity: .5; stroke: var(--federated); stroke-width: .6; }
.fill-rule { fill: var(--soft); }
.stroke-solo { stroke: var(--solo); } .stroke-federated { stroke: var(--federated); } .stroke-centralised { stroke: var(--centralised); } .stroke-rule { stroke: var(--soft); }
.dots { display: block; width: 100%; min-width: 40rem; height: auto; font-size: 13px; }
.dots text { fill: var(--soft); } .dots .case { fill: var(--ink); font-weight: 600; }
.dots .grid { stroke: var(--line); } .dots .range { stroke-width: 3; stroke-linecap: round; opacity: .55; }
.curve { display: block; width: 100%; min-width: 40rem; height: auto; margin-bottom: 1rem; font-size: 13px; }
.curve text { fill: var(--soft); } .curve .grid { stroke: var(--line); }
.curve polyline { fill: none; stroke: currentColor; stroke-width: 2; } .curve circle { fill: currentColor; }
.curve .range { stroke: currentColor; stroke-width: 3; stroke-linecap: round; opacity: .4; }
.words { text-align: left; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.4rem; margin: 0; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
code, pre { font: .86em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { overflow: auto; margin: .8rem 0 0; max-height: 32rem; }
details { margin-top: .9rem; }
summary { cursor: pointer; color: var(--soft); }
details .scroll { margin-top: .6rem; max-height: 32rem; overflow: auto; }
footer { margin-top: 1.5rem; font-size: .85rem; color: var(--soft); }
.uplot, .uplot .u-legend { font-family: inherit; }
.u-legend { font-size: 12.5px; line-height: 1.35; text-align: left; margin: .3rem 0 0; }
.u-legend th { font-weight: 500; color: var(--soft); }
.u-legend .u-value { font-weight: 600; display: inline-block; min-width: 3.6em; text-align: left; }
.u-legend tbody { display: flex; flex-wrap: wrap; }
.u-inline tr { margin-right: 10px; }
.u-legend tr:last-child { order: -1; } .u-legend tr:first-child { order: -2; }
.u-series > * { padding: 2px; border: 0; }
@media print {
  body { padding: 0; font-size: 12px; }
  section { padding: .9rem 1rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .figure, .pair > *, tr, h2 + p { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
@media (max-width: 62rem) {
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (max-width: 40rem) {
  body { padding: 1.5rem .8rem 2rem; }
  section { padding: 1rem; }
  .figures { gap: .7rem; }
  .figure { padding: .8rem .9rem; }
  .figure .value { font-size: 1.6rem; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: .5rem; }
  .bar { min-width: 6rem; }
  .wide .windows { display: none; }
  .confusion svg { width: 4.2rem; height: 3.2rem; }
}
`;
