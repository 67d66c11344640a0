import type { Hono } from 'hono'
import { type RouteUse, routeUse } from '../guard/inventory.ts'
import { markOf, type RouteMark } from '../guard/mark.ts'

type Entry = Pick<Hono['routes'][number], 'method' | 'path'> & { readonly handler: unknown }

/** `app.routes` holds handlers and middleware in the order they run; each handler of a route is an entry of its own. */
export function routesOf(entries: readonly Entry[]): RouteUse[] {
  const uses = new Map<string, RouteUse>()
  const guards: { readonly method: string; readonly path: string; readonly mark: RouteMark }[] = []
  for (const entry of entries) {
    const { method, path } = entry
    const handler = targetOf(entry.handler)
    const own = markOf(handler)
    const covering = guards.filter((guard) => guard.method === 'ALL' && covers(guard.path, path))
    const isGuard = own !== undefined && method === 'ALL' && path.endsWith('*')
    if (isGuard) guards.push({ method, path, mark: own })
    if (isGuard || isMiddleware(method, path, handler)) continue
    const key = `${method} ${path}`
    // The first entry of a route decides: what comes before a guard may answer.
    if (!uses.has(key))
      uses.set(key, routeUse(method, path, strictest([...covering.map(({ mark }) => mark), own])))
  }
  return [...uses.values()]
}

/** An action asked for on the way is asked for, whatever else says that everybody may come. */
function strictest(marks: readonly (RouteMark | undefined)[]): RouteMark | undefined {
  return marks.findLast((one) => one?.kind === 'action') ?? marks.findLast((one) => one !== undefined)
}

/** Whether a guard at `pattern` runs for every request of a route at `path`. Only plain prefixes are understood. */
function covers(pattern: string, path: string): boolean {
  if (!pattern.endsWith('/*') || /[:*{]/.test(pattern.slice(0, -2))) return false
  const prefix = pattern.slice(0, -1)
  return path.startsWith(prefix) || path === prefix.slice(0, -1)
}

/** `use` and `all` register alike. What takes `next` under a wildcard is middleware; all else is taken for a route. */
function isMiddleware(method: string, path: string, handler: unknown): boolean {
  return method === 'ALL' && path.endsWith('*') && typeof handler === 'function' && handler.length > 1
}

/** `app.route` wraps the handlers of an app that has an error handler of its own. */
function targetOf(handler: unknown): unknown {
  const inner =
    typeof handler === 'function'
      ? (handler as { __COMPOSED_HANDLER?: unknown }).__COMPOSED_HANDLER
      : undefined
  return inner === undefined ? handler : targetOf(inner)
}
