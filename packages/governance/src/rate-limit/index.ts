export type { Decision, Rate } from './gcra.ts'
export {
  type Caller,
  type RateLimiter,
  type RateLimitFields,
  type RateLimitOptions,
  rateLimit,
} from './rate-limit.ts'
export { type FlexibleLimiter, flexibleStore, type SharedOptions, type SharedStore } from './shared.ts'
