/** A tenant of the soak. */
export interface Tenant {
  readonly index: number
  readonly key: string
  /** Schema and, at level `role`, role. */
  readonly schema: string
}

/** What every tenant's schema holds; the same table lies in `public` as a trap for what falls through. */
export const TABLES = `
  create table soak_row (
    id bigserial, tenant text not null, op bigint not null, part int not null, primary key (op, part)
  );
  create index on soak_row (tenant);
  create table soak_counter (k int primary key, v bigint not null);
  insert into soak_counter select k, 0 from generate_series(0, 7) as k`

/** Numbers of a tenant's sequence start at `(index + 1) × RANGE`, so that `lastval()` tells whose it is. */
export const RANGE = 1e12

/** Dropped and made anew while it is used; its rows come and go, so only leaks are looked for. */
export const CHURN_KEY = 'churn'
/** Never provisioned. */
export const GHOST_KEYS = ['ghost', 'ghost-2'] as const

export function tenantAt(index: number): Tenant {
  // Both signs a key may hold, and pairs that a careless mapping would fold into one.
  const key = `t${Math.floor(index / 2)}${index % 2 === 0 ? '-' : '_'}x`
  return { index, key, schema: `c_${key}` }
}
