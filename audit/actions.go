package audit

// Action names what was done. The list is part of the API: entries are added, but
// never renamed.
type Action string

const (
	Login           Action = "auth.login"
	LoginFailed     Action = "auth.login_failed"
	Logout          Action = "auth.logout"
	RefreshReuse    Action = "auth.refresh_reuse" // a stolen or replayed refresh token; the session was ended
	SessionRevoked  Action = "auth.session_revoked"
	Reauthenticated Action = "auth.reauthenticated"
	PasswordChanged Action = "auth.password_changed"

	UserCreated  Action = "user.created"
	UserUpdated  Action = "user.updated"
	UserDisabled Action = "user.disabled"
	UserEnabled  Action = "user.enabled"
	UserDeleted  Action = "user.deleted"
	RoleGranted  Action = "role.grant"
	RoleRevoked  Action = "role.revoke"

	FileCreated        Action = "file.created"
	FileReplaced       Action = "file.replaced"
	FileDownload       Action = "file.download"
	FileMoved          Action = "file.moved"  // renamed or put into another folder
	FileDeleted        Action = "file.delete" // put into the trash
	FileRestored       Action = "file.restored"
	FilePurged         Action = "file.purged"
	FileChangedOutside Action = "file.changed_outside"
	VersionEnded       Action = "file.version_ended"    // deleted by somebody
	VersionsGivenUp    Action = "file.version_given_up" // so that an upload had room
	FolderCreated      Action = "folder.created"

	ShareCreated  Action = "share.created"
	ShareUpdated  Action = "share.updated"
	ShareEnded    Action = "share.ended"
	ShareUnlocked Action = "share.unlocked" // denied: a wrong password
	ShareRead     Action = "share.read"     // by whoever has the link
	ShareDropped  Action = "share.dropped"  // likewise; a file came in

	SpaceCreated  Action = "space.created"
	SpaceUpdated  Action = "space.updated"
	SpaceDeleted  Action = "space.deleted"
	MemberSet     Action = "space.member_set" // added, or given another role
	MemberRemoved Action = "space.member_removed"

	PortfolioCreated   Action = "portfolio.created"
	PortfolioUpdated   Action = "portfolio.updated"
	PortfolioDeleted   Action = "portfolio.deleted"
	PortfolioReordered Action = "portfolio.reordered"
	PortfolioImported  Action = "portfolio.imported"
	PortfolioPreview   Action = "portfolio.preview" // a link to a draft was made
	MessageUpdated     Action = "inbox.updated"
	MessageDeleted     Action = "inbox.deleted"
	MessagesPurged     Action = "inbox.purged" // their time was over

	RoleCreated Action = "role.created"
	RoleUpdated Action = "role.updated"
	RoleDeleted Action = "role.deleted"
	KeyCreated  Action = "key.created"
	KeyRevoked  Action = "key.revoked"

	TOTPEnabled          Action = "auth.totp_enabled"
	TOTPDisabled         Action = "auth.totp_disabled"
	TOTPReset            Action = "auth.totp_reset" // by the operator or who manages users
	RecoveryCodesRenewed Action = "auth.recovery_codes_renewed"
	RecoveryCodeUsed     Action = "auth.recovery_code_used"
	InvitationCreated    Action = "auth.invitation_created"
	InvitationDeleted    Action = "auth.invitation_deleted"
	RegistrationAsked    Action = "auth.registration_asked"
	PasswordForgotten    Action = "auth.password_forgotten" // somebody asked for a token to set a new one
	EmailChangeAsked     Action = "auth.email_change_asked"
	EmailChanged         Action = "auth.email_changed"
	LoginLinkMade        Action = "auth.login_link_made"

	PasskeyAdded   Action = "passkey.added"
	PasskeyRemoved Action = "passkey.removed"
	PasskeyCounter Action = "passkey.counter" // a key's count went back: there may be two of it

	ClientCreated    Action = "client.created" // a program that signs people in here
	ClientUpdated    Action = "client.updated"
	ClientDeleted    Action = "client.deleted"
	ClientSecretMade Action = "client.secret_made" // in place of the one before
	ClientRefused    Action = "client.refused"     // a wrong secret
	GrantMade        Action = "grant.made"         // a program was let in
	GrantWithdrawn   Action = "grant.withdrawn"
	GrantReuse       Action = "grant.reuse" // a used code or refresh token came back; what it bought was ended

	GateHostCreated Action = "gate.host_created" // a host of a program without a sign-in of its own
	GateHostUpdated Action = "gate.host_updated"
	GateHostDeleted Action = "gate.host_deleted"
	GateEntered     Action = "gate.entered" // a browser got the host's cookie

	FlagCreated   Action = "flag.created"
	FlagUpdated   Action = "flag.updated"
	FlagDeleted   Action = "flag.deleted"
	LimitsUpdated Action = "limits.updated"

	AppEnabled  Action = "app.enabled"
	AppDisabled Action = "app.disabled"
	AppAct      Action = "app.act" // of an app; details say which app and what

	BackupMade     Action = "backup.made"
	BackupRestored Action = "backup.restored"

	EventsDropped Action = "audit.dropped" // retention dropped what is older than details.before
)
