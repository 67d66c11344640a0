import { TenancyError } from '@org/core'
import type { Catalog } from '../catalog/model.ts'
import type { RouteMark } from './mark.ts'

/** A route, and what guards it. */
export interface RouteUse {
  /** In capitals; `ALL` for every method. */
  readonly method: string
  /** As it was written; `…` stands for what the framework does not tell. */
  readonly path: string
  /** The action it takes; missing for a public route, and for one that nothing guards. */
  readonly action?: string | undefined
  readonly public: boolean
}

export interface RouteReport {
  readonly routes: readonly RouteUse[]
  /** Actions of the catalogue that no route takes. */
  readonly unusedActions: readonly string[]
}

export function routeUse(method: string, path: string, found: RouteMark | undefined): RouteUse {
  return {
    method: method.toUpperCase(),
    path,
    public: found?.kind === 'public',
    ...(found?.kind === 'action' && { action: found.action }),
  }
}

/** @throws TenancyError INVALID_OPTION naming the routes that nothing guards */
export function reportOn(catalog: Catalog, routes: readonly RouteUse[]): RouteReport {
  const open = routes.filter((route) => !route.public && route.action === undefined)
  if (open.length > 0) {
    const named = open.slice(0, 10).map(({ method, path }) => `${method} ${path}`)
    const more = open.length > named.length ? ` and ${open.length - named.length} more` : ''
    throw new TenancyError(
      'INVALID_OPTION',
      `Routes without an action: ${named.join(', ')}${more}. Put requireAction(action) first among the handlers of each, ` +
        'or publicRoute() where everybody may come.',
      { details: { option: 'routes', routes: named.join(', '), count: open.length } },
    )
  }
  const used = new Set(routes.map(({ action }) => action))
  return { routes, unusedActions: catalog.index.keys.filter((key) => !used.has(key)) }
}
