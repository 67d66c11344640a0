import { isTenancyError } from '@org/core'
import { keyFor } from '../isolation/names.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Administration } from './administration.ts'
import { groundOf } from './ground.ts'
import type { Tenancy } from './interface.ts'
import type { TenancyOptions } from './options.ts'
import { requestsOf } from './requests.ts'

/** What a fleet needs of a tenancy beyond its public surface, to move tenants. */
export interface Inside {
  /** What administration works on, knowing the names of the tenant. */
  /** @param away whether it will do although its database does not answer, and nobody knows the tenant's names there */
  lifecycle(key: string, away?: boolean): Promise<Lifecycle>
  /** A tenant came or went: nothing that is remembered of it holds. */
  forget(key: string): void
}

const insides = new WeakMap<object, Inside>()

/** Of what `createTenancy` made. */
export const insideOf = (tenancy: object): Inside | undefined => insides.get(tenancy)

/**
 * Makes a tenancy over a `pg` pool.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { createTenancy } from '@org/pg-tenant'
 * import pg from 'pg'
 *
 * const tenancy = createTenancy({
 *   pool: new pg.Pool({ connectionString: process.env.DATABASE_URL }),
 *   adminPool: new pg.Pool({ connectionString: process.env.ADMIN_DATABASE_URL }),
 *   migrations: [{ id: '0001_notes', sql: 'create table notes (id serial primary key, body text not null)' }],
 *   rolePrefix: 'example_',
 * })
 * await tenancy.provision('acme')
 * await tenancy.query('acme', 'insert into notes (body) values ($1)', ['hi'])
 * const { rows } = await tenancy.query('acme', 'select body from notes')
 * rows // → [{ body: 'hi' }]
 * ```
 */
export function createTenancy(options: TenancyOptions): Tenancy {
  const ground = groundOf(options)
  const requests = requestsOf(ground)
  let loaded: Promise<Administration> | undefined
  const administration = () => {
    loaded ??= import('./administration.ts').then(({ administrationOf }) =>
      administrationOf(ground, requests),
    )
    return loaded
  }
  const tenancy: Tenancy = Object.freeze({
    isolation: ground.level,
    ...requests,
    ...calledLater(administration),
    ready: Object.freeze({
      fill: async (count: number) => (await administration()).ready.fill(count),
      count: async () => (await administration()).ready.count(),
      clear: async () => (await administration()).ready.clear(),
    }),
    close: async () => {
      await ground.lookups.close()
      await ground.open.close()
    },
  })
  let inside: Promise<Lifecycle> | undefined
  insides.set(tenancy, {
    lifecycle: async (key, away = false) => {
      const { learnNames } = await import('../registry/learn-names.ts')
      const learning = learnNames(ground.adminPool, ground.registry, keyFor(ground.naming, key))
      await learning.catch((error: unknown) => {
        if (!away || !isTenancyError(error, 'CONNECTION_LOST')) throw error
      })
      inside ??= ground.open.loadLifecycle().then((ofLevel) => ({ ...ground, ofLevel }))
      return await inside
    },
    forget: (key) => ground.forget(keyFor(ground.naming, key)),
  })
  return tenancy
}

type Calls = Omit<Administration, 'ready'>

/** The compiler keeps the list complete. */
const LATER: Readonly<Record<keyof Calls, true>> = {
  each: true,
  list: true,
  provision: true,
  adopt: true,
  confirmAdoption: true,
  undoAdoption: true,
  adoptions: true,
  suspend: true,
  resume: true,
  backup: true,
  restore: true,
  export: true,
  offboard: true,
  drop: true,
  rotateCredentials: true,
  migrate: true,
  migrationStatus: true,
  doctor: true,
  verify: true,
  stats: true,
  resealCredentials: true,
}

/** A server that only scopes queries never reads the code behind these. */
function calledLater(load: () => Promise<Administration>): Calls {
  const calls = Object.keys(LATER).map((name) => [
    name,
    async (...args: never[]) => {
      const call = (await load())[name as keyof Calls] as (...args: never[]) => Promise<unknown>
      return call(...args)
    },
  ])
  return Object.fromEntries(calls) as Calls
}
