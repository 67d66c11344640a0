import type { TenantDb } from '../../scope/tenant-db.ts'
import type { Tenancy } from '../../tenancy/interface.ts'
import type { AttackQuery, Subject, SubjectDb } from './types.ts'

/** The library itself, as a subject. */
export function tenancySubject(tenancy: Tenancy): Subject {
  return {
    name: `@org/pg-tenant, level ${tenancy.isolation}`,
    withTenant: (tenant, fn, options) => tenancy.withTenant(tenant, (db) => fn(adapt(db)), options),
    query: (tenant, query, values) => tenancy.query(tenant, asConfig(query), values),
    provision: (tenant) => tenancy.provision(tenant),
    close: () => tenancy.close(),
  }
}

function adapt(db: TenantDb): SubjectDb {
  return {
    query: (query, values) => db.query(asConfig(query), values),
    savepoint: (fn) => db.savepoint((inner) => fn(adapt(inner))),
    copyTo: (sql) => db.copyTo(sql),
  }
}

const asConfig = (query: AttackQuery) => (typeof query === 'string' ? { text: query } : query)
