export {
  type DeliveryTrace,
  type EventTrace,
  type JobTrace,
  type OperationTrace,
  type ScopeTrace,
  type StatementTrace,
  TRACES,
  type TraceListeners,
  type TraceMessage,
  type Traces,
} from '@org/core'
export { fingerprint } from './fingerprint.ts'
export type { GaugeValue, Labels, Meter } from './meter.ts'
export { type MetricsOptions, observe } from './metrics.ts'
export { type PrometheusMeter, prometheus } from './prometheus.ts'
export {
  type ErrorRecord,
  errorRecord,
  errorReporter,
  LOGGED,
  type LogOptions,
  logOptions,
} from './redact.ts'
export { onSlowScope, type SlowScope, type SlowScopeOptions, type SlowStatement } from './slow-scopes.ts'
