import { TenancyError } from '@org/core'
import type {
  AssignedPackage,
  Group,
  KeyGrant,
  Override,
  Permission,
  Snapshot,
  Status,
} from '../snapshot/model.ts'

export type Effect = 'EFFECT_ALLOW' | 'EFFECT_DENY'

/** A tenant that principals of a table belong to: the part of a {@link Snapshot} that is the tenant's. */
export interface TableTenant {
  /** Default `active`. */
  readonly status?: Snapshot['tenant']['status']
  readonly packages: readonly AssignedPackage[]
  readonly overrides?: readonly Override[]
}

/** Who asks: a user with groups, or a service with a key. */
export interface TablePrincipal {
  /** The actor's id (default: the name in the table). */
  readonly id?: string
  /** One of the table's tenants; needed when there are several. */
  readonly tenant?: string
  readonly status?: Status
  readonly groups?: readonly string[]
  readonly key?: KeyGrant
}

/** One test: every principal × resource × action; what `expected` does not name is expected to be denied. */
export interface TableTest {
  readonly name: string
  readonly options?: { readonly now?: string }
  readonly input: {
    readonly principals: readonly string[]
    /** Default: the actions are asked without a record. */
    readonly resources?: readonly string[]
    readonly actions: readonly string[]
  }
  readonly expected: readonly {
    readonly principal: string
    readonly resource?: string
    readonly actions: Readonly<Record<string, Effect>>
  }[]
}

/** A decision table in the shape of Cerbos' `*_test.yaml`, parsed. */
export interface DecisionTable {
  readonly name: string
  readonly options?: { readonly now?: string }
  readonly tenants: Readonly<Record<string, TableTenant>>
  readonly groups?: Readonly<
    Record<string, { readonly status?: Status; readonly permissions: readonly Permission[] }>
  >
  readonly principals: Readonly<Record<string, TablePrincipal>>
  readonly resources?: Readonly<
    Record<
      string,
      { readonly kind?: string; readonly id?: string; readonly attr: Readonly<Record<string, unknown>> }
    >
  >
  readonly tests: readonly TableTest[]
}

const FIELDS = {
  table: ['name', 'description', 'options', 'tenants', 'groups', 'principals', 'resources', 'tests'],
  options: ['now'],
  tenant: ['status', 'packages', 'overrides'],
  group: ['status', 'permissions'],
  principal: ['id', 'tenant', 'status', 'groups', 'key'],
  resource: ['kind', 'id', 'attr'],
  test: ['name', 'description', 'options', 'input', 'expected'],
  input: ['principals', 'resources', 'actions'],
  expectation: ['principal', 'resource', 'actions'],
} as const

/**
 * Checks the shape of a parsed table, so that a misspelt field cannot make a test that never fails.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function parseTable(value: unknown): DecisionTable {
  const table = only(value, 'table', 'table')
  only(table.options ?? {}, 'options', 'options')
  for (const [name, one] of entries(table.tenants, 'tenants')) only(one, 'tenant', `tenants.${name}`)
  for (const [name, one] of entries(table.groups ?? {}, 'groups')) only(one, 'group', `groups.${name}`)
  for (const [name, one] of entries(table.principals, 'principals'))
    only(one, 'principal', `principals.${name}`)
  for (const [name, one] of entries(table.resources ?? {}, 'resources')) {
    const { attr } = only(one, 'resource', `resources.${name}`)
    entries(attr, `resources.${name}.attr`)
  }
  for (const [at, one] of list(table.tests, 'tests').entries()) checkTest(one, `tests.${at}`)
  return value as DecisionTable
}

function checkTest(value: unknown, place: string): void {
  const { name, options, input, expected } = only(value, 'test', place)
  if (typeof name !== 'string') throw wrong(place, 'A test has a name.')
  only(options ?? {}, 'options', `${place}.options`)
  const { principals, resources, actions } = only(input, 'input', `${place}.input`)
  list(principals, `${place}.input.principals`)
  if (resources !== undefined) list(resources, `${place}.input.resources`)
  list(actions, `${place}.input.actions`)
  if (!Array.isArray(expected)) throw wrong(`${place}.expected`, 'It is a list.')
  for (const one of expected) {
    const { actions: effects } = only(one, 'expectation', `${place}.expected`)
    for (const [, effect] of entries(effects, `${place}.expected.actions`)) {
      if (effect !== 'EFFECT_ALLOW' && effect !== 'EFFECT_DENY') {
        throw wrong(`${place}.expected`, 'An effect is EFFECT_ALLOW or EFFECT_DENY.')
      }
    }
  }
}

/** What a principal of a table amounts to. */
export function snapshotOf(table: DecisionTable, name: string): Snapshot {
  const principal = named(table.principals, name, 'principals')
  const tenants = Object.keys(table.tenants)
  const key = principal.tenant ?? (tenants.length === 1 ? (tenants[0] as string) : undefined)
  if (key === undefined) throw wrong(`principals.${name}.tenant`, 'Several tenants are defined: name one.')
  const { status = 'active', packages, overrides = [] } = named(table.tenants, key, 'tenants')
  const groups = (principal.groups ?? []).map((group): Group => {
    const { status: groupStatus = 'active', permissions } = named(table.groups ?? {}, group, 'groups')
    return { name: group, status: groupStatus, permissions }
  })
  const type = principal.key ? 'service' : 'user'
  return {
    tenant: { status },
    actor: { type, id: principal.id ?? name, status: principal.status ?? 'active' },
    packages,
    overrides,
    groups,
    key: principal.key,
  }
}

/** An entry that must be there. */
export function named<T>(entries: Readonly<Record<string, T>>, name: string, place: string): T {
  if (Object.hasOwn(entries, name)) return entries[name] as T
  throw wrong(place, `Nothing in it is called ${JSON.stringify(name)}.`)
}

function only(value: unknown, kind: keyof typeof FIELDS, place: string): Readonly<Record<string, unknown>> {
  for (const [field] of entries(value, place)) {
    if (!(FIELDS[kind] as readonly string[]).includes(field)) {
      throw wrong(place, `It has no field ${JSON.stringify(field)}; it has ${FIELDS[kind].join(', ')}.`)
    }
  }
  return value as Readonly<Record<string, unknown>>
}

function entries(value: unknown, place: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(place, 'It is an object.')
  return Object.entries(value)
}

function list(value: unknown, place: string): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value
  throw wrong(place, 'It is a list of at least one.')
}

export function wrong(place: string, message: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `The decision table is not valid at ${place}. ${message}`, {
    details: { option: place },
  })
}
