import { parseTenantKey, type TenantQueryable } from '@org/core'
import type { Tenancy } from '@org/pg-tenant'
import { beforeAll } from 'vitest'
import {
  API_KEYS_MIGRATION,
  type ApiKeyOptions,
  type ApiKeys,
  createApiKeys,
} from '../../src/api-keys/index.ts'
import { useWorld, type World } from '../support/world.ts'

export const PEPPER = { id: 'p1', key: '1f'.repeat(32) }
export const NEWER = { id: 'p2', key: '2e'.repeat(32) }

/** Two tenants with the table, and a clock that the test sets. */
export interface KeyWorld {
  readonly world: World
  readonly tenancy: Tenancy
  readonly apiKeys: ApiKeys
  /** Runs one call as a tenant, in a scope of its own. */
  as<T>(tenant: string, fn: (db: TenantQueryable) => Promise<T>): Promise<T>
}

export function useKeyWorld(options: Partial<ApiKeyOptions> = {}): KeyWorld {
  const world = useWorld([])
  const state: { tenancy?: Tenancy } = {}
  beforeAll(async () => {
    state.tenancy = world.tenancy({ migrations: [API_KEYS_MIGRATION] })
    for (const tenant of ['acme', 'globex']) await state.tenancy.provision(tenant)
  })
  return {
    world,
    apiKeys: createApiKeys({ peppers: [PEPPER], ...options }),
    get tenancy() {
      return state.tenancy as Tenancy
    },
    as: (tenant, fn) => (state.tenancy as Tenancy).withTenant(tenant, fn),
  }
}

/** A handle that writes down what is sent through it to the real one. */
export function recording(db: TenantQueryable): { db: TenantQueryable; sent: string[] } {
  const sent: string[] = []
  const query: TenantQueryable['query'] = (text, values) => {
    sent.push(text)
    return db.query(text, values)
  }
  return { db: { tenant: db.tenant, query }, sent }
}

/** A handle that fails the test when anything is sent: for what must be refused before. */
export const noDatabase: TenantQueryable = {
  tenant: parseTenantKey('acme'),
  query: () => Promise.reject(new Error('a statement was sent')),
}

let names = 0
/** A name no other test has. */
export const aName = (): string => `key ${++names}`

export const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`expected a rejection, got ${JSON.stringify(value)}`)
    },
    (error: unknown) => error,
  )

/** Everything an error says, in all the ways it can be printed. */
export function sayings(error: unknown): string {
  const { message, stack, details, cause } = error as Error & { details?: unknown }
  return [message, stack, JSON.stringify(details), String(cause), JSON.stringify(error)].join('\n')
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The key with another character there (of those keys are made of). */
export function replaceAt(key: string, index: number, step = 1): string {
  const at = ALPHABET.indexOf(key[index] ?? '')
  const other = ALPHABET[(at + step) % 62] ?? ''
  return key.slice(0, index) + other + key.slice(index + 1)
}
