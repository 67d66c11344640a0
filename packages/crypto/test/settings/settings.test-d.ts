import type { TenantQueryable } from '@org/core'
import type { TenantDb } from '@org/pg-tenant'
import { type AnyIn, type Equal, expectType } from '@org/pg-testing/expect-type'
import type pg from 'pg'
import * as v from 'valibot'
import { z } from 'zod'
import type { Envelopes } from '../../src/envelope/envelopes.ts'
import { defineSettings, type Masked, type Settings, secret, text } from '../../src/index.ts'

declare const db: TenantDb
declare const pool: pg.Pool
declare const ring: Envelopes

const settings = defineSettings(
  {
    host: z.string(),
    port: z.number().default(587),
    proxy: z.string().optional(),
    since: z.string().transform((at) => new Date(at)),
    coerced: z.coerce.number(),
    colours: v.object({ primary: v.string() }),
    theme: v.optional(v.picklist(['dark', 'light']), 'light'),
    footer: text(z.string()),
    password: secret(z.string()),
    token: secret(text(z.string())),
  },
  { secrets: ring },
)

export async function reading(): Promise<void> {
  expectType<Equal<Awaited<ReturnType<typeof settings.isKey>>, boolean>>(true)
  const host = await settings.get(db, 'host')
  expectType<Equal<typeof host, string | undefined>>(true)
  const port = await settings.get(db, 'port')
  expectType<Equal<typeof port, number>>(true)
  const proxy = await settings.get(db, 'proxy')
  expectType<Equal<typeof proxy, string | undefined>>(true)
  const since = await settings.get(db, 'since')
  expectType<Equal<typeof since, Date | undefined>>(true)
  const coerced = await settings.get(db, 'coerced')
  expectType<Equal<typeof coerced, number | undefined>>(true)
  const colours = await settings.get(db, 'colours')
  expectType<Equal<typeof colours, { primary: string } | undefined>>(true)
  const theme = await settings.get(db, 'theme')
  expectType<Equal<typeof theme, 'dark' | 'light'>>(true)
  const token = await settings.get(db, 'token')
  expectType<Equal<typeof token, string | undefined>>(true)
  const entry = await settings.getEntry(db, 'port')
  expectType<Equal<NonNullable<typeof entry>['value'], number>>(true)
  // @ts-expect-error a key there is not
  await settings.get(db, 'hots')
  // @ts-expect-error a pool has no tenant
  await settings.get(pool, 'host')
  // @ts-expect-error nothing is stored outside of a tenant
  await settings.get('host')
  const request = { key: 'host' as string }
  // @ts-expect-error any text is not a key
  await settings.get(db, request.key)
  if (settings.isKey(request.key)) await settings.get(db, request.key)
}

export async function listing(): Promise<void> {
  const all = await settings.list(db)
  expectType<Equal<typeof all.host extends { value: infer V } | undefined ? V : never, string>>(true)
  expectType<Equal<NonNullable<typeof all.password>['value'], Masked>>(true)
  const revealed = await settings.list(db, { keys: ['password', 'token', 'port'], reveal: ['token'] })
  expectType<Equal<keyof typeof revealed, 'password' | 'token' | 'port'>>(true)
  expectType<Equal<NonNullable<typeof revealed.password>['value'], Masked>>(true)
  expectType<Equal<NonNullable<typeof revealed.token>['value'], string>>(true)
  // @ts-expect-error only what is stored is there
  all.host.value
  // @ts-expect-error only secrets need revealing
  await settings.list(db, { reveal: ['host'] })
  // @ts-expect-error a key there is not
  await settings.list(db, { keys: ['hots'] })
}

export async function writing(): Promise<void> {
  const { updatedAt } = await settings.set(db, 'since', '2026-01-31')
  await settings.set(db, 'host', 'h', { ifUpdatedAt: updatedAt })
  await settings.set(db, 'host', 'h', { ifUpdatedAt: null })
  const versions = await settings.setMany(db, { host: 'h', colours: { primary: '#fff' } })
  expectType<Equal<keyof typeof versions, 'host' | 'colours'>>(true)
  expectType<Equal<typeof versions.host.updatedAt, string>>(true)
  // @ts-expect-error what comes out is not what goes in
  await settings.set(db, 'since', new Date())
  // @ts-expect-error the type of another key
  await settings.set(db, 'host', 587)
  // @ts-expect-error undefined is not stored: delete it
  await settings.set(db, 'proxy', undefined)
  // @ts-expect-error a Date loses digits
  await settings.set(db, 'host', 'h', { ifUpdatedAt: new Date() })
  // @ts-expect-error a misspelt option
  await settings.set(db, 'host', 'h', { ifUnchanged: updatedAt })
  // @ts-expect-error the type of another key
  await settings.setMany(db, { host: 'h', port: 'h' })
  // @ts-expect-error a key there is not
  await settings.setMany(db, { host: 'h', hots: 'h' })
  // @ts-expect-error a key there is not
  await settings.delete(db, 'hots')
  // @ts-expect-error nothing is deleted by absence
  await settings.delete(db, 'host', { ifUpdatedAt: null })
}

export function defining(): void {
  // @ts-expect-error a type is not a schema
  defineSettings({ host: String })
  // @ts-expect-error text is text
  text(z.number())
  // @ts-expect-error a key is not a key ring
  defineSettings({}, { secrets: 'key' })
  // @ts-expect-error a misspelt option
  defineSettings({}, { secret: ring })
  // @ts-expect-error it is the keys that are named
  defineSettings({ host: z.string() }, { allowPlaintext: ['host'] })
}

type Example = Settings<{ host: z.ZodString; password: ReturnType<typeof secret<z.ZodString>> }>
expectType<Equal<AnyIn<Example>, never>>(true)
expectType<TenantDb extends TenantQueryable ? true : false>(true)
