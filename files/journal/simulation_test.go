package journal

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"homebase/db"
	"homebase/files/disk"

	"github.com/google/uuid"
)

// simulation is one schedule: clients, workers with the journal itself, a disk
// and a PostgreSQL that are models, and blows. Whatever asks the disk to change
// or to flush, and each round trip to PostgreSQL, is a step. Whoever makes one waits
// until its turn comes; the seed says in which order they come, how time passes
// between them, what is lost on the way, and when something is killed. One step at a
// time: a schedule is the same each time that it runs, except for clients that leave, and
// for one in some thousands, in which two waits within the journal end at one moment.
type simulation struct {
	plan
	rand     *rand.Rand
	mu       sync.Mutex // guards steps, made, findings, history and tally
	steps    []*step
	made     int
	findings []string
	moved    chan struct{} // of one slot: a step waits
	disk     *modelDisk
	pg       *modelPostgres
	server   *process // of what PostgreSQL does without its client
	workers  []*process
	owners   []uuid.UUID
	clients  []*client
	working  atomic.Int32 // clients that are not done
	running  sync.WaitGroup
	tracing  bool
	history  []string
	began    time.Time
	taken    int            // steps
	tally    map[string]int // what happened how often
	outside  map[int]bool   // contents that were put there past the API
}

// plan is what the seed says of a schedule as a whole.
type plan struct {
	seed     uint64
	ablated  string
	style    int  // of the order of steps
	victim   int  // the process that is slow, in one style; -1: what PostgreSQL does without its client
	poor     bool // the disk has no RENAME_NOREPLACE
	crowded  bool // everybody wants the same few names
	outsider bool // somebody puts files into the trees past the API
	leaving  bool // clients leave; which is noticed first, that or the turn, is not for the seed to say
	failing  int  // one flush in so many fails; 0: none
	cutting  int  // one round trip in so many loses its connection; 0: none
	versions bool
	quota    int64
}

// fate is what becomes of a step.
type fate int

const (
	fateGo         fate = iota
	fateDead            // its process was killed before it
	fateLost            // it never arrives
	fateUnanswered      // it is carried out, and its answer is lost
	fateLate            // it is carried out later
)

// step is what waits for its turn.
type step struct {
	by         *process
	client     int // who asked, where that is known
	call, what string
	asks       bool // PostgreSQL
	ready      func() bool
	number     int
	fate       chan fate
}

// process is a worker's process, a client, or PostgreSQL itself.
type process struct {
	sim     *simulation
	id      int
	name    string
	dead    atomic.Bool
	ready   atomic.Bool
	busy    atomic.Int32 // requests
	ending  bool         // it was told to stop
	journal *Journal
	dir     *disk.Dir
	conn    modelConn
	ctx     context.Context
	kill    context.CancelFunc
}

func newSimulation(seed uint64, ablated string) *simulation {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &simulation{rand: r, moved: make(chan struct{}, 1), began: time.Now(), outside: map[int]bool{}, tally: map[string]int{}}
	s.plan = plan{seed: seed, ablated: ablated, style: r.IntN(6), victim: max(-1, r.IntN(6)-3), poor: r.IntN(8) == 0, versions: r.IntN(4) > 0, quota: 1 << 20}
	s.crowded, s.outsider = r.IntN(2) == 0, r.IntN(4) == 0
	s.leaving = r.IntN(5) == 0
	if r.IntN(4) == 0 {
		s.quota = 40
	}
	if r.IntN(8) == 0 {
		s.failing = 20 + r.IntN(40)
	}
	if r.IntN(2) == 0 {
		s.cutting = 10 + r.IntN(60)
	}
	s.disk = newModelDisk(rand.New(rand.NewPCG(seed, 2)), ablated)
	s.pg = newModelPostgres(s, rand.New(rand.NewPCG(seed, 3)), ablated)
	s.server = &process{sim: s, id: -1, name: "postgres"}
	for range 1 + r.IntN(4)/3 {
		s.plant()
	}
	return s
}

// plant makes an owner's tree: a root, a folder and two files.
func (s *simulation) plant() {
	for _, top := range []string{disk.Workers, disk.Staging, disk.Trash, disk.Purge, disk.Users, disk.Versions} {
		s.disk.lay(top, true)
	}
	owner := NewID()
	s.owners = append(s.owners, owner)
	root := s.plantItem(itemRow{Item: Item{Owner: owner}})
	folder := s.plantItem(itemRow{Item: Item{Owner: owner, Parent: &root, Name: "d"}})
	for i, it := range []Item{{Parent: &root, Name: "a"}, {Parent: &folder, Name: "b"}} {
		it.Owner, it.Kind, it.Size, it.SHA256 = owner, File, 5, sumOf(1000+i)
		s.plantItem(itemRow{Item: it})
	}
	for _, t := range []*tables{s.pg.now, s.pg.safe} {
		t.trees[owner] = Tree{Root: root, Entries: 3, Used: 10}
	}
}

func (s *simulation) plantItem(it itemRow) uuid.UUID {
	it.ID, it.Revision = NewID(), 1
	s.pg.now.items[it.ID] = it
	n := s.disk.lay(s.pg.now.place(it.ID), it.Kind == Folder)
	n.seen.mark = string(it.ID[:])
	if it.Kind == File {
		n.seen.content, n.seen.size, n.seen.mtime = int(binary.BigEndian.Uint64(it.SHA256)), it.Size, 1
		it.Ino, it.MTime, it.MediaType = &n.ino, &n.seen.mtime, new("")
		s.pg.now.items[it.ID] = it
	}
	n.safe = n.seen
	s.pg.safe.items[it.ID] = it
	return it.ID
}

func (s *simulation) found(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findings = append(s.findings, fmt.Sprintf(format, args...))
	if s.tracing {
		s.history = append(s.history, "    !!! "+s.findings[len(s.findings)-1])
	}
}

// count counts what happened.
func (s *simulation) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally[what]++
}

// note adds to the history.
func (s *simulation) note(by *process, call, what string) {
	if s.tracing {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.history = append(s.history, fmt.Sprintf("%4d %9v %-9s %s %s", s.taken, time.Since(s.began).Round(time.Millisecond), by.name, call, what))
	}
}

// oneIn is true once in so many times; never for 0. Only whoever has its turn may
// ask, or the seed would not decide.
func (s *simulation) oneIn(n int) bool { return n > 0 && s.rand.IntN(n) == 0 }

// turn waits for the turn of a step that is not asked of PostgreSQL.
func (s *simulation) turn(by *process, call, what string) fate {
	return s.await(context.Background(), &step{by: by, call: call, what: what})
}

// turnAt waits for the turn of one that is, until ctx ends.
func (s *simulation) turnAt(ctx context.Context, by *process, ready func() bool, call, what string) fate {
	client, _ := ctx.Value(askedBy{}).(int)
	return s.await(ctx, &step{by: by, client: client, call: call, what: what, ready: ready, asks: true})
}

func (s *simulation) await(ctx context.Context, st *step) fate {
	if st.by.dead.Load() {
		return fateDead
	}
	st.fate = make(chan fate, 1)
	s.mu.Lock()
	s.steps = append(s.steps, st)
	s.mu.Unlock()
	select {
	case s.moved <- struct{}{}:
	default:
	}
	select {
	case f := <-st.fate:
		return f
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		n := len(s.steps)
		if s.steps = slices.DeleteFunc(s.steps, func(o *step) bool { return o == st }); len(s.steps) == n {
			return <-st.fate
		}
		if (s.seed+uint64(len(st.call)))%2 == 0 {
			return fateLate
		}
		return fateLost
	}
}

// release gives a step its fate.
func (s *simulation) release(st *step, f fate) {
	s.mu.Lock()
	s.steps = slices.DeleteFunc(s.steps, func(o *step) bool { return o == st })
	s.mu.Unlock()
	if s.tracing {
		s.note(st.by, st.call, st.what+[]string{"", " †", " lost", " unanswered", " late"}[f])
	}
	st.fate <- f
}

// turns lets steps have their turns until done is true, or for a while of the
// simulation's time; false then.
func (s *simulation) turns(done func() bool, most time.Duration) bool {
	began := time.Now()
	for {
		synctest.Wait()
		if done() {
			return true
		}
		if time.Since(began) > most {
			return false
		}
		st := s.next()
		if st == nil {
			select { // everybody waits for time to pass
			case <-s.moved:
			case <-time.After(10 * time.Second):
			}
			continue
		}
		if s.oneIn(25) || s.style > 3 && st.by.id == s.victim && s.oneIn(2) {
			time.Sleep([]time.Duration{time.Millisecond, 10 * time.Millisecond, 60 * time.Millisecond, 300 * time.Millisecond, time.Second, 6 * time.Second}[s.rand.IntN(6)])
			continue
		}
		s.taken++
		f, cutting := fateGo, s.cutting
		if st.call == "commit" {
			cutting /= 3
		}
		if st.asks && st.by.id >= 0 && s.oneIn(cutting) {
			f = []fate{fateLost, fateUnanswered, fateLate}[s.rand.IntN(3)]
		}
		if f != fateGo {
			s.count("answer lost")
		}
		s.release(st, f)
	}
}

// next is the step whose turn comes.
func (s *simulation) next() *step {
	select {
	case <-s.moved:
	default:
	}
	var list []*step
	steps := s.number()
	s.pg.mu.Lock()
	for _, st := range steps {
		if st.ready == nil || st.ready() {
			list = append(list, st)
		}
	}
	s.pg.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	if s.style > 3 && s.rand.IntN(100) > 0 || s.style > 0 && s.rand.IntN(8) > 0 {
		switch s.style {
		case 1: // whoever came last goes on
			return list[len(list)-1]
		case 2: // in turn
			return list[0]
		case 3, 4, 5: // one process is slow
			if others := slices.DeleteFunc(slices.Clone(list), func(st *step) bool { return st.by.id == s.victim }); len(others) > 0 {
				list = others
			}
		}
	}
	return list[s.rand.IntN(len(list))]
}

// number numbers the new steps, and lists all. Several may have woken up at the
// same time, two of one process too: their order must not be whoever came first. The
// names of what they do hold ids, and those sort as they were made.
func (s *simulation) number() []*step {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.steps, func(a, b *step) int {
		if a.number > 0 || b.number > 0 {
			return cmp.Compare(cmp.Or(a.number, math.MaxInt), cmp.Or(b.number, math.MaxInt))
		}
		return cmp.Or(cmp.Compare(a.by.id, b.by.id), strings.Compare(a.call, b.call), cmp.Compare(a.client, b.client), strings.Compare(a.what, b.what))
	})
	for _, st := range s.steps {
		if st.number == 0 {
			s.made++
			st.number = s.made
		}
	}
	return slices.Clone(s.steps)
}

// launch starts a worker.
func (s *simulation) launch() *process {
	p := &process{sim: s, id: len(s.workers), name: fmt.Sprint("worker", len(s.workers))}
	p.ctx, p.kill = context.WithCancel(context.Background())
	p.conn = modelConn{s.pg, p}
	kernel := modelKernel{s.disk, p}
	s.disk.mu.Lock()
	self := s.disk.open(s.disk.root, p)
	s.disk.mu.Unlock()
	p.dir = disk.On(kernel, self)
	log := slog.New(slog.DiscardHandler)
	p.journal = New(Config{DB: db.New(log), Log: log, Quota: s.quota, UploadExpiry: time.Hour, KeepVersions: s.versions,
		Judge: func(context.Context) error { return nil }, Changed: func(uuid.UUID) {}})
	p.journal.db = p.conn
	p.journal.called = func(context.Context) bool { return true }
	p.journal.stop = func() {}
	s.workers = append(s.workers, p)
	s.note(p, "starts", "")
	s.running.Go(func() {
		if err := p.journal.Start(p.ctx, p.dir); err != nil && !p.dead.Load() {
			s.note(p, "gives up", err.Error())
			p.dead.Store(true)
			p.kill()
			s.launch() // systemd does
		}
		if p.dead.Load() {
			p.journal.stop()
			return
		}
		p.ready.Store(true)
		for db.Sleep(p.ctx, 2*time.Second) {
			p.journal.RecoverDead(p.ctx) // as the job does
		}
		if p.dead.Load() {
			p.journal.stop()
			return
		}
		p.journal.Stop() // as after SIGTERM
		p.dead.Store(true)
		s.note(p, "has stopped", "")
	})
	return p
}

// stop lets a worker answer what it was asked, and end.
func (s *simulation) stop(p *process) {
	s.note(p, "stops", "")
	s.count("stop")
	p.ready.Store(false)
	p.ending = true
	s.running.Go(func() {
		for p.busy.Load() > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		p.kill()
	})
}

// strike kills a process: what it asked of PostgreSQL may still be carried out.
func (s *simulation) strike(p *process) {
	s.note(p, "is killed", "")
	p.dead.Store(true)
	for _, st := range s.number() {
		if st.by == p {
			f := fateDead
			if st.asks && s.rand.IntN(3) > 0 {
				f = fateLate
			}
			s.release(st, f)
			synctest.Wait()
		}
	}
	p.kill()
	synctest.Wait() // until what it was is gone
}

// crashPostgres kills PostgreSQL; the workers that live notice it a little later.
func (s *simulation) crashPostgres() {
	s.note(s.server, "crashes", "")
	s.count("crash of PostgreSQL")
	s.pg.crash()
	for _, p := range s.workers {
		if p.dead.Load() || s.ablated == "missed" {
			continue
		}
		wait := time.Duration(50+s.rand.IntN(2000)) * time.Millisecond
		s.running.Go(func() {
			if db.Sleep(p.ctx, wait) {
				p.journal.missed.Store(true)
			}
		})
	}
}

// cutPower takes everything away at once.
func (s *simulation) cutPower() {
	s.note(s.server, "power cut", "")
	for _, p := range s.alive() {
		s.strike(p)
	}
	s.pg.crash()
	s.disk.cut()
	s.count("power cut")
	there := s.disk.contents()
	maps.DeleteFunc(s.outside, func(content int, _ bool) bool { return !there[content] })
}

func (s *simulation) alive() (list []*process) {
	for _, p := range s.workers {
		if !p.dead.Load() {
			list = append(list, p)
		}
	}
	return list
}

// serving counts the workers that live and have not been told to stop.
func (s *simulation) serving() (n int) {
	for _, p := range s.alive() {
		if !p.ending {
			n++
		}
	}
	return n
}

// blow deals out one of the things that may happen to a server. A kill prefers whoever is at what
// was waited for.
func (s *simulation) blow(aimed func(st *step) bool) {
	alive := s.alive()
	few := 3 // one blow in so many is a kill
	for _, st := range s.number() {
		if aimed(st) && st.call == "commit" {
			alive, few = []*process{st.by}, 1
		}
	}
	switch {
	case s.disk.broken: // the operator looks at the disk
		s.cutPower()
	case s.rand.IntN(6) == 0:
		s.note(s.server, "the disk breaks", "")
		s.count("broken disk")
		s.disk.broken = true
	case len(alive) > 0 && s.rand.IntN(few) == 0:
		s.count("kill")
		s.strike(alive[s.rand.IntN(len(alive))])
	case len(alive) > 0 && alive[0].ready.Load() && s.rand.IntN(4) == 0:
		s.stop(alive[0])
	case s.rand.IntN(2) == 0:
		s.crashPostgres()
	default:
		s.cutPower()
	}
}

// aims are the calls at which a blow falls, "" for whatever comes next; the last
// ones are those of a recovery.
var aims = []string{"", "", "", "commit", "commit", "rename", "link", "fsync", "mkdir", "batch",
	"files.RecordsAroundWorker", "files.Whereabouts", "files.DeleteWorker"}

// run runs the schedule.
func (s *simulation) run() {
	for range 1 + s.rand.IntN(5)/2 {
		s.launch()
	}
	for i := range 1 + s.rand.IntN(5) {
		s.engage(i)
	}
	if s.outsider {
		s.intrude()
	}
	idle := func() bool { return s.working.Load() == 0 }
	for range s.rand.IntN(7) {
		at, aim := s.taken+s.rand.IntN(90), aims[s.rand.IntN(len(aims))]
		aimed := func(st *step) bool { return aim == "" || st.call == aim }
		if !s.turns(func() bool { return s.taken >= at && slices.ContainsFunc(s.number(), aimed) || idle() }, 10*time.Minute) {
			break
		}
		s.blow(aimed)
		for s.serving() == 0 || s.serving() == 1 && s.rand.IntN(2) == 0 {
			s.launch()
		}
	}
	if !s.turns(idle, 10*time.Minute) {
		s.found("a client never got an answer")
	}
	s.settle()
	if len(s.findings) == 0 {
		s.cutPower()
		s.launch()
		s.settle()
	}
	s.end()
}

// settle lets the workers finish what is left, and looks.
func (s *simulation) settle() {
	if s.disk.broken {
		s.cutPower()
	}
	for s.serving() == 0 {
		s.launch()
	}
	s.failing, s.cutting = 0, 0
	if !s.turns(func() bool { return s.left() == "" }, 10*time.Minute) {
		s.found("after ten minutes: %s", s.left())
	}
	if len(s.findings) == 0 {
		s.check()
	}
}

// end kills what lives, so that nothing of the schedule is left.
func (s *simulation) end() {
	for _, p := range s.alive() {
		s.strike(p)
	}
	gone := make(chan struct{})
	go func() { s.running.Wait(); close(gone) }()
	s.server.dead.Store(true)
	for {
		synctest.Wait()
		for _, st := range s.number() {
			s.release(st, fateDead)
		}
		select {
		case <-gone:
			return
		case <-s.moved:
		case <-time.After(time.Second):
		}
	}
}
