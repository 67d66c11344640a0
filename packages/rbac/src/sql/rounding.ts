/**
 * The decimals that read as one double (IEEE 754, round to nearest, ties to even; what `Number(text)` does): those between
 * `low` and `high`, both of them included or neither.
 */
export interface RoundingInterval {
  readonly low: string
  readonly high: string
  readonly inclusive: boolean
}

/** @param value finite */
export function roundingInterval(value: number): RoundingInterval {
  const bits = bitsOf(Math.abs(value))
  // The bits of neighbouring doubles are neighbouring integers. Below 0 is what reads as the smallest negative one.
  const high = halfway(bits, bits + 1n)
  const low = bits === 0n ? `-${high}` : halfway(bits - 1n, bits)
  const inclusive = (bits & 1n) === 0n
  if (value >= 0) return { low, high, inclusive }
  return { low: `-${high}`, high: `-${low}`, inclusive }
}

function bitsOf(value: number): bigint {
  return new DataView(Float64Array.of(value).buffer).getBigUint64(0, true)
}

/** The number in the middle of two doubles next to each other, exactly. */
function halfway(lower: bigint, upper: bigint): string {
  const [a, b] = [partsOf(lower), partsOf(upper)]
  // Both as multiples of half the smaller unit.
  const exponent = Math.min(a.exponent, b.exponent) - 1
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent))
  return decimalOf(sum >> 1n, exponent)
}

/** A double as `mantissa * 2 ** exponent` (binary64: 52 bits, bias 1075 with the mantissa a whole number). */
function partsOf(bits: bigint): { readonly mantissa: bigint; readonly exponent: number } {
  const biased = Number(bits >> 52n)
  const fraction = bits & ((1n << 52n) - 1n)
  if (biased === 0) return { mantissa: fraction, exponent: -1074 }
  return { mantissa: fraction | (1n << 52n), exponent: biased - 1075 }
}

/** `mantissa * 2 ** exponent` written out: a half is a five of the next digit. */
function decimalOf(mantissa: bigint, exponent: number): string {
  if (exponent >= 0) return String(mantissa << BigInt(exponent))
  const digits = String(mantissa * 5n ** BigInt(-exponent)).padStart(-exponent + 1, '0')
  return `${digits.slice(0, exponent)}.${digits.slice(exponent)}`
}
