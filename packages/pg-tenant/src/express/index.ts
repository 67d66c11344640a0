export * from '../http/index.ts'
export type { TenantOptions } from '../http/options.ts'
export { answerErrors, tenant } from './tenant.ts'
