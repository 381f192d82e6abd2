// What a person sees: a panel a factory with two curves and two figures, and a line on where things stand.
const element = (id: string) => document.getElementById(id)!;
const text = (parent: ParentNode, selector: string, content: string) => (parent.querySelector(selector)!.textContent = content);

/** Add a factory's panel to the page; the first factory's replaces those of an earlier training. */
export function panel(id: string, rounds: number) {
  const section = document.querySelector("template")!.content.querySelector("section")!.cloneNode(true) as HTMLElement;
  if (id === "factory-1") element("factories").replaceChildren();
  element("factories").append(section);
  text(section, "h2", id.replace("factory-", "Factory "));
  const shares = { together: [] as number[], alone: [] as number[] };
  const x = (index: number) => 50 + (index * 235) / (rounds - 1);
  const y = (share: number) => 10 + 250 * (1 - Math.max(0.38, share)); // 100 % at 10, 40 % at 160

  return {
    describe(windows: number): void {
      text(section, ".windows", `${windows.toLocaleString("en")} windows of its own machines`);
    },
    /** The next round's share of right answers. */
    add(curve: keyof typeof shares, share: number): void {
      shares[curve].push(share);
      text(section, `dd.${curve}`, `${(100 * share).toFixed(1)} %`);
      section.querySelector(`polyline.${curve}`)!.setAttribute("points", shares[curve].map((each, index) => `${x(index)},${y(each)}`).join(" "));
      section.querySelector(`circle.${curve}`)!.setAttribute("transform", `translate(${x(shares[curve].length - 1)} ${y(share)})`);
    },
  };
}

export function report(status: string, done: number, hash = ""): void {
  element("status").textContent = status;
  element("hash").textContent = hash;
  (element("progress") as HTMLProgressElement).value = done;
}

export function enable(buttons: Readonly<Record<string, boolean>>): void {
  for (const [id, enabled] of Object.entries(buttons)) (element(id) as HTMLButtonElement).disabled = !enabled;
}
