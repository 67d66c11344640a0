/** What a process of the load test is told. Times are in milliseconds, memory in bytes. */
export type LoadJob =
  | { readonly do: 'prepare'; readonly environment: NodeJS.ProcessEnv; readonly tenants: number }
  | { readonly do: 'serve'; readonly environment: NodeJS.ProcessEnv; readonly who: Contender }

/**
 * `hub`: the hub as it is. `unscoped`: the same app and all its checks, but each statement by `pool.query` on the tenant's schema instead
 * of in a scope: its list route without tenancy. `scoped`: only its list route, behind the token's signature and a permission decided in
 * memory. `plain`: the same route and checks without tenancy: `pool.query` on one schema. `schemas`: the same on every tenant's
 * own schema, written into the statement: what PostgreSQL itself pays for as many schemas.
 */
export type Contender = 'hub' | 'unscoped' | 'scoped' | 'plain' | 'schemas'

export interface Prepared {
  /** An access token of each tenant's administrator. */
  readonly tokens: readonly string[]
  /** How long each tenant's schema and role took. */
  readonly took: readonly number[]
}

export interface Usage {
  readonly rss: number
  readonly heap: number
  /** Time on a processor since the process began. */
  readonly cpu: number
}

/** What the serving process says. */
export type Said = { readonly port: number } | { readonly usage: Usage }
