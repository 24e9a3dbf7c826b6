// An authenticator for a page's browser: what DevTools calls a virtual one. It
// gives what it is asked for at once, as a person does who always says yes.
export async function authenticator(page, { synced = false } = {}) {
  const session = await page.context().newCDPSession(page)
  const send = (what, more) => session.send(`WebAuthn.${what}`, more)
  await send('enable')
  const { authenticatorId } = await send('addVirtualAuthenticator', { options: {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    defaultBackupEligibility: synced, defaultBackupState: synced,
  } })
  const to = (what, more) => send(what, { authenticatorId, ...more })
  return {
    // present says whether the person is there, for what is asked from now on.
    present: (enabled) => to('setAutomaticPresenceSimulation', { enabled }),
    // verifying says whether it finds out who the person is.
    verifying: (isUserVerified) => to('setUserVerified', { isUserVerified }),
    // lying makes it answer without the bit that says that it has found out.
    lying: (isBadUV) => to('setResponseOverrideBits', { isBadUV }),
    credentials: async () => (await to('getCredentials')).credentials,
    add: (credential) => to('addCredential', { credential }),
    // rewind sets the counter of its only key.
    async rewind(signCount) {
      const { credentials: [credential] } = await to('getCredentials')
      await to('removeCredential', { credentialId: credential.credentialId })
      await to('addCredential', { credential: { ...credential, signCount } })
    },
    remove: () => to('removeVirtualAuthenticator'),
  }
}
