package auth_test

import (
	"slices"
	"strings"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/httpx"
)

func TestPermission_AllAreListedWithWhatTheyLetPeopleDo(t *testing.T) {
	t.Parallel()
	ofApp := auth.Permission{Name: "projects.analytics:read", Description: "See the numbers of visitors."}
	e := authtest.Start(t, nil, func(c *auth.Config) { c.Permissions = []auth.Permission{ofApp} })
	e.User(t, "root@example.com", "admin")
	e.User(t, "ann@example.com", "member")
	e.Client(t).Do("GET", "/auth/permissions", nil).WantProblem(t, 401, "unauthenticated")
	c := e.SignIn(t, "ann@example.com")
	var all, page httpx.List[auth.Permission]
	for query := "?limit=4"; ; query = "?limit=4&cursor=" + *page.NextCursor {
		page = httpx.List[auth.Permission]{}
		c.Do("GET", "/auth/permissions"+query, nil).Want(t, 200).JSON(t, &page)
		all.Items = append(all.Items, page.Items...)
		if page.NextCursor == nil {
			break
		}
	}
	var names []string
	for _, p := range all.Items {
		names = append(names, p.Name)
		if !strings.HasSuffix(p.Description, ".") || len(p.Description) < 10 {
			t.Errorf("%s has no sentence: %q", p.Name, p.Description)
		}
	}
	// An admin holds all there are.
	var admin auth.Me
	e.SignIn(t, "root@example.com").Do("GET", "/auth/me", nil).Want(t, 200).JSON(t, &admin)
	if !slices.Equal(names, admin.Permissions) {
		t.Errorf("listed are %v, and there are %v", names, admin.Permissions)
	}
	if !slices.Contains(all.Items, ofApp) {
		t.Errorf("that of the app is not listed: %v", all.Items)
	}
	e.Operator(t).Do("GET", "/auth/permissions", nil).Want(t, 200)
}
