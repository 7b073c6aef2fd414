// Copyright 2026 the Hangup authors. MIT license.

/** The value at a part of the way from the least to the greatest: 0.5 for the median. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)] ?? NaN;
  return low + (sorted[Math.ceil(at)]! - low) * (at % 1);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** A median. */
export interface Estimate {
  readonly value: number;
  /**
   * How far the true one may be from it, at about 95 %. Fewer than three values say nothing of it.
   */
  readonly margin?: number;
}

const RESAMPLES = 1000;

/**
 * The median of all values, which are given by generation; `undefined` where there are none. As
 * those of a generation share its luck, the margin is by a bootstrap in two steps: generations are
 * drawn anew, and of each its values.
 */
export function estimate(generations: readonly (readonly number[])[]): Estimate | undefined {
  const drawn = generations.filter(({ length }) => length > 0);
  const values = drawn.flat();
  if (values.length === 0) return undefined;
  const value = round(median(values));
  if (values.length < 3) return { value };
  const medians = Array.from({ length: RESAMPLES }, () => median(redraw(drawn).flatMap(redraw)));
  return { value, margin: round((quantile(medians, 0.975) - quantile(medians, 0.025)) / 2) };
}

/** As many items, each chosen at random: some come twice, and some not at all. */
function redraw<T>(items: readonly T[]): T[] {
  return items.map(() => items[Math.floor(Math.random() * items.length)]!);
}

export function round(value: number): number {
  return Number(value.toPrecision(4));
}
