import type { TenantKey } from '@org/core'
import { storable } from '../input/input.ts'
import type { CheckedEntry } from './entry.ts'

/**
 * Seals what is personal under a key of the person, so that destroying the key erases it wherever it is. `subjectKeys` of
 * `@org/governance/privacy` is one.
 */
export interface PersonalSealing {
  seal(tenant: TenantKey, subject: string, text: string): Promise<string>
  /** @returns `undefined` once the subject's key is gone */
  open(tenant: TenantKey, subject: string, sealed: string): Promise<string | undefined>
}

/** @internal Without a sealing nothing personal is kept: an entry that is signed could not be erased. */
export async function sealPersonal(
  sealing: PersonalSealing | undefined,
  tenant: TenantKey,
  { personal, subject }: CheckedEntry,
): Promise<string | null> {
  if (sealing === undefined || personal === null) return null
  const sealed = await sealing.seal(tenant, subject, JSON.stringify(personal))
  return `${Buffer.from(subject).toString('base64url')}.${sealed}`
}

/** @internal What {@link sealPersonal} made; `undefined` when the subject was erased. */
export async function openPersonal(
  sealing: PersonalSealing | undefined,
  tenant: TenantKey,
  text: string | null,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (sealing === undefined || text === null) return undefined
  const at = text.indexOf('.')
  const subject = Buffer.from(text.slice(0, at), 'base64url').toString()
  // Forged: nobody was ever called that.
  if (!storable(subject)) return undefined
  const opened = await sealing.open(tenant, subject, text.slice(at + 1))
  return opened === undefined ? undefined : (JSON.parse(opened) as Record<string, unknown>)
}
