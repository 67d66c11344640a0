import { readFileSync } from 'node:fs'
import { ranNowhere } from './neither.ts'

// What both sets of tests have left out, after they ran with TEST_RAN=<file>:
//   node tools/sets/run.ts <file>
const [file = ''] = process.argv.slice(2)
const names = ranNowhere(readFileSync(file, 'utf8'))
for (const name of names) console.log(`ran in neither set: ${name}`)
process.exitCode = names.length > 0 ? 1 : 0
