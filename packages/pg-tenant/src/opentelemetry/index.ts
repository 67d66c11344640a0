export { traceparent } from './context.ts'
export { type OpenTelemetryOptions, openTelemetry } from './instrument.ts'
export { openTelemetryMeter } from './meter.ts'
