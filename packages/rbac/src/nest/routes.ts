import { type INestApplicationContext, RequestMethod } from '@nestjs/common'
import { ModulesContainer } from '@nestjs/core'
import { type RouteUse, routeUse } from '../guard/inventory.ts'
import type { Handlers } from './handlers.ts'

/** Where Nest's decorators keep what they were told (`@nestjs/common/constants`, which is not exported everywhere). */
const PATH = 'path'
const METHOD = 'method'

/** The handlers of all controllers. A prefix of the application's own, and versions, are not in the paths. */
export function routesOf(app: INestApplicationContext, handlers: Handlers<string>): RouteUse[] {
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [
    ...module.controllers.values(),
  ])
  return controllers.flatMap(({ metatype }) =>
    typeof metatype === 'function' ? usesOf(metatype, handlers) : [],
  )
}

// biome-ignore lint/complexity/noBannedTypes: what Nest calls a controller
function usesOf(controller: Function, handlers: Handlers<string>): RouteUse[] {
  return methodsOf(controller.prototype).flatMap((handler) => {
    const method: unknown = Reflect.getMetadata(METHOD, handler)
    if (typeof method !== 'number') return []
    const paths = textsOf(controller).flatMap((prefix) =>
      textsOf(handler).map((path) => `/${[prefix, path].flatMap(segmentsOf).join('/')}`),
    )
    return paths.map((path) =>
      routeUse(RequestMethod[method] ?? 'ALL', path, handlers.of(handler, controller)),
    )
  })
}

/** Also those that it has of the classes it extends. */
function methodsOf(prototype: object): object[] {
  const found = new Map<string, object>()
  for (
    let one: object | null = prototype;
    one && one !== Object.prototype;
    one = Object.getPrototypeOf(one)
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(one))) {
      if (name !== 'constructor' && typeof value === 'function' && !found.has(name)) found.set(name, value)
    }
  }
  return [...found.values()]
}

const textsOf = (target: object): string[] => [Reflect.getMetadata(PATH, target) ?? ''].flat().map(String)
const segmentsOf = (path: string): string[] => path.split('/').filter((one) => one !== '')
