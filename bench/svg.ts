// Copyright 2026 the Hangup authors. MIT license.
//
// Bars from left to right, in panels side by side, as SVG by hand. No background, and colours that can be read on a
// light page and on a dark one.

export interface Bar {
  readonly label: string;
  /** `undefined` where the measurement failed. */
  readonly value: number | undefined;
  /** What stands at the bar's end. */
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

const TEXT = "#768390";
const OWN = "#2da44e";
const OTHER = "#8c959f";
const LINE = "#d4731c";

const LABELS = 142;
const PANEL = 240;
const VALUES = 64;
const STEP = 22;
const HEAD = 62;
const TITLE = 34;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escape(content)}</text>`;
}

/** One panel, with its upper left corner at `(x, y)`. */
function drawPanel({ title, bars, line }: Panel, x: number, y: number): string {
  const greatest = Math.max(line ?? 0, ...bars.map(({ value }) => value ?? 0)) || 1;
  const width = (value: number) => value / greatest * (PANEL - VALUES);
  const shapes = bars.map(({ value, text: end, own }, i) => {
    const top = y + TITLE + i * STEP;
    const length = width(value ?? 0);
    const bar = `<rect x="${x}" y="${top - 11}" width="${Math.max(length, 1.5).toFixed(1)}" height="14" rx="2" ` +
      `fill="${own ? OWN : OTHER}"/>`;
    return bar + text(x + length + 5, top, end, own ? 'font-weight="600"' : "");
  });
  const bottom = y + TITLE + bars.length * STEP - 14;
  const at = x + width(line ?? 0);
  const mark = line === undefined
    ? ""
    : `<path d="M${at.toFixed(1)} ${y + TITLE - 16}V${bottom}" stroke="${LINE}" stroke-dasharray="3 3"/>`;
  return [text(x, y + 10, title, 'font-weight="600"'), ...shapes, mark].join("\n");
}

/** Draws a chart. */
export function drawChart({ title, subtitle, rows }: Chart): string {
  const columns = Math.max(...rows.map((panels) => panels.length));
  const width = LABELS + columns * PANEL + 10;
  let y = HEAD;
  const parts: string[] = [];
  for (const panels of rows) {
    const { bars } = panels[0]!;
    for (const [i, { label, own }] of bars.entries()) {
      const weight = own ? ' font-weight="600"' : "";
      parts.push(text(LABELS - 8, y + TITLE + i * STEP, label, `text-anchor="end"${weight}`));
    }
    for (const [i, panel] of panels.entries()) parts.push(drawPanel(panel, LABELS + i * PANEL, y));
    y += TITLE + bars.length * STEP + 10;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="${TEXT}" role="img">`,
    `<title>${escape(title)}</title>`,
    text(8, 22, title, 'font-size="16" font-weight="600"'),
    text(8, 42, subtitle),
    ...parts,
    "</svg>\n",
  ].join("\n");
}
