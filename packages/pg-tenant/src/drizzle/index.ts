export { drizzle, type TenantDatabase } from './drizzle.ts'
export type { DrizzleOptions } from './options.ts'
