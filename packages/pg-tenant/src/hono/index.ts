export type { AccessLine } from '../http/access-line.ts'
export type { ErrorContext, OnError } from '../http/options.ts'
export type { RequestTenancy } from '../http/request-tenancy.ts'
export { answerErrors, type HonoTenantOptions, type TenantEnv, tenant } from './tenant.ts'
