package db

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Listener receives notifications on a connection of its own and knows whether it
// can be trusted. PostgreSQL replays nothing: notifications sent while the
// connection is down are lost. So whoever caches by notifications forgets
// everything in OnMissed, and does not use the cache while Fresh is false.
//
// It asks PostgreSQL every second while somebody wants to know whether it is
// fresh, and otherwise rests until somebody does.
type Listener struct {
	db       *DB
	mu       sync.RWMutex // guards the next two; both only grow
	handlers map[string][]func(payload string)
	missed   []func()
	born     time.Time
	// answered is when the last answered question was asked, as the time since
	// born on the monotonic clock; 0 while there is no connection.
	answered atomic.Int64
	heard    atomic.Pointer[chan struct{}]      // closed at the next answer, and when the connection is lost
	wake     atomic.Pointer[context.CancelFunc] // ends the rest; nil before the first one
}

const (
	askEvery     = time.Second
	answerWithin = 2 * time.Second
	// The longest that a request waits for the answer that ends a rest. Without
	// one it reads from the database.
	freshWithin = 100 * time.Millisecond
	// Half a second less than the promised three, for a request that looks at the
	// last moment and still has to be answered.
	freshFor = 2500 * time.Millisecond
)

// On calls fn for every notification on the channel, in order, from the goroutine
// of Run: fn must not block. Call it before Run.
func (l *Listener) On(channel string, fn func(payload string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handlers[channel] = append(l.handlers[channel], fn)
}

// OnMissed calls fn each time a connection begins to listen, including the first,
// before Fresh becomes true: anything may have happened until then. Call it before
// Run.
func (l *Listener) OnMissed(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missed = append(l.missed, fn)
}

// Fresh reports whether every change that was notified more than three seconds ago
// has reached the handlers: the connection answered a question that was asked
// within the last two and a half seconds. If it rested, it is asked now.
func (l *Listener) Fresh() bool { return l.freshWithin(freshWithin) }

func (l *Listener) freshWithin(within time.Duration) bool {
	heard := *l.heard.Load()
	// All requests come here, so few of them should do more than look.
	age := l.age()
	if wake := l.wake.Load(); wake != nil && age >= askEvery {
		(*wake)()
	}
	if l.answered.Load() != 0 && age >= freshFor {
		timer := time.NewTimer(within)
		defer timer.Stop()
		select {
		case <-heard:
		case <-timer.C:
		}
		age = l.age()
	}
	return age < freshFor
}

// age is how long ago the last answered question was asked.
func (l *Listener) age() time.Duration {
	at := l.answered.Load()
	if at == 0 {
		return math.MaxInt64
	}
	return time.Since(l.born) - time.Duration(at)
}

// Heard is Fresh as an error, for readiness.
func (l *Listener) Heard(context.Context) error {
	if !l.freshWithin(answerWithin) {
		return errors.New("the listening connection did not answer in time")
	}
	return nil
}

// Run listens until ctx ends and returns its cause. It reconnects as often as
// needed; if the database is unreachable, that is logged, not returned.
func (l *Listener) Run(ctx context.Context) error {
	return l.db.reconnect(ctx, "the listening connection is lost", func() error {
		defer l.tell(0)
		return l.listen(ctx)
	})
}

// listen listens on one connection until it breaks.
func (l *Listener) listen(ctx context.Context) error {
	conn, err := l.db.connect(ctx, func(_ *pgconn.PgConn, n *pgconn.Notification) {
		l.mu.RLock()
		fns := l.handlers[n.Channel]
		l.mu.RUnlock()
		for _, fn := range fns {
			fn(n.Payload)
		}
	})
	if err != nil {
		return err
	}
	defer closeConn(conn)

	// In one transaction, so that all channels begin at the same moment.
	var sql strings.Builder
	l.mu.RLock()
	for channel := range l.handlers {
		sql.WriteString("LISTEN " + pgx.Identifier{channel}.Sanitize() + ";")
	}
	missed := l.missed
	l.mu.RUnlock()
	if err := l.ask(ctx, conn, sql.String()); err != nil {
		return err
	}
	for _, fn := range missed {
		fn()
	}
	for {
		asked := time.Now()
		if err := l.ask(ctx, conn, "SELECT 1"); err != nil {
			return err
		}
		rest, wake := context.WithCancel(ctx)
		l.wake.Store(&wake) // before the answer is told, which is also for those who still found the last one
		// The handlers have run for everything that arrived before the answer.
		l.tell(asked.Sub(l.born))
		err := handOut(ctx, rest, conn)
		wake()
		if err != nil {
			return err
		}
	}
}

// tell records when the last answered question was asked.
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

// handOut delivers notifications until the context until ends, which is no error
// unless ctx has ended.
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

// Notify sends a payload of fewer than 8000 bytes to the channel's listeners on
// every worker; within a transaction, when that commits. Commits that notify wait
// for each other in PostgreSQL, so this is for rare changes only.
func Notify(ctx context.Context, q Querier, channel, payload string) error {
	const sql = `-- name: db.Notify
		SELECT pg_notify($1, $2)`
	return Exec(ctx, q, sql, channel, payload)
}
