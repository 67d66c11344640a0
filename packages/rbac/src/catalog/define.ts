import { TenancyError } from '@org/core'
import { isActionKey, isPackageKey, isToolKey, toolOf, toolOfPattern } from './keys.ts'
import {
  type ActionDefinition,
  type Catalog,
  type CatalogIndex,
  type LimitDefinition,
  type PackageDefinition,
  STANDARD_LIMITS,
  type StandardLimit,
  type ToolDefinition,
} from './model.ts'

/**
 * Defines what there is to do in a product and checks it, once, when the program starts. Keys are `tool.resource.verb`
 * in lower case; from here on a misspelt one does not compile.
 *
 * @param definition.tools parts of the product by key
 * @param definition.actions by key; each belongs to one of the tools and says whether it reads, writes or administers
 * @param definition.packages what is sold; each lists actions, or `tool.*`
 * @param definition.limits counted things beside `max_users`, `max_storage_gb` and `max_api_calls`
 * @throws TenancyError INVALID_OPTION; `details.option` is where, e.g. `actions` or `packages.pro.actions`
 * @example
 * ```ts
 * import { defineCatalog } from '@org/rbac'
 *
 * const catalog = defineCatalog({
 *   tools: { notes: { name: 'Notes' } },
 *   actions: {
 *     'notes.item.read': { name: 'Read notes', kind: 'read' },
 *     'notes.item.delete': { name: 'Delete notes', kind: 'write' },
 *   },
 *   packages: { basic: { name: 'Basic', actions: ['notes.*'] } },
 * })
 * catalog.has('notes.item.read') // → true
 * ```
 */
export function defineCatalog<
  const Tool extends string,
  const Action extends string,
  const Package extends string,
  const Limit extends string = never,
>(definition: {
  readonly tools: { readonly [K in Tool]: ToolDefinition }
  readonly actions: {
    readonly [K in Action]: K extends `${NoInfer<Tool>}.${string}.${string}` ? ActionDefinition : WrongKey
  }
  readonly packages: { readonly [K in Package]: PackageDefinition<NoInfer<Action> | `${NoInfer<Tool>}.*`> }
  readonly limits?: { readonly [K in Limit]: LimitDefinition }
}): Catalog<Tool, Action, Package, Limit | StandardLimit> {
  return makeCatalog<Tool, Action, Package, Limit>(definition as UncheckedDefinition)
}

/** What a mistaken action is said to need; it shows up in the compiler's message. */
type WrongKey = { readonly 'an action is keyed tool.resource.verb, and its tool is defined': never }

/** A definition whose keys nobody has looked at yet. */
export interface UncheckedDefinition {
  readonly tools: Readonly<Record<string, ToolDefinition>>
  readonly actions: Readonly<Record<string, ActionDefinition>>
  readonly packages: Readonly<Record<string, PackageDefinition>>
  readonly limits?: Readonly<Record<string, LimitDefinition>>
}

/** {@link defineCatalog} for keys that only the running program knows. */
export function makeCatalog<
  Tool extends string = string,
  Action extends string = string,
  Package extends string = string,
  Limit extends string = string,
>(definition: UncheckedDefinition): Catalog<Tool, Action, Package, Limit | StandardLimit> {
  const tools = checked('tools', definition.tools, isToolKey)
  const actions = checked('actions', definition.actions, isActionKey)
  const packages = checked('packages', definition.packages, isPackageKey)
  const limits = { ...STANDARD_LIMITS, ...checked('limits', definition.limits ?? {}, isToolKey) }
  for (const [key, { kind }] of Object.entries(actions)) {
    if (!Object.hasOwn(tools, toolOf(key)))
      throw invalid('actions', `${key} belongs to no tool. Define its tool.`)
    if (kind !== 'read' && kind !== 'write' && kind !== 'admin') {
      throw invalid(`actions.${key}.kind`, 'An action says whether it is read, write or admin.')
    }
  }
  for (const [key, entry] of Object.entries(packages)) checkPackage(key, entry, tools, actions)
  const index = indexOf(tools, actions, packages)
  return Object.freeze({
    tools,
    actions,
    packages,
    limits: Object.freeze(limits),
    index,
    has: (value: unknown): value is Action => typeof value === 'string' && index.numberOf.has(value),
  }) as Catalog<Tool, Action, Package, Limit | StandardLimit>
}

/** A frozen copy of one part of the definition, every key and text looked at. */
function checked<T extends LimitDefinition & ToolDefinition>(
  option: string,
  part: Readonly<Record<string, T>>,
  isKey: (key: string) => boolean,
): Readonly<Record<string, T>> {
  if (!isPlain(part)) throw invalid(option, `${option} is a plain object of definitions by key.`)
  const entries = Object.entries(part).map(([key, entry]) => {
    if (!isKey(key)) throw invalid(option, KEY_GRAMMAR)
    if (!isPlain(entry)) throw invalid(`${option}.${key}`, 'A definition is a plain object.')
    if (!isText(entry.name, 1) || !isText(entry.description ?? '', 0)) {
      throw invalid(`${option}.${key}.name`, 'An entry has a name for people, of 1 to 200 characters.')
    }
    if (entry.status !== undefined && entry.status !== 'active' && entry.status !== 'deprecated') {
      throw invalid(`${option}.${key}.status`, 'The status is active or deprecated.')
    }
    return [key, Object.freeze({ ...entry })] as const
  })
  return Object.freeze(Object.fromEntries(entries))
}

const KEY_GRAMMAR =
  'Keys begin with a lower-case letter and have only a-z, 0-9 and "_"; an action is tool.resource.verb; ' +
  'names that every object has (constructor, prototype) are refused.'

function checkPackage(
  key: string,
  { actions: patterns }: PackageDefinition,
  tools: UncheckedDefinition['tools'],
  actions: UncheckedDefinition['actions'],
): void {
  const option = `packages.${key}.actions`
  if (!Array.isArray(patterns)) throw invalid(option, 'A package lists its actions.')
  for (const pattern of patterns as readonly unknown[]) {
    const tool = typeof pattern === 'string' ? toolOfPattern(pattern) : undefined
    const known = tool === undefined ? Object.hasOwn(actions, String(pattern)) : Object.hasOwn(tools, tool)
    if (!known)
      throw invalid(option, 'A package lists actions of the catalogue, or tool.* of one of its tools.')
  }
  if (new Set(patterns).size !== patterns.length) throw invalid(option, 'A package lists each action once.')
}

function indexOf(
  tools: UncheckedDefinition['tools'],
  actions: UncheckedDefinition['actions'],
  packages: UncheckedDefinition['packages'],
): CatalogIndex {
  const keys = Object.keys(actions)
  const numberOf = new Map(keys.map((key, number) => [key, number]))
  const numbersOfTool = new Map(Object.keys(tools).map((tool) => [tool, [] as number[]]))
  for (const [number, key] of keys.entries()) numbersOfTool.get(toolOf(key))?.push(number)
  const index = { keys, kinds: Object.values(actions).map(({ kind }) => kind), numberOf, numbersOfTool }
  const numbersOfPackage = new Map(
    Object.entries(packages).map(([key, { actions: patterns }]) => [
      key,
      [...new Set(patterns.flatMap((pattern) => numbersOf(index, pattern)))],
    ]),
  )
  return { ...index, numbersOfPackage }
}

/** The actions a key or `tool.*` stands for; none when the catalogue does not know it. */
export function numbersOf(
  { numberOf, numbersOfTool }: Pick<CatalogIndex, 'numberOf' | 'numbersOfTool'>,
  pattern: string,
): readonly number[] {
  const number = numberOf.get(pattern)
  if (number !== undefined) return [number]
  return numbersOfTool.get(toolOfPattern(pattern) ?? '') ?? []
}

/** A literal or parsed JSON; `{ __proto__: … }` in a literal is neither. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const isText = (value: unknown, least: number) =>
  typeof value === 'string' && value.length >= least && value.length <= 200

function invalid(option: string, message: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `The catalogue is not valid at ${option}. ${message}`, {
    details: { option },
  })
}
