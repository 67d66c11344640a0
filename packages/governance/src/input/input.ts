import { integerOption, invalidField, invalidOption } from '@org/core'

export { integerOption, invalidField, invalidOption }

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** @internal */
export function uuidOf(value: unknown, field: string): string {
  if (typeof value === 'string' && UUID.test(value)) return value.toLowerCase()
  throw invalidField(field, 'a uuid')
}

/** @internal PostgreSQL's text takes neither NUL nor half a surrogate pair. */
export const storable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

/** @internal 1 to `max` characters that PostgreSQL can store. */
export function textOf(value: unknown, field: string, max = 200): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= max && storable(value)) return value
  throw invalidField(field, `a text of 1 to ${max} characters`)
}

/** @internal Names of roles, as they are written to the catalogue. */
export function rolesOf(value: unknown, option: string): readonly string[] {
  const roles = value ?? []
  if (!Array.isArray(roles)) throw invalidOption(option, 'a list of names of roles')
  for (const role of roles as readonly unknown[]) {
    if (typeof role !== 'string' || role === '' || role.includes('\0') || Buffer.byteLength(role) > 63) {
      throw invalidOption(option, 'a list of names of roles')
    }
  }
  return roles as readonly string[]
}
