// Copyright 2026 the Hangup authors. MIT license.
//
// Bars from left to right, in panels side by side, as SVG by hand. There is no background, and the
// colors are legible on a light page and on a dark one. A media query would not do, because the
// page may have another theme than the system.

export interface Bar {
  readonly label: string;
  /** `undefined` where the measurement failed. */
  readonly value: number | undefined;
  /** The value before the client was closed, drawn pale. */
  readonly before?: number;
  /** The text beside the bar. */
  readonly text: string;
  /** Whether the client is ours. */
  readonly own: boolean;
}

export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
  /** Where a line stands: the value of bare `fetch`, for example. */
  readonly line?: number;
}

/** Says in the picture what a kind of bar means. */
export interface LegendLine {
  readonly own: boolean;
  readonly pale?: boolean;
  readonly text: string;
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly legend?: readonly LegendLine[];
  /** Rows of panels. All panels of a row have the same labels. */
  readonly rows: readonly (readonly Panel[])[];
}

const TEXT = "#6e7781";
const OWN = "#2da44e";
const OTHER = "#8c959f";
const LINE = "#d4731c";

/** The fill of a pale bar. */
const PALE = 'fill-opacity="0.25"';

const FONT_SIZE = 13;
/**
 * The width of a character in bold, as a part of the font's size. The reader's font is unknown, so
 * it is a wide one.
 */
const CHARACTER = 0.66;
const PANEL = 240;
/** The parts of a panel's width for the values, and for the space between two panels. */
const VALUES = 58;
const GAP = 20;
const STEP = 23;
const HEAD = 64;
const LEGEND = 20;
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
      ...bar(before, `${fill} ${PALE}`),
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
export function drawChart({ title, subtitle, legend = [], rows }: Chart): string {
  const columns = Math.max(...rows.map((panels) => panels.length));
  const longest = Math.max(...rows.flat().flatMap(({ bars }) => bars.map(({ label }) => label.length)));
  const labels = Math.ceil(longest * FONT_SIZE * CHARACTER) + 16;
  const width = labels + columns * PANEL;
  let y = HEAD;
  const parts: string[] = [];
  for (const { own, pale, text: words } of legend) {
    const fill = `fill="${own ? OWN : OTHER}"${pale ? ` ${PALE}` : ""}`;
    parts.push(`<rect x="8" y="${y - 11}" width="26" height="13" rx="2" ${fill}/>`, text(42, y, words));
    y += LEGEND;
  }
  if (legend.length > 0) y += 6;
  for (const panels of rows) {
    const { bars } = panels[0]!;
    for (const [i, { label, own }] of bars.entries()) {
      const weight = own ? ' font-weight="600"' : "";
      parts.push(text(labels - 8, y + TITLE + i * STEP + 1, label, `text-anchor="end"${weight}`));
    }
    for (const [i, panel] of panels.entries()) parts.push(drawPanel(panel, labels + i * PANEL, y));
    y += TITLE + bars.length * STEP + 10;
  }
  const words = rows.flat().map(({ title, bars }) =>
    `${title}: ${bars.map(({ label, text }) => `${label} ${text}`).join("; ")}.`
  );
  const explained = legend.map(({ own, pale, text }) =>
    `${pale ? "Pale" : "Full"} ${own ? "green" : "gray"}: ${text}.`
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" ` +
    `font-family="system-ui, sans-serif" font-size="${FONT_SIZE}" fill="${TEXT}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escape(title)}</title>`,
    `<desc id="desc">${escape([`${subtitle}.`, ...explained, ...words].join(" "))}</desc>`,
    text(8, 22, title, 'font-size="17" font-weight="600"'),
    text(8, 43, subtitle),
    ...parts,
    "</svg>\n",
  ].join("\n");
}
