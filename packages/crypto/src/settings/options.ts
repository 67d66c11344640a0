import { invalidOption, TenancyError, type TenantQueryable, unknownOption } from '@org/core'
import type { Envelopes } from '../envelope/envelopes.ts'
import type { PlaintextUse } from './keeper.ts'
import type { SetOptions, SettingListOptions, SettingsOptions } from './types.ts'

const KNOWN: ReadonlySet<string> = new Set(['secrets', 'allowPlaintext'] satisfies (keyof SettingsOptions)[])

/** @throws TenancyError INVALID_OPTION */
export function parseOptions(options: SettingsOptions): {
  readonly secrets: SettingsOptions['secrets']
  readonly onPlaintext: ((use: PlaintextUse) => void) | undefined
} {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object')
  for (const name of Object.keys(options)) if (!KNOWN.has(name)) throw unknownOption(name, [...KNOWN])
  const { secrets, allowPlaintext = false } = options
  if (secrets !== undefined && !isEnvelopes(secrets)) {
    throw invalidOption('secrets', 'a key ring (seal, open, …) or a function that finds one for a tenant')
  }
  if (typeof allowPlaintext === 'function') return { secrets, onPlaintext: allowPlaintext }
  if (typeof allowPlaintext !== 'boolean') throw invalidOption('allowPlaintext', 'true, false or a function')
  return { secrets, onPlaintext: allowPlaintext ? warnOnce() : undefined }
}

/** Whether `value` can seal and open, or is a function (which finds something that can). */
export function isEnvelopes(value: unknown): boolean {
  if (typeof value === 'function') return true
  const { seal, open, examine, reseal } = (value ?? {}) as Partial<Envelopes>
  return [seal, open, examine, reseal].every((method) => typeof method === 'function')
}

function warnOnce(): (use: PlaintextUse) => void {
  let warned = false
  return ({ key, action }) => {
    if (warned) return
    warned = true
    process.emitWarning(
      `The secret setting "${key}" was ${action} in clear, because allowPlaintext is set. There may be more. ` +
        'Set SETTINGS_ENCRYPTION_KEY and seal what is there with a rotation.',
      { code: 'ORG_CRYPTO_PLAINTEXT' },
    )
  }
}

/** A pool or client would have no tenant to bind secrets to, and whatever search path it came with. */
export function requireDb(db: TenantQueryable): void {
  const { query, tenant } = (db ?? {}) as Partial<TenantQueryable>
  if (typeof query === 'function' && typeof tenant === 'string' && tenant !== '') return
  throw invalidOption('db', 'the handle that withTenant gives its callback')
}

/** Looks a definition up; keys come from programs, but also from URLs. */
export function requireKeyIn<T>(defined: ReadonlyMap<string, T>): (key: string) => T {
  return (key) => {
    const definition = defined.get(key)
    if (definition !== undefined) return definition
    throw new TenancyError(
      'VALIDATION_ERROR',
      'There is no setting of this key. Define it in defineSettings, or ask isKey(key) before.',
    )
  }
}

/** @throws TenancyError VALIDATION_ERROR */
export function requireVersion(options: SetOptions): string | null | undefined {
  const { ifUpdatedAt: version } = options ?? {}
  if (version === undefined || version === null) return version
  if (typeof version === 'string' && version.length <= 100 && !version.includes('\0')) return version
  throw new TenancyError(
    'VALIDATION_ERROR',
    'ifUpdatedAt is the updatedAt that getEntry, list or set gave (a text, not a Date), or null.',
    { details: { option: 'ifUpdatedAt' } },
  )
}

/** @throws TenancyError VALIDATION_ERROR */
export function requireValues(values: unknown): void {
  if (typeof values === 'object' && values !== null && !Array.isArray(values)) return
  throw new TenancyError('VALIDATION_ERROR', 'setMany takes an object of values by key.')
}

/** @throws TenancyError VALIDATION_ERROR */
export function parseListOptions(options: SettingListOptions): SettingListOptions {
  const { keys, reveal } = options ?? {}
  for (const one of [keys, reveal]) {
    if (one === undefined || Array.isArray(one)) continue
    throw new TenancyError('VALIDATION_ERROR', 'keys and reveal are arrays of keys.')
  }
  return { ...(keys && { keys }), ...(reveal && { reveal }) }
}
