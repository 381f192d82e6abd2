/**
 * @module
 * Figures as people read them. A figure that does not exist (no window of that kind) is shown as a dash.
 */

const exists = (value: number | null): value is number => value !== null && Number.isFinite(value);

/** 0.9137 → "91.4 %" */
export function percent(value: number | null): string {
  return exists(value) ? `${(100 * value).toFixed(1)} %` : "–";
}

/** 14.638 → "14.64"; from a thousand on without digits after the point: 10432.7 → "10,433" */
export function decimal(value: number | null): string {
  if (!exists(value)) return "–";
  return Math.abs(value) < 1000 ? value.toFixed(2) : count(Math.round(value));
}

/** 154053 → "154,053" */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** In powers of ten: 6_162_120 → "6.2 MB" */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** 151.2 → "2 min 31 s" */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
