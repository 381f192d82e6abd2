/**
 * @module
 * The frame of every report: one HTML file that opens from disk and asks the network for nothing, and a policy that says so.
 */
import { createHash } from "node:crypto";
import { html, Html, type Content } from "./html.ts";
import { style } from "./style.ts";

export interface Page {
  readonly title: string;
  /** Above the heading, small. */
  readonly eyebrow: string;
  readonly heading: string;
  readonly lead: string;
  readonly main: Content;
  /** Behind the page: a style sheet, data for the scripts, and the scripts. */
  readonly styles?: string;
  readonly data?: Html;
  readonly scripts?: readonly string[];
}

export function renderPage({ title, eyebrow, heading, lead, main, styles = "", data, scripts = [] }: Page): string {
  const sheet = styles + style;
  const programs = scripts.map((script) => script.replaceAll("</script", "<\\/script"));
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const scriptPolicy = programs.length > 0 ? `script-src ${programs.map(hash).join(" ")}; ` : "";
  const policy = `default-src 'none'; style-src ${hash(sheet)}; ${scriptPolicy}base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – Millwright</title>
<style>${new Html(sheet)}</style>
</head>
<body>
<header>
<p class="eyebrow">${eyebrow}</p>
<h1>${heading}</h1>
<p>${lead}</p>
</header>
<main>
${main}
</main>
<footer>Made by millwright. This page is one file: it loads nothing and sends nothing.</footer>
${data ?? null}${programs.map((script) => html`<script>${new Html(script)}</script>\n`)}
</body>
</html>
`.text;
}
