// main.mjs MODULE BOOTSTRAP [TEST ...]: runs the tests of a module (all of them, or those named): prints "ok    NAME" or
// "FAIL  NAME: reason" for each function that it exports.
import { pathToFileURL } from 'node:url'

const [module, bootstrap, ...wanted] = process.argv.slice(2)
let failed = 0
const tests = await import(pathToFileURL(module))
for (const name of wanted.length ? wanted : Object.keys(tests)) {
  const test = tests[name]
  let timer
  const limit = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error('took longer than a minute')), 60000) })
  try {
    await Promise.race([test(bootstrap), limit])
    console.log(`ok    ${name}`)
  } catch (e) {
    failed++
    console.log(`FAIL  ${name}: ${String(e.message ?? e).replaceAll('\n', ' ')}`)
    console.log(e)
  }
  clearTimeout(timer)
}
process.exit(failed ? 1 : 0)
