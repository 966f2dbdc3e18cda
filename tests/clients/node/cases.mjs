// What the modules of tests share.
let names = 0

export function fresh (prefix) {
  return `${prefix}-${++names}-${process.pid}`
}

export function equal (wanted, got) {
  if (JSON.stringify(wanted) !== JSON.stringify(got)) throw new Error(`wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`)
}

export async function until (what, condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 30))
  }
}

export async function fails (wanted, body) {
  try {
    await body()
  } catch (e) {
    const told = [e.type, e.code, e.apiId, e.message, ...(e.errors ?? []).flatMap(x => [x.apiId, x.message, ...(x.errors ?? []).map(y => y.apiId)])]
    if (told.some(t => String(t).includes(wanted))) return
    throw new Error(`wanted ${wanted}, got ${told.join(' ')}`)
  }
  throw new Error(`wanted ${wanted}, nothing was thrown`)
}
