import {
  integerField,
  invalidField,
  SQLSTATE,
  sqlStateOf,
  TenancyError,
  type TenantQueryable,
} from '@org/core'
import type { Change, ChangeOptions } from './change.ts'
import { idOf, notFound, optionalText, statusOf, textOf } from './input.ts'

export interface UserRecord {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly status: 'active' | 'suspended'
  readonly suspendedReason: string | null
  readonly authProvider: string
}

export interface NewUser {
  readonly email: string
  readonly name: string
  /** Default `password`. */
  readonly authProvider?: string | undefined
}

const FACTS = `id, email, name, status, suspended_reason as "suspendedReason", auth_provider as "authProvider"`
const INSERT = `insert into "user" (email, name, auth_provider) values ($1, $2, $3) returning ${FACTS}`
const FIND = `select ${FACTS} from "user" where id = $1 and deleted_at is null`
const BY_EMAIL = `select ${FACTS} from "user" where lower(email) = lower($1) and deleted_at is null`
const LIST = `select ${FACTS} from "user" where deleted_at is null and ($1::uuid is null or id > $1) order by id limit $2`
const RENAME = `update "user" set name = $2, updated_at = now() where id = $1 and deleted_at is null returning ${FACTS}`
const STATUS = `update "user" set status = $2, suspended_reason = $3, updated_at = now()
  where id = $1 and deleted_at is null returning ${FACTS}`
const REMOVE = `update "user" set deleted_at = now(), updated_at = now() where id = $1 and deleted_at is null returning id`

/** Users of a tenant. Every function takes the tenant's handle and joins its transaction. */
export interface Users {
  /** @throws TenancyError VALIDATION_ERROR; DUPLICATE_RESOURCE when somebody has the address, in any case of letters */
  create(db: TenantQueryable, user: NewUser): Promise<UserRecord>
  find(db: TenantQueryable, id: string): Promise<UserRecord | undefined>
  findByEmail(db: TenantQueryable, email: string): Promise<UserRecord | undefined>
  /** In the order of ids. `after`: the last id of the page before. `limit`: 1 to 1,000 (default 100). */
  list(
    db: TenantQueryable,
    page?: { readonly after?: string | undefined; readonly limit?: number | undefined },
  ): Promise<UserRecord[]>
  /** @throws TenancyError VALIDATION_ERROR, NOT_FOUND */
  rename(db: TenantQueryable, id: string, name: string): Promise<UserRecord>
  /** @throws TenancyError VALIDATION_ERROR, NOT_FOUND; CONFLICT when it is the last administrator */
  setStatus(
    db: TenantQueryable,
    id: string,
    status: 'active' | 'suspended',
    options?: ChangeOptions & { readonly reason?: string | undefined },
  ): Promise<UserRecord>
  /** The row stays, marked. @throws TenancyError NOT_FOUND; CONFLICT when it is the last administrator */
  remove(db: TenantQueryable, id: string, options?: ChangeOptions): Promise<void>
}

export function usersOf(change: Change): Users {
  const changed = async (db: TenantQueryable, text: string, values: unknown[], options?: ChangeOptions) => {
    const { rows } = await change(db, () => db.query<UserRecord>(text, values), options)
    if (!rows[0]) throw notFound('user')
    return rows[0]
  }
  return {
    create: (db, user) => {
      const values = newUser(user)
      return changed(db, INSERT, values).catch((error: unknown) => {
        throw duplicate(error, 'email')
      })
    },
    find: async (db, id) => (await db.query<UserRecord>(FIND, [idOf(id, 'id')])).rows[0],
    findByEmail: async (db, email) => (await db.query<UserRecord>(BY_EMAIL, [emailOf(email)])).rows[0],
    list: async (db, { after, limit } = {}) => {
      const from = after === undefined ? null : idOf(after, 'after')
      return (await db.query<UserRecord>(LIST, [from, limitOf(limit)])).rows
    },
    rename: async (db, id, name) => changed(db, RENAME, [idOf(id, 'id'), textOf(name, 'name')]),
    setStatus: async (db, id, status, options = {}) => {
      const reason = status === 'active' ? null : optionalText(options.reason, 'reason')
      return changed(db, STATUS, [idOf(id, 'id'), statusOf(status), reason], options)
    },
    remove: async (db, id, options) => void (await changed(db, REMOVE, [idOf(id, 'id')], options)),
  }
}

export function newUser({ email, name, authProvider = 'password' }: NewUser): string[] {
  return [emailOf(email), textOf(name, 'name'), textOf(authProvider, 'authProvider', 100)]
}

/** Neither a grammar nor a promise that mail arrives: that is for whoever sends it. */
function emailOf(value: unknown): string {
  const text = textOf(value, 'email', 320)
  if (/^[^\s@]+@[^\s@]+$/.test(text)) return text
  throw invalidField('email', 'an e-mail address')
}

export function limitOf(value: unknown = 100): number {
  return integerField('limit', value, 1, 1_000)
}

/** A driver's unique violation as the coded error that a tenant's handle gives by itself. */
export function duplicate(error: unknown, field: string): unknown {
  if (sqlStateOf(error) !== SQLSTATE.UNIQUE_VIOLATION) return error
  return new TenancyError('DUPLICATE_RESOURCE', 'This exists already.', { details: { field } })
}
