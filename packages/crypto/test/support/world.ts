// Real PostgreSQL with real tenants, as the sister package's tests make them.
export { codeOf, eventually, POOLED, useWorld, type World } from '../../../pg-tenant/test/support/world.ts'
