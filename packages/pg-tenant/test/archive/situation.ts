import type { Random } from './random-schema.ts'

/** Several objects that need each other, as statements; `name` makes a quoted name. Those that are refused are passed over. */
export type Situation = (random: Random, name: () => string) => string[]

/** A quoted name as a text, for `regclass` and the like. */
export const literal = (name: string): string => `'${name.replaceAll("'", "''")}'`
