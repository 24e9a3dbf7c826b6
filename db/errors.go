package db

import (
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotFound says that there is no such row.
var ErrNotFound = errors.New("not found")

// Kind is what a caller can do about a failed statement.
type Kind int

// The kinds. An error without a kind is a defect of the program or the server, not
// the fault of whoever asked.
const (
	Conflict    Kind = iota + 1 // a unique or exclusion constraint: something like it exists already
	Invalid                     // a value that the table does not accept
	Missing                     // a foreign key: what is referred to does not exist, or is still referred to
	Busy                        // a lock or the statement took too long, or others kept interfering: try again
	Full                        // the database's disk is full
	Unavailable                 // no connection, or the server is starting or stopping
)

var kindNames = [...]string{"unknown", "conflict", "invalid", "missing", "busy", "full", "unavailable"}

// String is the kind as one word for the log.
func (k Kind) String() string { return kindNames[k] }

// Error is a failed statement that a caller can act on.
type Error struct {
	Kind Kind
	// Constraint is the violated constraint's name, if one was.
	Constraint string
	// Code and Detail are those of the constraint in constraints.go: part of the
	// API, and a sentence for the user. They are empty without a constraint.
	Code, Detail string
	// Err is PostgreSQL's own error. Its text may quote values of the row: it may
	// be logged, but never sent to a client.
	Err error
}

// Error names the kind, the constraint and the cause, without the detail in which
// PostgreSQL quotes the row.
func (e *Error) Error() string {
	s := "database: " + e.Kind.String()
	if e.Constraint != "" {
		s += " (" + e.Constraint + ")"
	}
	return s + ": " + e.Err.Error()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of a translated error; ok is false if it has none.
func KindOf(err error) (kind Kind, ok bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return 0, false
	}
	return e.Kind, true
}

// sqlStates gives the kind of a SQLSTATE, by its five characters or its class of
// two.
var sqlStates = map[string]Kind{
	"23505": Conflict,    // unique_violation
	"23P01": Conflict,    // exclusion_violation
	"23503": Missing,     // foreign_key_violation
	"23001": Missing,     // restrict_violation
	"23514": Invalid,     // check_violation
	"23502": Invalid,     // not_null_violation
	"22001": Invalid,     // string_data_right_truncation
	"22003": Invalid,     // numeric_value_out_of_range
	"22007": Invalid,     // invalid_datetime_format
	"22008": Invalid,     // datetime_field_overflow
	"22021": Invalid,     // character_not_in_repertoire: NUL in a text
	"22P02": Invalid,     // invalid_text_representation
	"22P05": Invalid,     // untranslatable_character: \u0000 in jsonb
	"40001": Busy,        // serialization_failure, after the last attempt
	"40P01": Busy,        // deadlock_detected, after the last attempt
	"55P03": Busy,        // lock_not_available: lock_timeout, NOWAIT
	"57014": Busy,        // query_canceled: statement_timeout
	"53100": Full,        // disk_full
	"25006": Unavailable, // read_only_sql_transaction: another server takes the writes now
	"25P03": Unavailable, // idle_in_transaction_session_timeout
	"08":    Unavailable, // connection exceptions
	"53":    Unavailable, // insufficient resources, such as too_many_connections
	"57":    Unavailable, // operator intervention, such as admin_shutdown and cannot_connect_now
}

// translate turns the driver's errors into the package's. Errors that are already
// translated, a caller's own, those of an ended context, and defects are returned
// unchanged. A PostgreSQL error stays in the chain for errors.As.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok || errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return translatePg(pg, err)
	}
	// A connection that could not be made in time fails by this package's
	// deadline, not the caller's, so this comes first.
	if lost(err) {
		return &Error{Kind: Unavailable, Err: err}
	}
	return err
}

func translatePg(pg *pgconn.PgError, err error) error {
	kind, ok := sqlStates[pg.Code]
	if !ok && len(pg.Code) == 5 {
		kind, ok = sqlStates[pg.Code[:2]]
	}
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting && !ok {
		kind, ok = Unavailable, true // a wrong password, no such database
	}
	if !ok {
		return err
	}
	e := &Error{Kind: kind, Constraint: pg.ConstraintName, Err: err}
	if pg.ConstraintName != "" && pg.SchemaName == "public" { // an app's own schema may use the same name
		c, named := constraints[pg.ConstraintName]
		if !named && kind != Missing {
			return err
		}
		e.Code, e.Detail = c.code, c.detail
	}
	return e
}

// lost reports whether the connection could not be made or broke.
func lost(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	// Not net.Error: a syscall.Errno is one too, and disks cause those.
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed)
}
