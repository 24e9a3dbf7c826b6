package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/jackc/pgx/v5/pgconn"
)

// errLeft is the answer of puts whose leader panicked: perhaps behind the
// COMMIT, so nobody may touch what they have staged.
var errLeft = fmt.Errorf("%w: the group was left unfinished", db.ErrOutcomeUnknown)

// lead commits the puts that wait for the slot that the caller holds, and
// gives it up, come what may.
func (j *Journal) lead(ctx context.Context, q *queue, leave func()) {
	group := q.group()
	defer func() {
		for _, w := range group { // left by a panic alone
			w.answer(errLeft)
		}
		leave()
	}()
	if len(group) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	defer cancel()
	j.awaitTurn(ctx, group)
	held := j.commitGroup(ctx, q, group)
	group = nil
	q.putBack(slices.DeleteFunc(held, func(w *waiting) bool {
		if w.held.IsZero() {
			w.held = time.Now()
		}
		late := time.Since(w.held) > waitInWay
		if late {
			j.refuse(w, httpx.ErrBusy.Because(errInTheWay))
		}
		return late
	}))
}

// awaitTurn pauses before puts of which each has met something in its way, and
// looks for dead workers when it has stood there for a while.
func (j *Journal) awaitTurn(ctx context.Context, group []*waiting) {
	longest := time.Duration(0)
	for _, w := range group {
		if w.held.IsZero() {
			return
		}
		longest = max(longest, time.Since(w.held))
	}
	db.Sleep(ctx, min(max(longest/4, firstWait), longestWait))
	if longest >= askAfter && longest <= askAfter+4*longestWait {
		j.suspected.Give()
	}
}

// answer answers a put once.
func (w *waiting) answer(err error) {
	select {
	case w.done <- err:
	default:
	}
}

// refuse answers a put that came to nothing.
func (j *Journal) refuse(w *waiting, err error) {
	j.own.end(w.Op)
	w.answer(err)
}

// commitGroup commits what it can of a group, makes the disk follow, and
// answers. It returns the puts that have to wait for another's record.
func (j *Journal) commitGroup(ctx context.Context, q *queue, group []*waiting) (held []*waiting) {
	began := time.Now()
	group = slices.DeleteFunc(slices.Clone(group), func(w *waiting) bool { // the caller's stays whole
		err := j.Judge(w.ctx)
		if err != nil {
			j.refuse(w, err)
		}
		return err != nil
	})
	if len(group) == 0 {
		return nil
	}
	owner := group[0].Owner
	g := &groupTx{j: j, owner: owner, group: group}
	err := j.db.Piped(ctx, g.transaction())
	if broken(err) && len(group) > 1 {
		// One of them broke a constraint: each by itself, so that only that
		// one fails.
		for _, w := range group {
			held = append(held, j.commitGroup(ctx, q, []*waiting{w})...)
		}
		return held
	}
	for _, w := range group {
		refused := g.refused[w]
		switch {
		case errors.Is(refused, errInTheWay):
			held = append(held, w)
		case refused != nil:
			j.refuse(w, refused)
		case err != nil && !errors.Is(err, db.ErrOutcomeUnknown):
			j.refuse(w, err)
		}
	}
	switch {
	case errors.Is(err, db.ErrOutcomeUnknown):
		j.Changed(owner)
		for i, w := range g.accepted {
			j.own.doubt(w.Op, g.t.records[i:i+1], g.t.xid, w.Undone)
			w.answer(err)
		}
	case err == nil && len(g.accepted) > 0:
		j.Changed(owner)
		j.wrote(len(g.t.records))
		disk.Failpoint("committed")
		j.own.forget(g.forgotten)
		errs := j.publishAll(ctx, g.t.records)
		q.answering(g.accepted, time.Since(began))
		j.followGroup(ctx, g, errs)
		disk.Failpoint("published")
	}
	return held
}

// broken reports whether a row broke a constraint or held what PostgreSQL
// does not take.
func broken(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(pg.Code, "23") || strings.HasPrefix(pg.Code, "22"))
}

// followGroup answers a committed group, of which publishAll told what became.
func (j *Journal) followGroup(ctx context.Context, g *groupTx, errs []error) {
	for i, w := range g.accepted {
		err := j.noteFollowed(ctx, w.Op, g.t.records[i:i+1], errs[i:i+1], retryFirst)
		if err != nil {
			err = j.unpublished(ctx, w.Op, err)
		}
		w.answer(err)
	}
}
