import type * as core from '@org/core'
import { type AnyIn, type Equal, expectType } from '@org/pg-testing/expect-type'
import type * as pgTenant from '../../src/index.ts'

/** What `TenancyError` adds to `Error`, whose own members are TypeScript's. */
type OwnMembers<E> = Omit<E, keyof Error>

interface CoreTypes {
  ErrorBody: core.ErrorBody
  ErrorCode: core.ErrorCode
  ErrorDetails: core.ErrorDetails
  Locale: core.Locale
  Queryable: core.Queryable
  QueryRows: core.QueryRows
  Row: core.Row
  TenancyError: OwnMembers<core.TenancyError>
  TenantKey: core.TenantKey
}

interface PgTenantTypes {
  Field: pgTenant.Field
  IsolationLevel: pgTenant.IsolationLevel
  Migration: pgTenant.Migration
  PoolLike: pgTenant.PoolLike
  ProvisionResult: pgTenant.ProvisionResult
  Queryable: pgTenant.Queryable
  QueryConfig: pgTenant.QueryConfig
  QueryResult: pgTenant.QueryResult
  RetryOptions: pgTenant.RetryOptions
  ScopeOptions: pgTenant.ScopeOptions
  StreamOptions: pgTenant.StreamOptions
  Tenancy: pgTenant.Tenancy
  TenancyError: OwnMembers<pgTenant.TenancyError>
  TenancyOptions: pgTenant.TenancyOptions
  TenantDb: pgTenant.TenantDb
  TenantKey: pgTenant.TenantKey
  TypeParsers: pgTenant.TypeParsers
}

expectType<Equal<AnyIn<typeof core>, never>>(true)
expectType<Equal<AnyIn<typeof pgTenant>, never>>(true)
expectType<Equal<AnyIn<CoreTypes>, never>>(true)
expectType<Equal<AnyIn<PgTenantTypes>, never>>(true)

// The walk finds what it is there to find, in every place.
// biome-ignore lint/suspicious/noExplicitAny: it is what is looked for
type Wrong = any
interface Control {
  member: Wrong
  optional?: { deep: Wrong }
  method(first: string, second: Wrong): Promise<{ rows: Wrong[] }>
  callback(fn: (value: { inner: Wrong }) => void): void
  overloaded(text: string, values?: Wrong[]): string
  overloaded(text: number): Promise<Wrong>
  overloaded<R extends object>(text: boolean): R
  stream(): AsyncIterableIterator<Wrong>
  made: new (options: { x: Wrong }) => object
  union: string | { x: Wrong }
  clean: { a: string; b?: unknown; c(d: number): Promise<void>; e: readonly never[] }
}
type Found =
  | '.member'
  | '.optional.deep'
  | '.method(1)'
  | '.method().rows[]'
  | '.callback(0)(0).inner'
  | '.overloaded(1)[]'
  | '.overloaded()'
  | '.stream()[]'
  | '.made(new)(0).x'
  | '.union.x'
expectType<Equal<AnyIn<Control>, Found>>(true)
