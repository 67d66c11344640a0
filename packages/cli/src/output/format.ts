const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const

/** Bytes as `pg_size_pretty` says them (manual 9.28): 1 kB is 1,024 bytes. `-` where it is not known. */
export function bytes(value: number | null): string {
  if (value === null) return '-'
  let [amount, unit] = [value, 0]
  while (Math.abs(amount) >= 10 * 1_024 && unit < UNITS.length - 1)
    [amount, unit] = [amount / 1_024, unit + 1]
  return `${Math.round(amount)} ${UNITS[unit]}`
}

/** Milliseconds as a person says them. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export const count = (value: number | null): string => (value === null ? '-' : value.toLocaleString('en-US'))

/** `1 tenant`, `2 tenants`, `2 entries`. */
export const plural = (value: number, noun: string): string =>
  `${count(value)} ${value === 1 ? noun : noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`

/** A moment without its fractions of a second; `-` for none. */
export const moment = (date: Date | null): string =>
  date === null ? '-' : `${date.toISOString().slice(0, 19).replace('T', ' ')}Z`

/** A moment as part of a file name, to the millisecond. */
export const stamp = (date: Date): string => date.toISOString().replace(/[-:.]/g, '')
