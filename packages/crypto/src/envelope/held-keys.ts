import type { KeyObject } from 'node:crypto'

/** A key and its public name. */
export interface HeldKey {
  /** 16 lower-case hexadecimal digits; see FORMAT.md, "Key ids" */
  readonly id: string
  readonly key: KeyObject
}

/** Keys in a list that cannot be empty: the first one seals, all of them open. */
export type KeyList = readonly [HeldKey, ...HeldKey[]]

/** Where envelopes get their keys from, at every use. */
export interface HeldKeys {
  /** @throws TenancyError KEY_MISSING when there is none, or none any more */
  readonly use: () => KeyList
  /** the format of new envelopes */
  readonly format: 'v1' | 'v2'
  /** whether `enc:v1:` envelopes without a place open as well */
  readonly acceptUnbound: boolean
}

/** Old envelopes are tried under every key: a bound on the work that one hostile text can cause. */
export const MAX_KEYS = 16
