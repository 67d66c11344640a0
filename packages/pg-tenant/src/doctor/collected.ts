import type { AnyFindingCode, Diagnosis, Finding } from './finding.ts'

const WORST = { error: 0, warning: 1, notice: 2 } as const

/** Findings as they come in: at most so many of each code are kept, all are counted. */
export class Collected {
  readonly #limit: number
  readonly #findings: Finding[] = []
  readonly #counts: Record<AnyFindingCode, number> = {}

  constructor(limit: number) {
    this.#limit = limit
  }

  add(finding: Finding): void {
    this.count(finding.code, 1)
    if ((this.#counts[finding.code] ?? 0) <= this.#limit) this.#findings.push(finding)
  }

  /** Those that are only counted. */
  count(code: AnyFindingCode, more: number): void {
    if (more > 0) this.#counts[code] = (this.#counts[code] ?? 0) + more
  }

  diagnosis(tenants: number, ms: number): Diagnosis {
    const findings = this.#findings.sort((a, b) => WORST[a.severity] - WORST[b.severity])
    const ok = findings.every(({ severity }) => severity === 'notice')
    return { ok, findings, counts: this.#counts, tenants, ms }
  }
}
