package journal

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"homebase/db"
	"homebase/db/dbtest"

	"github.com/google/uuid"
)

// A PostgreSQL that crashed before the transaction reached its log gives the
// xid away again; one that another failed over to may not have come as far.
func TestCommit_WithoutAnswerIsJudgedByItsRecordNotByAnXidOfAnother(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	xid, err := db.One(t.Context(), d, db.Value[string], "SELECT pg_current_xact_id()::text")
	if err != nil {
		t.Fatal(err)
	}
	if status, err := db.One(t.Context(), d, db.Value[string], "SELECT pg_xact_status($1::text::xid8)", xid); err != nil || status != "committed" {
		t.Fatalf("%s: %v", status, err)
	}
	j := New(Config{DB: d, Log: slog.New(slog.DiscardHandler)})
	for _, xid := range []string{xid, "4611686018427387904"} {
		undone := false
		r := record{owner: NewID(), op: NewID(), kind: kindPut, item: NewID(), revision: 1, ino: 1, source: "staging/none", target: "users/none"}
		j.resolve(t.Context(), r.op, &op{records: []record{r}, xid: xid, undone: func(context.Context) { undone = true }})
		if !undone {
			t.Errorf("xid %s: a change of which there is no record was taken for committed", xid)
		}
	}
}

func TestCommit_WithoutAnswerAndWithoutRecordsIsOver(t *testing.T) {
	t.Parallel()
	j, _, _ := journalOf(t, func(uuid.UUID) {})
	undone := make(chan struct{})
	j.own.doubt(NewID(), nil, "1", func(context.Context) { close(undone) })
	select {
	case <-undone:
	case <-time.After(30 * time.Second):
		t.Fatal("nobody was told")
	}
}
