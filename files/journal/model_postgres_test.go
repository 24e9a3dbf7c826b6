package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"time"

	"homebase/audit"
	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// modelPostgres is PostgreSQL in READ COMMITTED. It knows no SQL: each statement
// that the journal sends has a name, and statements says what PostgreSQL does for
// it. What it assumes, and TestAssumption_… tries on the real one:
//
//   - each statement sees what was committed when it begins;
//   - a transaction is visible, and its locks are free, once its COMMIT is in the
//     log, and with synchronous_commit once that part of the log is flushed;
//   - a crash keeps the log up to some place behind the last flush: all
//     transactions before it and none after it; transactions that had not been
//     flushed may be there though nobody was answered;
//   - numbers of transactions and of a sequence that did not reach the log are
//     given out again;
//   - what was sent is carried out though the client is gone: a statement that
//     waits for a lock gets it, a COMMIT that arrived is carried out, and what has
//     no COMMIT is rolled back, with its locks, some time later.
type modelPostgres struct {
	mu      sync.Mutex // a step has it, as that of the disk
	rand    *rand.Rand
	sim     *simulation
	now     *tables // what statements see
	safe    *tables // after the flushed part of the log
	log     []*logged
	flushed int
	epoch   int // crashes
	lastXID int64
	running map[int64]int // by xid
	trees   map[uuid.UUID]*modelTx
	shared  map[int32]int // of the fences
	fenced  map[int32]*modelTx
	ablated string
}

// logged is a transaction in the log.
type logged struct {
	xid    int64
	writes []func(t *tables)
}

func newModelPostgres(s *simulation, r *rand.Rand, ablated string) *modelPostgres {
	return &modelPostgres{rand: r, sim: s, now: newTables(), safe: newTables(), running: map[int64]int{},
		trees: map[uuid.UUID]*modelTx{}, shared: map[int32]int{}, fenced: map[int32]*modelTx{}, ablated: ablated}
}

// crash loses what was not flushed, or some of it, and every connection.
func (p *modelPostgres) crash() {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.flushed + p.rand.IntN(len(p.log)-p.flushed+1)
	for _, l := range p.log[p.flushed:kept] {
		for _, w := range l.writes {
			w(p.safe)
		}
		p.safe.lastXID = max(p.safe.lastXID, l.xid)
	}
	p.now = p.safe.clone()
	p.log, p.flushed, p.lastXID = nil, 0, p.safe.lastXID
	p.epoch++
	p.running, p.trees = map[int64]int{}, map[uuid.UUID]*modelTx{}
	p.shared, p.fenced = map[int32]int{}, map[int32]*modelTx{}
}

// modelTx is a transaction, or a statement outside of one.
type modelTx struct {
	pg      *modelPostgres
	by      *process
	epoch   int
	xid     int64
	writes  []func(t *tables)
	async   bool
	tree    uuid.UUID               // whose row is locked
	early   map[recordKey]recordRow // what stood before it was
	shared  []int32
	fences  []int32
	entry   *logged // in the log, and how far that reaches with it
	upTo    int
	over    bool
	left    bool // the client is gone: the server alone ends it
	waiting func() bool
}

var (
	errLost    = &db.Error{Kind: db.Unavailable, Err: errors.New("the connection was lost")}
	errTimeout = &pgconn.PgError{Code: "55P03", Message: "lock timeout"}
	errParked  = errors.New("waits for its turn on the server")
)

// begin makes a transaction of a process.
func (p *modelPostgres) begin(by *process) *modelTx {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &modelTx{pg: p, by: by, epoch: p.epoch}
}

// getXID gives the transaction its number.
func (t *modelTx) getXID() int64 {
	if t.xid == 0 {
		t.pg.lastXID++
		t.xid = t.pg.lastXID
		t.pg.running[t.xid]++
	}
	return t.xid
}

// end lets the locks go, under the lock of the model.
func (t *modelTx) end() {
	if t.over {
		return
	}
	t.over = true
	if t.epoch != t.pg.epoch {
		return
	}
	if t.pg.running[t.xid]--; t.pg.running[t.xid] <= 0 {
		delete(t.pg.running, t.xid)
	}
	if t.pg.trees[t.tree] == t {
		delete(t.pg.trees, t.tree)
	}
	for _, w := range t.shared {
		t.pg.shared[w]--
	}
	for _, w := range t.fences {
		if t.pg.fenced[w] == t {
			delete(t.pg.fenced, w)
		}
	}
}

// abort is ROLLBACK, or the end of the connection.
func (t *modelTx) abort() {
	t.pg.mu.Lock()
	defer t.pg.mu.Unlock()
	if !t.left {
		t.end()
	}
}

// commit is COMMIT. With a flush to come it parks once.
func (t *modelTx) commit() error {
	if t.entry == nil && len(t.writes) > 0 {
		t.entry = &logged{t.getXID(), t.writes}
		t.pg.log = append(t.pg.log, t.entry)
		t.upTo = len(t.pg.log)
		if !t.async && t.pg.ablated != "commit" {
			t.waiting = func() bool { return true }
			return errParked
		}
	}
	if t.entry != nil {
		if !t.async && t.pg.ablated != "commit" {
			t.pg.flush(t.upTo)
		}
		for _, w := range t.writes {
			w(t.pg.now)
		}
	}
	t.end()
	return nil
}

// flush makes the log durable up to a place.
func (p *modelPostgres) flush(upTo int) {
	for ; p.flushed < upTo; p.flushed++ {
		l := p.log[p.flushed]
		for _, w := range l.writes {
			w(p.safe)
		}
		p.safe.lastXID = max(p.safe.lastXID, l.xid)
	}
}

// batch are statements that are sent together.
type batch struct {
	tx      *modelTx
	queries []*pgx.QueuedQuery
	results []*modelRows
	closes  bool // the transaction ends with it, as that of a single statement
	commits bool
	next    int
}

// carryOut carries on with the statements. errParked says that one waits.
func (b *batch) carryOut() error {
	t := b.tx
	t.pg.mu.Lock()
	defer t.pg.mu.Unlock()
	if t.epoch != t.pg.epoch || t.over {
		return errLost
	}
	t.waiting = nil
	for ; b.next < len(b.queries); b.next++ {
		q := b.queries[b.next]
		rows, err := t.statement(q.SQL, q.Arguments)
		if err != nil {
			if err != errParked {
				t.end()
			}
			return err
		}
		b.results = append(b.results, rows)
	}
	if b.commits || b.closes {
		return t.commit()
	}
	return nil
}

// send is a round trip: the batch waits for its turn, and it may be lost on the
// way there, or its answer on the way back.
func (b *batch) send(ctx context.Context) error {
	s := b.tx.pg.sim
	what := ""
	if s.tracing {
		what = b.String()
	}
	fate := s.turnAt(ctx, b.tx.by, nil, b.call(), what)
	parked, arrived, unanswered := time.Now(), false, false
	for {
		unanswered = unanswered || fate == fateUnanswered
		switch {
		case fate == fateLate, arrived && (fate == fateDead || fate == fateLost):
			b.tx.left = true
			go b.late(context.WithoutCancel(ctx))
			return b.lost()
		case fate == fateDead, fate == fateLost:
			b.tx.abort()
			return b.lost()
		}
		arrived = true
		err := b.carryOut()
		if err == errParked {
			if b.tx.entry == nil && time.Since(parked) >= 5*time.Second {
				b.tx.abort()
				return errTimeout
			}
			fate = s.turnAt(ctx, b.tx.by, b.tx.waiting, "server "+b.call(), "")
			continue
		}
		if err == errLost || unanswered {
			b.tx.abort()
			return b.lost()
		}
		return err
	}
}

// late goes on without the client.
func (b *batch) late(ctx context.Context) {
	s := b.tx.pg.sim
	for {
		if s.turnAt(ctx, s.server, b.tx.waiting, "late "+b.call(), "") != fateGo {
			return
		}
		if err := b.carryOut(); err != errParked {
			b.tx.left = false
			b.tx.abort()
			return
		}
	}
}

func (b *batch) lost() error {
	if b.commits {
		return fmt.Errorf("%w: %w", db.ErrOutcomeUnknown, errLost)
	}
	return errLost
}

func (b *batch) call() string {
	switch {
	case b.commits:
		return "commit"
	case len(b.queries) == 1:
		return nameOf(b.queries[0].SQL)
	}
	return "batch"
}

func (b *batch) String() string {
	var names []string
	for _, q := range b.queries {
		names = append(names, strings.TrimPrefix(nameOf(q.SQL), "files."))
		for _, arg := range q.Arguments { // of two alike, whose comes first
			if id, ok := arg.(uuid.UUID); ok {
				names = append(names, id.String())
			}
		}
	}
	if b.commits {
		names = append(names, "COMMIT")
	}
	return strings.Join(names, " ")
}

// nameOf is the name that a statement begins with.
func nameOf(sql string) string {
	_, name, _ := strings.Cut(sql, "-- name: ")
	if i := strings.IndexAny(name, " \n\t"); i >= 0 {
		name = name[:i]
	}
	return name
}

// read calls what reads the results.
func (b *batch) read() error {
	for i, q := range b.queries {
		if q.Fn == nil {
			continue
		}
		if err := q.Fn(modelResults{rows: b.results[i]}); err != nil {
			return err
		}
	}
	return nil
}

// modelConn is a process's database.
type modelConn struct {
	*modelPostgres
	by *process
}

func (c modelConn) Audit(context.Context, *pgx.Batch, ...audit.Event) error { return nil }

func (c modelConn) Piped(ctx context.Context, p db.Piped) error {
	var first, last pgx.Batch
	t := c.begin(c.by)
	defer t.abort()
	p.First(&first)
	b := &batch{tx: t, queries: first.QueuedQueries}
	if err := b.send(ctx); err != nil {
		return err
	}
	if err := b.read(); err != nil {
		return err
	}
	if err := p.Then(ctx, modelQuerier{t}, &last); err != nil {
		return err
	}
	return c.finish(ctx, t, last.QueuedQueries)
}

func (c modelConn) finish(ctx context.Context, t *modelTx, last []*pgx.QueuedQuery) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b := &batch{tx: t, queries: last, commits: true}
	if err := b.send(ctx); err != nil {
		return err
	}
	return b.read()
}

func (c modelConn) InTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	t := c.begin(c.by)
	defer t.abort()
	if err := fn(modelQuerier{t}); err != nil {
		return err
	}
	return c.finish(ctx, t, nil)
}

func (c modelConn) single(ctx context.Context, sql string, args []any) (*modelRows, error) {
	b := &batch{tx: c.begin(c.by), queries: []*pgx.QueuedQuery{{SQL: sql, Arguments: args}}, closes: true}
	if err := b.send(ctx); err != nil {
		return nil, err
	}
	return b.results[0], nil
}

func (c modelConn) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := c.single(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return rows.CommandTag(), nil
}

func (c modelConn) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := c.single(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// modelQuerier is a transaction as a statement is sent to it.
type modelQuerier struct{ *modelTx }

func (q modelQuerier) one(ctx context.Context, sql string, args []any) (*modelRows, error) {
	b := &batch{tx: q.modelTx, queries: []*pgx.QueuedQuery{{SQL: sql, Arguments: args}}}
	if err := b.send(ctx); err != nil {
		return nil, err
	}
	return b.results[0], nil
}

func (q modelQuerier) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := q.one(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return rows.CommandTag(), nil
}

func (q modelQuerier) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := q.one(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	return rows, nil
}

func (q modelQuerier) SendBatch(ctx context.Context, list *pgx.Batch) pgx.BatchResults {
	b := &batch{tx: q.modelTx, queries: list.QueuedQueries}
	err := b.send(ctx)
	if err == nil {
		err = b.read()
	}
	return modelResults{err: err}
}

// What the journal asks no transaction for.
func (modelQuerier) Begin(context.Context) (pgx.Tx, error)            { panic("not modelled") }
func (modelQuerier) Commit(context.Context) error                     { panic("not modelled") }
func (modelQuerier) Rollback(context.Context) error                   { panic("not modelled") }
func (modelQuerier) QueryRow(context.Context, string, ...any) pgx.Row { panic("not modelled") }
func (modelQuerier) LargeObjects() pgx.LargeObjects                   { panic("not modelled") }
func (modelQuerier) Conn() *pgx.Conn                                  { panic("not modelled") }
func (modelQuerier) Prepare(context.Context, string, string) (*pgconn.StatementDescription, error) {
	panic("not modelled")
}
func (modelQuerier) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	panic("not modelled")
}

// modelResults are those of one statement, or of a batch that is over.
type modelResults struct {
	rows *modelRows
	err  error
}

func (r modelResults) Exec() (pgconn.CommandTag, error) { return r.rows.CommandTag(), r.err }
func (r modelResults) Query() (pgx.Rows, error)         { return r.rows, r.err }
func (r modelResults) QueryRow() pgx.Row                { return firstRow{r.rows} }
func (r modelResults) Close() error                     { return r.err }
func (r modelResults) Tx() pgx.Tx                       { return nil }

type firstRow struct{ *modelRows }

func (r firstRow) Scan(dest ...any) error {
	if !r.Next() {
		return pgx.ErrNoRows
	}
	return r.modelRows.Scan(dest...)
}

// modelRows are what a statement gives back.
type modelRows struct {
	list     [][]any
	at       int
	affected int
}

func (r *modelRows) Close()     {}
func (r *modelRows) Err() error { return nil }
func (r *modelRows) CommandTag() pgconn.CommandTag {
	return pgconn.NewCommandTag(fmt.Sprint("DID ", max(r.affected, len(r.list))))
}
func (r *modelRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (r *modelRows) Values() ([]any, error)                       { return r.list[r.at-1], nil }
func (r *modelRows) RawValues() [][]byte                          { return nil }
func (r *modelRows) Conn() *pgx.Conn                              { return nil }
func (r *modelRows) TypeMap() *pgtype.Map                         { return nil }

func (r *modelRows) Next() bool {
	r.at++
	return r.at <= len(r.list)
}

func (r *modelRows) Scan(dest ...any) error {
	for i, v := range r.list[r.at-1] {
		if i >= len(dest) || dest[i] == nil || v == nil {
			continue
		}
		switch d := dest[i].(type) {
		case *int64:
			*d = v.(int64)
		case *string:
			*d = v.(string)
		case *uuid.UUID:
			*d = v.(uuid.UUID)
		default:
			reflect.ValueOf(dest[i]).Elem().Set(reflect.ValueOf(v))
		}
	}
	return nil
}

// clone copies the tables; their rows are values.
func (t *tables) clone() *tables {
	c := *t
	c.trees, c.items, c.versions = maps.Clone(t.trees), maps.Clone(t.items), maps.Clone(t.versions)
	c.records, c.uploads, c.workers = maps.Clone(t.records), maps.Clone(t.uploads), maps.Clone(t.workers)
	c.told = maps.Clone(t.told)
	return &c
}
