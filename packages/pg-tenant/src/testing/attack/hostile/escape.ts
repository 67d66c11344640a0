/** Thrown by a call that saw for itself that something got out, or that nothing was tried. */
export class Escape extends Error {
  override readonly name = 'Escape'
}
