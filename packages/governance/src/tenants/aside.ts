import type { TenantQueryable } from '@org/core'

/** A statement whose answer nobody reads: in front of the next one, where the handle can do that. */
export async function aside(db: TenantQueryable, text: string, values: readonly unknown[]): Promise<void> {
  await (db.queue ? db.queue(text, values) : db.query(text, values))
}
