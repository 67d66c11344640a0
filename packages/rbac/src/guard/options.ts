import { invalidOption, type OptionNames, requireKnownOptions, TenancyError } from '@org/core'
import type { Catalog } from '../catalog/model.ts'
import { type Evaluator, forbidden } from '../evaluate/evaluator.ts'

/** How the guard learns who asks. */
export interface GuardOptions<Request, Action extends string = string> {
  readonly catalog: Catalog<string, Action, string, string>
  /**
   * Who may do what, for this request: asked once for each. With the adapters of `@org/pg-tenant` and a store:
   * `(req) => store.evaluatorFor({ tenant: req.tenant, actor: req.actor })`. What it rejects with is the answer.
   */
  readonly evaluator: (request: Request) => Promise<Evaluator<Action>>
  /** Milliseconds since 1970 (default `Date.now`). A request is decided as of the moment its guard first asked. */
  readonly clock?: (() => number) | undefined
}

/** Of one action on one route. */
export interface ActionOptions<Request> {
  /** The record it is about, for grants that depend on one. Without it such grants permit nothing. */
  readonly resource?:
    | ((request: Request) => object | null | undefined | Promise<object | null | undefined>)
    | undefined
  /**
   * Lets in whoever may do it on *some* records (default `false`): for lists, whose handler narrows its query with
   * `where(action)`, or checks each record with `assert`.
   */
  readonly onSomeRecords?: boolean | undefined
}

const GUARD_OPTIONS: OptionNames<GuardOptions<never>> = { catalog: true, evaluator: true, clock: true }
const ACTION_OPTIONS: OptionNames<ActionOptions<never>> = { resource: true, onSomeRecords: true }

/** One evaluator for each request, its clock stopped. Nothing is kept beyond the request. */
export class RequestEvaluators<Request extends object, Action extends string> {
  readonly #options: GuardOptions<Request, Action>
  readonly #asked = new WeakMap<object, Promise<Evaluator<Action>>>()

  constructor(options: GuardOptions<Request, Action>) {
    requireKnownOptions(options, GUARD_OPTIONS)
    if (typeof options?.catalog?.has !== 'function') throw invalidOption('catalog', 'made by defineCatalog')
    if (typeof options.evaluator !== 'function')
      throw invalidOption('evaluator', 'a function from a request to its evaluator')
    this.#options = options
  }

  /** What is said of a route, when the program starts. @throws TenancyError INVALID_OPTION */
  check(action: string, options: ActionOptions<never>): void {
    if (!this.#options.catalog.has(action)) throw invalidOption('requireAction', 'an action of the catalogue')
    requireKnownOptions(options, ACTION_OPTIONS)
    if (options.onSomeRecords && options.resource)
      throw invalidOption('onSomeRecords', 'left out where there is a resource')
  }

  of(request: Request): Promise<Evaluator<Action>> {
    // guard: nothing is asked whose answer could not be remembered: its rejection would be nobody's
    if (typeof request !== 'object' || request === null) return Promise.reject(noRequest())
    const known = this.#asked.get(request)
    if (known) return known
    const { evaluator, clock = Date.now } = this.#options
    const moment = clock()
    const asked = Promise.resolve(request)
      .then(evaluator)
      .then((found) => found.asOf(moment))
    this.#asked.set(request, asked)
    return asked
  }

  /** @throws TenancyError FORBIDDEN_ACTION with the action and nothing else */
  async require(request: Request, action: Action, options: ActionOptions<Request>): Promise<void> {
    const evaluator = await this.of(request)
    if (options.onSomeRecords) {
      if (evaluator.where(action).op === 'never') throw forbidden(action)
      return
    }
    const resource = options.resource === undefined ? undefined : await options.resource(request)
    evaluator.assert(action, resource)
  }
}

function noRequest(): TenancyError {
  return new TenancyError(
    'NO_TENANT_CONTEXT',
    'A guarded handler was called without what its request came with. Put it inside tenantHandler, or behind what finds the tenant.',
  )
}
