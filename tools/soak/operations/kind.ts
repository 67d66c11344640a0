import type { Operation } from '../context.ts'

/** One kind of operation. It returns if its writes are acknowledged, and throws as its caller would see it. */
export interface OperationKind {
  readonly name: string
  /** How often it is drawn, relative to the others of its list. */
  readonly weight: number
  run(o: Operation): Promise<void>
}
