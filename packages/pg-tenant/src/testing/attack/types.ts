import type { Migration } from '@org/core'
import type { WireProxyOptions } from '@org/pg-testing'
import type { Pool, PoolConfig } from 'pg'
import type { IsolationLevel } from '../../isolation/isolation.ts'
import type { LevelTraits } from '../../isolation/traits.ts'
import type { Tenancy } from '../../tenancy/interface.ts'
import type { TenancyOptions } from '../../tenancy/options.ts'

export type Row = Record<string, unknown>

/** A statement as attacks run it. */
export type AttackQuery =
  | string
  | { readonly text: string; readonly values?: readonly unknown[]; readonly name?: string }

/** What a subject hands to the callback: as little as every way of scoping queries has. */
export interface SubjectDb {
  query(query: AttackQuery, values?: readonly unknown[]): Promise<{ readonly rows: Row[] }>
  /** left out if the subject has no savepoints: the attacks on them are then not applicable */
  savepoint?<T>(fn: (db: SubjectDb) => Promise<T>): Promise<T>
  /** `COPY … TO STDOUT`; left out if the subject has none */
  copyTo?(sql: string): Promise<AsyncIterable<unknown>>
}

export interface SubjectOptions {
  readonly signal?: AbortSignal
  /** milliseconds */
  readonly connectionTimeout?: number
}

/** Any way of running queries in the scope of one tenant: what is attacked. */
export interface Subject {
  readonly name: string
  withTenant<T>(tenant: string, fn: (db: SubjectDb) => Promise<T>, options?: SubjectOptions): Promise<T>
  /** one statement in a scope of its own, where the subject has that */
  query?(tenant: string, query: AttackQuery, values?: readonly unknown[]): Promise<{ readonly rows: Row[] }>
  /** makes the schema of a key; left out: `provision` of the library */
  provision?(tenant: string): Promise<unknown>
  /** ends the connections it opened itself */
  close?(): Promise<void>
}

/** What a subject is made from; called for each pool that an attack opens. */
export interface SubjectSetup {
  readonly pool: Pool
  /** stands before the key in the names of schemas (and roles) */
  readonly prefix: string
  /** the schema behind the tenant's own in the search path; it holds a table `notes` as tenants have one */
  readonly sharedSchema: string
  /** at level `row`: the schema with the tables of all tenants; their column `tenant_id` says whose a row is */
  readonly rowSchema: string | undefined
}

export type Verdict = 'stopped' | 'open' | 'not applicable'

export interface Finding {
  readonly verdict: Verdict
  /** what was seen, in a sentence */
  readonly evidence: string
}

/** One way to break the separation of tenants, or the promise about writes. */
export interface Attack {
  /** letter of the hazard, and a word if it has several attacks: `a`, `f.functions` */
  readonly id: string
  readonly title: string
  /** the isolation levels that promise to stop it */
  readonly promise: readonly IsolationLevel[]
  run(lab: Lab): Promise<Finding>
}

/** Two tenants made for one attack; each has one row in `notes`: `row of <key>`. */
export interface Victims {
  readonly a: string
  readonly b: string
}

export interface RigOptions {
  /** connections at most; default 1, so that all scopes meet on one */
  readonly max?: number
  /** further settings of the pool */
  readonly config?: PoolConfig
  /** put a wire proxy between pool and server */
  readonly onMessage?: WireProxyOptions['onMessage']
}

/** A pool and the subject on it. */
export interface Rig {
  readonly pool: Pool
  readonly subject: Subject
  /** whether somebody other than the kit listens for errors of the pool itself (hazard r) */
  readonly poolIsWatched: boolean
  /** never hangs, whatever the attack left behind */
  close(): Promise<void>
}

/** Where attacks take place. Everything it makes carries one random prefix and is removed at the end. */
export interface Lab {
  readonly isolation: IsolationLevel
  /** Through a `pool` a transaction is its caller's: COMMIT as a text is no escape, a handle is bound to its tenant for good. */
  readonly through: 'scope' | 'pool'
  /** What this level is. */
  readonly traits: LevelTraits
  readonly sharedSchema: string
  /** the role the application logs in with */
  readonly application: string
  /** what tenants are made of */
  readonly migrations: readonly Migration[]
  /** where the registry is */
  readonly controlSchema: string
  /** the schema with the tenant's tables: at level `row` the same for both victims */
  schemaOf(tenant: string): string
  /** at levels `schema` and `row` there is no such role */
  roleOf(tenant: string): string
  /** the role scopes of the tenant run as */
  memberOf(tenant: string): string
  victims(): Promise<Victims>
  /** @throws NotApplicable when the pool was given and cannot be made to measure */
  open(options?: RigOptions): Promise<Rig>
  /** the library on a pool, with the names and migrations of the victims made last */
  tenancy(pool: Pool, options?: Partial<TenancyOptions>): Tenancy
  /** how the administrator connects */
  administrator(): Promise<PoolConfig>
  /** one statement as the administrator, on a direct connection */
  admin(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** the same in the database that holds the tenant's schema */
  adminAt(tenant: string, sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** one statement as the owner of the tenant's tables */
  adminAs(tenant: string, sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** `body` of all rows in the tenant's table, seen from outside */
  bodies(tenant: string): Promise<string[]>
  /** the same of the shared table, where names fall through to (at level database: of the victims' own) */
  sharedBodies(): Promise<string[]>
}

/** Thrown by an attack that cannot be carried out here. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable'
}
