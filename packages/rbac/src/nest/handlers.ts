import type { ActionOptions } from '../guard/options.ts'
import type { NestRequest } from './request.ts'

/** What was said of a handler, or of all of a controller. */
export type Rule<Action extends string> =
  | { readonly kind: 'action'; readonly action: Action; readonly options: ActionOptions<NestRequest> }
  | { readonly kind: 'public' }

/**
 * What one guard's decorators said. Beside the handlers, not on them: nobody else can say it. Kept by function and by place, since
 * other decorators put a function of their own in a handler's place, and what traces or binds handlers does so at run time.
 */
export class Handlers<Action extends string> {
  readonly #rules = new WeakMap<object, Rule<Action>>()
  readonly #places = new WeakMap<object, Map<string | symbol, Rule<Action>>>()

  decorator(rule: Rule<Action>): ClassDecorator & MethodDecorator {
    return (target: object, name?: string | symbol, descriptor?: { readonly value?: unknown }) => {
      if (typeof descriptor?.value !== 'function' || name === undefined) {
        this.#rules.set(target, rule)
        return
      }
      this.#rules.set(descriptor.value, rule)
      const places = this.#places.get(target) ?? new Map<string | symbol, Rule<Action>>()
      this.#places.set(target, places.set(name, rule))
    }
  }

  /**
   * A handler's own, else its controller's, else that of the class it extends. None for a function that cannot be told to be any
   * of the controller's handlers: something stricter may have been said of the one whose place it has.
   */
  of(handler: object, controller: { readonly prototype: object }): Rule<Action> | undefined {
    const own = this.#rules.get(handler)
    if (own) return own
    const place = placeOf(handler, controller.prototype)
    if (place === undefined) return undefined
    const said = this.#places.get(place.owner)?.get(place.name)
    if (said) return said
    for (let one: object | null = controller; one !== null; one = Object.getPrototypeOf(one)) {
      const found = this.#rules.get(one)
      if (found) return found
    }
    return undefined
  }
}

/** Where a handler stands: by itself, or by its name when it was put before the one that stands there. */
function placeOf(handler: object, prototype: object) {
  const chain: object[] = []
  for (let one: object | null = prototype; one && one !== Object.prototype; one = Object.getPrototypeOf(one))
    chain.push(one)
  for (const owner of chain) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(owner)))
      if (value === handler) return { owner, name }
  }
  const name = typeof handler === 'function' ? handler.name.replace(/^(?:bound )+/, '') : ''
  const owner = chain.find((one) => Object.hasOwn(one, name))
  return owner === undefined || name === 'constructor' ? undefined : { owner, name }
}
