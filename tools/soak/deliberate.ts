/** What an operation throws on purpose, to have its scope rolled back. */
export class Deliberate extends Error {
  override readonly name = 'Deliberate'
}
