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
