package crash

import (
	"context"
	"math/rand/v2"
	"time"
)

// The second person of a space is taken out of it and let in again while both
// write. What they are refused has not happened; what was acknowledged stays.

// churn takes the second person out for a moment; it is the first who does that.
func (a *account) churn(ctx context.Context, s *server, random *rand.Rand) {
	time.Sleep(time.Duration(20+random.IntN(200)) * time.Millisecond)
	a.ask(ctx, s, "DELETE", a.membership(), nil, nil)
	time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
	a.letIn(ctx, s)
}

func (a *account) membership() string { return "/files/spaces/" + a.id + "/members/" + a.withID }

func (a *account) letIn(ctx context.Context, s *server) {
	a.ask(ctx, s, "PUT", a.membership(), map[string]string{"role": "editor"}, nil)
}

// shutOut reports whether the second person, who works with the second server,
// was refused because they are no member: what they name is not there for them.
func (a *account) shutOut(s *server, code string) bool {
	return a.with != "" && s.second() && (code == "not_found" || code == "parent_missing")
}

// rejoin lets everybody in again, which the second server hears a moment later.
func (r *rig) rejoin(accounts []*account) {
	r.t.Helper()
	ctx := r.t.Context()
	for _, a := range accounts {
		if a.with != "" {
			await(r.t, "both are members of the space", func() bool {
				r.bringUp() // one may have reached its failpoint meanwhile
				r.signIn(a)
				a.letIn(ctx, r.servers[0])
				status, _, _ := a.ask(ctx, r.servers[1], "GET", "/files/trash?limit=1", nil, nil)
				return status == 200
			})
		}
	}
}
