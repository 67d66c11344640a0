/** What a series is told apart by. Never a tenant, unless asked for, and then bounded. */
export type Labels = Readonly<Record<string, string>>

/** Where numbers go: {@link prometheus}, OpenTelemetry (`@org/pg-tenant/opentelemetry`), or a few lines over another library. */
export interface Meter {
  /** @param name of Prometheus: `[a-z][a-z0-9_]*`, with its unit. @returns adds to it */
  counter(name: string, help: string): (by: number, labels: Labels) => void
  /** @returns records a value */
  histogram(name: string, help: string): (value: number, labels: Labels) => void
  /** @param read asked at each collection; by state where it says several. What it rejects with leaves the series out. */
  gauge(name: string, help: string, read: () => GaugeValue | Promise<GaugeValue>): void
}

/** A number, or numbers by the label `state`. */
export type GaugeValue = number | Readonly<Record<string, number>>

/**
 * A label's value as it is, for the first `max` there are; all that come later are `other`. What others write (tenants' keys,
 * types of events) grows no series without end.
 */
export function bounded(max: number): (value: string) => string {
  const seen = new Set<string>()
  return (value) => {
    if (seen.has(value)) return value
    if (seen.size >= max) return 'other'
    seen.add(value)
    return value
  }
}
