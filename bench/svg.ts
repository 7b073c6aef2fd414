// Copyright 2026 the Hangup authors. MIT license.
//
// Bars from left to right, in panels side by side, as SVG by hand. No background, and colours that can be read on a
// light page and on a dark one: the page may have another theme than the system, so a media query would not do.

export interface Bar {
  readonly label: string;
  /** `undefined` where the measurement failed. */
  readonly value: number | undefined;
  /** What it was before, drawn pale. */
  readonly before?: number;
  /** What stands beside the bar. */
  readonly text: string;
  /** Whether it is ours. */
  readonly own: boolean;
}

export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
  /** Where a line stands: the value of bare `fetch`, for example. */
  readonly line?: number;
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  /** Rows of panels; those of a column have the same labels. */
  readonly rows: readonly (readonly Panel[])[];
}

const TEXT = "#6e7781";
const OWN = "#2da44e";
const OTHER = "#8c959f";
const LINE = "#d4731c";

const LABELS = 142;
const PANEL = 240;
/** Of a panel's width, for the values, and between two panels. */
const VALUES = 58;
const GAP = 20;
const STEP = 23;
const HEAD = 64;
const TITLE = 34;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escape(content)}</text>`;
}

/** One panel, with its upper left corner at `(x, y)`. */
function drawPanel({ title, bars, line }: Panel, x: number, y: number): string {
  const greatest = Math.max(line ?? 0, ...bars.flatMap(({ value, before }) => [value ?? 0, before ?? 0])) || 1;
  const width = (value: number) => Number((value / greatest * (PANEL - VALUES - GAP)).toFixed(1));
  const shapes = bars.flatMap(({ value = 0, before = 0, text: end, own }, i) => {
    const top = y + TITLE + i * STEP;
    const bar = (value: number, attributes: string) =>
      value > 0 ? [`<rect x="${x}" y="${top - 11}" width="${width(value)}" height="15" rx="2" ${attributes}/>`] : [];
    const fill = `fill="${own ? OWN : OTHER}"`;
    return [
      ...bar(before, `${fill} fill-opacity="0.25"`),
      ...bar(value, fill),
      text(x + PANEL - GAP, top + 1, end, `text-anchor="end"${own ? ' font-weight="600"' : ""}`),
    ];
  });
  const bottom = y + TITLE + bars.length * STEP - 14;
  const mark = line === undefined
    ? []
    : [`<path d="M${x + width(line)} ${y + TITLE - 16}V${bottom}" stroke="${LINE}" stroke-dasharray="3 3"/>`];
  return [text(x, y + 10, title, 'font-weight="600"'), ...shapes, ...mark].join("\n");
}

/** Draws a chart. */
export function drawChart({ title, subtitle, rows }: Chart): string {
  const columns = Math.max(...rows.map((panels) => panels.length));
  const width = LABELS + columns * PANEL;
  let y = HEAD;
  const parts: string[] = [];
  for (const panels of rows) {
    const { bars } = panels[0]!;
    for (const [i, { label, own }] of bars.entries()) {
      const weight = own ? ' font-weight="600"' : "";
      parts.push(text(LABELS - 8, y + TITLE + i * STEP + 1, label, `text-anchor="end"${weight}`));
    }
    for (const [i, panel] of panels.entries()) parts.push(drawPanel(panel, LABELS + i * PANEL, y));
    y += TITLE + bars.length * STEP + 10;
  }
  const words = rows.flat().map(({ title, bars }) =>
    `${title}: ${bars.map(({ label, text }) => `${label} ${text}`).join("; ")}.`
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" ` +
    `font-family="system-ui, sans-serif" font-size="13" fill="${TEXT}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escape(title)}</title>`,
    `<desc id="desc">${escape([`${subtitle}.`, ...words].join(" "))}</desc>`,
    text(8, 22, title, 'font-size="17" font-weight="600"'),
    text(8, 43, subtitle),
    ...parts,
    "</svg>\n",
  ].join("\n");
}
