export * from './postgres/index.ts'
export { findProgram } from './programs/find.ts'
export { isRunning } from './programs/is-running.ts'
export * from './wire/index.ts'
export { type TestSealing, testSealing } from './world/sealing.ts'
export { codeOf, eventually } from './world/settle.ts'
export {
  NOTES,
  type TenancyLike,
  type TenancyParts,
  type TestTenancy,
  type TestTenancyOptions,
  testTenancy,
} from './world/tenancy.ts'
export { POOLED, type TestWorld, type TestWorldOptions, testWorld } from './world/world.ts'
