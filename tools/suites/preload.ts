import { registerHooks } from 'node:module'
import { SUITES } from './libraries.ts'

// Loaded before a suite: its `pg` is the one of `bound.ts`, and drivers of other databases that are not installed are empty.

const { SUITE = '', SUITE_FOLDER = '' } = process.env
const BOUND = new URL('./bound.ts', import.meta.url).href
const PG = /\/node_modules\/pg\/(lib\/index\.js|esm\/index\.mjs)$/
const absent = SUITES[SUITE]?.absent ?? {}

registerHooks({
  resolve(specifier, context, next) {
    try {
      const found = next(specifier, context)
      const ofSuite = PG.test(found.url) && found.url.includes(SUITE_FOLDER)
      return ofSuite ? { url: BOUND, format: 'module-typescript', shortCircuit: true } : found
    } catch (error) {
      if (!Object.hasOwn(absent, specifier)) throw error
      return { url: `absent:${specifier}`, format: 'module', shortCircuit: true }
    }
  },
  load(url, context, next) {
    if (!url.startsWith('absent:')) return next(url, context)
    const names = absent[url.slice('absent:'.length)] ?? []
    const exported = names.map((name) => `export class ${name} {}`).join('\n')
    return { format: 'module', source: `export default class {}\n${exported}`, shortCircuit: true }
  },
})
