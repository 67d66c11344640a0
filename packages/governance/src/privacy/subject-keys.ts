import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Queryable, Sealing, TenantKey } from '@org/core'
import { codedControl, type OptionNames, requireKnownOptions } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { integerOption, invalidOption } from '../input/input.ts'
import { qualify } from '../sql/identifier.ts'

export interface SubjectKeysOptions {
  /** A pool of a role among the managers, in the control database. */
  readonly control: Queryable
  /** Seals the keys themselves: the envelopes of `@org/crypto`, for instance. */
  readonly sealing: Sealing
  /** As it was installed (default `governance`). */
  readonly controlSchema?: string | undefined
  /**
   * How long a key is remembered, in milliseconds, 0 to 3,600,000 (default 60,000): so long can another process open what a
   * key that was destroyed here had sealed.
   */
  readonly maxAge?: number | undefined
  /** How many keys are remembered, 0 to 1,000,000 (default 10,000). */
  readonly maxKeys?: number | undefined
  /** A clock that only goes forward, in milliseconds (default `performance.now`); for tests. */
  readonly now?: (() => number) | undefined
}

/** A key for each person. What is sealed with one is erased, wherever it is, when the key is destroyed. */
export interface SubjectKeys {
  /**
   * Seals with the subject's key, which is made when there is none. Of a subject that was erased nothing is kept: what is
   * returned opens nowhere.
   *
   * @throws TenancyError SERVICE_UNAVAILABLE, DATABASE_ERROR
   */
  seal(tenant: TenantKey, subject: string, text: string): Promise<string>
  /** @returns `undefined` once the subject was erased, and for what is not genuine */
  open(tenant: TenantKey, subject: string, sealed: string): Promise<string | undefined>
  /** Destroys the key for ever; twice is once. */
  destroy(tenant: TenantKey, subject: string): Promise<void>
  /**
   * Seals keys anew that are not under the current key of `sealing`, while everything goes on: before a retired one is taken away.
   * May be repeated.
   *
   * @returns how many
   * @throws TenancyError INVALID_OPTION when `sealing` cannot `reseal`; KEY_MISSING, ENVELOPE_UNREADABLE; SERVICE_UNAVAILABLE
   */
  reseal(): Promise<number>
}

/** What is kept of something said by a subject that was erased. */
const NOTHING = 'erased'

const SUBJECT_KEYS_OPTIONS: OptionNames<SubjectKeysOptions> = {
  control: true,
  sealing: true,
  controlSchema: true,
  maxAge: true,
  maxKeys: true,
  now: true,
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { auditLog } from '@org/governance/audit'
 * import { installPrivacy, subjectKeys } from '@org/governance/privacy'
 *
 * await installPrivacy(adminPool)
 * const keys = subjectKeys({ control: adminPool, sealing: envelopes })
 * auditLog({ keys: { k1: Buffer.alloc(32, 7) }, personal: keys }) // what it says of a person goes with the person's key
 * ```
 */
export function subjectKeys(options: SubjectKeysOptions): SubjectKeys {
  requireKnownOptions(options, SUBJECT_KEYS_OPTIONS)
  if (typeof options?.control?.query !== 'function') throw invalidOption('control', 'a pool')
  if (typeof options.sealing?.seal !== 'function') throw invalidOption('sealing', 'what seals and opens')
  const { sealing, now = () => performance.now() } = options
  const control = codedControl(options.control, 'installPrivacy(admin)')
  const table = qualify(parseControlSchema(options.controlSchema), 'subject_key')
  const maxAge = integerOption('maxAge', options.maxAge ?? 60_000, 0, 3_600_000)
  const maxKeys = integerOption('maxKeys', options.maxKeys ?? 10_000, 0, 1_000_000)
  const known = new Map<string, { readonly key: Buffer; readonly until: number }>()
  const placeOf = (tenant: string, subject: string) => ({ tenant, table: 'subject_key', name: subject })

  const read = async (tenant: string, subject: string): Promise<{ sealed: string | null } | undefined> =>
    (
      await control.query<{ sealed: string | null }>(
        `select sealed from ${table} where tenant = $1::text and subject = $2::text`,
        [tenant, subject],
      )
    ).rows[0]
  const page = async (last: { readonly tenant: string; readonly subject: string } | undefined) =>
    (
      await control.query<{ tenant: string; subject: string; sealed: string }>(
        `select tenant, subject, sealed from ${table} where sealed is not null
            and ($1::text is null or (tenant, subject) > ($1::text, $2::text)) order by tenant, subject limit ${PAGE}`,
        [last?.tenant ?? null, last?.subject ?? null],
      )
    ).rows
  const swap = async (tenant: string, subject: string, old: string, fresh: string): Promise<number> => {
    const { rowCount } = await control.query(
      `update ${table} set sealed = $4::text where tenant = $1::text and subject = $2::text and sealed = $3::text`,
      [tenant, subject, old, fresh],
    )
    return rowCount ?? 0
  }
  const make = async (tenant: string, subject: string) => {
    const sealed = await sealing.seal(randomBytes(32).toString('base64'), placeOf(tenant, subject))
    await control.query(
      `insert into ${table} (tenant, subject, sealed) values ($1::text, $2::text, $3::text) on conflict do nothing`,
      [tenant, subject, sealed],
    )
    return read(tenant, subject)
  }
  const keyOf = async (tenant: string, subject: string, create: boolean): Promise<Buffer | undefined> => {
    const name = JSON.stringify([tenant, subject])
    const remembered = known.get(name)
    if (remembered && remembered.until > now()) return remembered.key
    known.delete(name)
    const found = (await read(tenant, subject)) ?? (create ? await make(tenant, subject) : undefined)
    if (found?.sealed == null) return undefined
    const key = Buffer.from(await sealing.open(found.sealed, placeOf(tenant, subject)), 'base64')
    if (maxAge > 0 && maxKeys > 0) known.set(name, { key, until: now() + maxAge })
    const [oldest] = known.keys()
    if (known.size > maxKeys && oldest !== undefined) known.delete(oldest)
    return key
  }
  return {
    seal: async (tenant, subject, text) => {
      const key = await keyOf(tenant, subject, true)
      return key === undefined ? NOTHING : sealWith(key, tenant, subject, text)
    },
    open: async (tenant, subject, sealed) => {
      if (sealed === NOTHING) return undefined
      const key = await keyOf(tenant, subject, false)
      return key === undefined ? undefined : openWith(key, tenant, subject, sealed)
    },
    destroy: async (tenant, subject) => {
      known.delete(JSON.stringify([tenant, subject]))
      await control.query(
        `insert into ${table} as k (tenant, subject, sealed, destroyed_at) values ($1::text, $2::text, null, now())
          on conflict (tenant, subject) do update set sealed = null, destroyed_at = coalesce(k.destroyed_at, now())`,
        [tenant, subject],
      )
      known.delete(JSON.stringify([tenant, subject]))
    },
    reseal: async () => {
      if (sealing.reseal === undefined) throw invalidOption('sealing', 'what can reseal')
      let resealed = 0
      for (let last: { tenant: string; subject: string } | undefined; ; ) {
        const rows = await page(last)
        for (const { tenant, subject, sealed } of rows) {
          const fresh = await sealing.reseal(sealed, placeOf(tenant, subject))
          // Unless somebody was erased meanwhile.
          if (fresh !== null) resealed += await swap(tenant, subject, sealed, fresh)
        }
        last = rows.at(-1)
        if (last === undefined) return resealed
      }
    },
  }
}

/** Keys that are read at once. */
const PAGE = 500

/** AES-256-GCM (NIST SP 800-38D), bound to tenant and subject. */
function sealWith(key: Buffer, tenant: string, subject: string, text: string): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(JSON.stringify([tenant, subject])))
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64')
}

function openWith(key: Buffer, tenant: string, subject: string, sealed: string): string | undefined {
  const all = Buffer.from(sealed, 'base64')
  if (all.length < 28) return undefined
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, all.subarray(0, 12), { authTagLength: 16 })
    decipher.setAAD(Buffer.from(JSON.stringify([tenant, subject]))).setAuthTag(all.subarray(-16))
    return Buffer.concat([decipher.update(all.subarray(12, -16)), decipher.final()]).toString('utf8')
  } catch {
    // Not made with this key, or not for this subject.
    return undefined
  }
}
