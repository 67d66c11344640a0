export { startWireProxy } from './proxy.ts'
export type {
  WireAction,
  WireDecision,
  WireMessage,
  WireProxy,
  WireProxyInWorker,
  WireProxyOptions,
  WireSide,
} from './types.ts'
export { startWireProxyInWorker } from './worker.ts'
