// What the server's short names mean, in words for people. What is not here is
// shown as it is called.
export const actions = {
  'auth.login': 'signed in', 'auth.login_failed': 'failed to sign in', 'auth.logout': 'signed out', 'auth.refresh_reuse': 'an old copy of a sign-in was used',
  'auth.session_revoked': 'a device was signed out', 'auth.reauthenticated': 'gave the password once more', 'auth.password_changed': 'the password was changed',
  'user.created': 'a user was made', 'user.updated': 'a user was changed', 'user.disabled': 'a user was disabled', 'user.enabled': 'a user was enabled', 'user.deleted': 'a user was deleted',
  'role.grant': 'a role was given', 'role.revoke': 'a role was taken away', 'role.created': 'a role was made', 'role.updated': 'a role was changed', 'role.deleted': 'a role was deleted',
  'file.created': 'a file was stored', 'file.replaced': 'a file was replaced', 'file.download': 'a file was downloaded', 'file.moved': 'a file was moved or renamed',
  'file.delete': 'a file was put into the trash', 'file.restored': 'a file was restored', 'file.purged': 'a file was deleted for good', 'file.changed_outside': 'a file was changed on the disk',
  'file.version_ended': 'a version was deleted', 'file.version_given_up': 'versions were given up for room', 'folder.created': 'a folder was made',
  'share.created': 'a link was made', 'share.updated': 'a link was changed', 'share.ended': 'a link was ended', 'share.unlocked': 'a link was unlocked', 'share.read': 'a link was used', 'share.dropped': 'a file came in by a link',
  'space.created': 'a space was made', 'space.updated': 'a space was changed', 'space.deleted': 'a space was deleted', 'space.member_set': 'a member was set', 'space.member_removed': 'a member was taken out',
  'portfolio.created': 'the portfolio got an entry', 'portfolio.updated': 'the portfolio was changed', 'portfolio.deleted': 'an entry of the portfolio was deleted', 'portfolio.reordered': 'the portfolio was put in order',
  'portfolio.imported': 'a résumé was taken over', 'portfolio.preview': 'a preview link was made',
  'inbox.updated': 'a message was marked', 'inbox.deleted': 'a message was deleted', 'inbox.purged': 'old messages were deleted',
  'key.created': 'an access key was made', 'key.revoked': 'an access key was revoked',
  'auth.totp_enabled': 'the second step was turned on', 'auth.totp_disabled': 'the second step was turned off', 'auth.totp_reset': 'the second step was reset',
  'auth.recovery_codes_renewed': 'new recovery codes were made', 'auth.recovery_code_used': 'a recovery code was used',
  'auth.invitation_created': 'somebody was invited', 'auth.invitation_deleted': 'an invitation was withdrawn', 'auth.registration_asked': 'somebody asked to join',
  'auth.password_forgotten': 'a new password was asked for', 'auth.email_change_asked': 'a new address was asked for', 'auth.email_changed': 'the address was changed', 'auth.login_link_made': 'a sign-in link was made',
  'passkey.added': 'a passkey was added', 'passkey.removed': 'a passkey was removed', 'passkey.counter': 'a passkey may have been copied',
  'client.created': 'a program was let sign people in', 'client.updated': 'a program was changed', 'client.deleted': 'a program was shut out', 'client.secret_made': 'a program got a new secret', 'client.refused': 'a program gave a wrong secret',
  'grant.made': 'a program was let in', 'grant.withdrawn': 'a program was shut out of an account', 'grant.reuse': 'a used code of a program came back',
  'gate.host_created': 'a host was guarded', 'gate.host_updated': 'a guarded host was changed', 'gate.host_deleted': 'a guarded host was closed', 'gate.entered': 'went through to a guarded host',
  'flag.created': 'a flag was made', 'flag.updated': 'a flag was changed', 'flag.deleted': 'a flag was deleted', 'limits.updated': 'the limits were changed',
  'app.enabled': 'an app was turned on', 'app.disabled': 'an app was turned off', 'app.act': 'an app did something',
  'backup.made': 'a backup was made', 'backup.restored': 'a backup was restored', 'audit.dropped': 'old events were dropped',
}

export const jobs = (name) => name.replaceAll(/[._-]/g, ' ')
