// Package portfolio is the content of a person's portfolio site: profile,
// projects, skills, experience, and an inbox. It knows nothing of passwords
// or disks: it asks who calls through httpx and keeps file ids.
package portfolio
