// What the log's short names mean, in words for people. What is not here is shown
// as it is called.
export const actions = {
  'auth.login': 'signed in', 'auth.login_failed': 'failed to sign in', 'auth.logout': 'signed out', 'auth.refresh_reuse': 'an old copy of a sign-in was used',
  'auth.session_revoked': 'a device was signed out', 'auth.reauthenticated': 'confirmed who they are', 'auth.password_changed': 'the password was changed',
  'user.created': 'a user was added', 'user.updated': 'a user was changed', 'user.disabled': 'a user was disabled', 'user.enabled': 'a user was enabled', 'user.deleted': 'a user was deleted',
  'role.grant': 'a role was given', 'role.revoke': 'a role was taken away', 'role.created': 'a role was created', 'role.updated': 'a role was changed', 'role.deleted': 'a role was deleted',
  'file.created': 'a file was stored', 'file.replaced': 'a file was replaced', 'file.download': 'a file was downloaded', 'file.moved': 'a file was moved or renamed',
  'file.delete': 'a file was put into the trash', 'file.restored': 'a file was restored', 'file.purged': 'a file was deleted for good', 'file.changed_outside': 'a file was changed on the disk',
  'file.version_ended': 'a version was deleted', 'file.version_given_up': 'old versions were deleted to make room', 'folder.created': 'a folder was created',
  'share.created': 'something was shared', 'share.updated': 'a share was changed', 'share.ended': 'a share was ended', 'share.unlocked': 'a share was unlocked', 'share.read': 'a share was used', 'share.dropped': 'a file came in by a link',
  'space.created': 'a space was created', 'space.updated': 'a space was changed', 'space.deleted': 'a space was deleted', 'space.member_set': 'a member was added, or got another role', 'space.member_removed': 'a member was removed',
  'portfolio.created': 'something was added to the portfolio', 'portfolio.updated': 'the portfolio was changed', 'portfolio.deleted': 'something was deleted from the portfolio', 'portfolio.reordered': 'the portfolio was reordered',
  'portfolio.imported': 'a résumé was imported', 'portfolio.preview': 'a preview link was created',
  'inbox.updated': 'a message was moved', 'inbox.deleted': 'a message was deleted', 'inbox.purged': 'old messages were deleted',
  'key.created': 'an access key was created', 'key.revoked': 'an access key was revoked',
  'auth.totp_enabled': 'the second step was turned on', 'auth.totp_disabled': 'the second step was turned off', 'auth.totp_reset': 'the second step was reset',
  'auth.recovery_codes_renewed': 'new recovery codes were created', 'auth.recovery_code_used': 'a recovery code was used',
  'auth.invitation_created': 'somebody was invited', 'auth.invitation_deleted': 'an invitation was withdrawn', 'auth.registration_asked': 'somebody asked to join',
  'auth.password_forgotten': 'a new password was asked for', 'auth.email_change_asked': 'a new address was asked for', 'auth.email_changed': 'the address was changed', 'auth.login_link_made': 'a sign-in link was created',
  'passkey.added': 'a passkey was added', 'passkey.removed': 'a passkey was removed', 'passkey.counter': 'a passkey may have been copied',
  'client.created': 'a program was added', 'client.updated': 'a program was changed', 'client.deleted': 'a program was removed', 'client.secret_made': 'a program got a new secret', 'client.refused': 'a program gave a wrong secret',
  'grant.made': 'signed in to a program', 'grant.withdrawn': 'a program lost access to an account', 'grant.reuse': 'a program sent a code for the second time',
  'gate.host_created': 'a protected site was added', 'gate.host_updated': 'a protected site was changed', 'gate.host_deleted': 'a protected site was removed', 'gate.entered': 'opened a protected site',
  'flag.created': 'a feature flag was created', 'flag.updated': 'a feature flag was changed', 'flag.deleted': 'a feature flag was deleted', 'limits.updated': 'the rate limits were changed',
  'app.enabled': 'an app was turned on', 'app.disabled': 'an app was turned off', 'app.act': 'an app did something',
  'backup.made': 'a backup was taken', 'backup.restored': 'a backup was restored', 'audit.dropped': 'old events were dropped',
}

// deed is what an event says was done, as a sentence begins.
export function deed({ action }) {
  const words = actions[action] ?? action
  return words[0].toUpperCase() + words.slice(1)
}
