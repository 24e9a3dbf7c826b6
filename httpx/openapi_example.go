package httpx

import "strings"

// exampleContent describes a JSON body, with an example that all bodies of the
// type share.
func (c *contract) exampleContent(schema object, example any) object {
	to, ok := schema["$ref"].(string)
	if !ok {
		return object{"schema": schema, "example": example}
	}
	name := strings.TrimPrefix(to, "#/components/schemas/")
	c.examples[name] = object{"value": example}
	return object{"schema": schema, "examples": object{"typical": ref("examples", name)}}
}

const (
	exampleID   = "01a20c9f-e6b5-7004-8305-e528f2799eb1"
	exampleHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// exampleTexts are the examples by media type. Bytes of any type have none.
var exampleTexts = map[string]string{
	"application/jsonl": "{\"id\":\"01a20c9f-e6b5-7004-8305-e528f2799eb1\",\"action\":\"login\"}\n",
	"text/event-stream": "id: 01a20c9f.42\nevent: created\ndata: {\"seq\":42,\"type\":\"created\"}\n\n",
	"text/plain":        "homebase_build_info{version=\"v1.0.0\"} 1\n",
}

// exampleWords are example values by a member's name, or by component and name
// where the name means something else. A value whose type is not the member's is
// passed over, so a new member needs none. nil by component and name leaves out
// what would contradict the other members.
var exampleWords = map[string]any{
	"access_token": "eyJhbGciOiJIUzI1NiJ9.e30.bm90IGEgdG9rZW4", "refresh_token": "hbr_bm90IGEgdG9rZW4", "token_type": "Bearer", "expires_in": 600,
	"token": "bm90IGEgdG9rZW4", "password": "seven purple otters dancing", "current_password": "seven purple otters dancing",
	"new_password": "eight green herons sleeping", "code": "314159", "secret": "JBSWY3DPEHPK3PXP", "recovery_code": "k7qd-2m9x-v4tp",
	"otpauth_uri": "otpauth://totp/Homebase:ada@example.com?secret=JBSWY3DPEHPK3PXP&issuer=Homebase",
	"email":       "ada@example.com", "name": "Ada Lovelace", "role": "member", "permission": "files:read", "quota": 10 << 30,
	"address": "203.0.113.7", "device": "Firefox on Linux", "allow": []string{"203.0.113.0/24"}, "mode": "token", "scope": "session",
	"action": "auth.login", "outcome": "ok", "request_id": "5f0c1e9a7b3d4c2e", "status": "active", "details": object{"method": "password"},
	"hash": exampleHash, "previous_hash": exampleHash, "sha256": exampleHash, "hint": "hb_1a2b", "revision": 3, "next_cursor": nil,
	"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "limit": 50, "cursor": "bm90IGEgY3Vyc29y",

	"path": "/documents/report.pdf", "original_path": "/documents/report.pdf", "media_type": "application/pdf", "size": 48213, "type": "file",
	"missing": false, "op": "trash", "state": "open", "length": 48213, "offset": 16384, "problem": "The name is not UTF-8.", "sort": "-updated_at",

	"used": 5 << 30, "used_before": 5 << 30, "reserved": 0, "trash": 0, "total": 4 << 40, "free": 3 << 40, "staging": 0, "purge": 0,
	"max_size": 1 << 20, "max_downloads": 10, "downloads": 2, "returned": 0, "moved": 0, "new": 2,

	"headline": "Builds engines", "summary": "What it is, in a sentence.", "title": "The analytical engine", "subject": "A question", "message": "Good day!",
	"slug": "analytical-engine", "body": "It weaves **algebraic** patterns.", "tag": "go", "url": "https://example.com", "label": "Code", "location": "London",
	"started_on": "2024-09", "ended_on": nil, "nonce": "48151", "bits": 16, "min_age_seconds": 3, "counts": object{"new": 1}, "$schema": "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.0.0/schema.json",
	"course": "Analysis", "highlight": "Wrote the first program", "organization": "Babbage & Co", "institution": "University of London", "study_type": "BSc", "area": "Mathematics",

	"description": "For what it is.", "level": "fluent", "category": "Languages", "score": "1.0", "image": "https://example.com/ada.jpg", "network": "Mastodon",
	"city": "London", "countryCode": "GB", "postalCode": "W1", "region": "England", "ignored": "languages", "field": "level",
	"PortfolioResumeLocation.address": "12 St James's Square", "PortfolioMessage.score": 0, "PortfolioMessage.reason": "links",

	"If-Match": `"r3"`, "If-None-Match": `"r3"`, "If-Range": `"` + exampleHash + `"`, "Range": "bytes=0-1023", "Last-Event-ID": "bm90IGEgY3Vyc29y",
	"If-Modified-Since": "Sat, 31 Jan 2026 12:00:00 GMT", "If-Unmodified-Since": "Sat, 31 Jan 2026 12:00:00 GMT",
	"Content-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", "Repr-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
	"Tus-Resumable": "1.0.0", "Upload-Checksum": "sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "Upload-Defer-Length": "1",
	"Upload-Length": "48213", "Upload-Metadata": "filename cmVwb3J0LnBkZg==,path L2RvY3VtZW50cw==", "Upload-Offset": "16384", "X-Homebase-Probe": "bm90IGEgdG9rZW4", "X-OC-Mtime": "1769860800",

	"id": exampleID, "item_id": exampleID, "folder_id": exampleID, "actor": exampleID, "target": exampleID, "q": "report",
	"parameter.path": "documents/report.pdf", "parameter.name": "editor", "parameter.max_size": "1048576", "parameter.size": 256, "parents": "true", "featured": "true",
	"dry_run": "true", "page": "/", "stream": "true", "min_size": "1024", "modified_after": "2026-01-01T00:00:00Z", "modified_before": "2026-02-01T00:00:00Z",
	"client": "203.0.113.7", "peer": "172.18.0.2", "forwarded_for": "203.0.113.7", "real_ip": "203.0.113.7", "failures": 0,

	"FilesItem.name": "report.pdf", "FilesTrashed.name": "report.pdf", "FilesCopyInput.name": "report.pdf", "FilesMovePatchInput.name": "report.pdf",
	"FilesFolderInput.name": nil, "FilesFolderInput.parent_id": nil, "FilesFolderInput.path": "/documents/letters", "FilesEntry.type": "created",
	"FilesShare.mode": "read", "FilesShared.mode": "read", "FilesResult.status": 200,
	"AuthKey.name": "Backup", "AuthMadeKey.name": "Backup", "AuthNewKeyInput.name": "Backup", "AuthMadeKey.key": "hb_bm90IGEga2V5",
	"AuthRole.name": "editor", "AuthNewRoleInput.name": "editor", "AuthSession.name": "Firefox on Linux", "AuthNotice.kind": "refresh_reuse",
	"PortfolioSkill.name": "Go", "PortfolioSkillFieldsInput.name": "Go", "PortfolioResumeSkill.name": "Go", "PortfolioChange.name": "Go",
	"PortfolioChange.kind": "skills", "PortfolioChange.action": "created", "PortfolioMessage.state": "new", "PortfolioMessageChangeInput.state": "spam",
	"PortfolioProject.status": "published", "PortfolioProjectFieldsInput.status": "published", "PortfolioSkill.status": "published",
	"PortfolioSkillFieldsInput.status": "published", "PortfolioExperience.status": "published", "PortfolioExperienceFieldsInput.status": "published",
	"PortfolioEducation.status": "published", "PortfolioEducationFieldsInput.status": "published", "PortfolioExperience.role": "Engineer",
	"PortfolioExperienceFieldsInput.role": "Engineer", "AnalyticsPage.path": "/", "AnalyticsEventInput.path": "/", "PortfolioPreview.path": "/projects/analytical-engine",
	"HttpxFigure.name": "homebase_go_goroutines", "SystemJobStatus.name": "audit.seal", "ProjectsInfo.name": "analytics", "SystemStatus.status": "ok",

	"PortfolioResumeFileInput.": object{"basics": object{"name": "Ada Lovelace", "label": "Builds engines"}, "skills": []object{{"name": "Go", "level": "fluent"}}},

	"key": "new-player", "variant": "on", "reason": "TARGETING_MATCH", "percentage": 25, "class": "write", "requests": 120, "per_seconds": 60,
	"version": "v1.0.0", "go": "go1.26", "check": "database", "route": "GET /files/items/{id}", "statuses": object{"2xx": 1}, "last_error": "",
	"duration_bound": 0.005, "labels": object{"class": "read"}, "referrer": "https://example.org", "site": "https://example.com", "by": "day", "app": "analytics",
}
