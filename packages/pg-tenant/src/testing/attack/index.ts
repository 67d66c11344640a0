export { ATTACKS } from './attacks/index.ts'
export type { HostileCall, Right, Stage } from './hostile/index.ts'
export type { MakeTenant, TenantPlace } from './lab-tenancies.ts'
export { type AttackReport, formatAttackReport, type ReportedFinding } from './report.ts'
export { type AttackKitOptions, runAttackKit } from './run.ts'
export type {
  Attack,
  AttackQuery,
  Finding,
  Lab,
  Rig,
  RigOptions,
  Subject,
  SubjectDb,
  SubjectOptions,
  SubjectSetup,
  Verdict,
  Victims,
} from './types.ts'
