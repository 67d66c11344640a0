import { invalidField, TenancyError } from '@org/core'
import { toolOfPattern } from '../catalog/keys.ts'
import type { Catalog } from '../catalog/model.ts'

export function notFound(what: string): TenancyError {
  return new TenancyError('NOT_FOUND', `There is no such ${what} in this tenant.`, {
    details: { entity: what },
  })
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)

export function idOf(value: unknown, field: string): string {
  if (isUuid(value)) return value
  throw invalidField(field, 'a uuid')
}

/** PostgreSQL's text takes neither NUL nor half a surrogate pair. */
export function textOf(value: unknown, field: string, max = 200): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= max && storable(value)) return value
  throw invalidField(field, `a text of 1 to ${max} characters`)
}

export function optionalText(value: unknown, field: string, max = 1_000): string | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'string' && value.length <= max && storable(value)) return value
  throw invalidField(field, `a text of at most ${max} characters`)
}

const storable = (text: string) => !text.includes('\0') && text.isWellFormed()

export function statusOf(value: unknown): 'active' | 'suspended' {
  if (value === 'active' || value === 'suspended') return value
  throw invalidField('status', 'active or suspended')
}

/** A moment for a timestamptz. PostgreSQL's `infinity` is no Date. */
export function momentOf(value: unknown, field: string): string | null {
  if (value === undefined || value === null) return null
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString()
  throw invalidField(field, 'a Date')
}

/** An action of the catalogue, or `tool.*` of one of its tools. */
export function patternOf(catalog: Catalog, value: unknown): string {
  if (typeof value === 'string') {
    const tool = toolOfPattern(value)
    if (tool === undefined ? catalog.index.numberOf.has(value) : catalog.index.numbersOfTool.has(tool))
      return value
  }
  throw invalidField('action', 'an action of the catalogue, or tool.* of one of its tools')
}

export function packageOf(catalog: Catalog, value: unknown): string {
  if (typeof value === 'string' && Object.hasOwn(catalog.packages, value)) return value
  throw invalidField('package', 'a package of the catalogue')
}
