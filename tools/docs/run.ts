import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pageOf } from './page.ts'
import { publicFunctions } from './public.ts'

const folder = join(import.meta.dirname, '../../docs/reference')
const functions = publicFunctions()
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'index.html'), pageOf(functions))
const shown = functions.filter(({ example }) => example !== undefined).length
console.log(`docs/reference/index.html: ${functions.length} functions, ${shown} with an example`)
