import { aptHere, installPrograms } from './install.ts'

installPrograms(aptHere(), (line) => console.log(line))
