/** What statements behind one that failed are told in the same transaction. */
const aborted = '25P02'

/**
 * Sends statements in one go. All are waited for, so that the connection is not given back in the middle of an answer. Of several
 * failures the one is thrown that caused the others.
 */
export async function together<const S extends readonly PromiseLike<unknown>[]>(statements: S) {
  const failures = (await Promise.allSettled(statements))
    .filter(result => result.status === 'rejected')
    .map(({ reason }) => reason)
  if (failures.length > 0) throw failures.find(failure => failure?.code !== aborted) ?? failures[0]
  return Promise.all(statements)
}
