import type { IsolationLevel } from './isolation.ts'

/** What an isolation level is, asked instead of its name: `tenancy/levels.ts` alone knows the levels themselves. */
export interface LevelTraits {
  /** All tenants are rows of the same tables. */
  readonly shared: boolean
  /** A tenant has a role of its own, which its scopes run as. */
  readonly ownRole: boolean
  /** A tenant has a role of its own that owns its tables only: its scopes run as the application. */
  readonly separateOwner: boolean
  /** The role of its own logs in by itself, on connections of its own. */
  readonly logsIn: boolean
  /** A tenant has a database of its own. */
  readonly ownDatabase: boolean
}

const NONE: LevelTraits = {
  shared: false,
  ownRole: false,
  separateOwner: false,
  logsIn: false,
  ownDatabase: false,
}

const TRAITS: Readonly<Record<IsolationLevel, LevelTraits>> = {
  schema: { ...NONE, separateOwner: true },
  role: { ...NONE, ownRole: true },
  login: { ...NONE, ownRole: true, logsIn: true },
  row: { ...NONE, shared: true },
  database: { ...NONE, ownRole: true, logsIn: true, ownDatabase: true },
}

export const LEVELS = Object.keys(TRAITS) as readonly IsolationLevel[]

export const isLevel = (word: unknown): word is IsolationLevel => LEVELS.some((level) => level === word)

export function traitsOf(level: IsolationLevel): LevelTraits {
  return TRAITS[level]
}
