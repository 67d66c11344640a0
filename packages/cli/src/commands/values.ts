import { usage } from '../cli-error.ts'

/** Parses a whole number within bounds. */
export const whole =
  (option: string, least: number, most = 2_147_483_647) =>
  (text: string): number => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && value <= most) return value
    throw usage(`${option} takes a whole number from ${least} to ${most}.`)
  }

const SIZES: Readonly<Record<string, number>> = { '': 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30, tb: 2 ** 40 }

/** Parses a size such as `100GB`; a unit is 1,024 of the one before, as in PostgreSQL. */
export const size =
  (option: string) =>
  (text: string): number => {
    const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt]b)?$/i.exec(text) ?? []
    const factor = SIZES[unit.toLowerCase()]
    if (amount !== '' && factor !== undefined && Number(amount) > 0)
      return Math.round(Number(amount) * factor)
    throw usage(`${option} takes a size such as 500MB or 2TB.`)
  }

/** Parses a list separated by commas. */
export const names = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
