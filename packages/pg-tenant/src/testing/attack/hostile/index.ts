export type { HostileCall } from './calls.ts'
export type { Right } from './probe.ts'
export type { Stage } from './stage.ts'
