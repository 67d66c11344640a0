import type { Invocation } from '../command.ts'
import { pace } from '../output/progress.ts'
import { shown } from '../output/report-error.ts'

/** What became of many. */
export interface Tally {
  readonly done: number
  readonly failed: number
  readonly stopped: boolean
}

/**
 * Does something for one tenant after the other, with progress; what fails for one does not stop the others. With
 * `--json` each is a line, and the last line is the report.
 *
 * @param left what it does not mend, for the report
 */
export async function eachTenant(
  { output, signal }: Invocation,
  tenants: readonly string[],
  work: (key: string) => Promise<object>,
  left: Readonly<Record<string, readonly unknown[]>> = {},
): Promise<Tally> {
  const progress = output.progress('tenants')
  const at = pace(tenants.length)
  let [done, failed] = [0, 0]
  for (const key of tenants) {
    if (signal.aborted) break
    try {
      output.event({ type: 'tenant', tenant: key, ok: true, ...(await work(key)) })
    } catch (error) {
      failed++
      const { code, message } = shown(error, output)
      output.event({ type: 'tenant', tenant: key, ok: false, error: { code, message } })
      progress.line(`${key}: ${code}: ${message}`)
    }
    progress.update(at(++done, failed))
  }
  progress.end()
  const stopped = done < tenants.length
  const ok = failed === 0 && !stopped && Object.values(left).every(({ length }) => length === 0)
  output.event({ type: 'report', ok, done, failed, stopped, ...left })
  return { done, failed, stopped }
}
