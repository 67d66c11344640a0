export { createJobs, type Job, type Jobs, type JobsOptions } from './jobs.ts'
export { type InstallJobsOptions, installJobs } from './tables.ts'
