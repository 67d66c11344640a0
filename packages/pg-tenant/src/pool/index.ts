export type { ErrorStyle } from './errors.ts'
export { type PerTenant, type PerTenantOptions, perTenant } from './per-tenant.ts'
export { scopePool } from './scope-pool.ts'
export type { TenantPg, TenantPoolOptions } from './tenant-pool.ts'
