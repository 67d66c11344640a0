export * from '../http/index.ts'
export type { TenantOptions } from '../http/options.ts'
export { answerErrors } from './answer-errors.ts'
export { tenant } from './tenant.ts'
