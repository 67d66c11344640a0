/** What the soak looks for. All of them must be 0 for the library. */
export const FINDING_KINDS = [
  'leak',
  'lost',
  'twice',
  'unnoticed',
  'rejected-but-committed',
  'uncaught',
  'hang',
  'busy-connection',
  'idle-in-transaction',
  'uncoded',
] as const
export type FindingKind = (typeof FINDING_KINDS)[number]

const SAMPLES = 8

/** Counts findings and keeps the first few different ones of each kind word for word. */
export class Findings {
  readonly counts: Record<FindingKind, number>
  readonly samples: Record<FindingKind, string[]>

  constructor() {
    const each = <T>(make: () => T) =>
      Object.fromEntries(FINDING_KINDS.map((kind) => [kind, make()])) as Record<FindingKind, T>
    this.counts = each(() => 0)
    this.samples = each(() => [])
  }

  add(kind: FindingKind, what: string): void {
    this.counts[kind]++
    const samples = this.samples[kind]
    if (samples.length < SAMPLES && !samples.includes(what)) samples.push(what)
  }

  get total(): number {
    return FINDING_KINDS.reduce((sum, kind) => sum + this.counts[kind], 0)
  }
}
