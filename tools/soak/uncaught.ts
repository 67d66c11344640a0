import type { Findings } from './findings.ts'

const FRAMES = 6

/** An error that reaches nobody would end the process: a finding, whoever let it go. */
export function watchProcess(findings: Findings): () => void {
  const note = (error: unknown) => {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    findings.add('uncaught', stack.split('\n').slice(0, FRAMES).join(' | '))
  }
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
  return () => {
    process.off('uncaughtException', note)
    process.off('unhandledRejection', note)
  }
}
