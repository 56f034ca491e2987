// Money, exactly: whole numbers of the smallest part that was ever named. Adding keeps the finer of two scales, as the
// server's decimals do, so both write the same text.

export interface Decimal {
  digits: bigint;
  scale: number;
}

export const ZERO: Decimal = { digits: 0n, scale: 0 };

/** Reads `12`, `0.30`, `1e-7`. Anything that is no number counts as nothing. */
export function decimal(value: unknown): Decimal {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(String(value ?? 0).trim());
  if (match === null || !(match[2] || match[3])) return ZERO;
  const fraction = match[3] ?? "";
  let digits = BigInt(`${match[2]}${fraction}`);
  let scale = fraction.length - Number(match[4] ?? 0);
  if (scale < 0) {
    digits *= 10n ** BigInt(-scale);
    scale = 0;
  }
  return { digits: match[1] === "-" ? -digits : digits, scale };
}

export function add(a: Decimal, b: Decimal, sign = 1): Decimal {
  const scale = Math.max(a.scale, b.scale);
  const left = a.scale === scale ? a.digits : a.digits * 10n ** BigInt(scale - a.scale);
  const right = b.scale === scale ? b.digits : b.digits * 10n ** BigInt(scale - b.scale);
  return { digits: sign < 0 ? left - right : left + right, scale };
}

/** The same amount without zeros at its end. */
export function normal({ digits, scale }: Decimal): Decimal {
  while (scale > 0 && digits % 10n === 0n) {
    digits /= 10n;
    scale--;
  }
  return { digits, scale };
}

export function text({ digits, scale }: Decimal): string {
  const negative = digits < 0n;
  const all = (negative ? -digits : digits).toString().padStart(scale + 1, "0");
  const whole = all.slice(0, all.length - scale);
  return (negative ? "-" : "") + (scale === 0 ? whole : `${whole}.${all.slice(all.length - scale)}`);
}

export function number(value: Decimal): number {
  return Number(text(value));
}
