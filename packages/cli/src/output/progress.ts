import type { OutStream } from '../io.ts'
import { count, duration } from './format.ts'

/** How far something is. */
export interface Progress {
  readonly done: number
  readonly total: number
  readonly failed: number
  /** A second. */
  readonly rate: number
  readonly remainingMs: number
}

/** Shows how far something is: a bar on a terminal, plain lines elsewhere, nothing when quiet. */
export interface ProgressView {
  update(progress: Progress): void
  /** A line of text that stays. */
  line(text: string): void
  end(): void
}

const SILENT: ProgressView = { update: () => {}, line: () => {}, end: () => {} }

/** Milliseconds between two pictures of a bar. */
const FRAME_MS = 100
const BAR_WIDTH = 24

export function progressView(stream: OutStream, unit: string, quiet: boolean): ProgressView {
  if (quiet) return SILENT
  return stream.isTTY ? bar(stream, unit) : lines(stream, unit)
}

function bar(stream: OutStream, unit: string): ProgressView {
  let drawn = Number.NEGATIVE_INFINITY
  let shown = false
  const clear = () => {
    if (shown) stream.write('\r\u001b[2K')
    shown = false
  }
  return {
    update: (progress) => {
      const now = performance.now()
      if (now - drawn < FRAME_MS && progress.done < progress.total) return
      drawn = now
      clear()
      const full = Math.round((BAR_WIDTH * progress.done) / Math.max(1, progress.total))
      const picture = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
      stream.write(`${picture} ${describe(progress, unit)}`.slice(0, (stream.columns ?? 80) - 1))
      shown = true
    },
    line: (text) => {
      clear()
      stream.write(`${text}\n`)
    },
    end: clear,
  }
}

/** A line for each tenth, so that a log stays short for 10,000 tenants. */
function lines(stream: OutStream, unit: string): ProgressView {
  let tenth = 0
  return {
    update: (progress) => {
      const reached = Math.floor((10 * progress.done) / Math.max(1, progress.total))
      if (reached <= tenth) return
      tenth = reached
      stream.write(`${describe(progress, unit)}\n`)
    },
    line: (text) => stream.write(`${text}\n`),
    end: () => {},
  }
}

function describe({ done, total, failed, rate, remainingMs }: Progress, unit: string): string {
  const parts = [
    `${count(done)}/${count(total)} ${unit}`,
    `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))}/s`,
  ]
  if (done < total) parts.push(`${duration(remainingMs)} left`)
  if (failed > 0) parts.push(`${count(failed)} failed`)
  return parts.join(', ')
}

/** Measures rate and remaining time of work that does not do so itself. */
export function pace(total: number): (done: number, failed: number) => Progress {
  const began = performance.now()
  return (done, failed) => {
    const rate = (done * 1_000) / Math.max(1, performance.now() - began)
    return { done, failed, total, rate, remainingMs: rate > 0 ? ((total - done) * 1_000) / rate : 0 }
  }
}
