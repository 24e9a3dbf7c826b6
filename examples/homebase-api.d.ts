// Made from the OpenAPI document by openapi-typescript: node e2e/types.mjs

export interface paths {
  "/audit/events": {
    /** Events, newest first */
    get: operations["getAuditEvents"];
  };
  "/audit/events/export": {
    /** Events, oldest first, as JSON lines */
    get: operations["getAuditEventsExport"];
  };
  "/audit/me": {
    /** Your security history, newest first */
    get: operations["getAuditMe"];
  };
  "/audit/seals": {
    /** The chain that proves the events, newest first */
    get: operations["getAuditSeals"];
  };
  "/auth/clients": {
    /** The programs that sign in here, the oldest first */
    get: operations["getAuthClients"];
    /** Let a program sign people in */
    post: operations["postAuthClients"];
  };
  "/auth/clients/{client_id}": {
    /** A program that signs in here */
    get: operations["getAuthClientsByClientId"];
    /** Shut a program out, with all that people have allowed it */
    delete: operations["deleteAuthClientsByClientId"];
    /** Change a program's addresses, or who may sign in to it */
    patch: operations["patchAuthClientsByClientId"];
  };
  "/auth/clients/{client_id}/secret": {
    /** Give a program a new secret; the old one ends */
    post: operations["postAuthClientsByClientIdSecret"];
  };
  "/auth/email": {
    /** Change the address; a token is mailed to the new one */
    post: operations["postAuthEmail"];
  };
  "/auth/email/confirm": {
    /** Confirm a new address with a token */
    post: operations["postAuthEmailConfirm"];
  };
  "/auth/gate/callback": {
    /** Change a code for a guarded host's cookie: what nginx serves there as /.homebase/callback */
    get: operations["getAuthGateCallback"];
  };
  "/auth/gate/check": {
    /** Whether a request may go on to a guarded host, for nginx; nothing but 200, 401 and 403 */
    get: operations["getAuthGateCheck"];
  };
  "/auth/gate/hosts": {
    /** The guarded hosts, the oldest first */
    get: operations["getAuthGateHosts"];
    /** Guard a host */
    post: operations["postAuthGateHosts"];
  };
  "/auth/gate/hosts/{id}": {
    /** A guarded host */
    get: operations["getAuthGateHostsById"];
    /** Close a guarded host to everybody */
    delete: operations["deleteAuthGateHostsById"];
    /** Change a guarded host, or who is let through */
    patch: operations["patchAuthGateHostsById"];
  };
  "/auth/gate/requests/{request}": {
    /** Which guarded host a person wants, for the account page */
    get: operations["getAuthGateRequestsByRequest"];
    /** Go through to a guarded host; says where the page goes next */
    post: operations["postAuthGateRequestsByRequest"];
  };
  "/auth/grants": {
    /** The programs that you have let in */
    get: operations["getAuthGrants"];
  };
  "/auth/grants/{id}": {
    /** Shut a program out of your account */
    delete: operations["deleteAuthGrantsById"];
  };
  "/auth/invitations": {
    /** Open invitations */
    get: operations["getAuthInvitations"];
    /** Invite somebody to join, with roles and quota */
    post: operations["postAuthInvitations"];
  };
  "/auth/invitations/accept": {
    /** Join with the token of an invitation or registration, and be signed in */
    post: operations["postAuthInvitationsAccept"];
  };
  "/auth/invitations/{id}": {
    /** Withdraw an invitation */
    delete: operations["deleteAuthInvitationsById"];
  };
  "/auth/keys": {
    /** Your access keys */
    get: operations["getAuthKeys"];
    /** Create an access key for a script */
    post: operations["postAuthKeys"];
  };
  "/auth/keys/{id}": {
    /** Revoke an access key */
    delete: operations["deleteAuthKeysById"];
  };
  "/auth/login": {
    /** Sign in with address and password, or with a passkey */
    post: operations["postAuthLogin"];
  };
  "/auth/logout": {
    /** Sign out this device, the others or all */
    post: operations["postAuthLogout"];
  };
  "/auth/me": {
    /** The signed-in user with roles, permissions and notices */
    get: operations["getAuthMe"];
    /** Close your account and delete its files */
    delete: operations["deleteAuthMe"];
    /** Change your name */
    patch: operations["patchAuthMe"];
  };
  "/auth/notices/{id}": {
    /** Dismiss a notice */
    delete: operations["deleteAuthNoticesById"];
  };
  "/auth/oidc/.well-known/openid-configuration": {
    /** Where an OpenID client finds everything */
    get: operations["getAuthOidcWellKnownOpenidConfiguration"];
  };
  "/auth/oidc/authorize": {
    /** Where a program sends a browser to sign in; goes on to the account page */
    get: operations["getAuthOidcAuthorize"];
    /** Where a program sends a browser to sign in; goes on to the account page */
    post: operations["postAuthOidcAuthorize"];
  };
  "/auth/oidc/jwks.json": {
    /** The keys that ID tokens are verified with */
    get: operations["getAuthOidcJwksJson"];
  };
  "/auth/oidc/logout": {
    /** Where a program sends a browser to sign out; the account page asks */
    get: operations["getAuthOidcLogout"];
    /** Where a program sends a browser to sign out; the account page asks */
    post: operations["postAuthOidcLogout"];
  };
  "/auth/oidc/requests/{id}": {
    /** What a program asks for, for the account page */
    get: operations["getAuthOidcRequestsById"];
    /** Let the program in, or not; says where the page goes next */
    post: operations["postAuthOidcRequestsById"];
  };
  "/auth/oidc/token": {
    /** Exchange a code or a refresh token for tokens */
    post: operations["postAuthOidcToken"];
  };
  "/auth/oidc/userinfo": {
    /** Who a program's access token speaks of */
    get: operations["getAuthOidcUserinfo"];
    /** Who a program's access token speaks of */
    post: operations["postAuthOidcUserinfo"];
  };
  "/auth/passkeys": {
    /** Your passkeys */
    get: operations["getAuthPasskeys"];
    /** Add the passkey that a browser has made */
    post: operations["postAuthPasskeys"];
  };
  "/auth/passkeys/options": {
    /** What a browser needs to sign in with a passkey */
    post: operations["postAuthPasskeysOptions"];
  };
  "/auth/passkeys/registration": {
    /** What a browser needs to make a passkey */
    post: operations["postAuthPasskeysRegistration"];
  };
  "/auth/passkeys/{id}": {
    /** Remove a passkey; it signs nobody in any more */
    delete: operations["deleteAuthPasskeysById"];
    /** Name a passkey */
    patch: operations["patchAuthPasskeysById"];
  };
  "/auth/password": {
    /** Change the password; the other sessions end */
    post: operations["postAuthPassword"];
  };
  "/auth/password/forgot": {
    /** Ask for a new password; a token is sent by mail */
    post: operations["postAuthPasswordForgot"];
  };
  "/auth/password/reset": {
    /** Set a new password with a token; all sessions end */
    post: operations["postAuthPasswordReset"];
  };
  "/auth/permissions": {
    /** All permissions by name, and what each lets people do */
    get: operations["getAuthPermissions"];
  };
  "/auth/reauthenticate": {
    /** Confirm the password, or send a passkey, for actions that need a recent one */
    post: operations["postAuthReauthenticate"];
  };
  "/auth/refresh": {
    /** Exchange the refresh token for new tokens */
    post: operations["postAuthRefresh"];
  };
  "/auth/register": {
    /** Ask to join; a token is sent by mail */
    post: operations["postAuthRegister"];
  };
  "/auth/roles": {
    /** The roles by name */
    get: operations["getAuthRoles"];
    /** Make a role */
    post: operations["postAuthRoles"];
  };
  "/auth/roles/{name}": {
    /** A role */
    get: operations["getAuthRolesByName"];
    /** Delete a role that nobody has */
    delete: operations["deleteAuthRolesByName"];
    /** Change what a role allows */
    patch: operations["patchAuthRolesByName"];
  };
  "/auth/sessions": {
    /** The devices that are signed in */
    get: operations["getAuthSessions"];
  };
  "/auth/sessions/{id}": {
    /** Sign out a device */
    delete: operations["deleteAuthSessionsById"];
  };
  "/auth/totp": {
    /** Start setting up TOTP: a secret for the authenticator */
    post: operations["postAuthTotp"];
    /** Turn TOTP off; the other sessions end */
    delete: operations["deleteAuthTotp"];
  };
  "/auth/totp/confirm": {
    /** Turn TOTP on with a first code; the other sessions end */
    post: operations["postAuthTotpConfirm"];
  };
  "/auth/totp/recovery-codes": {
    /** Replace the recovery codes with ten new ones */
    post: operations["postAuthTotpRecoveryCodes"];
  };
  "/auth/users": {
    /** The users, the oldest first */
    get: operations["getAuthUsers"];
    /** Make a user with a password */
    post: operations["postAuthUsers"];
  };
  "/auth/users/{id}": {
    /** A user */
    get: operations["getAuthUsersById"];
    /** Delete a user and the user's files */
    delete: operations["deleteAuthUsersById"];
    /** Change a user's name, status, roles or quotas */
    patch: operations["patchAuthUsersById"];
  };
  "/auth/users/{id}/sessions": {
    /** The devices on which a user is signed in */
    get: operations["getAuthUsersByIdSessions"];
    /** Sign out all of a user's devices */
    delete: operations["deleteAuthUsersByIdSessions"];
  };
  "/auth/users/{id}/totp/reset": {
    /** Turn TOTP off for a user who lost the authenticator; the user's sessions end */
    post: operations["postAuthUsersByIdTotpReset"];
  };
  "/files/archive": {
    /** Several files and folders as one zip */
    post: operations["postFilesArchive"];
  };
  "/files/batch": {
    /** Move, copy or trash many files and folders, each on its own */
    post: operations["postFilesBatch"];
  };
  "/files/changes": {
    /** What has changed since a cursor, in the order of the commits */
    get: operations["getFilesChanges"];
  };
  "/files/content/{path}": {
    /** A file's bytes by its path */
    get: operations["getFilesContentByPath"];
    /** Store a file under a path */
    put: operations["putFilesContentByPath"];
  };
  "/files/events": {
    /** The same as it happens: server-sent events */
    get: operations["getFilesEvents"];
  };
  "/files/folders": {
    /** Create a folder */
    post: operations["postFilesFolders"];
  };
  "/files/items/{id}": {
    /** A file or folder */
    get: operations["getFilesItemsById"];
    /** Move a file or folder to the trash */
    delete: operations["deleteFilesItemsById"];
    /** Rename or move a file or folder */
    patch: operations["patchFilesItemsById"];
  };
  "/files/items/{id}/archive": {
    /** A file or folder as a zip */
    get: operations["getFilesItemsByIdArchive"];
  };
  "/files/items/{id}/children": {
    /** What is in a folder, page by page */
    get: operations["getFilesItemsByIdChildren"];
  };
  "/files/items/{id}/content": {
    /** A file's bytes */
    get: operations["getFilesItemsByIdContent"];
    /** Replace a file's bytes */
    put: operations["putFilesItemsByIdContent"];
  };
  "/files/items/{id}/copy": {
    /** Copy a file or folder */
    post: operations["postFilesItemsByIdCopy"];
  };
  "/files/items/{id}/thumbnail": {
    /** A small version of a picture, upright and without metadata */
    get: operations["getFilesItemsByIdThumbnail"];
  };
  "/files/items/{id}/versions": {
    /** What a file held before it was replaced, newest first */
    get: operations["getFilesItemsByIdVersions"];
  };
  "/files/items/{id}/versions/{revision}": {
    /** Delete a version for good */
    delete: operations["deleteFilesItemsByIdVersionsByRevision"];
  };
  "/files/items/{id}/versions/{revision}/content": {
    /** A version's bytes */
    get: operations["getFilesItemsByIdVersionsByRevisionContent"];
  };
  "/files/items/{id}/versions/{revision}/restore": {
    /** Replace a file's bytes by those of a version */
    post: operations["postFilesItemsByIdVersionsByRevisionRestore"];
  };
  "/files/lookup": {
    /** A file or folder by its path */
    get: operations["getFilesLookup"];
  };
  "/files/people": {
    /** Somebody to share with, by their whole address */
    get: operations["getFilesPeople"];
  };
  "/files/scan": {
    /** Take over what was changed on the disk in a folder */
    post: operations["postFilesScan"];
  };
  "/files/search": {
    /** Find files and folders by their names */
    get: operations["getFilesSearch"];
  };
  "/files/shared-with-me": {
    /** What others have shared with you by name, newest first */
    get: operations["getFilesSharedWithMe"];
  };
  "/files/shared/{token}": {
    /** What a link shares */
    get: operations["getFilesSharedByToken"];
  };
  "/files/shared/{token}/archive": {
    /** A shared folder as a zip */
    get: operations["getFilesSharedByTokenArchive"];
  };
  "/files/shared/{token}/children": {
    /** What is in a shared folder */
    get: operations["getFilesSharedByTokenChildren"];
  };
  "/files/shared/{token}/content": {
    /** A shared file's bytes */
    get: operations["getFilesSharedByTokenContent"];
  };
  "/files/shared/{token}/drop/{name}": {
    /** Put a file into a shared folder */
    put: operations["putFilesSharedByTokenDropByName"];
  };
  "/files/shared/{token}/unlock": {
    /** Give a share's password */
    post: operations["postFilesSharedByTokenUnlock"];
  };
  "/files/shares": {
    /** Your shares, or those of a space, newest first */
    get: operations["getFilesShares"];
    /** Share a file or folder by a link, or with a user by name */
    post: operations["postFilesShares"];
  };
  "/files/shares/{id}": {
    /** End a share */
    delete: operations["deleteFilesSharesById"];
    /** Change the terms of a share */
    patch: operations["patchFilesSharesById"];
  };
  "/files/spaces": {
    /** The spaces that you are a member of; with all=true, for who manages spaces, all there are */
    get: operations["getFilesSpaces"];
    /** Make a space, whose manager you are */
    post: operations["postFilesSpaces"];
  };
  "/files/spaces/{id}": {
    /** A space */
    get: operations["getFilesSpacesById"];
    /** Delete a space and all that is in it, for good */
    delete: operations["deleteFilesSpacesById"];
    /** Rename a space; its quota is for who manages spaces */
    patch: operations["patchFilesSpacesById"];
  };
  "/files/spaces/{id}/members": {
    /** Who is a member of a space */
    get: operations["getFilesSpacesByIdMembers"];
  };
  "/files/spaces/{id}/members/{user_id}": {
    /** Make somebody a member of a space, or give them another role */
    put: operations["putFilesSpacesByIdMembersByUserId"];
    /** Take somebody out of a space; everybody may leave */
    delete: operations["deleteFilesSpacesByIdMembersByUserId"];
  };
  "/files/trash": {
    /** What is in the trash, newest first */
    get: operations["getFilesTrash"];
    /** Empty the trash */
    delete: operations["deleteFilesTrash"];
  };
  "/files/trash/{id}": {
    /** Delete a file or folder in the trash for good */
    delete: operations["deleteFilesTrashById"];
  };
  "/files/trash/{id}/restore": {
    /** Take a file or folder out of the trash */
    post: operations["postFilesTrashByIdRestore"];
  };
  "/files/uploads": {
    /** Start a resumable upload (tus 1.0.0) */
    post: operations["postFilesUploads"];
    /** Which parts of tus are supported */
    options: operations["optionsFilesUploads"];
  };
  "/files/uploads/{id}": {
    /** A resumable upload */
    get: operations["getFilesUploadsById"];
    /** Abandon a resumable upload */
    delete: operations["deleteFilesUploadsById"];
    /** How far a resumable upload has got */
    head: operations["headFilesUploadsById"];
    /** Send bytes of a resumable upload */
    patch: operations["patchFilesUploadsById"];
  };
  "/files/usage": {
    /** How much is stored, in bytes */
    get: operations["getFilesUsage"];
  };
  "/portfolio/contact": {
    /** Messages, newest first; without a state, all except spam */
    get: operations["getPortfolioContact"];
    /** Write to the owner */
    post: operations["postPortfolioContact"];
  };
  "/portfolio/contact/challenge": {
    /** A token and a task for the contact form */
    get: operations["getPortfolioContactChallenge"];
  };
  "/portfolio/contact/{id}": {
    /** Delete a message */
    delete: operations["deletePortfolioContactById"];
    /** Mark a message */
    patch: operations["patchPortfolioContactById"];
  };
  "/portfolio/education": {
    /** All education in their order; writers see drafts too */
    get: operations["getPortfolioEducation"];
    /** Add to education */
    post: operations["postPortfolioEducation"];
  };
  "/portfolio/education/order": {
    /** Put education into another order */
    put: operations["putPortfolioEducationOrder"];
  };
  "/portfolio/education/{id}": {
    /** One of education */
    get: operations["getPortfolioEducationById"];
    /** Delete one of education */
    delete: operations["deletePortfolioEducationById"];
    /** Change one of education */
    patch: operations["patchPortfolioEducationById"];
  };
  "/portfolio/experience": {
    /** All experience in their order; writers see drafts too */
    get: operations["getPortfolioExperience"];
    /** Add to experience */
    post: operations["postPortfolioExperience"];
  };
  "/portfolio/experience/order": {
    /** Put experience into another order */
    put: operations["putPortfolioExperienceOrder"];
  };
  "/portfolio/experience/{id}": {
    /** One of experience */
    get: operations["getPortfolioExperienceById"];
    /** Delete one of experience */
    delete: operations["deletePortfolioExperienceById"];
    /** Change one of experience */
    patch: operations["patchPortfolioExperienceById"];
  };
  "/portfolio/images/{id}": {
    /** A picture of the published portfolio, without metadata */
    get: operations["getPortfolioImagesById"];
  };
  "/portfolio/previews/{token}": {
    /** The project that a preview link shows */
    get: operations["getPortfolioPreviewsByToken"];
  };
  "/portfolio/profile": {
    /** Who the portfolio is about */
    get: operations["getPortfolioProfile"];
    /** Replace the profile */
    put: operations["putPortfolioProfile"];
  };
  "/portfolio/projects": {
    /** All projects in their order; writers see drafts too */
    get: operations["getPortfolioProjects"];
    /** Add to projects */
    post: operations["postPortfolioProjects"];
  };
  "/portfolio/projects/order": {
    /** Put projects into another order */
    put: operations["putPortfolioProjectsOrder"];
  };
  "/portfolio/projects/{slug}": {
    /** One of projects */
    get: operations["getPortfolioProjectsBySlug"];
    /** Delete one of projects */
    delete: operations["deletePortfolioProjectsBySlug"];
    /** Change one of projects */
    patch: operations["patchPortfolioProjectsBySlug"];
  };
  "/portfolio/projects/{slug}/preview": {
    /** Make a link that shows a draft for a week */
    post: operations["postPortfolioProjectsBySlugPreview"];
  };
  "/portfolio/resume.json": {
    /** The portfolio as a JSON Resume 1.0.0 */
    get: operations["getPortfolioResumeJson"];
    /** Take profile and entries over from a JSON Resume */
    put: operations["putPortfolioResumeJson"];
  };
  "/portfolio/skills": {
    /** All skills in their order; writers see drafts too */
    get: operations["getPortfolioSkills"];
    /** Add to skills */
    post: operations["postPortfolioSkills"];
  };
  "/portfolio/skills/order": {
    /** Put skills into another order */
    put: operations["putPortfolioSkillsOrder"];
  };
  "/portfolio/skills/{id}": {
    /** One of skills */
    get: operations["getPortfolioSkillsById"];
    /** Delete one of skills */
    delete: operations["deletePortfolioSkillsById"];
    /** Change one of skills */
    patch: operations["patchPortfolioSkillsById"];
  };
  "/projects": {
    /** The apps that the caller may use; who manages the system sees all */
    get: operations["getProjects"];
  };
  "/projects/analytics/events": {
    /** Count a page view of a frontend */
    post: operations["postProjectsAnalyticsEvents"];
  };
  "/projects/analytics/stats": {
    /** Views and visitors over time, with the top pages, referrers and devices */
    get: operations["getProjectsAnalyticsStats"];
  };
  "/projects/{app}": {
    /** Turn an app off or on */
    patch: operations["patchProjectsByApp"];
  };
  "/system/flags": {
    /** The feature flags as they are for the caller, all at once */
    get: operations["getSystemFlags"];
  };
  "/system/flags/ofrep/v1/evaluate/flags": {
    /** All feature flags for the caller, for OpenFeature's SDKs */
    post: operations["postSystemFlagsOfrepV1EvaluateFlags"];
  };
  "/system/flags/ofrep/v1/evaluate/flags/{key}": {
    /** One feature flag for the caller, for OpenFeature's SDKs */
    post: operations["postSystemFlagsOfrepV1EvaluateFlagsByKey"];
  };
  "/system/flags/{key}": {
    /** A feature flag and its rules */
    get: operations["getSystemFlagsByKey"];
    /** Make or replace a feature flag */
    put: operations["putSystemFlagsByKey"];
    /** Delete a feature flag */
    delete: operations["deleteSystemFlagsByKey"];
  };
  "/system/health": {
    /** The process answers; nothing else is checked */
    get: operations["getSystemHealth"];
  };
  "/system/jobs": {
    /** Every job: its last run, its next, and its failures */
    get: operations["getSystemJobs"];
  };
  "/system/limits": {
    /** The rate limits by class */
    get: operations["getSystemLimits"];
    /** Change rate limits; classes that are not named get the defaults */
    put: operations["putSystemLimits"];
  };
  "/system/metrics": {
    /** What this process reports about itself, also in Prometheus' text format */
    get: operations["getSystemMetrics"];
  };
  "/system/openapi.json": {
    /** This API as an OpenAPI 3.1 document */
    get: operations["getSystemOpenapiJson"];
  };
  "/system/probe": {
    /** How a request from `homebase doctor` arrived; nobody else's */
    get: operations["getSystemProbe"];
    /** How a body from `homebase doctor` arrived; nobody else's */
    post: operations["postSystemProbe"];
  };
  "/system/ready": {
    /** Whether a request would succeed: database, schema, storage, free space, redo backlog, notifications */
    get: operations["getSystemReady"];
  };
  "/system/storage": {
    /** The disk and what each user stores, in bytes */
    get: operations["getSystemStorage"];
  };
  "/system/version": {
    /** What is running */
    get: operations["getSystemVersion"];
  };
}
export type webhooks = Record<string, never>;
export interface components {
  schemas: {
    AnalyticsCount: {
      /** Format: date-time */
      at: string;
      views: number;
      visitors: number;
    };
    AnalyticsDevice: {
      device: string;
      views: number;
      visitors: number;
    };
    AnalyticsEventInput: {
      path: string;
      referrer?: string;
      title?: string;
    };
    AnalyticsPage: {
      path: string;
      site: string;
      views: number;
      visitors: number;
    };
    AnalyticsReferrer: {
      referrer: string;
      views: number;
      visitors: number;
    };
    AnalyticsStats: {
      devices: components["schemas"]["AnalyticsDevice"][];
      dropped: number;
      items: components["schemas"]["AnalyticsCount"][];
      pages: components["schemas"]["AnalyticsPage"][];
      referrers: components["schemas"]["AnalyticsReferrer"][];
    };
    AuditEntry: {
      action: string;
      /** Format: uuid */
      actor_key_id: string | null;
      /** Format: uuid */
      actor_session_id: string | null;
      /** Format: uuid */
      actor_user_id: string | null;
      address: string | null;
      /** Format: date-time */
      at: string;
      details: {
        [key: string]: string;
      };
      /** Format: uuid */
      id: string;
      outcome: string;
      request_id: string;
      /** Format: uuid */
      target_id: string | null;
    };
    AuditEntryList: {
      items: components["schemas"]["AuditEntry"][];
      next_cursor: string | null;
    };
    AuditSeal: {
      /** Format: date-time */
      at: string;
      events: number;
      hash: string;
      id: number;
      previous_hash: string;
    };
    AuditSealList: {
      items: components["schemas"]["AuditSeal"][];
      next_cursor: string | null;
    };
    AuthAcceptInvitationInput: {
      mode?: string;
      name?: string;
      password: string;
      token: string;
    };
    AuthAddressInput: {
      email: string;
    };
    AuthAuthenticationResponseInput: {
      id: string;
      response: {
        authenticatorData: string;
        clientDataJSON: string;
        signature: string;
        userHandle?: string;
      };
    } & {
      [key: string]: unknown;
    };
    AuthChangePasswordInput: {
      current_password: string;
      new_password: string;
    };
    AuthConfirmEmailInput: {
      token: string;
    };
    AuthCreationAnswer: {
      options: components["schemas"]["AuthCreationOptions"];
    };
    AuthCreationOptions: {
      attestation: string;
      authenticatorSelection: {
        requireResidentKey: boolean;
        residentKey: string;
        userVerification: string;
      };
      challenge: string;
      excludeCredentials: components["schemas"]["AuthCredentialDescriptor"][];
      pubKeyCredParams: components["schemas"]["AuthCredentialParameter"][];
      rp: {
        id: string;
        name: string;
      };
      timeout: number;
      user: {
        displayName: string;
        id: string;
        name: string;
      };
    };
    AuthCredentialDescriptor: {
      id: string;
      type: string;
    };
    AuthCredentialParameter: {
      alg: number;
      type: string;
    };
    AuthGrant: {
      access_token?: string;
      expires_in: number;
      refresh_token?: string;
      session: components["schemas"]["AuthSession"];
      token_type?: string;
      user: components["schemas"]["AuthMe"];
    };
    AuthInvitation: {
      /** Format: date-time */
      created_at: string;
      email: string;
      /** Format: date-time */
      expires_at: string;
      /** Format: uuid */
      id: string;
      /** Format: uuid */
      invited_by: string;
      quota: number | null;
      roles: string[];
      token?: string;
    };
    AuthInvitationList: {
      items: components["schemas"]["AuthInvitation"][];
      next_cursor: string | null;
    };
    AuthKey: {
      allow: string[];
      /** Format: date-time */
      created_at: string;
      /** Format: date-time */
      expires_at: string;
      hint: string;
      /** Format: uuid */
      id: string;
      /** Format: date-time */
      last_used_at: string | null;
      name: string;
      permissions: string[];
    };
    AuthKeyList: {
      items: components["schemas"]["AuthKey"][];
      next_cursor: string | null;
    };
    AuthLoginInput: {
      code?: string;
      email?: string;
      link_token?: string;
      mode?: string;
      passkey?: components["schemas"]["AuthAuthenticationResponseInput"] | null;
      password?: string;
    };
    AuthMadeKey: {
      allow: string[];
      /** Format: date-time */
      created_at: string;
      /** Format: date-time */
      expires_at: string;
      hint: string;
      /** Format: uuid */
      id: string;
      key: string;
      /** Format: date-time */
      last_used_at: string | null;
      name: string;
      permissions: string[];
    };
    AuthManagedUser: {
      /** Format: date-time */
      created_at: string;
      email: string;
      entry_quota: number | null;
      /** Format: uuid */
      id: string;
      name: string;
      quota: number | null;
      revision: number;
      roles: string[];
      status: string;
      totp: boolean;
      /** Format: date-time */
      updated_at: string;
    };
    AuthManagedUserList: {
      items: components["schemas"]["AuthManagedUser"][];
      next_cursor: string | null;
    };
    AuthMe: {
      /** Format: date-time */
      created_at: string;
      email: string;
      /** Format: uuid */
      id: string;
      name: string;
      notices: components["schemas"]["AuthNotice"][];
      permissions: string[];
      revision: number;
      roles: string[];
      status: string;
      totp: boolean;
      /** Format: date-time */
      updated_at: string;
    };
    AuthMePatchInput: {
      name?: string | null;
    };
    AuthNewAccountInput: {
      email: string;
      name?: string;
      password: string;
      quota?: number | null;
      roles?: string[];
    };
    AuthNewInvitationInput: {
      email: string;
      quota?: number | null;
      roles?: string[];
    };
    AuthNewKeyInput: {
      allow?: string[];
      /** Format: date-time */
      expires_at?: string | null;
      name: string;
      permissions: string[];
    };
    AuthNewPasskeyInput: {
      name?: string;
      response: components["schemas"]["AuthRegistrationResponseInput"];
    };
    AuthNewRegistrationInput: {
      mediation?: string;
    };
    AuthNewRoleInput: {
      description?: string;
      name: string;
      permissions: string[];
    };
    AuthNotice: {
      /** Format: uuid */
      about: string | null;
      address: string;
      count: number;
      /** Format: date-time */
      created_at: string;
      device: string;
      /** Format: uuid */
      id: string;
      kind: string;
    };
    AuthPasskey: {
      /** Format: date-time */
      created_at: string;
      credential_id: string;
      /** Format: uuid */
      id: string;
      /** Format: date-time */
      last_used_at: string | null;
      name: string;
      synced: boolean;
      transports: string[];
    };
    AuthPasskeyList: {
      items: components["schemas"]["AuthPasskey"][];
      next_cursor: string | null;
    };
    AuthPasskeyPatchInput: {
      name?: string | null;
    };
    AuthPermission: {
      description: string;
      name: string;
    };
    AuthPermissionList: {
      items: components["schemas"]["AuthPermission"][];
      next_cursor: string | null;
    };
    AuthReauthenticateInput: {
      code?: string;
      passkey?: components["schemas"]["AuthAuthenticationResponseInput"] | null;
      password?: string;
    };
    AuthRecoveryCodes: {
      recovery_codes: string[];
    };
    AuthRefreshInput: {
      refresh_token?: string;
    };
    AuthRegistrationResponseInput: {
      id: string;
      response: {
        attestationObject: string;
        clientDataJSON: string;
        transports?: string[];
      };
    } & {
      [key: string]: unknown;
    };
    AuthRequestAnswer: {
      options: components["schemas"]["AuthRequestOptions"];
    };
    AuthRequestOptions: {
      challenge: string;
      rpId: string;
      timeout: number;
      userVerification: string;
    };
    AuthResetPasswordInput: {
      password: string;
      token: string;
    };
    AuthRole: {
      builtin: boolean;
      /** Format: date-time */
      created_at: string;
      description: string;
      name: string;
      permissions: string[];
      revision: number;
      /** Format: date-time */
      updated_at: string;
    };
    AuthRoleList: {
      items: components["schemas"]["AuthRole"][];
      next_cursor: string | null;
    };
    AuthRolePatchInput: {
      description?: string | null;
      permissions?: string[] | null;
    };
    AuthSession: {
      address: string;
      /** Format: date-time */
      authenticated_at: string;
      /** Format: date-time */
      created_at: string;
      current: boolean;
      /** Format: date-time */
      expires_at: string;
      /** Format: uuid */
      id: string;
      /** Format: date-time */
      last_used_at: string;
      name: string;
    };
    AuthSessionList: {
      items: components["schemas"]["AuthSession"][];
      next_cursor: string | null;
    };
    AuthTOTPCodeInput: {
      code: string;
    };
    AuthTOTPSecret: {
      otpauth_uri: string;
      secret: string;
    };
    AuthUserPatchInput: {
      entry_quota?: number | null;
      name?: string | null;
      quota?: number | null;
      roles?: string[] | null;
      status?: string | null;
    };
    FilesArchiveInput: {
      ids: string[];
    };
    FilesBatch: {
      results: components["schemas"]["FilesResult"][];
    };
    FilesBatchInput: {
      operations: components["schemas"]["FilesOperationInput"][];
    };
    FilesChanges: {
      items: components["schemas"]["FilesEntry"][];
      next_cursor: string;
    };
    FilesCopy: {
      /** Format: date-time */
      created_at: string;
      /** Format: uuid */
      id: string;
      left_out?: components["schemas"]["FilesLeftOut"][];
      media_type: string | null;
      missing?: boolean;
      /** Format: date-time */
      modified_at: string | null;
      name: string;
      /** Format: uuid */
      parent_id: string | null;
      path: string;
      revision: number;
      sha256: string | null;
      size: number;
      /** Format: uuid */
      space_id: string | null;
      type: string;
      /** Format: date-time */
      updated_at: string;
    };
    FilesCopyInput: {
      name?: string | null;
      /** Format: uuid */
      parent_id?: string | null;
    };
    FilesDisk: {
      free: number;
      total: number;
    };
    FilesDrop: {
      sha256: string;
      size: number;
    };
    FilesEntry: {
      /** Format: date-time */
      at: string;
      item: components["schemas"]["FilesItem"];
      seq: number;
      type: string;
    };
    FilesFolderInput: {
      name?: string | null;
      /** Format: uuid */
      parent_id?: string | null;
      parents?: boolean;
      path?: string;
    };
    FilesItem: {
      /** Format: date-time */
      created_at: string;
      /** Format: uuid */
      id: string;
      media_type: string | null;
      missing?: boolean;
      /** Format: date-time */
      modified_at: string | null;
      name: string;
      /** Format: uuid */
      parent_id: string | null;
      path: string;
      revision: number;
      sha256: string | null;
      size: number;
      /** Format: uuid */
      space_id: string | null;
      type: string;
      /** Format: date-time */
      updated_at: string;
    };
    FilesItemList: {
      items: components["schemas"]["FilesItem"][];
      next_cursor: string | null;
    };
    FilesLeftOut: {
      code: string;
      path: string;
    };
    FilesMember: {
      /** Format: date-time */
      added_at: string;
      email: string;
      name: string;
      role: string;
      /** Format: uuid */
      user_id: string;
    };
    FilesMemberFieldsInput: {
      role?: string;
    };
    FilesMemberList: {
      items: components["schemas"]["FilesMember"][];
      next_cursor: string | null;
    };
    FilesMovePatchInput: {
      name?: string | null;
      /** Format: uuid */
      parent_id?: string | null;
    };
    FilesNewShareInput: {
      allow?: string[] | null;
      /** Format: date-time */
      expires_at?: string | null;
      /** Format: uuid */
      item_id: string;
      max_downloads?: number | null;
      max_size?: number | null;
      mode?: string;
      notify?: boolean | null;
      password?: string | null;
      role?: string | null;
      /** Format: uuid */
      user_id?: string | null;
    };
    FilesOperationInput: {
      /** Format: uuid */
      id: string;
      name?: string | null;
      op: string;
      /** Format: uuid */
      parent_id?: string | null;
    };
    FilesOwner: {
      quota: number;
      reserved: number;
      trash: number;
      used: number;
      /** Format: uuid */
      user_id: string;
      versions: number;
    };
    FilesPerson: {
      email: string;
      /** Format: uuid */
      id: string;
      name: string;
    };
    FilesResult: {
      item?: components["schemas"]["FilesItem"] | null;
      left_out?: components["schemas"]["FilesLeftOut"][];
      problem?: components["schemas"]["HttpxDocument"] | null;
      status: number;
    };
    FilesScanInput: {
      /** Format: uuid */
      item_id: string;
    };
    FilesScanProblem: {
      path: string;
      problem: string;
    };
    FilesScanReport: {
      changed: number;
      missing: number;
      moved: number;
      new: number;
      problems: components["schemas"]["FilesScanProblem"][];
      returned: number;
      used?: number | null;
      used_before?: number | null;
      versions: number;
    };
    FilesShare: {
      allow: string[];
      /** Format: date-time */
      created_at: string;
      downloads: number;
      /** Format: date-time */
      expires_at: string | null;
      has_password: boolean;
      /** Format: uuid */
      id: string;
      /** Format: uuid */
      item_id: string;
      item_name: string;
      max_downloads: number | null;
      max_size: number | null;
      mode: string;
      notify: boolean;
      role: string | null;
      token?: string;
      /** Format: uuid */
      user_id: string | null;
      user_name: string | null;
    };
    FilesShareList: {
      items: components["schemas"]["FilesShare"][];
      next_cursor: string | null;
    };
    FilesShareTermsInput: {
      allow?: string[] | null;
      /** Format: date-time */
      expires_at?: string | null;
      max_downloads?: number | null;
      max_size?: number | null;
      notify?: boolean | null;
      password?: string | null;
    };
    FilesShared: {
      item: components["schemas"]["FilesItem"] | null;
      max_size: number | null;
      mode: string;
    };
    FilesSharer: {
      /** Format: uuid */
      id: string;
      name: string;
    };
    FilesSpace: {
      /** Format: date-time */
      created_at: string;
      /** Format: uuid */
      id: string;
      name: string;
      quota: number | null;
      revision: number;
      role: string | null;
      /** Format: uuid */
      root_id: string;
      /** Format: date-time */
      updated_at: string;
      used: number;
    };
    FilesSpaceFieldsInput: {
      name?: string | null;
      quota?: number | null;
    };
    FilesSpaceList: {
      items: components["schemas"]["FilesSpace"][];
      next_cursor: string | null;
    };
    FilesSpaceUsage: {
      quota: number;
      reserved: number;
      /** Format: uuid */
      space_id: string;
      trash: number;
      used: number;
      versions: number;
    };
    FilesStorage: {
      disk: components["schemas"]["FilesDisk"];
      items: number;
      next_cursor: string | null;
      purge: number;
      spaces: components["schemas"]["FilesSpaceUsage"][];
      staging: number;
      users: components["schemas"]["FilesOwner"][];
    };
    FilesTrashed: {
      /** Format: date-time */
      created_at: string;
      /** Format: uuid */
      id: string;
      media_type: string | null;
      missing?: boolean;
      /** Format: date-time */
      modified_at: string | null;
      name: string;
      original_path: string;
      /** Format: uuid */
      parent_id: string | null;
      path: string;
      revision: number;
      sha256: string | null;
      size: number;
      /** Format: uuid */
      space_id: string | null;
      /** Format: date-time */
      trashed_at: string;
      type: string;
      /** Format: date-time */
      updated_at: string;
    };
    FilesTrashedList: {
      items: components["schemas"]["FilesTrashed"][];
      next_cursor: string | null;
    };
    FilesUnlock: {
      access_token: string;
      expires_in: number;
    };
    FilesUnlockInput: {
      mode?: string;
      password: string;
    };
    FilesUpload: {
      /** Format: date-time */
      expires_at: string;
      /** Format: uuid */
      id: string;
      /** Format: uuid */
      item_id: string | null;
      length: number | null;
      offset: number;
      state: string;
    };
    FilesUsage: {
      entries: number;
      entry_quota: number;
      items: number;
      quota: number;
      reserved: number;
      trash: number;
      used: number;
      versions: number;
    };
    FilesVersion: {
      media_type: string;
      /** Format: date-time */
      modified_at: string;
      /** Format: date-time */
      replaced_at: string;
      revision: number;
      sha256: string;
      size: number;
    };
    FilesVersionList: {
      items: components["schemas"]["FilesVersion"][];
      next_cursor: string | null;
    };
    FilesWithMe: {
      /** Format: date-time */
      created_at: string;
      /** Format: date-time */
      expires_at: string | null;
      /** Format: uuid */
      id: string;
      item: components["schemas"]["FilesItem"];
      role: string;
      shared_by: components["schemas"]["FilesSharer"];
    };
    FilesWithMeList: {
      items: components["schemas"]["FilesWithMe"][];
      next_cursor: string | null;
    };
    GateApprovalInput: {
      approve: boolean;
    };
    GateHost: {
      /** Format: date-time */
      created_at: string;
      host: string;
      /** Format: uuid */
      id: string;
      identify: boolean;
      name: string;
      revision: number;
      roles: string[];
      /** Format: date-time */
      updated_at: string;
    };
    GateHostList: {
      items: components["schemas"]["GateHost"][];
      next_cursor: string | null;
    };
    GateHostPatchInput: {
      host?: string | null;
      identify?: boolean | null;
      name?: string | null;
      roles?: string[] | null;
    };
    GateNewHostInput: {
      host: string;
      identify?: boolean;
      name: string;
      roles?: string[];
    };
    GateNext: {
      redirect_to: string;
    };
    GateRequest: {
      /** Format: date-time */
      expires_at: string;
      host: string;
      name: string;
    };
    HttpxDocument: {
      code: string;
      detail?: string;
      errors?: components["schemas"]["HttpxFieldError"][];
      request_id: string;
      status: number;
      title: string;
      type: string;
    };
    HttpxFieldError: {
      code: string;
      detail: string;
      pointer: string;
    };
    HttpxFigure: {
      labels?: {
        [key: string]: string;
      };
      name: string;
      value: number;
    };
    OidcClient: {
      /** Format: uuid */
      client_id: string;
      consent: boolean;
      /** Format: date-time */
      created_at: string;
      name: string;
      post_logout_redirect_uris: string[];
      public: boolean;
      redirect_uris: string[];
      revision: number;
      roles: string[];
      /** Format: date-time */
      updated_at: string;
    };
    OidcClientList: {
      items: components["schemas"]["OidcClient"][];
      next_cursor: string | null;
    };
    OidcClientName: {
      /** Format: uuid */
      client_id: string;
      name: string;
    };
    OidcClientPatchInput: {
      consent?: boolean | null;
      name?: string | null;
      post_logout_redirect_uris?: string[] | null;
      redirect_uris?: string[] | null;
      roles?: string[] | null;
    };
    OidcDecisionInput: {
      approve: boolean;
    };
    OidcDiscovery: {
      authorization_endpoint: string;
      authorization_response_iss_parameter_supported: boolean;
      claims_parameter_supported: boolean;
      claims_supported: string[];
      code_challenge_methods_supported: string[];
      end_session_endpoint: string;
      grant_types_supported: string[];
      id_token_signing_alg_values_supported: string[];
      issuer: string;
      jwks_uri: string;
      prompt_values_supported: string[];
      request_parameter_supported: boolean;
      request_uri_parameter_supported: boolean;
      response_modes_supported: string[];
      response_types_supported: string[];
      scopes_supported: string[];
      subject_types_supported: string[];
      token_endpoint: string;
      token_endpoint_auth_methods_supported: string[];
      userinfo_endpoint: string;
    };
    OidcGrant: {
      client: components["schemas"]["OidcClientName"];
      /** Format: date-time */
      created_at: string;
      /** Format: uuid */
      id: string;
      /** Format: date-time */
      last_used_at: string;
      scopes: string[];
    };
    OidcGrantList: {
      items: components["schemas"]["OidcGrant"][];
      next_cursor: string | null;
    };
    OidcKeySet: {
      keys: components["schemas"]["OidcPublicKey"][];
    };
    OidcMadeClient: {
      /** Format: uuid */
      client_id: string;
      client_secret?: string;
      consent: boolean;
      /** Format: date-time */
      created_at: string;
      name: string;
      post_logout_redirect_uris: string[];
      public: boolean;
      redirect_uris: string[];
      revision: number;
      roles: string[];
      /** Format: date-time */
      updated_at: string;
    };
    OidcNewClientInput: {
      consent?: boolean;
      name: string;
      post_logout_redirect_uris?: string[];
      public?: boolean;
      redirect_uris: string[];
      roles?: string[];
    };
    OidcNext: {
      redirect_to: string;
    };
    OidcPublicKey: {
      alg: string;
      e: string;
      kid: string;
      kty: string;
      n: string;
      use: string;
    };
    OidcRefusal: {
      error: string;
      error_description: string;
    };
    OidcRequest: {
      action: string;
      client: components["schemas"]["OidcClientName"];
      consent_needed: boolean;
      /** Format: date-time */
      expires_at: string;
      prompt: string;
      scopes: string[];
    };
    OidcSecret: {
      client_secret: string;
    };
    OidcTokens: {
      access_token: string;
      expires_in: number;
      id_token?: string;
      refresh_token?: string;
      scope: string;
      token_type: string;
    };
    OidcUserInfo: {
      email?: string;
      email_verified?: boolean | null;
      groups?: string[];
      name?: string;
      preferred_username?: string;
      /** Format: uuid */
      sub: string;
    };
    PortfolioChallenge: {
      bits: number;
      min_age_seconds: number;
      token: string;
    };
    PortfolioChange: {
      action: string;
      after: {
        [key: string]: unknown;
      };
      before: {
        [key: string]: unknown;
      };
      fields: string[];
      kind: string;
      name: string;
    };
    PortfolioContactPostInput: {
      email: string;
      message: string;
      name: string;
      nonce: string;
      subject?: string;
      token: string;
      website?: string;
    };
    PortfolioEducation: {
      area: string;
      courses: string[];
      /** Format: date-time */
      created_at: string;
      ended_on: string | null;
      /** Format: uuid */
      id: string;
      institution: string;
      position: number;
      revision: number;
      score: string;
      started_on: string | null;
      status: string;
      study_type: string;
      /** Format: date-time */
      updated_at: string;
      url: string;
    };
    PortfolioEducationFieldsInput: {
      area?: string;
      courses?: string[];
      ended_on?: string | null;
      institution?: string;
      position?: number;
      score?: string;
      started_on?: string | null;
      status?: string;
      study_type?: string;
      url?: string;
    };
    PortfolioEducationList: {
      items: components["schemas"]["PortfolioEducation"][];
      next_cursor: string | null;
    };
    PortfolioExperience: {
      /** Format: date-time */
      created_at: string;
      description: string;
      ended_on: string | null;
      highlights: string[];
      /** Format: uuid */
      id: string;
      location: string;
      organization: string;
      position: number;
      revision: number;
      role: string;
      started_on: string | null;
      status: string;
      summary: string;
      /** Format: date-time */
      updated_at: string;
      url: string;
    };
    PortfolioExperienceFieldsInput: {
      description?: string;
      ended_on?: string | null;
      highlights?: string[];
      location?: string;
      organization?: string;
      position?: number;
      role?: string;
      started_on?: string | null;
      status?: string;
      summary?: string;
      url?: string;
    };
    PortfolioExperienceList: {
      items: components["schemas"]["PortfolioExperience"][];
      next_cursor: string | null;
    };
    PortfolioImported: {
      changes: components["schemas"]["PortfolioChange"][];
      dry_run: boolean;
      ignored: string[];
      unchanged: number;
    };
    PortfolioInbox: {
      counts: {
        [key: string]: number;
      };
      items: components["schemas"]["PortfolioMessage"][];
      next_cursor: string | null;
    };
    PortfolioLink: {
      label: string;
      url: string;
      username?: string;
    };
    PortfolioLinkInput: {
      label: string;
      url: string;
      username?: string;
    };
    PortfolioMessage: {
      /** Format: date-time */
      created_at: string;
      email: string;
      /** Format: uuid */
      id: string;
      message: string;
      name: string;
      reasons: string[];
      revision: number;
      score: number;
      state: string;
      subject: string;
      /** Format: date-time */
      updated_at: string;
    };
    PortfolioMessageChangeInput: {
      state?: string;
    };
    PortfolioOrderInput: {
      ids?: string[];
    };
    PortfolioPreview: {
      /** Format: date-time */
      expires_at: string;
      path: string;
      token: string;
    };
    PortfolioProfile: {
      country_code: string;
      email: string;
      headline: string;
      /** Format: uuid */
      image_id: string | null;
      links: components["schemas"]["PortfolioLink"][];
      location: string;
      name: string;
      phone: string;
      region: string;
      revision: number;
      summary: string;
      /** Format: date-time */
      updated_at: string;
    };
    PortfolioProfileFieldsInput: {
      country_code?: string;
      email?: string;
      headline?: string;
      /** Format: uuid */
      image_id?: string | null;
      links?: components["schemas"]["PortfolioLinkInput"][];
      location?: string;
      name?: string;
      phone?: string;
      region?: string;
      summary?: string;
    };
    PortfolioProject: {
      body: string;
      /** Format: date-time */
      created_at: string;
      ended_on: string | null;
      entity: string;
      featured: boolean;
      /** Format: uuid */
      id: string;
      image_ids: string[];
      links: components["schemas"]["PortfolioLink"][];
      position: number;
      revision: number;
      roles: string[];
      slug: string;
      started_on: string | null;
      status: string;
      summary: string;
      tags: string[];
      title: string;
      type: string;
      /** Format: date-time */
      updated_at: string;
    };
    PortfolioProjectFieldsInput: {
      body?: string;
      ended_on?: string | null;
      entity?: string;
      featured?: boolean;
      image_ids?: string[];
      links?: components["schemas"]["PortfolioLinkInput"][];
      position?: number;
      roles?: string[];
      slug?: string;
      started_on?: string | null;
      status?: string;
      summary?: string;
      tags?: string[];
      title?: string;
      type?: string;
    };
    PortfolioProjectList: {
      items: components["schemas"]["PortfolioProject"][];
      next_cursor: string | null;
    };
    PortfolioResume: {
      $schema: string;
      basics: components["schemas"]["PortfolioResumeBasics"];
      education: {
        [key: string]: unknown;
      }[];
      meta: components["schemas"]["PortfolioResumeMeta"];
      projects: {
        [key: string]: unknown;
      }[];
      skills: components["schemas"]["PortfolioResumeSkill"][];
      work: {
        [key: string]: unknown;
      }[];
    };
    PortfolioResumeBasics: {
      email?: string;
      image?: string;
      label?: string;
      location?: components["schemas"]["PortfolioResumeLocation"] | null;
      name?: string;
      phone?: string;
      profiles: components["schemas"]["PortfolioResumeProfile"][];
      summary?: string;
      url?: string;
    };
    PortfolioResumeFileInput: {
      [key: string]: unknown;
    };
    PortfolioResumeLocation: {
      address?: string;
      city?: string;
      countryCode?: string;
      postalCode?: string;
      region?: string;
    };
    PortfolioResumeMeta: {
      canonical?: string;
      version?: string;
    };
    PortfolioResumeProfile: {
      network?: string;
      url?: string;
      username?: string;
    };
    PortfolioResumeSkill: {
      keywords: string[];
      level?: string;
      name?: string;
    };
    PortfolioSkill: {
      category: string;
      /** Format: date-time */
      created_at: string;
      /** Format: uuid */
      id: string;
      level: string;
      name: string;
      position: number;
      revision: number;
      status: string;
      /** Format: date-time */
      updated_at: string;
    };
    PortfolioSkillFieldsInput: {
      category?: string;
      level?: string;
      name?: string;
      position?: number;
      status?: string;
    };
    PortfolioSkillList: {
      items: components["schemas"]["PortfolioSkill"][];
      next_cursor: string | null;
    };
    Problem: {
      code: string;
      detail?: string;
      errors?: {
        code: string;
        detail: string;
        pointer: string;
      }[];
      request_id: string;
      status: number;
      title: string;
      /** Format: uri */
      type: string;
    };
    ProjectsChangeInput: {
      enabled?: boolean | null;
    };
    ProjectsInfo: {
      description: string;
      enabled: boolean;
      name: string;
      permissions: string[];
    };
    ProjectsInfoList: {
      items: components["schemas"]["ProjectsInfo"][];
      next_cursor: string | null;
    };
    SystemFlag: {
      /** Format: date-time */
      created_at: string;
      description: string;
      enabled: boolean;
      key: string;
      public: boolean;
      revision: number;
      rules: components["schemas"]["SystemRule"][];
      /** Format: date-time */
      updated_at: string;
    };
    SystemFlagFieldsInput: {
      description?: string;
      enabled?: boolean;
      public?: boolean;
      rules?: components["schemas"]["SystemRuleInput"][];
    };
    SystemFlagState: {
      enabled: boolean;
      key: string;
    };
    SystemFlagStateList: {
      items: components["schemas"]["SystemFlagState"][];
      next_cursor: string | null;
    };
    SystemJobStatus: {
      failures: number;
      last_error: string;
      /** Format: date-time */
      last_run_at: string | null;
      name: string;
      /** Format: date-time */
      next_run_at: string;
      running: boolean;
    };
    SystemJobStatusList: {
      items: components["schemas"]["SystemJobStatus"][];
      next_cursor: string | null;
    };
    SystemMetrics: {
      duration_bounds: number[];
      figures: components["schemas"]["HttpxFigure"][];
      requests: components["schemas"]["SystemRouteFigures"][];
    };
    SystemNewLimitInput: {
      class: string;
      per_seconds: number;
      requests: number;
    };
    SystemNewLimitsInput: {
      items?: components["schemas"]["SystemNewLimitInput"][];
    };
    SystemOfrepFlag: {
      key: string;
      reason: string;
      value: boolean;
      variant: string;
    };
    SystemOfrepFlags: {
      flags: components["schemas"]["SystemOfrepFlag"][];
    };
    SystemOfrepInput: {
      context?: {
        [key: string]: unknown;
      };
    };
    SystemRateLimit: {
      changed: boolean;
      class: string;
      per_seconds: number;
      requests: number;
      scope: string;
    };
    SystemRateLimits: {
      enforced: boolean;
      items: components["schemas"]["SystemRateLimit"][];
    };
    SystemRouteFigures: {
      bytes_in: number;
      bytes_out: number;
      durations: number[];
      route: string;
      seconds: number;
      statuses: {
        [key: string]: number;
      };
    };
    SystemRule: {
      percentage?: number | null;
      roles?: string[];
      users?: string[];
    };
    SystemRuleInput: {
      percentage?: number | null;
      roles?: string[];
      users?: string[];
    };
    SystemSeen: {
      authorization: boolean;
      body_bytes: number;
      body_seconds: number;
      client: string;
      client_known: boolean;
      cookie: boolean;
      forwarded_for: string;
      peer: string;
      proxy_trusted: boolean;
      real_ip: string;
      request_id: string;
    };
    SystemStatus: {
      checks?: string[];
      status: string;
    };
    SystemVersion: {
      go: string;
      version: string;
    };
  };
  responses: never;
  parameters: never;
  requestBodies: never;
  headers: never;
  pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
  getAuditEvents: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
        actor?: string;
        action?: string;
        target?: string;
        from?: string;
        to?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuditEntryList"];
        };
      };
    };
  };
  getAuditEventsExport: {
    parameters: {
      query?: {
        actor?: string;
        action?: string;
        target?: string;
        from?: string;
        to?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/jsonl": unknown;
        };
      };
    };
  };
  getAuditMe: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuditEntryList"];
        };
      };
    };
  };
  getAuditSeals: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuditSealList"];
        };
      };
    };
  };
  getAuthClients: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcClientList"];
        };
      };
    };
  };
  postAuthClients: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["OidcNewClientInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["OidcMadeClient"];
        };
      };
    };
  };
  getAuthClientsByClientId: {
    parameters: {
      path: {
        client_id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcClient"];
        };
      };
    };
  };
  deleteAuthClientsByClientId: {
    parameters: {
      path: {
        client_id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchAuthClientsByClientId: {
    parameters: {
      path: {
        client_id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["OidcClientPatchInput"];
        "application/merge-patch+json": components["schemas"]["OidcClientPatchInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcClient"];
        };
      };
    };
  };
  postAuthClientsByClientIdSecret: {
    parameters: {
      path: {
        client_id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcSecret"];
        };
      };
    };
  };
  postAuthEmail: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthAddressInput"];
      };
    };
    responses: {
      202: {
      };
    };
  };
  postAuthEmailConfirm: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthConfirmEmailInput"];
      };
    };
    responses: {
      204: {
      };
    };
  };
  getAuthGateCallback: {
    parameters: {
      query?: {
        code?: string;
      };
    };
    responses: never;
  };
  getAuthGateCheck: {
    responses: {
      200: {
      };
    };
  };
  getAuthGateHosts: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["GateHostList"];
        };
      };
    };
  };
  postAuthGateHosts: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["GateNewHostInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["GateHost"];
        };
      };
    };
  };
  getAuthGateHostsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["GateHost"];
        };
      };
    };
  };
  deleteAuthGateHostsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchAuthGateHostsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["GateHostPatchInput"];
        "application/merge-patch+json": components["schemas"]["GateHostPatchInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["GateHost"];
        };
      };
    };
  };
  getAuthGateRequestsByRequest: {
    parameters: {
      path: {
        request: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["GateRequest"];
        };
      };
    };
  };
  postAuthGateRequestsByRequest: {
    parameters: {
      path: {
        request: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["GateApprovalInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["GateNext"];
        };
      };
    };
  };
  getAuthGrants: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcGrantList"];
        };
      };
    };
  };
  deleteAuthGrantsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  getAuthInvitations: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthInvitationList"];
        };
      };
    };
  };
  postAuthInvitations: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthNewInvitationInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["AuthInvitation"];
        };
      };
    };
  };
  postAuthInvitationsAccept: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthAcceptInvitationInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["AuthGrant"];
        };
      };
    };
  };
  deleteAuthInvitationsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  getAuthKeys: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthKeyList"];
        };
      };
    };
  };
  postAuthKeys: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthNewKeyInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["AuthMadeKey"];
        };
      };
    };
  };
  deleteAuthKeysById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  postAuthLogin: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthLoginInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthGrant"];
        };
      };
    };
  };
  postAuthLogout: {
    parameters: {
      query?: {
        scope?: string;
      };
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["AuthRefreshInput"];
      };
    };
    responses: {
      204: {
      };
    };
  };
  getAuthMe: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthMe"];
        };
      };
    };
  };
  deleteAuthMe: {
    responses: {
      204: {
      };
    };
  };
  patchAuthMe: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthMePatchInput"];
        "application/merge-patch+json": components["schemas"]["AuthMePatchInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthMe"];
        };
      };
    };
  };
  deleteAuthNoticesById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  getAuthOidcWellKnownOpenidConfiguration: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcDiscovery"];
        };
      };
    };
  };
  getAuthOidcAuthorize: {
    parameters: {
      query?: {
        client_id?: string;
        redirect_uri?: string;
        response_type?: string;
        response_mode?: string;
        scope?: string;
        state?: string;
        nonce?: string;
        prompt?: string;
        max_age?: string;
        id_token_hint?: string;
        login_hint?: string;
        code_challenge?: string;
        code_challenge_method?: string;
        display?: string;
        ui_locales?: string;
        claims_locales?: string;
        acr_values?: string;
        claims?: string;
        request?: string;
        request_uri?: string;
        registration?: string;
      };
    };
    responses: never;
  };
  postAuthOidcAuthorize: {
    requestBody?: {
      content: {
        "application/x-www-form-urlencoded": {
          acr_values?: string;
          claims?: string;
          claims_locales?: string;
          client_id?: string;
          code_challenge?: string;
          code_challenge_method?: string;
          display?: string;
          id_token_hint?: string;
          login_hint?: string;
          max_age?: string;
          nonce?: string;
          prompt?: string;
          redirect_uri?: string;
          registration?: string;
          request?: string;
          request_uri?: string;
          response_mode?: string;
          response_type?: string;
          scope?: string;
          state?: string;
          ui_locales?: string;
        };
      };
    };
    responses: never;
  };
  getAuthOidcJwksJson: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcKeySet"];
        };
      };
    };
  };
  getAuthOidcLogout: {
    parameters: {
      query?: {
        id_token_hint?: string;
        client_id?: string;
        post_logout_redirect_uri?: string;
        state?: string;
        logout_hint?: string;
        ui_locales?: string;
      };
    };
    responses: never;
  };
  postAuthOidcLogout: {
    requestBody?: {
      content: {
        "application/x-www-form-urlencoded": {
          client_id?: string;
          id_token_hint?: string;
          logout_hint?: string;
          post_logout_redirect_uri?: string;
          state?: string;
          ui_locales?: string;
        };
      };
    };
    responses: never;
  };
  getAuthOidcRequestsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcRequest"];
        };
      };
    };
  };
  postAuthOidcRequestsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["OidcDecisionInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcNext"];
        };
      };
    };
  };
  postAuthOidcToken: {
    requestBody?: {
      content: {
        "application/x-www-form-urlencoded": {
          client_id?: string;
          client_secret?: string;
          code?: string;
          code_verifier?: string;
          grant_type?: string;
          redirect_uri?: string;
          refresh_token?: string;
          scope?: string;
        };
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcTokens"];
        };
      };
    };
  };
  getAuthOidcUserinfo: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcUserInfo"];
        };
      };
    };
  };
  postAuthOidcUserinfo: {
    requestBody?: {
      content: {
        "application/x-www-form-urlencoded": {
          access_token?: string;
        };
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["OidcUserInfo"];
        };
      };
    };
  };
  getAuthPasskeys: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthPasskeyList"];
        };
      };
    };
  };
  postAuthPasskeys: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthNewPasskeyInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["AuthPasskey"];
        };
      };
    };
  };
  postAuthPasskeysOptions: {
    requestBody?: {
      content: {
        "application/json": Record<string, never>;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthRequestAnswer"];
        };
      };
    };
  };
  postAuthPasskeysRegistration: {
    requestBody?: {
      content: {
        "application/json": components["schemas"]["AuthNewRegistrationInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthCreationAnswer"];
        };
      };
    };
  };
  deleteAuthPasskeysById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchAuthPasskeysById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthPasskeyPatchInput"];
        "application/merge-patch+json": components["schemas"]["AuthPasskeyPatchInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthPasskey"];
        };
      };
    };
  };
  postAuthPassword: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthChangePasswordInput"];
      };
    };
    responses: {
      204: {
      };
    };
  };
  postAuthPasswordForgot: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthAddressInput"];
      };
    };
    responses: {
      202: {
      };
    };
  };
  postAuthPasswordReset: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthResetPasswordInput"];
      };
    };
    responses: {
      204: {
      };
    };
  };
  getAuthPermissions: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthPermissionList"];
        };
      };
    };
  };
  postAuthReauthenticate: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthReauthenticateInput"];
      };
    };
    responses: {
      204: {
      };
    };
  };
  postAuthRefresh: {
    requestBody?: {
      content: {
        "application/json": components["schemas"]["AuthRefreshInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthGrant"];
        };
      };
    };
  };
  postAuthRegister: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthAddressInput"];
      };
    };
    responses: {
      202: {
      };
    };
  };
  getAuthRoles: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthRoleList"];
        };
      };
    };
  };
  postAuthRoles: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthNewRoleInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["AuthRole"];
        };
      };
    };
  };
  getAuthRolesByName: {
    parameters: {
      path: {
        name: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthRole"];
        };
      };
    };
  };
  deleteAuthRolesByName: {
    parameters: {
      path: {
        name: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchAuthRolesByName: {
    parameters: {
      path: {
        name: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthRolePatchInput"];
        "application/merge-patch+json": components["schemas"]["AuthRolePatchInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthRole"];
        };
      };
    };
  };
  getAuthSessions: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthSessionList"];
        };
      };
    };
  };
  deleteAuthSessionsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  postAuthTotp: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthTOTPSecret"];
        };
      };
    };
  };
  deleteAuthTotp: {
    responses: {
      204: {
      };
    };
  };
  postAuthTotpConfirm: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthTOTPCodeInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthRecoveryCodes"];
        };
      };
    };
  };
  postAuthTotpRecoveryCodes: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthRecoveryCodes"];
        };
      };
    };
  };
  getAuthUsers: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthManagedUserList"];
        };
      };
    };
  };
  postAuthUsers: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthNewAccountInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["AuthManagedUser"];
        };
      };
    };
  };
  getAuthUsersById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthManagedUser"];
        };
      };
    };
  };
  deleteAuthUsersById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchAuthUsersById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["AuthUserPatchInput"];
        "application/merge-patch+json": components["schemas"]["AuthUserPatchInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthManagedUser"];
        };
      };
    };
  };
  getAuthUsersByIdSessions: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AuthSessionList"];
        };
      };
    };
  };
  deleteAuthUsersByIdSessions: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  postAuthUsersByIdTotpReset: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  postFilesArchive: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesArchiveInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/zip": unknown;
        };
      };
    };
  };
  postFilesBatch: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesBatchInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesBatch"];
        };
      };
    };
  };
  getFilesChanges: {
    parameters: {
      query?: {
        cursor?: string;
        limit?: number;
        space?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesChanges"];
        };
      };
    };
  };
  getFilesContentByPath: {
    parameters: {
      query?: {
        download?: string;
        space?: string;
      };
      path: {
        path: string;
      };
    };
    responses: {
      200: {
        content: {
          "*/*": unknown;
        };
      };
      206: {
        content: {
          "*/*": unknown;
        };
      };
    };
  };
  putFilesContentByPath: {
    parameters: {
      query?: {
        parents?: string;
        space?: string;
      };
      path: {
        path: string;
      };
    };
    requestBody?: {
      content: {
        "*/*": unknown;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
      201: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
    };
  };
  getFilesEvents: {
    parameters: {
      query?: {
        cursor?: string;
        space?: string;
      };
    };
    responses: {
      200: {
        content: {
          "text/event-stream": unknown;
        };
      };
    };
  };
  postFilesFolders: {
    parameters: {
      query?: {
        space?: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesFolderInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
      201: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
    };
  };
  getFilesItemsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
    };
  };
  deleteFilesItemsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchFilesItemsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesMovePatchInput"];
        "application/merge-patch+json": components["schemas"]["FilesMovePatchInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
    };
  };
  getFilesItemsByIdArchive: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/zip": unknown;
        };
      };
    };
  };
  getFilesItemsByIdChildren: {
    parameters: {
      query?: {
        sort?: string;
        limit?: number;
        cursor?: string;
      };
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItemList"];
        };
      };
    };
  };
  getFilesItemsByIdContent: {
    parameters: {
      query?: {
        download?: string;
      };
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "*/*": unknown;
        };
      };
      206: {
        content: {
          "*/*": unknown;
        };
      };
    };
  };
  putFilesItemsByIdContent: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody?: {
      content: {
        "*/*": unknown;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
    };
  };
  postFilesItemsByIdCopy: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["FilesCopyInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["FilesCopy"];
        };
      };
    };
  };
  getFilesItemsByIdThumbnail: {
    parameters: {
      query?: {
        size?: number;
      };
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "*/*": unknown;
        };
      };
    };
  };
  getFilesItemsByIdVersions: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesVersionList"];
        };
      };
    };
  };
  deleteFilesItemsByIdVersionsByRevision: {
    parameters: {
      path: {
        id: string;
        revision: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  getFilesItemsByIdVersionsByRevisionContent: {
    parameters: {
      query?: {
        download?: string;
      };
      path: {
        id: string;
        revision: string;
      };
    };
    responses: {
      200: {
        content: {
          "*/*": unknown;
        };
      };
      206: {
        content: {
          "*/*": unknown;
        };
      };
    };
  };
  postFilesItemsByIdVersionsByRevisionRestore: {
    parameters: {
      path: {
        id: string;
        revision: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
    };
  };
  getFilesLookup: {
    parameters: {
      query?: {
        path?: string;
        space?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
    };
  };
  getFilesPeople: {
    parameters: {
      query?: {
        email?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesPerson"];
        };
      };
    };
  };
  postFilesScan: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesScanInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesScanReport"];
        };
      };
    };
  };
  getFilesSearch: {
    parameters: {
      query?: {
        q?: string;
        type?: string;
        media_type?: string;
        min_size?: string;
        max_size?: string;
        modified_after?: string;
        modified_before?: string;
        folder_id?: string;
        space?: string;
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItemList"];
        };
      };
    };
  };
  getFilesSharedWithMe: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesWithMeList"];
        };
      };
    };
  };
  getFilesSharedByToken: {
    parameters: {
      path: {
        token: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesShared"];
        };
      };
    };
  };
  getFilesSharedByTokenArchive: {
    parameters: {
      query?: {
        item_id?: string;
      };
      path: {
        token: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/zip": unknown;
        };
      };
    };
  };
  getFilesSharedByTokenChildren: {
    parameters: {
      query?: {
        item_id?: string;
        sort?: string;
        limit?: number;
        cursor?: string;
      };
      path: {
        token: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItemList"];
        };
      };
    };
  };
  getFilesSharedByTokenContent: {
    parameters: {
      query?: {
        item_id?: string;
        download?: string;
      };
      path: {
        token: string;
      };
    };
    responses: {
      200: {
        content: {
          "*/*": unknown;
        };
      };
      206: {
        content: {
          "*/*": unknown;
        };
      };
    };
  };
  putFilesSharedByTokenDropByName: {
    parameters: {
      path: {
        token: string;
        name: string;
      };
    };
    requestBody?: {
      content: {
        "*/*": unknown;
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["FilesDrop"];
        };
      };
    };
  };
  postFilesSharedByTokenUnlock: {
    parameters: {
      path: {
        token: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesUnlockInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesUnlock"];
        };
      };
      204: {
      };
    };
  };
  getFilesShares: {
    parameters: {
      query?: {
        item_id?: string;
        space?: string;
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesShareList"];
        };
      };
    };
  };
  postFilesShares: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesNewShareInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["FilesShare"];
        };
      };
    };
  };
  deleteFilesSharesById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchFilesSharesById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesShareTermsInput"];
        "application/merge-patch+json": components["schemas"]["FilesShareTermsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesShare"];
        };
      };
    };
  };
  getFilesSpaces: {
    parameters: {
      query?: {
        all?: string;
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesSpaceList"];
        };
      };
    };
  };
  postFilesSpaces: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesSpaceFieldsInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["FilesSpace"];
        };
      };
    };
  };
  getFilesSpacesById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesSpace"];
        };
      };
    };
  };
  deleteFilesSpacesById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchFilesSpacesById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesSpaceFieldsInput"];
        "application/merge-patch+json": components["schemas"]["FilesSpaceFieldsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesSpace"];
        };
      };
    };
  };
  getFilesSpacesByIdMembers: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesMemberList"];
        };
      };
    };
  };
  putFilesSpacesByIdMembersByUserId: {
    parameters: {
      path: {
        id: string;
        user_id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["FilesMemberFieldsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesMember"];
        };
      };
    };
  };
  deleteFilesSpacesByIdMembersByUserId: {
    parameters: {
      path: {
        id: string;
        user_id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  getFilesTrash: {
    parameters: {
      query?: {
        space?: string;
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesTrashedList"];
        };
      };
    };
  };
  deleteFilesTrash: {
    parameters: {
      query?: {
        space?: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  deleteFilesTrashById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  postFilesTrashByIdRestore: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesItem"];
        };
      };
    };
  };
  postFilesUploads: {
    requestBody?: {
      content: {
        "*/*": unknown;
      };
    };
    responses: {
      201: {
      };
    };
  };
  optionsFilesUploads: {
    responses: {
      204: {
      };
    };
  };
  getFilesUploadsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesUpload"];
        };
      };
    };
  };
  deleteFilesUploadsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  headFilesUploadsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
      };
    };
  };
  patchFilesUploadsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody?: {
      content: {
        "*/*": unknown;
      };
    };
    responses: {
      204: {
      };
    };
  };
  getFilesUsage: {
    parameters: {
      query?: {
        space?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesUsage"];
        };
      };
    };
  };
  getPortfolioContact: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
        state?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioInbox"];
        };
      };
    };
  };
  postPortfolioContact: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioContactPostInput"];
      };
    };
    responses: {
      202: {
      };
    };
  };
  getPortfolioContactChallenge: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioChallenge"];
        };
      };
    };
  };
  deletePortfolioContactById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchPortfolioContactById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioMessageChangeInput"];
        "application/merge-patch+json": components["schemas"]["PortfolioMessageChangeInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioMessage"];
        };
      };
    };
  };
  getPortfolioEducation: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioEducationList"];
        };
      };
    };
  };
  postPortfolioEducation: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioEducationFieldsInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["PortfolioEducation"];
        };
      };
    };
  };
  putPortfolioEducationOrder: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioOrderInput"];
      };
    };
    responses: {
      204: {
      };
    };
  };
  getPortfolioEducationById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioEducation"];
        };
      };
    };
  };
  deletePortfolioEducationById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchPortfolioEducationById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioEducationFieldsInput"];
        "application/merge-patch+json": components["schemas"]["PortfolioEducationFieldsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioEducation"];
        };
      };
    };
  };
  getPortfolioExperience: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioExperienceList"];
        };
      };
    };
  };
  postPortfolioExperience: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioExperienceFieldsInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["PortfolioExperience"];
        };
      };
    };
  };
  putPortfolioExperienceOrder: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioOrderInput"];
      };
    };
    responses: {
      204: {
      };
    };
  };
  getPortfolioExperienceById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioExperience"];
        };
      };
    };
  };
  deletePortfolioExperienceById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchPortfolioExperienceById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioExperienceFieldsInput"];
        "application/merge-patch+json": components["schemas"]["PortfolioExperienceFieldsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioExperience"];
        };
      };
    };
  };
  getPortfolioImagesById: {
    parameters: {
      query?: {
        size?: number;
      };
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "*/*": unknown;
        };
      };
    };
  };
  getPortfolioPreviewsByToken: {
    parameters: {
      path: {
        token: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioProject"];
        };
      };
    };
  };
  getPortfolioProfile: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioProfile"];
        };
      };
    };
  };
  putPortfolioProfile: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioProfileFieldsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioProfile"];
        };
      };
    };
  };
  getPortfolioProjects: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
        tag?: string;
        featured?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioProjectList"];
        };
      };
    };
  };
  postPortfolioProjects: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioProjectFieldsInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["PortfolioProject"];
        };
      };
    };
  };
  putPortfolioProjectsOrder: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioOrderInput"];
      };
    };
    responses: {
      204: {
      };
    };
  };
  getPortfolioProjectsBySlug: {
    parameters: {
      path: {
        slug: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioProject"];
        };
      };
    };
  };
  deletePortfolioProjectsBySlug: {
    parameters: {
      path: {
        slug: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchPortfolioProjectsBySlug: {
    parameters: {
      path: {
        slug: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioProjectFieldsInput"];
        "application/merge-patch+json": components["schemas"]["PortfolioProjectFieldsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioProject"];
        };
      };
    };
  };
  postPortfolioProjectsBySlugPreview: {
    parameters: {
      path: {
        slug: string;
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["PortfolioPreview"];
        };
      };
    };
  };
  getPortfolioResumeJson: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioResume"];
        };
      };
    };
  };
  putPortfolioResumeJson: {
    parameters: {
      query?: {
        dry_run?: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioResumeFileInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioImported"];
        };
      };
    };
  };
  getPortfolioSkills: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioSkillList"];
        };
      };
    };
  };
  postPortfolioSkills: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioSkillFieldsInput"];
      };
    };
    responses: {
      201: {
        content: {
          "application/json": components["schemas"]["PortfolioSkill"];
        };
      };
    };
  };
  putPortfolioSkillsOrder: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioOrderInput"];
      };
    };
    responses: {
      204: {
      };
    };
  };
  getPortfolioSkillsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioSkill"];
        };
      };
    };
  };
  deletePortfolioSkillsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  patchPortfolioSkillsById: {
    parameters: {
      path: {
        id: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["PortfolioSkillFieldsInput"];
        "application/merge-patch+json": components["schemas"]["PortfolioSkillFieldsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["PortfolioSkill"];
        };
      };
    };
  };
  getProjects: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["ProjectsInfoList"];
        };
      };
    };
  };
  postProjectsAnalyticsEvents: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["AnalyticsEventInput"];
        "text/plain": components["schemas"]["AnalyticsEventInput"];
      };
    };
    responses: {
      202: {
      };
    };
  };
  getProjectsAnalyticsStats: {
    parameters: {
      query?: {
        from?: string;
        to?: string;
        by?: string;
        page?: string;
        site?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["AnalyticsStats"];
        };
      };
    };
  };
  patchProjectsByApp: {
    parameters: {
      path: {
        app: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["ProjectsChangeInput"];
        "application/merge-patch+json": components["schemas"]["ProjectsChangeInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["ProjectsInfo"];
        };
      };
    };
  };
  getSystemFlags: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemFlagStateList"];
        };
      };
    };
  };
  postSystemFlagsOfrepV1EvaluateFlags: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["SystemOfrepInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemOfrepFlags"];
        };
      };
    };
  };
  postSystemFlagsOfrepV1EvaluateFlagsByKey: {
    parameters: {
      path: {
        key: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["SystemOfrepInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemOfrepFlag"];
        };
      };
    };
  };
  getSystemFlagsByKey: {
    parameters: {
      path: {
        key: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemFlag"];
        };
      };
    };
  };
  putSystemFlagsByKey: {
    parameters: {
      path: {
        key: string;
      };
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["SystemFlagFieldsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemFlag"];
        };
      };
      201: {
        content: {
          "application/json": components["schemas"]["SystemFlag"];
        };
      };
    };
  };
  deleteSystemFlagsByKey: {
    parameters: {
      path: {
        key: string;
      };
    };
    responses: {
      204: {
      };
    };
  };
  getSystemHealth: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemStatus"];
        };
      };
    };
  };
  getSystemJobs: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemJobStatusList"];
        };
      };
    };
  };
  getSystemLimits: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemRateLimits"];
        };
      };
    };
  };
  putSystemLimits: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["SystemNewLimitsInput"];
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemRateLimits"];
        };
      };
    };
  };
  getSystemMetrics: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemMetrics"];
          "text/plain": unknown;
        };
      };
    };
  };
  getSystemOpenapiJson: {
    responses: {
      200: {
        content: {
          "application/json": unknown;
        };
      };
    };
  };
  getSystemProbe: {
    parameters: {
      query?: {
        stream?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemSeen"];
          "text/event-stream": unknown;
        };
      };
    };
  };
  postSystemProbe: {
    requestBody?: {
      content: {
        "*/*": unknown;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemSeen"];
        };
      };
    };
  };
  getSystemReady: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemStatus"];
        };
      };
    };
  };
  getSystemStorage: {
    parameters: {
      query?: {
        limit?: number;
        cursor?: string;
      };
    };
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["FilesStorage"];
        };
      };
    };
  };
  getSystemVersion: {
    responses: {
      200: {
        content: {
          "application/json": components["schemas"]["SystemVersion"];
        };
      };
    };
  };
}
