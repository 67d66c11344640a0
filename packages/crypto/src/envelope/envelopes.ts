/** The place a secret lives in. It is authenticated with the secret: a value copied to another place does not open. */
export interface SecretPlace {
  /** the tenant's key */
  readonly tenant: string
  /** the table that holds it, unqualified, e.g. `app_settings` */
  readonly table: string
  /** which row or value of that table, e.g. the setting's key `smtp.password` */
  readonly name: string
}

/** What a stored value turned out to be, once it was proven to open. */
export interface EnvelopeFacts {
  /** `plaintext` only where the caller said that plaintext is accepted */
  readonly format: 'v1' | 'v2' | 'plaintext'
  /** which key opened it; `null` for plaintext */
  readonly keyId: string | null
  /** whether the place was authenticated with it */
  readonly bound: boolean
  /** sealed in the format and under the key that new values get, and bound to its place */
  readonly current: boolean
}

/**
 * Seals and opens secrets, without waiting: the keys are at hand. How the rest of the package (settings, rotation)
 * meets the key ring and the per-tenant data keys.
 */
export interface Envelopes {
  /** @throws TenancyError KEY_MISSING when there is no key to seal with */
  seal(plaintext: string | Uint8Array, place: SecretPlace): string
  /**
   * @returns the text that was sealed
   * @throws TenancyError ENVELOPE_UNREADABLE (also when the bytes are not UTF-8: use `openBytes`) or KEY_MISSING
   */
  open(envelope: string, place: SecretPlace): string
  /** @throws TenancyError ENVELOPE_UNREADABLE or KEY_MISSING */
  openBytes(envelope: string, place: SecretPlace): Uint8Array
  /**
   * Opens it and says how it was stored.
   *
   * @throws TenancyError ENVELOPE_UNREADABLE or KEY_MISSING
   */
  examine(envelope: string, place: SecretPlace): EnvelopeFacts
  /**
   * The same secret sealed anew, or `null` when it is current already.
   *
   * @throws TenancyError ENVELOPE_UNREADABLE or KEY_MISSING
   */
  reseal(envelope: string, place: SecretPlace): string | null
}

/** Finds a tenant's envelopes: one key ring for all tenants, or a data key each (which may have to be fetched). */
export type EnvelopesOf = (tenant: string) => Envelopes | Promise<Envelopes>
