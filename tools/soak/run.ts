import { parseOptions, type SoakOptions, USAGE } from './options.ts'
import { formatReport, progressLine, reportAsJson } from './report.ts'
import { type SoakReport, soak } from './soak.ts'

/** Whether a run speaks against its subject: any finding for the library, none at all for the control. */
function isBad({ subject, findings }: SoakReport): boolean {
  return subject === 'ours' ? findings.total > 0 : findings.total === 0
}

async function main(options: SoakOptions): Promise<number> {
  const reports: SoakReport[] = []
  for (const subject of options.subjects) {
    const report = await soak(subject, options, (now) => process.stderr.write(`${progressLine(now)}\n`))
    reports.push(report)
    if (!options.json) process.stdout.write(`\n${formatReport(report)}\n${verdict(report)}\n`)
  }
  if (options.json) process.stdout.write(`${JSON.stringify(reports.map(reportAsJson))}\n`)
  return reports.some(isBad) ? 1 : 0
}

function verdict(report: SoakReport): string {
  if (report.subject === 'ours') return isBad(report) ? '\nFAILED: see the findings above' : '\nno findings'
  return isBad(report)
    ? '\nSUSPICIOUS: the soak found nothing in the control, so it would find nothing anywhere'
    : '\nthe control leaks and loses, as it must'
}

try {
  process.exit(await main(parseOptions(process.argv.slice(2))))
} catch (error) {
  if (!(error instanceof TypeError)) throw error
  process.stderr.write(`${error.message}\n\n${USAGE}\n`)
  process.exit(2)
}
