export * from '../http/index.ts'
export { answerErrors, type HonoTenantOptions, type TenantEnv, tenant } from './tenant.ts'
