import type { Locale } from '@org/core'
import type { Io } from '../io.ts'
import { localeOf } from './locale.ts'
import { type ProgressView, progressView } from './progress.ts'
import { type Column, tableLines } from './table.ts'

/** The options of every command that say how things are shown. */
export interface OutputOptions {
  readonly json?: boolean | undefined
  readonly quiet?: boolean | undefined
  readonly debug?: boolean | undefined
  /** False for `--no-color`. */
  readonly color?: boolean | undefined
}

const STYLES = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 } as const
export type Style = keyof typeof STYLES

/**
 * Where things go: results to stdout, what accompanies them to stderr. With `--json` stdout holds JSON and nothing
 * else; `--quiet` leaves results, secrets and errors.
 */
export class Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly debug: boolean
  readonly locale: Locale
  readonly #io: Io
  readonly #colors: { readonly stdout: boolean; readonly stderr: boolean }

  constructor(io: Io, { json = false, quiet = false, debug = false, color = true }: OutputOptions) {
    this.#io = io
    this.json = json
    this.quiet = quiet
    this.debug = debug
    this.locale = localeOf(io.env)
    const wanted = color && !io.env.NO_COLOR && io.env.TERM !== 'dumb'
    this.#colors = {
      stdout: wanted && io.stdout.isTTY === true,
      stderr: wanted && io.stderr.isTTY === true,
    }
  }

  /** What was asked for. Left out with `--json`, where `document` and `event` say it. */
  data(text: string): void {
    if (!this.json) this.#io.stdout.write(`${text}\n`)
  }

  /** What was done; `--quiet` leaves it to the exit code. */
  say(text: string): void {
    if (!this.quiet) this.data(text)
  }

  /** What is good to know: to stderr. */
  note(text: string): void {
    if (!this.quiet) this.#io.stderr.write(`${text}\n`)
  }

  /** What went wrong: to stderr, always. */
  complain(text: string): void {
    this.#io.stderr.write(`${text}\n`)
  }

  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    const [titles = '', ...lines] = tableLines(columns, rows)
    this.data(this.paint('bold', titles))
    for (const line of lines) this.data(line)
  }

  /** The one document of `--json`. */
  document(value: unknown): void {
    if (this.json) this.#io.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
  }

  /** One line of the stream that `--json` gives for work on many tenants. */
  event(value: object): void {
    if (this.json) this.#io.stdout.write(`${JSON.stringify(value)}\n`)
  }

  progress(unit: string): ProgressView {
    return progressView(this.#io.stderr, unit, this.quiet)
  }

  paint(style: Style, text: string, stream: 'stdout' | 'stderr' = 'stdout'): string {
    return this.#colors[stream] ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text
  }
}
