/**
 * What an action does. `read` changes nothing; `write` changes data; `admin` changes who may do what (users, groups,
 * keys, settings). The profile of an API key is made of these.
 */
export type ActionKind = 'read' | 'write' | 'admin'

/** A deprecated entry goes on working; it is marked for those who assign it. */
export type EntryStatus = 'active' | 'deprecated'

interface Described {
  /** For people. */
  readonly name: string
  readonly description?: string | undefined
}

/** A part of the product: the first part of its actions' keys. */
export interface ToolDefinition extends Described {
  /** Default `active`. */
  readonly status?: EntryStatus | undefined
}

/** Something that somebody may do, or not. */
export interface ActionDefinition extends ToolDefinition {
  readonly kind: ActionKind
}

/** What is sold: the actions a tenant is entitled to. */
export interface PackageDefinition<Pattern extends string = string> extends ToolDefinition {
  /** Keys of actions, or `tool.*` for all of a tool's, those to come included. */
  readonly actions: readonly Pattern[]
}

/** Something counted, with an upper bound that a plan sets. */
export interface LimitDefinition extends Described {
  /** What is counted, e.g. `users` or `GB`. */
  readonly unit?: string | undefined
}

/** Limits that are always there. */
export const STANDARD_LIMITS = {
  max_users: { name: 'Users', unit: 'users' },
  max_storage_gb: { name: 'Storage', unit: 'GB' },
  max_api_calls: { name: 'API calls in a period', unit: 'calls' },
} as const satisfies Record<string, LimitDefinition>

export type StandardLimit = keyof typeof STANDARD_LIMITS

/** Looks something up by a key that may come from anywhere: a Map, so nothing inherited is ever found. */
interface Lookup<V> {
  get(key: string): V | undefined
  has(key: string): boolean
}

/** The catalogue arranged for the evaluator: actions by number, so that a decision is one look-up and one byte. */
export interface CatalogIndex {
  readonly keys: readonly string[]
  readonly kinds: readonly ActionKind[]
  readonly numberOf: Lookup<number>
  readonly numbersOfTool: Lookup<readonly number[]>
  readonly numbersOfPackage: Lookup<readonly number[]>
}

/** What {@link defineCatalog} returns: checked, frozen. Its type knows every key. */
export interface Catalog<
  Tool extends string = string,
  Action extends string = string,
  Package extends string = string,
  Limit extends string = string,
> {
  readonly tools: Readonly<Record<Tool, ToolDefinition>>
  readonly actions: Readonly<Record<Action, ActionDefinition>>
  readonly packages: Readonly<Record<Package, PackageDefinition>>
  readonly limits: Readonly<Record<Limit, LimitDefinition>>
  /** Whether `value` is one of the actions. */
  has(value: unknown): value is Action
  readonly index: CatalogIndex
}

/** The union of a catalogue's actions: `ActionOf<typeof catalog>`. */
export type ActionOf<C extends Catalog> = keyof C['actions'] & string
