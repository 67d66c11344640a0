import { type Reason, type Sentence, sentenceOf } from './sentences.ts'

/** A link of the chain that a decision is. */
export type Link = 'catalogue' | 'tenant' | 'actor' | 'package' | 'override' | 'group' | 'key' | 'constraint'

/** One link, and whether it holds. */
export interface Step {
  readonly link: Link
  readonly ok: boolean
  readonly reason: Reason
  /** The names in the sentence: keys, groups, fields. */
  readonly names: Readonly<Record<string, string>>
  readonly sentence: Sentence
}

export function step(
  link: Link,
  ok: boolean,
  reason: Reason,
  names: Readonly<Record<string, string>> = {},
): Step {
  return { link, ok, reason, names, sentence: sentenceOf(reason, names) }
}

/** A moment as people read it, in UTC: `2026-01-31 12:00 UTC`. */
export function readable(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
