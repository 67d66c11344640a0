/** The place a secret lives in. It is authenticated with the secret: a sealed text copied to another place does not open. */
export interface SealedPlace {
  /** The tenant's key. */
  readonly tenant: string
  /** The table that holds it, unqualified, e.g. `tenant_credential`. */
  readonly table: string
  /** Which row of that table. */
  readonly name: string
}

/** Encrypts what is kept in a table. The `Envelopes` of `@org/crypto` are one; anything of this shape will do. */
export interface Sealing {
  /** @returns the sealed text, safe to store */
  seal(plaintext: string, place: SealedPlace): string | Promise<string>
  /** @returns what was sealed; rejects when the text is not genuine or belongs to another place */
  open(sealed: string, place: SealedPlace): string | Promise<string>
  /** The same sealed anew under the current key, `null` when it is. Needed only where keys are rotated. */
  reseal?(sealed: string, place: SealedPlace): string | null | Promise<string | null>
}
