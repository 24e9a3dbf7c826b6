package journal

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"homebase/db"
	"homebase/files/disk"
)

// renamer is a worker of a simulation, with the record of a file that it is to rename.
func renamer(s *simulation) (p *process, r record, file *node) {
	p = &process{sim: s, name: "worker0"}
	p.dir = disk.On(modelKernel{s.disk, p}, s.disk.open(s.disk.root, p))
	log := slog.New(slog.DiscardHandler)
	p.journal = New(Config{DB: db.New(log), Log: log})
	p.journal.disk = p.dir
	owner := s.owners[0]
	r = record{owner: owner, op: NewID(), kind: kindMove, item: NewID(), revision: 2, source: disk.OwnerPath(owner, "/old"), target: disk.OwnerPath(owner, "/new")}
	file = s.disk.lay(r.source, false)
	r.ino = file.ino
	return p, r, file
}

// A file of two names has none after a cut, if the one it lost was on the disk and
// the one it kept was not.
func TestPublish_TakesNoNameAwayBeforeTheOtherIsFlushed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(1, "")
		p, r, file := renamer(s)
		s.disk.change(nameSet{s.disk.find(disk.OwnerPath(r.owner, "")), "new", file}) // linked, and the worker is killed
		for _, failing := range []int{1, 0} {
			s.failing = failing
			answer := make(chan error, 1)
			go func() { answer <- p.journal.publish(t.Context(), r) }()
			s.turns(func() bool { return len(answer) > 0 }, time.Minute)
			err, old := <-answer, s.disk.find(r.source)
			if failing > 0 && (err == nil || old == nil) {
				t.Errorf("a flush that failed: %v, old name %v", err, old)
			}
			if failing == 0 && (err != nil || old != nil || s.disk.find(r.target) != file) {
				t.Errorf("%v, old name %v", err, old)
			}
			s.disk.broken = false // the operator mended it
		}
	})
}

// A kernel that could not write may have dropped what it had, and says at the next
// flush that all is well: this process must not ask it again.
func TestFollow_AfterAFailedFlushIsForAnotherProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(1, "")
		p, r, _ := renamer(s)
		s.failing = 1
		answer := make(chan error, 1)
		go func() { answer <- p.journal.follow(t.Context(), r.op, []record{r}) }()
		s.turns(func() bool { return len(answer) > 0 }, time.Minute)
		s.disk.broken, s.failing = false, 0 // what the next flush would say
		if err := <-answer; err == nil {
			t.Error("the change counts as done")
		}
		if p.dir.Fault() == nil {
			t.Error("the disk is trusted again")
		}
		if _, waiting := p.journal.own.dueNow(); waiting > 0 || !p.journal.own.known()[r.op] {
			t.Errorf("%d wait for another try, known is %t", waiting, p.journal.own.known()[r.op])
		}
	})
}
