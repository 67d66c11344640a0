import type { IsolationLevel } from '@org/pg-tenant'

/** A tenant of the soak. */
export interface Tenant {
  readonly index: number
  readonly key: string
  /** Schema and, where it has them, role and database; at level `row` everybody's. */
  readonly schema: string
}

/** Where the tables of all tenants are at level `row`. */
export const SHARED = 'soak_rows'

/** The same tables, shared. */
export const SHARED_TABLES = `
  create table soak_row (
    tenant_id text not null, id bigserial, tenant text not null, op bigint not null, part int not null,
    primary key (tenant_id, op, part)
  );
  create index on soak_row (tenant_id, tenant);
  create table soak_counter (tenant_id text not null, k int, v bigint not null, primary key (tenant_id, k))`

/** What every tenant's schema holds; the same table lies in `public` as a trap for what falls through. */
export const TABLES = `
  create table soak_row (
    id bigserial, tenant text not null, op bigint not null, part int not null, primary key (op, part)
  );
  create index on soak_row (tenant);
  create table soak_counter (k int primary key, v bigint not null)`

export const COUNTERS = 'insert into soak_counter (k, v) select k, 0 from generate_series(0, 7) as k'

/** Numbers of a tenant's sequence start at `(index + 1) × RANGE`, so that `lastval()` tells whose it is. */
export const RANGE = 1e12

/** Dropped and made anew while it is used; its rows come and go, so only leaks are looked for. */
export const CHURN_KEY = 'churn'
/** Never provisioned. */
export const GHOST_KEYS = ['ghost', 'ghost-2'] as const

export function tenantAt(index: number, level: IsolationLevel): Tenant {
  // Both signs a key may hold, and pairs that a careless mapping would fold into one.
  const key = `t${Math.floor(index / 2)}${index % 2 === 0 ? '-' : '_'}x`
  return { index, key, schema: level === 'row' ? SHARED : `c_${key}` }
}
