package db

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Listener receives notifications on a connection of its own and knows how
// far it can be trusted. PostgreSQL replays nothing: what was notified while
// the connection was down is lost, so whoever keeps state by notifications
// forgets it in OnMissed and does not believe it while Fresh is false.
//
// It asks PostgreSQL each second while somebody wants to know whether it is
// fresh, and else rests until somebody does.
type Listener struct {
	db       *DB
	mu       sync.RWMutex // guards the next two; both only grow
	handlers map[string][]func(payload string)
	missed   []func()
	born     time.Time
	// answered is when the last question that got an answer was asked, as
	// the time since born on the monotonic clock; 0 while there is no
	// connection.
	answered atomic.Int64
	heard    atomic.Pointer[chan struct{}]      // closed at the next answer, and when the connection is lost
	wanted   atomic.Bool                        // Fresh was called since the last answer
	wake     atomic.Pointer[context.CancelFunc] // ends the rest; nil before the first one
}

const (
	askEvery     = time.Second
	answerWithin = 2 * time.Second
	// What a request waits at most for the answer that ends a rest. Without one
	// it goes to the database itself.
	freshWithin = 100 * time.Millisecond
	// Half a second less than the three that are promised, for the request
	// that looks at the last moment and its way back.
	freshFor     = 2500 * time.Millisecond
	reconnectMin = 50 * time.Millisecond
	reconnectMax = 2 * time.Second
)

// On calls fn for every notification on the channel, in their order, from the
// one goroutine of Run: fn must not wait for anything. Call it before Run.
func (l *Listener) On(channel string, fn func(payload string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handlers[channel] = append(l.handlers[channel], fn)
}

// OnMissed calls fn each time a connection has begun to listen, the first
// included, before Fresh turns true: anything may have happened before. Call
// it before Run.
func (l *Listener) OnMissed(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missed = append(l.missed, fn)
}

// Fresh reports whether every change that was notified more than three
// seconds ago has reached the handlers: the connection answered a question
// that was asked within the last two and a half seconds. Where it rested, the
// question is asked now.
func (l *Listener) Fresh() bool { return l.freshWithin(freshWithin) }

func (l *Listener) freshWithin(within time.Duration) bool {
	if !l.wanted.Load() { // all requests come here: few of them write
		l.wanted.Store(true)
	}
	heard := *l.heard.Load()
	if l.lately() || l.answered.Load() == 0 {
		return l.lately()
	}
	if wake := l.wake.Load(); wake != nil {
		(*wake)()
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-heard:
	case <-timer.C:
	}
	return l.lately()
}

// lately is Fresh by the last answer.
func (l *Listener) lately() bool {
	at := l.answered.Load()
	return at != 0 && time.Since(l.born)-time.Duration(at) < freshFor
}

// Heard is Fresh as an error, for readiness.
func (l *Listener) Heard(context.Context) error {
	if !l.freshWithin(answerWithin) {
		return errors.New("the listening connection did not answer in time")
	}
	return nil
}

// Run listens until ctx ends and returns its cause. It reconnects as often as
// needed; a database that is away is logged, not returned.
func (l *Listener) Run(ctx context.Context) error {
	wait := reconnectMin
	for {
		listened, err := l.listen(ctx)
		l.tell(0)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if listened {
			wait = reconnectMin
		}
		l.db.log.Warn("the listening connection is down", "error", err, "again_in", wait.String())
		if !Sleep(ctx, wait) {
			return context.Cause(ctx)
		}
		wait = min(2*wait, reconnectMax)
	}
}

// listen is the life of one connection. listened is true once it stood.
func (l *Listener) listen(ctx context.Context) (listened bool, err error) {
	conn, err := l.db.connect(ctx, func(_ *pgconn.PgConn, n *pgconn.Notification) {
		l.mu.RLock()
		fns := l.handlers[n.Channel]
		l.mu.RUnlock()
		for _, fn := range fns {
			fn(n.Payload)
		}
	})
	if err != nil {
		return false, err
	}
	defer closeConn(conn)

	// In one transaction: all channels begin at the same moment.
	var sql strings.Builder
	l.mu.RLock()
	for channel := range l.handlers {
		sql.WriteString("LISTEN " + pgx.Identifier{channel}.Sanitize() + ";")
	}
	missed := l.missed
	l.mu.RUnlock()
	if err := l.ask(ctx, conn, sql.String()); err != nil {
		return false, err
	}
	for _, fn := range missed {
		fn()
	}
	for {
		asked := time.Now()
		if err := l.ask(ctx, conn, "SELECT 1"); err != nil {
			return listened, err
		}
		// The handlers have run for all that arrived before the answer.
		l.tell(asked.Sub(l.born))
		listened = true
		l.wanted.Store(false)
		second, end := context.WithDeadline(ctx, asked.Add(askEvery))
		err := handOut(ctx, second, conn)
		end()
		if err == nil {
			err = l.rest(ctx, conn)
		}
		if err != nil {
			return listened, err
		}
	}
}

// tell notes when the last question with an answer was asked.
func (l *Listener) tell(asked time.Duration) {
	l.answered.Store(int64(asked))
	close(*l.heard.Swap(new(make(chan struct{}))))
}

func (l *Listener) ask(ctx context.Context, conn *pgx.Conn, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// rest hands out notifications until somebody calls Fresh, or the connection
// breaks.
func (l *Listener) rest(ctx context.Context, conn *pgx.Conn) error {
	rest, wake := context.WithCancel(ctx)
	defer wake()
	l.wake.Store(&wake)
	if l.wanted.Load() { // else whoever comes now finds wake
		return nil
	}
	return handOut(ctx, rest, conn)
}

// handOut hands out notifications until the end of until, which is no error
// while ctx lives.
func handOut(ctx, until context.Context, conn *pgx.Conn) error {
	for {
		if err := conn.PgConn().WaitForNotification(until); err != nil {
			if ctx.Err() == nil && until.Err() != nil && !conn.IsClosed() {
				return nil
			}
			return err
		}
	}
}

// Notify sends payload, fewer than 8000 bytes, to the channel's listeners on
// every worker; inside a transaction, when it commits. Notifying commits wait
// for each other in PostgreSQL: for rare changes only.
func Notify(ctx context.Context, q Querier, channel, payload string) error {
	const sql = `-- name: db.Notify
		SELECT pg_notify($1, $2)`
	_, err := Exec(ctx, q, sql, channel, payload)
	return err
}
