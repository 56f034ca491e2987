// Times, money and sizes as people read them. Everything is a pure function of its arguments and the viewer's locale.

const LOCALE = undefined; // the browser's own

const DATE_TIME = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const COUNT = new Intl.NumberFormat(LOCALE);
const SHORT = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const RELATIVE = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto", style: "short" });

/** Milliseconds since the epoch of an RFC 3339 text, of seconds since the epoch, or of a Date. */
export function instant(when: string | number | Date): number {
  if (typeof when === "number") return when * 1000;
  return typeof when === "string" ? Date.parse(when) : when.getTime();
}

/** Date and time to the second. */
export function dateTime(when: string | number | Date | null | undefined): string {
  return when === null || when === undefined ? "–" : DATE_TIME.format(instant(when));
}

/** Hours, minutes and seconds. */
export function clock(when: string | number | Date): string {
  return CLOCK.format(instant(when));
}

/** How long ago, or until: "5 min. ago". `now` is in ms since the epoch. */
export function ago(when: string | number | Date, now: number = Date.now()): string {
  const seconds = (instant(when) - now) / 1000;
  const size = Math.abs(seconds);
  if (size < 5) return "just now";
  if (size < 60) return RELATIVE.format(Math.round(seconds), "second");
  if (size < 3600) return RELATIVE.format(Math.round(seconds / 60), "minute");
  if (size < 86_400) return RELATIVE.format(Math.round(seconds / 3600), "hour");
  if (size < 30 * 86_400) return RELATIVE.format(Math.round(seconds / 86_400), "day");
  return RELATIVE.format(Math.round(seconds / (30 * 86_400)), "month");
}

/** A length of time, in seconds: "340 ms", "12.4 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 0) return duration(0);
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.995) return `${(Math.round(seconds * 100) / 100).toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400) return pair(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return pair(Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3600), "h");
}

const pair = (a: number, big: string, b: number, small: string) => (b ? `${a} ${big} ${b} ${small}` : `${a} ${big}`);

/** US dollars, from a number or an exact decimal text. Small amounts keep two figures that say something. */
export function usd(amount: string | number | null | undefined): string {
  if (amount === null || amount === undefined || amount === "") return "–";
  const value = Number(amount);
  if (Number.isNaN(value)) return "–";
  if (value === 0) return "$0";
  const size = Math.abs(value);
  if (size < 0.0001) return value < 0 ? "−$0.0001" : "<$0.0001";
  const digits = size >= 1 ? 2 : size >= 0.1 ? 3 : 4;
  return `${value < 0 ? "−" : ""}$${size.toFixed(digits)}`;
}

/** A number with its thousands apart. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : COUNT.format(value);
}

/** A large number, short: "12.3K". */
export function short(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value < 10_000 ? COUNT.format(value) : SHORT.format(value);
}

/** A size in bytes: "12.3 kB". */
export function bytes(size: number | null | undefined): string {
  if (size === null || size === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = size;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** "1 run", "3 runs". */
export function plural(amount: number, one: string, many: string = `${one}s`): string {
  return `${COUNT.format(amount)} ${amount === 1 ? one : many}`;
}

/** An id short enough for a line; what tells ids apart is at their end. */
export function shortId(id: string, length = 8): string {
  return id.length <= length + 1 ? id : `…${id.slice(-length)}`;
}
