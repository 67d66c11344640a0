/** One part of a dotted key: lower case, so that no two keys differ in case only. */
const PART = '[a-z][a-z0-9_]{0,49}'
const TOOL = new RegExp(`^${PART}$`)
const ACTION = new RegExp(`^${PART}\\.${PART}\\.${PART}$`)
const PACKAGE = /^[a-z][a-z0-9_-]{0,62}$/
const FIELD = /^[A-Za-z][A-Za-z0-9_]{0,62}$/

/** Names every object has, or that change what an object is: never a part of a key, never a field. */
export function isReserved(part: string): boolean {
  return part in Object.prototype || part === 'prototype'
}

const free = (key: string) => !key.split('.').some(isReserved)

/** `notes`; limits are named by the same grammar. */
export const isToolKey = (value: string): boolean => TOOL.test(value) && free(value)

/** `notes.item.read`: tool, resource, verb. */
export const isActionKey = (value: string): boolean => ACTION.test(value) && free(value)

/** `starter`, `pro-2026` */
export const isPackageKey = (value: string): boolean => PACKAGE.test(value) && free(value)

/** The field of a resource that a constraint may look at. */
export const isField = (value: string): boolean => FIELD.test(value) && free(value)

/** `notes` of `notes.*`, else `undefined`. */
export function toolOfPattern(pattern: string): string | undefined {
  return pattern.endsWith('.*') ? pattern.slice(0, -2) : undefined
}

/** `notes` of `notes.item.read`. */
export const toolOf = (action: string): string => action.slice(0, action.indexOf('.'))
