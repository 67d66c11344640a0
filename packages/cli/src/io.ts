import type { Readable, Writable } from 'node:stream'

/** A terminal, a pipe or a file. */
export type OutStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** Everything outside the program that a command touches, so that tests run commands in their own process. */
export interface Io {
  readonly stdout: OutStream
  readonly stderr: OutStream
  readonly stdin?: (Readable & { readonly isTTY?: boolean }) | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Fires when the user wants to stop; what is under way finishes or is rolled back. */
  readonly signal: AbortSignal
}
