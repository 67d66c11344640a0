export * from './postgres/index.ts'
export { findProgram } from './programs/find.ts'
export * from './wire/index.ts'
