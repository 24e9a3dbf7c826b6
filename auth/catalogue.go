package auth

import (
	"slices"
	"strings"

	"homebase/httpx"
)

// Permission is a right by its name, and as people read it: what who holds it
// may do, a sentence.
type Permission struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (p Permission) key() string { return p.Name }

// platformPermissions are those of the rooms; the apps' come with Config.
var platformPermissions = []Permission{
	{AuditRead, "Read the log of what everybody did."},
	{FilesRead, "See and download your own files, and those of your spaces."},
	{FilesShare, "Share files by links and by name."},
	{FilesWrite, "Upload, change and delete files."},
	{InboxRead, "Read, sort and delete messages of the contact form."},
	{PortfolioWrite, "Write and publish the portfolio."},
	{SpacesManage, "Make spaces, and say who is in any of them."},
	{SystemManage, "Change flags and limits, and turn apps on and off."},
	{SystemRead, "See how the server is: its figures, jobs and storage."},
	{UsersManage, "Manage people, roles, invitations, and programs that sign people in."},
}

// catalogue are all permissions there are, by name.
func catalogue(ofApps []Permission) (described []Permission, names permissions) {
	described = slices.Concat(platformPermissions, ofApps)
	slices.SortFunc(described, func(a, b Permission) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range described {
		names = append(names, p.Name)
	}
	return described, names
}

// listPermissions serves GET /auth/permissions.
func (ro *roles) listPermissions(_ *httpx.Call, p httpx.Keyset[string]) ([]Permission, error) {
	from, found := slices.BinarySearch(ro.callers.permissions, p.After(""))
	if found {
		from++
	}
	return ro.described[from:min(from+p.Limit, len(ro.described))], nil
}
