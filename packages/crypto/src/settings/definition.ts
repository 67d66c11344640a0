import { invalidOption } from '@org/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'

/** A schema with what else is to be known of a setting. Made by {@link secret} and {@link text}. */
export interface DeclaredSetting<S extends StandardSchemaV1, Secret extends boolean> {
  readonly schema: S
  /** sealed in the table, masked in lists */
  readonly secret: Secret
  /** kept as it is instead of as JSON */
  readonly text: boolean
}

/** What a setting may be: any Standard Schema (zod, valibot, arktype, …), or one wrapped. */
export type SettingDefinition = StandardSchemaV1 | DeclaredSetting<StandardSchemaV1, boolean>

/** Settings by key. */
export type SettingDefinitions = Readonly<Record<string, SettingDefinition>>

/**
 * A setting that is sealed in the table and masked in lists: `'smtp.password': secret(z.string())`.
 *
 * @example
 * ```ts
 * import { defineSettings, keyRingFromEnv, secret } from '@org/crypto'
 * import { z } from 'zod'
 *
 * const settings = defineSettings({ 'smtp.password': secret(z.string()) }, { secrets: keyRingFromEnv() })
 * await tenancy.withTenant('acme', async (db) => {
 *   await settings.set(db, 'smtp.password', 'correct horse') // in the table: enc:v1:…
 *   const { 'smtp.password': shown } = await settings.list(db)
 *   console.log(shown?.value) // { masked: true }
 * })
 * ```
 */
export function secret<S extends StandardSchemaV1>(
  setting: S | DeclaredSetting<S, boolean>,
): DeclaredSetting<S, true> {
  return Object.freeze({ ...declare(setting), secret: true }) as DeclaredSetting<S, true>
}

/**
 * A string that is stored as it is instead of as JSON (`smtp.example.com`, not `"smtp.example.com"`): for values
 * that other programs write or read. A secret sealed elsewhere is `secret(text(z.string()))`.
 *
 * @example
 * ```ts
 * import { defineSettings, text } from '@org/crypto'
 * import { z } from 'zod'
 *
 * // Kept as it stands, and not as JSON: for tables that another program reads as well.
 * const settings = defineSettings({ 'smtp.host': text(z.string()) })
 * await tenancy.withTenant('acme', (db) => settings.set(db, 'smtp.host', 'smtp.acme.example'))
 * ```
 */
export function text<S extends StandardSchemaV1<string | undefined>>(schema: S): DeclaredSetting<S, false> {
  return Object.freeze({ ...declare(schema), text: true }) as DeclaredSetting<S, false>
}

/** A key must fit in an index entry (PostgreSQL manual, 67.1) with room to spare. */
const MAX_KEY_BYTES = 255

/**
 * Checks what `defineSettings` was given.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function parseDefinitions(
  definitions: SettingDefinitions,
): ReadonlyMap<string, DeclaredSetting<StandardSchemaV1, boolean>> {
  if (typeof definitions !== 'object' || definitions === null)
    throw invalidOption('definitions', 'an object of schemas by key')
  const parsed = new Map<string, DeclaredSetting<StandardSchemaV1, boolean>>()
  for (const [key, definition] of Object.entries(definitions)) {
    if (key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES || key.includes('\0') || !key.isWellFormed())
      throw invalidOption(
        'definitions',
        `keys of 1 to ${MAX_KEY_BYTES} bytes of well-formed text without U+0000`,
      )
    parsed.set(key, declare(definition))
  }
  return parsed
}

function declare(definition: SettingDefinition): DeclaredSetting<StandardSchemaV1, boolean> {
  if (isSchema(definition)) return { schema: definition, secret: false, text: false }
  const { schema, secret: sealed, text: plain } = (definition ?? {}) as Partial<typeof definition>
  if (isSchema(schema) && typeof sealed === 'boolean' && typeof plain === 'boolean')
    return { schema, secret: sealed, text: plain }
  throw invalidOption('definitions', 'Standard Schemas (zod, valibot, …), secret(schema) or text(schema)')
}

/** Some libraries' schemas are functions (arktype). */
function isSchema(value: unknown): value is StandardSchemaV1 {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard = (value as Partial<StandardSchemaV1>)['~standard']
  return standard?.version === 1 && typeof standard.validate === 'function'
}
