/** Outcomes of one kind of operation. */
export interface KindTally {
  operations: number
  hostile: boolean
  /** Code of the outcome (`ok`, an error code) → how often. */
  readonly codes: Map<string, number>
}

/** Counts operations by kind and outcome. */
export class Tally {
  readonly kinds = new Map<string, KindTally>()
  readonly outcomes = { acked: 0, rejected: 0, unknown: 0 }

  add(name: string, hostile: boolean, code: string): void {
    let kind = this.kinds.get(name)
    if (!kind) {
      kind = { operations: 0, hostile, codes: new Map() }
      this.kinds.set(name, kind)
    }
    kind.operations++
    kind.codes.set(code, (kind.codes.get(code) ?? 0) + 1)
  }
}
