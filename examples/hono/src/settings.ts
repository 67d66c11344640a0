import { defineSettings, type KeyRing, secret } from '@org/crypto'

/** One line of text, written out as a Standard Schema: one of zod's or valibot's fits in its place. */
const line = {
  '~standard': {
    version: 1,
    vendor: 'notes',
    types: undefined as { readonly input: string; readonly output: string } | undefined,
    validate: (value: unknown) =>
      typeof value === 'string' && /^\P{Cc}{1,255}$/u.test(value)
        ? { value }
        : { issues: [{ message: 'one line of 1 to 255 characters' }] },
  },
} as const

/** The settings every tenant has; those in `secret(…)` are sealed in its table and masked in lists. */
export const notesSettings = (secrets: KeyRing) =>
  defineSettings({ 'smtp.host': line, 'smtp.user': line, 'smtp.password': secret(line) }, { secrets })

export type NotesSettings = ReturnType<typeof notesSettings>

/** Hands a note to the tenant's mail server. */
export type SendMail = (smtp: { host: string; user: string; password: string }, body: string) => Promise<void>

/** Sends nothing: this is where a mail library would come in. */
export const sendNothing: SendMail = async () => {}
