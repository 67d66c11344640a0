import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { openTelemetry } from '@org/pg-tenant/opentelemetry'
import type { HubConfig } from './config.ts'

/** What {@link startTracing} began. */
export interface Tracing {
  /** Sends what was not sent yet. */
  stop(): Promise<void>
}

/**
 * Sends spans to an OpenTelemetry collector, if there is one: of requests, of the scopes and statements below them, of events
 * and deliveries in whichever process handles them. None holds a value that somebody sent.
 *
 * @param service `service.name`
 */
export function startTracing(
  service: string,
  { OTEL_EXPORTER_OTLP_ENDPOINT: collector }: Pick<HubConfig, 'OTEL_EXPORTER_OTLP_ENDPOINT'>,
): Tracing {
  if (collector === undefined) return { stop: async () => {} }
  const exporter = new OTLPTraceExporter({ url: `${collector.replace(/\/$/, '')}/v1/traces` })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(provider)
  const end = openTelemetry()
  return {
    stop: async () => {
      end()
      await provider.shutdown()
    },
  }
}
