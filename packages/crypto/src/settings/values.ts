import type { TenantKey, TenantQueryable } from '@org/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { DeclaredSetting } from './definition.ts'
import { decode, encode } from './encoding.ts'
import { invalidValue } from './errors.ts'
import type { Keeper } from './keeper.ts'
import { requireKeyIn } from './options.ts'
import { READ } from './sql.ts'
import type { SettingEntry } from './types.ts'
import { requireFit, requireStillFits } from './validation.ts'

/** A row of `app_settings`. */
interface Stored {
  readonly key: string
  readonly value: string
  readonly version: string
}

/** Between the values programs see and the texts in the table. */
export interface Values {
  /** @throws TenancyError VALIDATION_ERROR when there is no setting of this key */
  definitionOf(key: string): DeclaredSetting<StandardSchemaV1, boolean>
  /** The tenant's keeper, if any of these settings is a secret: it may have to be fetched. */
  keeperFor(tenant: TenantKey, keys: readonly string[]): Promise<Keeper | undefined>
  /** Rows by key. One statement. */
  find(db: TenantQueryable, keys: readonly string[]): Promise<ReadonlyMap<string, Stored>>
  /** The value in a row, opened and validated. */
  read(stored: Stored, keeper: Keeper | undefined): Promise<SettingEntry<unknown>>
  /** The text to store for a value: validated as its readers will see it, and sealed if it is a secret. */
  prepare(key: string, value: unknown, keeper: Keeper | undefined): Promise<string>
}

export function valuesOf(
  defined: ReadonlyMap<string, DeclaredSetting<StandardSchemaV1, boolean>>,
  keeperOfTenant: (tenant: TenantKey) => Promise<Keeper>,
): Values {
  const definitionOf = requireKeyIn(defined)
  return {
    definitionOf,
    keeperFor: async (tenant, keys) =>
      keys.some((key) => definitionOf(key).secret) ? keeperOfTenant(tenant) : undefined,
    find: async (db, keys) => {
      const { rows } = await db.query<Stored>(READ, [keys])
      return new Map(rows.map((row) => [row.key, row]))
    },
    read: async ({ key, value, version }, keeper) => {
      const { schema, secret, text } = definitionOf(key)
      const clear = secret ? present(keeper).open(key, value) : value
      return { value: await requireStillFits(key, schema, decode(clear, text)), updatedAt: version }
    },
    prepare: async (key, value, keeper) => {
      const { schema, secret, text } = definitionOf(key)
      const clear = encode(key, value, text)
      await requireFit(key, schema, decode(clear, text))
      const stored = secret ? present(keeper).seal(key, clear) : clear
      if (stored.includes('\0')) throw invalidValue(key, 'is kept as text, which cannot hold U+0000')
      return stored
    },
  }
}

/** Callers look the keeper up with {@link Values.keeperFor}; a secret never goes by without it. */
function present(keeper: Keeper | undefined): Keeper {
  if (keeper) return keeper
  throw new TypeError('a secret needs its keeper')
}
