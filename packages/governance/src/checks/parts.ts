import { STEPS as audit } from '../audit/tables.ts'
import { STEPS as jobs } from '../jobs/tables.ts'
import { STEPS as outbox } from '../outbox/install.ts'
import { STEPS as privacy } from '../privacy/tables.ts'
import { STEPS as retention } from '../retention/tables.ts'
import { STEPS as usage } from '../usage/tables.ts'

/** @internal How many steps this release knows of each part, and what makes them. */
export const PARTS: Readonly<Record<string, { readonly steps: number; readonly install: string }>> = {
  audit: { steps: audit.length, install: 'installAudit' },
  jobs: { steps: jobs.length, install: 'installJobs' },
  outbox: { steps: outbox.length, install: 'installOutbox' },
  privacy: { steps: privacy.length, install: 'installPrivacy' },
  retention: { steps: retention.length, install: 'installRetention' },
  usage: { steps: usage.length, install: 'installUsage' },
}
