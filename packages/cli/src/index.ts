export { type Config, defineConfig, type PlacementConfig, type SeedContext } from './config/config.ts'
export { EXIT, type ExitCode } from './exit-codes.ts'
export type { Io, OutStream } from './io.ts'
export { run } from './run.ts'
