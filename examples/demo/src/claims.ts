import { dim, line, mark } from './print.ts'

/** Width of the column before the evidence. */
const WIDTH = 52

/** What the demonstration says, each checked on the spot. */
export class Claims {
  checked = 0
  failed = 0

  /** Prints a claim with its mark and its evidence, and counts it. */
  check(holds: boolean, text: string, evidence = ''): void {
    this.checked++
    if (!holds) this.failed++
    line(`${mark(holds)} ${text.padEnd(WIDTH)} ${evidence}`.trimEnd())
  }

  /** A claim that something answers in one certain way; when it does not, says what was expected. */
  checkAnswer(text: string, expected: string, answer: string, meaning = ''): void {
    const holds = answer === expected
    const note = holds ? meaning : `expected: ${expected}`
    this.check(holds, text, note ? `${answer}  ${dim(note)}` : answer)
  }
}
