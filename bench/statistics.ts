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
  /** How far the true one may be from it, at about 95 % (McGill's notches). Fewer than three values say nothing of it. */
  readonly margin?: number;
}

/** The median of the ratios of pairs. */
export function ratio(values: readonly number[], bases: readonly number[]): Estimate {
  const ratios = values.map((value, i) => value / bases[i]!);
  const margin = 1.57 * (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / Math.sqrt(ratios.length);
  return { value: round(median(ratios)), margin: ratios.length < 3 ? undefined : round(margin) };
}

export function round(value: number): number {
  return Number(value.toPrecision(4));
}
