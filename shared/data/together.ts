/** Sends statements in one go. All are waited for, so that the connection is not given back in the middle of an answer. */
export async function together<const S extends readonly PromiseLike<unknown>[]>(statements: S) {
  const failed = (await Promise.allSettled(statements)).find(result => result.status === 'rejected')
  if (failed) throw failed.reason
  return Promise.all(statements)
}
