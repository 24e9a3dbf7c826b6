package auth

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Storage is what other rooms keep of users, mostly package files: it knows
// auth, which is made first and handed these functions. All but Quotas are
// called in a transaction that holds the user's row. A nil function knows of
// nothing that is kept.
type Storage struct {
	// Quotas are the quotas of those of the users who have some of their own.
	Quotas        func(ctx context.Context, users []uuid.UUID) (map[uuid.UUID]Quota, error)
	SetQuota      func(ctx context.Context, tx pgx.Tx, user uuid.UUID, bytes *int64) error
	SetEntryQuota func(ctx context.Context, tx pgx.Tx, user uuid.UUID, entries *int64) error
	// Erase lets go of everything that refers to a user who is about to be
	// deleted.
	Erase func(ctx context.Context, tx pgx.Tx, user uuid.UUID) error
}

// Quota is how much a user may store; nil is the server's default.
type Quota struct {
	Bytes   *int64
	Entries *int64 // files and folders
}

// Keep says where what belongs to users is kept. Call it once, before requests
// are answered and commands run.
func (us *users) Keep(s Storage) { us.storage = s }
