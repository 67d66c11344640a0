export type { RouteReport, RouteUse } from '../guard/inventory.ts'
export type { ActionOptions, GuardOptions } from '../guard/options.ts'
export { createGuard, type NestGuard } from './guard.ts'
export type { NestRequest } from './request.ts'
