import type { ActionOptions } from '../guard/options.ts'
import type { NestRequest } from './request.ts'

/** What was said of a handler, or of all of a controller. */
export type Rule<Action extends string> =
  | { readonly kind: 'action'; readonly action: Action; readonly options: ActionOptions<NestRequest> }
  | { readonly kind: 'public' }

/** What one guard's decorators said. Beside the handlers, not on them: nobody else can say it. */
export class Handlers<Action extends string> {
  readonly #rules = new WeakMap<object, Rule<Action>>()

  decorator(rule: Rule<Action>): ClassDecorator & MethodDecorator {
    return (target: object, _name?: string | symbol, descriptor?: { readonly value?: unknown }) => {
      this.#rules.set(typeof descriptor?.value === 'function' ? descriptor.value : target, rule)
    }
  }

  /** A handler's own, else its controller's, else that of the class it extends. */
  of(handler: object, controller: object): Rule<Action> | undefined {
    const own = this.#rules.get(handler)
    for (
      let one: object | null = controller;
      own === undefined && one !== null;
      one = Object.getPrototypeOf(one)
    ) {
      const found = this.#rules.get(one)
      if (found) return found
    }
    return own
  }
}
