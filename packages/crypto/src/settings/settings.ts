import type { TenantQueryable } from '@org/core'
import { parseDefinitions, type SettingDefinitions } from './definition.ts'
import { conflict } from './errors.ts'
import { keeperOf } from './keeper.ts'
import { SETTINGS_TABLE } from './migration.ts'
import { parseListOptions, parseOptions, requireDb, requireValues, requireVersion } from './options.ts'
import { DELETE, DELETE_IF_UNCHANGED, WRITE, WRITE_IF_ABSENT, WRITE_IF_UNCHANGED } from './sql.ts'
import type {
  Masked,
  SetOptions,
  SettingEntry,
  SettingListOptions,
  Settings,
  SettingsOptions,
} from './types.ts'
import { defaultOf } from './validation.ts'
import { type Values, valuesOf } from './values.ts'

interface Versioned {
  readonly key: string
  readonly version: string
}

/** Stands for a secret in a list. */
export const MASKED: Masked = Object.freeze({ masked: true })

/**
 * Declares a tenant's settings, each with its schema; see {@link Settings} for what can be done with them.
 *
 * @param definitions schemas by key, e.g. `{ 'smtp.host': z.string(), 'smtp.password': secret(z.string()) }`
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { defineSettings, keyRingFromEnv, secret } from '@org/crypto'
 * import { z } from 'zod'
 *
 * // settingsMigration is one of the tenancy's migrations.
 * const settings = defineSettings(
 *   { 'smtp.port': z.number().int().default(587), 'smtp.password': secret(z.string().min(8)) },
 *   { secrets: keyRingFromEnv() },
 * )
 * const port = await tenancy.withTenant('acme', (db) => settings.get(db, 'smtp.port'))
 * port // → 587
 * ```
 */
export function defineSettings<const D extends SettingDefinitions>(
  definitions: D,
  options: SettingsOptions = {},
): Settings<D> {
  const defined = parseDefinitions(definitions)
  const { secrets, onPlaintext } = parseOptions(options)
  const values = valuesOf(defined, keeperOf(secrets, onPlaintext))
  const keys = Object.freeze([...defined.keys()])
  // What is kept as JSON never begins as an envelope does, so one found there was a secret once and still is.
  const holds = (name: string) => {
    const { secret, text } = defined.get(name) ?? {}
    return secret ? 'secret' : text ? 'open' : 'unknown'
  }
  const settings = {
    keys,
    table: Object.freeze({ table: SETTINGS_TABLE, key: 'key', value: 'value', holds }),
    isKey: (value: unknown) => typeof value === 'string' && defined.has(value),
    getEntry: (db: TenantQueryable, key: string) => getEntry(values, db, key),
    get: async (db: TenantQueryable, key: string) => {
      const entry = await getEntry(values, db, key)
      return entry ? entry.value : defaultOf(values.definitionOf(key).schema)
    },
    list: (db: TenantQueryable, options?: SettingListOptions) => list(values, keys, db, options),
    set: (db: TenantQueryable, key: string, value: unknown, options?: SetOptions) =>
      set(values, db, key, value, options),
    setMany: (db: TenantQueryable, given: Readonly<Record<string, unknown>>) => setMany(values, db, given),
    delete: (db: TenantQueryable, key: string, options?: { readonly ifUpdatedAt?: string }) =>
      remove(values, db, key, options),
  }
  return Object.freeze(settings) as Settings<D>
}

async function getEntry(
  values: Values,
  db: TenantQueryable,
  key: string,
): Promise<SettingEntry<unknown> | undefined> {
  requireDb(db)
  values.definitionOf(key)
  const stored = (await values.find(db, [key])).get(key)
  return stored && values.read(stored, await values.keeperFor(db.tenant, [key]))
}

async function list(
  values: Values,
  all: readonly string[],
  db: TenantQueryable,
  options: SettingListOptions = {},
): Promise<Record<string, SettingEntry<unknown>>> {
  requireDb(db)
  const { keys = all, reveal = [] } = parseListOptions(options)
  for (const key of [...keys, ...reveal]) values.definitionOf(key)
  const rows = await values.find(db, keys)
  const keeper = await values.keeperFor(db.tenant, reveal)
  const entries: [string, SettingEntry<unknown>][] = []
  for (const key of all) {
    const stored = rows.get(key)
    if (stored === undefined) continue
    const masked = values.definitionOf(key).secret && !reveal.includes(key)
    entries.push([
      key,
      masked ? { value: MASKED, updatedAt: stored.version } : await values.read(stored, keeper),
    ])
  }
  return Object.fromEntries(entries)
}

async function set(
  values: Values,
  db: TenantQueryable,
  key: string,
  value: unknown,
  options: SetOptions = {},
): Promise<{ readonly updatedAt: string }> {
  requireDb(db)
  const version = requireVersion(options)
  const stored = await values.prepare(key, value, await values.keeperFor(db.tenant, [key]))
  const { rows } =
    version === undefined
      ? await db.query<Versioned>(WRITE, [[key], [stored]])
      : version === null
        ? await db.query<Versioned>(WRITE_IF_ABSENT, [key, stored])
        : await db.query<Versioned>(WRITE_IF_UNCHANGED, [key, stored, version])
  if (rows[0] === undefined) throw conflict(key, version === null ? 'exists' : 'changed')
  return { updatedAt: rows[0].version }
}

async function setMany(
  values: Values,
  db: TenantQueryable,
  given: Readonly<Record<string, unknown>>,
): Promise<Record<string, { readonly updatedAt: string }>> {
  requireDb(db)
  requireValues(given)
  const keys = Object.keys(given)
  const keeper = await values.keeperFor(db.tenant, keys)
  const stored: string[] = []
  for (const key of keys) stored.push(await values.prepare(key, given[key], keeper))
  if (keys.length === 0) return {}
  const { rows } = await db.query<Versioned>(WRITE, [keys, stored])
  return Object.fromEntries(rows.map(({ key, version }) => [key, { updatedAt: version }]))
}

async function remove(
  values: Values,
  db: TenantQueryable,
  key: string,
  options: { readonly ifUpdatedAt?: string } = {},
): Promise<boolean> {
  requireDb(db)
  values.definitionOf(key)
  const version = requireVersion(options)
  if (version === undefined) return (await db.query(DELETE, [key])).rowCount === 1
  const { rowCount } = await db.query(DELETE_IF_UNCHANGED, [key, version])
  if (rowCount !== 1) throw conflict(key, 'changed')
  return true
}
