import { TenancyError } from '@org/core'

/** What a guard says about the routes behind it. */
export type RouteMark =
  | { readonly kind: 'action'; readonly action: string }
  /** Open to everybody, on purpose. */
  | { readonly kind: 'public' }

const marks = new WeakMap<object, RouteMark>()

export function mark<T extends object>(handler: T, what: RouteMark): T {
  marks.set(handler, what)
  return handler
}

export function markOf(handler: unknown): RouteMark | undefined {
  return typeof handler === 'function' ? marks.get(handler) : undefined
}

/** @throws TenancyError INVALID_OPTION for an action the catalogue does not have: when the program starts */
export function requireKnown(catalog: { has(value: unknown): boolean }, action: unknown): void {
  if (catalog.has(action)) return
  throw new TenancyError('INVALID_OPTION', 'A guard names an action of the catalogue.', {
    details: { option: 'requireAction' },
  })
}
