import type { TenantKey } from '@org/core'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { CHECKS, type VerifyCheckId } from './checks.ts'

/**
 * `not promised`: open at this isolation level, as documented, and nothing was tried. `not checked`: nothing could be
 * concluded; the evidence says why.
 */
export type VerifyOutcome = 'passed' | 'failed' | 'not promised' | 'not checked'

/** One attempt and what came of it. Names and SQLSTATEs only: safe to log and to keep. */
export interface VerifyCheck {
  readonly id: VerifyCheckId
  /** Whose scope it was tried in; `null` when it is about the application or the whole fleet. */
  readonly tenant: TenantKey | null
  /** What it was tried on: another tenant's key, a schema or a role. */
  readonly against: string | null
  readonly outcome: VerifyOutcome
  /** What the server or the library answered. */
  readonly evidence: string
}

/** The result of {@link verifyIsolation}; plain data, made for JSON. */
export interface VerifyReport {
  readonly level: IsolationLevel
  /** No check failed, and something was checked. */
  readonly ok: boolean
  /** How many tenants were entered. */
  readonly tenants: number
  readonly summary: Readonly<Record<VerifyOutcome, number>>
  readonly checks: readonly VerifyCheck[]
  readonly durationMs: number
}

export function reportOf(
  level: IsolationLevel,
  tenants: number,
  checks: readonly VerifyCheck[],
  durationMs: number,
): VerifyReport {
  const summary = { passed: 0, failed: 0, 'not promised': 0, 'not checked': 0 }
  for (const { outcome } of checks) summary[outcome]++
  return { level, ok: summary.failed === 0 && summary.passed > 0, tenants, summary, checks, durationMs }
}

/**
 * The report for people: a line for each kind of check, then everything that failed.
 *
 * @example
 * ```ts
 * import { formatVerifyReport } from '@org/pg-tenant/admin'
 *
 * const report = await tenancy.verify()
 * report.ok || console.log(formatVerifyReport(report))
 * ```
 */
export function formatVerifyReport(report: VerifyReport): string {
  const { level, tenants, summary, checks, durationMs } = report
  const whose = `${tenants} tenant${tenants === 1 ? '' : 's'}`
  const lines = [`isolation level ${level}, ${whose}, ${Math.round(durationMs)} ms`, '']
  for (const [id, { title }] of Object.entries(CHECKS)) {
    const own = checks.filter((check) => check.id === id)
    if (own.length > 0) lines.push(`${mark(own)} ${title} (${tally(own)})`)
  }
  const failed = checks.filter(({ outcome }) => outcome === 'failed')
  if (failed.length > 0) lines.push('', 'failed:')
  for (const { id, tenant, against, evidence } of failed) {
    const where = [tenant ?? 'application', against].filter((name) => name !== null).join(' → ')
    lines.push(`  ${id}: ${where}: ${evidence}`, `    ${CHECKS[id].remedy}`)
  }
  const total = `${summary.passed} passed, ${summary.failed} failed, ${summary['not promised']} not promised, ${summary['not checked']} not checked`
  return [...lines, '', total].join('\n')
}

function mark(checks: readonly VerifyCheck[]): string {
  if (checks.some(({ outcome }) => outcome === 'failed')) return '✗'
  return checks.some(({ outcome }) => outcome === 'passed') ? '✓' : '–'
}

function tally(checks: readonly VerifyCheck[]): string {
  const counts = new Map<string, number>()
  for (const { outcome } of checks) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  const why = checks.find(({ outcome }) => outcome === 'not checked')?.evidence
  return [...counts]
    .map(([outcome, count]) => `${count} ${outcome}${outcome === 'not checked' ? `: ${why}` : ''}`)
    .join(', ')
}
