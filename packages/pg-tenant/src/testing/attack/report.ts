import type { IsolationLevel } from '../../isolation/isolation.ts'
import type { Finding, Verdict } from './types.ts'

export interface ReportedFinding extends Finding {
  readonly id: string
  readonly title: string
  /** whether this isolation level promises to stop it */
  readonly promised: boolean
}

export interface AttackReport {
  readonly isolation: IsolationLevel
  readonly findings: readonly ReportedFinding[]
  /** whether nothing that this isolation level promises to stop is open */
  readonly ok: boolean
}

/**
 * The report as a table for people: id, hazard, verdict, evidence.
 *
 * @example
 * ```ts
 * import { formatAttackReport, runAttackKit } from '@org/pg-tenant/testing'
 *
 * const report = await runAttackKit({ pool, adminPool, only: ['a'] })
 * console.log(formatAttackReport(report))
 * ```
 */
export function formatAttackReport({ isolation, findings, ok }: AttackReport): string {
  const rows = findings.map(({ id, title, verdict, promised, evidence }) => [
    id,
    title,
    label(verdict, promised),
    evidence,
  ])
  const broken = findings.filter(({ verdict, promised }) => promised && verdict === 'open').length
  const verdict = ok
    ? `Level ${isolation}: everything it promises to stop is stopped.`
    : `Level ${isolation}: ${broken} of what it promises to stop ${broken === 1 ? 'is' : 'are'} OPEN.`
  return [...table([['id', 'hazard', 'verdict', 'evidence'], ...rows]), '', verdict].join('\n')
}

function label(verdict: Verdict, promised: boolean): string {
  if (verdict === 'not applicable') return 'n.a.'
  if (verdict === 'stopped') return 'stopped'
  return promised ? 'OPEN' : 'open, not promised'
}

/** Columns padded to their widest cell, the last one left as it is. */
function table(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  '),
  )
}
