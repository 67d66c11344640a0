import { metrics, type Meter as OtelMeter } from '@opentelemetry/api'
import type { Meter } from '../observe/meter.ts'

/**
 * OpenTelemetry's metrics as a {@link Meter}, for `observe` and gauges.
 *
 * @param meter default: that of the registered provider
 * @example
 * ```ts
 * import { observe } from '@org/pg-tenant/observe'
 * import { openTelemetryMeter } from '@org/pg-tenant/opentelemetry'
 *
 * const stop = observe(openTelemetryMeter())
 * stop()
 * ```
 */
export function openTelemetryMeter(meter: OtelMeter = metrics.getMeter('@org/pg-tenant')): Meter {
  return {
    counter: (name, description) => {
      const counter = meter.createCounter(name, { description })
      return (by, labels) => counter.add(by, labels)
    },
    histogram: (name, description) => {
      const histogram = meter.createHistogram(name, { description })
      return (value, labels) => histogram.record(value, labels)
    },
    gauge: (name, description, read) => {
      meter.createObservableGauge(name, { description }).addCallback(async (result) => {
        try {
          const value = await read()
          if (typeof value === 'number') result.observe(value)
          else for (const [state, n] of Object.entries(value)) result.observe(n, { state })
        } catch {
          // What could not be asked is left out.
        }
      })
    },
  }
}
